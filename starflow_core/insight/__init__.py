"""Likelihoods of pictures: scores, maps and evaluation."""
