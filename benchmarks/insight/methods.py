"""Methods that tell odd pictures from normal ones: some with a flow, and simple rivals without one."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from starflow_core.images import to_tensor
from starflow_core.insight.anomaly import content
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.likelihood import with_training_noise
from starflow_core.insight.noise_statistics import noise_statistics
from starflow_core.pipeline import Pipeline

DRAWS = 2
AT_ONCE = 25  # pictures
COMPONENTS = 32  # of the rival that reconstructs by principal components


@dataclass(frozen=True)
class Looked:
    """Measurements of n pictures.

    Attributes:
        pixels: (n, S, S, 3) uint8.
        log_prob: (n,), in nats.
        maps: (n, T), in nats by token.
        statistics: (n, F), of the noise.
        content: (n, width), the mean hidden state of the last block's middle layer.
        webp: (n,), bits of a lossless file.
    """

    pixels: np.ndarray
    log_prob: Tensor
    maps: Tensor
    statistics: Tensor
    content: Tensor
    webp: Tensor


@torch.no_grad()
def look(pipeline: Pipeline, pixels: np.ndarray) -> Looked:
    """Measure pictures; average the flow's results over the noise draws."""
    flow, condition = pipeline.flow, pipeline.condition([""])
    found: list[tuple[Tensor, ...]] = []
    for first in range(0, len(pixels), AT_ONCE):
        images = torch.stack([to_tensor(Image.fromarray(one)) for one in pixels[first : first + AT_ONCE]])
        x = images if pipeline.autoencoder is None else pipeline.autoencoder.encode(images)
        noised = torch.cat([with_training_noise(flow, one, 0, DRAWS) for one in x])
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        states: list[Tensor] = []
        output = flow(noised, given, states=states)
        by_draw = (
            output.log_prob_map.flatten(1).double(),
            noise_statistics(output.z, flow.config.patch_size),
            content(states),
        )
        found.append(tuple(one.unflatten(0, (len(x), DRAWS)).mean(1) for one in by_draw))
    maps, statistics, shown = (torch.cat(one) for one in zip(*found, strict=True))
    return Looked(pixels, maps.sum(1), maps, statistics, shown, webp_bits_of(pixels))


def webp_bits_of(pixels: np.ndarray) -> Tensor:
    """Bits of a lossless file of each picture (n, S, S, 3), (n,)."""
    return torch.tensor([lossless_bits(one) for one in pixels], dtype=torch.float64)


def lossless_bits(pixels: np.ndarray) -> float:
    """The bits of a picture's lossless WebP file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="WEBP", lossless=True, quality=100, method=4)
    return 8.0 * file.tell()


Method = Callable[[Looked, Looked], Tensor]
"""(normal pictures to fit on, pictures to score) → scores (n,), larger for odder ones."""


def raw(normal: Looked, others: Looked) -> Tensor:
    """−log p."""
    return -others.log_prob


def typicality(normal: Looked, others: Looked) -> Tensor:
    """How far log p is from its mean, on either side (arXiv 1906.02994)."""
    return (others.log_prob - normal.log_prob.mean()).abs()


def minus_webp(normal: Looked, others: Looked) -> Tensor:
    """−log p minus the bits of a lossless file, both in bits (arXiv 1909.11480)."""
    return -others.log_prob / math.log(2) - others.webp


def webp_residual(normal: Looked, others: Looked) -> Tensor:
    """−log p above the line that predicts it from the bits of a lossless file."""
    slope, offset = np.polyfit(normal.webp.numpy(), normal.log_prob.numpy(), 1)
    return offset + slope * others.webp - others.log_prob


def oddest_tokens(normal: Looked, others: Looked) -> Tensor:
    """The mean of the three oddest tokens: by how many standard deviations log p is below that of normal pictures."""
    above = (normal.maps.mean(0) - others.maps) / normal.maps.std(0)
    return above.topk(3).values.mean(1)


def map_distance(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the map of log p."""
    return Gaussian.fit(normal.maps).distance(others.maps)


def noise_fit(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the noise's statistics."""
    return Gaussian.fit(normal.statistics).distance(others.statistics)


def noise_and_content(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the noise's statistics and of the hidden states: what `Anomaly` does."""
    fitted, seen = (torch.cat([one.statistics, one.content], 1) for one in (normal, others))
    return Gaussian.fit(fitted).distance(seen)


# Rivals without a flow


def webp_bits(normal: Looked, others: Looked) -> Tensor:
    return others.webp


def colours_and_edges(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of simple statistics: means and spreads of colours and of differences of neighbours."""
    return Gaussian.fit(simple_statistics(normal.pixels)).distance(simple_statistics(others.pixels))


def principal_components(normal: Looked, others: Looked) -> Tensor:
    """Squared error of the reconstruction by the first principal components of normal pictures, at 32×32 pixels."""
    small, seen = _small(normal.pixels), _small(others.pixels)
    mean = small.mean(0)
    axes = torch.linalg.svd(small - mean, full_matrices=False).Vh[:COMPONENTS]
    left = seen - mean
    return (left - left @ axes.T @ axes).square().sum(1)


def simple_statistics(pixels: np.ndarray) -> Tensor:
    """Means and spreads of colours and of differences of neighbours, (n, 18), of pictures (n, S, S, 3) uint8."""
    x = torch.from_numpy(pixels).double() / 255
    across, down = (x[:, :, 1:] - x[:, :, :-1]).abs(), (x[:, 1:] - x[:, :-1]).abs()
    parts = [
        x.mean((1, 2)),
        x.std((1, 2)),
        across.mean((1, 2)),
        down.mean((1, 2)),
        across.std((1, 2)),
        down.std((1, 2)),
    ]
    return torch.cat(parts, 1)


def _small(pixels: np.ndarray) -> Tensor:
    images = [np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BOX)) for one in pixels]
    return torch.from_numpy(np.stack(images)).double().flatten(1) / 255


METHODS: dict[str, Method] = {
    "−log p": raw,
    "typicality": typicality,
    "−log p minus WebP's bits": minus_webp,
    "−log p above WebP's line": webp_residual,
    "three oddest tokens": oddest_tokens,
    "distance of the map": map_distance,
    "fit of the noise": noise_fit,
    "fit of the noise, and content": noise_and_content,
    "rival: WebP's bits": webp_bits,
    "rival: colours and edges": colours_and_edges,
    "rival: principal components": principal_components,
}


def auroc(normal: Tensor, odd: Tensor) -> float:
    """The probability that an odd picture's score is above a normal one's; ties count half."""
    above = (odd[:, None] > normal).double() + 0.5 * (odd[:, None] == normal).double()
    return float(above.mean())
