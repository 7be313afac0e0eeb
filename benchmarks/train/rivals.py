"""Inspectors without a flow. Each takes normal pictures to fit on, and returns a score of any picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from starflow_core.images import as_rgb
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.picture_statistics import colours_and_edges, pixels_of
from starflow_core.insight.tiles import Tiles

COMPONENTS = 32
WINDOW = 8  # pixels a side, of local energies

Score = Callable[[Path], float]


def oddest_colours_and_gradients(normal: Sequence[Path], side: int) -> Score:
    """Mahalanobis distance of means and spreads of colours and differences of neighbours, of the oddest tile."""
    fitted = Gaussian.fit(torch.cat([_statistics(path, side) for path in normal]))
    return lambda path: float(fitted.distance(_statistics(path, side)).max())


def colours_and_gradients(normal: Sequence[Path], side: int) -> Score:
    """The same of the whole picture."""
    fitted = Gaussian.fit(torch.cat([colours_and_edges(pixels_of([as_rgb(path)])) for path in normal]))
    return lambda path: float(fitted.distance(colours_and_edges(pixels_of([as_rgb(path)]))))


def principal_components(normal: Sequence[Path], side: int) -> Score:
    """Squared error of the oddest tile's reconstruction by the first principal components of normal tiles."""
    vectors = torch.cat([_vectors(path, side) for path in normal])
    mean = vectors.mean(0)
    _, axes = torch.linalg.eigh((vectors - mean).T @ (vectors - mean))
    axes = axes[:, -COMPONENTS:]

    def score(path: Path) -> float:
        left = _vectors(path, side) - mean
        return float((left - left @ axes @ axes.T).square().sum(1).max())

    return score


def largest_energy(normal: Sequence[Path], side: int) -> Score:
    """The largest local energy of what a blur takes away."""
    return lambda path: float(_energy(path).max())


def mean_energy(normal: Sequence[Path], side: int) -> Score:
    """How far the mean of this energy is from that of normal pictures, on either side."""
    usual = float(np.mean([float(_energy(path).mean()) for path in normal]))
    return lambda path: abs(float(_energy(path).mean()) - usual)


RIVALS = {
    "principal components, oddest tile": principal_components,
    "colours and gradients, oddest tile": oddest_colours_and_gradients,
    "colours and gradients, whole": colours_and_gradients,
    "high-pass energy, largest": largest_energy,
    "high-pass energy, mean": mean_energy,
}


def _pixels(path: Path) -> np.ndarray:
    return np.array(as_rgb(path))


def _tiles(path: Path, side: int) -> np.ndarray:
    """The tiles (N, S, S, 3) that the flow looks at, too."""
    return np.stack([np.asarray(tile) for tile in Tiles.of(as_rgb(path), side, scaled=False)])


def _statistics(path: Path, side: int) -> Tensor:
    """Simple statistics (N, 18) of these tiles."""
    return colours_and_edges(pixels_of(list(Tiles.of(as_rgb(path), side, scaled=False))))


def _vectors(path: Path, side: int) -> Tensor:
    """The tiles as vectors (N, D), scaled to half their side, which a covariance can be taken of."""
    tiles = torch.from_numpy(_tiles(path, side)).float().permute(0, 3, 1, 2) / 255
    return torch.nn.functional.avg_pool2d(tiles, 2).flatten(1)


def _energy(path: Path) -> Tensor:
    """Local energies of what a 3×3 mean takes away."""
    grey = torch.from_numpy(np.array(Image.fromarray(_pixels(path)).convert("L"))).float()[None, None] / 255
    left = grey - torch.nn.functional.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    return torch.nn.functional.avg_pool2d(left.square(), WINDOW, WINDOW // 2)
