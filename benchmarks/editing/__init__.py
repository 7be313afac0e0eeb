"""How well a flow's exact inverse edits pictures, in figures: `python -m benchmarks.editing`."""
