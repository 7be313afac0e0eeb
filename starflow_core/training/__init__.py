"""The training loop, initialisation and mixed precision."""
