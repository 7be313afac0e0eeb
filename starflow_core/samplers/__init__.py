"""Samplers: how the blocks of a flow are inverted, from noise to data."""

from .base import Progress, ProgressCallback, Sampler
from .jacobi import Jacobi
from .sequential import Sequential

__all__ = ["Jacobi", "Progress", "ProgressCallback", "Sampler", "Sequential"]
