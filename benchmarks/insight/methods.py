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

from starflow_core.insight.evidence import Evidence
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.looking import COLOURS, CONTENT, KINDS, NOISE, SEAMS, UPRIGHT, looked
from starflow_core.insight.oddity import Settings
from starflow_core.insight.ratio import bits_by_place
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
        evidence: (n, F), by kind of evidence, as `Anomaly` sees it.
        webp: (n,), bits of a lossless file.
        broader: (n,), bits per pixel under a broader model.
    """

    pixels: np.ndarray
    log_prob: Tensor
    maps: Tensor
    evidence: dict[str, Tensor]
    webp: Tensor
    broader: Tensor


def look(pipeline: Pipeline, broader: Pipeline, pixels: np.ndarray) -> Looked:
    """Measure pictures under a model, and their likelihood under a broader one, averaged over the noise draws."""
    images, settings = [Image.fromarray(one) for one in pixels], Settings(draws=DRAWS)
    condition = pipeline.scored_condition(None)
    found = [
        looked(pipeline, images[first : first + AT_ONCE], settings, condition)
        for first in range(0, len(images), AT_ONCE)
    ]
    evidence = {name: torch.cat([one.vectors[name] for one in found]) for name in KINDS}
    maps = torch.cat([one.log_probs for one in found]).flatten(1)
    under_broader = bits_by_place(broader, images, broader.scored_condition(None), settings).mean((1, 2))
    return Looked(pixels, maps.sum(1), maps, evidence, webp_bits_of(pixels), under_broader)


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


def ratio(normal: Looked, others: Looked) -> Tensor:
    """Bits per pixel above those under a broader model (arXiv 1906.02845): what `LikelihoodRatio` does."""
    pixels = others.pixels.shape[1] * others.pixels.shape[2]
    return -others.log_prob / math.log(2) / pixels - others.broader


def oddest_tokens(normal: Looked, others: Looked) -> Tensor:
    """The mean of the three oddest tokens: by how many standard deviations log p is below that of normal pictures."""
    above = (normal.maps.mean(0) - others.maps) / normal.maps.std(0)
    return above.topk(3).values.mean(1)


def map_distance(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the map of log p."""
    return Gaussian.fit(normal.maps).distance(others.maps)


def noise_fit(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the noise's statistics."""
    return _distance(NOISE, normal, others)


def noise_and_content(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of the noise's statistics and of the hidden states."""
    return _distance(CONTENT, normal, others)


def upright(normal: Looked, others: Looked) -> Tensor:
    """How far log p of the picture minus log p of it upside down is from its mean, on either side."""
    return _distance(UPRIGHT, normal, others)


def all_evidence(normal: Looked, others: Looked) -> Tensor:
    """All kinds of evidence, weighed on the normal pictures: what `Anomaly` does."""
    fitted, _ = Evidence.fit(normal.evidence, torch.arange(len(normal.log_prob)))
    return fitted.scores(others.evidence)


def _distance(kind: str, normal: Looked, others: Looked) -> Tensor:
    return Gaussian.fit(normal.evidence[kind]).distance(others.evidence[kind])


# Rivals without a flow


def webp_bits(normal: Looked, others: Looked) -> Tensor:
    return others.webp


def colours(normal: Looked, others: Looked) -> Tensor:
    """Mahalanobis distance of simple statistics: means and spreads of colours and of differences of neighbours."""
    return _distance(COLOURS, normal, others)


def sharp_seams(normal: Looked, others: Looked) -> Tensor:
    """How far the strength of straight, sharp seams is from its mean, on either side."""
    return _distance(SEAMS, normal, others)


def principal_components(normal: Looked, others: Looked) -> Tensor:
    """Squared error of the reconstruction by the first principal components of normal pictures, at 32×32 pixels."""
    small, seen = _small(normal.pixels), _small(others.pixels)
    mean = small.mean(0)
    axes = torch.linalg.svd(small - mean, full_matrices=False).Vh[:COMPONENTS]
    left = seen - mean
    return (left - left @ axes.T @ axes).square().sum(1)


def _small(pixels: np.ndarray) -> Tensor:
    images = [np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BOX)) for one in pixels]
    return torch.from_numpy(np.stack(images)).double().flatten(1) / 255


METHODS: dict[str, Method] = {
    "−log p": raw,
    "typicality": typicality,
    "−log p minus WebP's bits": minus_webp,
    "−log p above WebP's line": webp_residual,
    "ratio to a broader model": ratio,
    "three oddest tokens": oddest_tokens,
    "distance of the map": map_distance,
    "fit of the noise": noise_fit,
    "fit of the noise, and content": noise_and_content,
    "upright or not": upright,
    "five kinds of evidence": all_evidence,
    "rival: WebP's bits": webp_bits,
    "rival: colours and edges": colours,
    "rival: seams": sharp_seams,
    "rival: principal components": principal_components,
}


def auroc(normal: Tensor, odd: Tensor) -> float:
    """The probability that an odd picture's score is above a normal one's; ties count half."""
    above = (odd[:, None] > normal).double() + 0.5 * (odd[:, None] == normal).double()
    return float(above.mean())
