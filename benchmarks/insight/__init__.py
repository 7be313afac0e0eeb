"""What the likelihoods are good for, in figures: `python -m benchmarks.insight`."""
