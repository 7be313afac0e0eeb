"""What the project measures, each a command: `python -m benchmarks.sampling`."""
