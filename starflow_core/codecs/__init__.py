"""Codecs between data and the flow: pictures ↔ latents, words → features, classes → labels, bytes → reals."""
