"""Whether the order of the confidence agrees with that of errors, on held-out pictures.

Three errors are measured, none of which the confidence sees. It is made of the scales that the flow predicts, and they
are made of what the picture is:

- The next place: how far the latents of each place are from the mean that the deepest block predicts for it.
- The noise taken off: how far the guess of the clean latents, from those with noise, is from the clean ones. The flow
  sees the noised ones only.
- Drawn again: how far the picture is, in its pixels, from the one that the flow draws from its noise at temperature
  0.7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from recipes.pixels import as_tensor
from starflow_core.flow.tokens import patchify
from starflow_core.insight.confidence import confidence
from starflow_core.insight.likelihood import denoise, score, with_training_noise
from starflow_core.pipeline import Pipeline

from .correlation import correlation, mean_correlation
from .methods import webp_bits_of

DRAWS = 4
TEMPERATURE = 0.7
AT_ONCE = 20  # pictures
QUARTERS = 4


@dataclass(frozen=True)
class Errors:
    """Measurements of n pictures of T places.

    Attributes:
        confidence: (n, T), in nats by dimension.
        log_prob: (n,), in nats.
        webp: (n,), bits of a lossless file.
        following: (n, T), mean squared error of the mean that the deepest block predicts.
        denoised: (n, T), mean squared error of the denoised latents.
        psnr: (n,), of the denoised picture, in dB.
        redrawn: (n,), PSNR of the picture drawn again, in dB.
    """

    confidence: Tensor
    log_prob: Tensor
    webp: Tensor
    following: Tensor
    denoised: Tensor
    psnr: Tensor
    redrawn: Tensor


def report(pipeline: Pipeline, pictures: np.ndarray) -> None:
    """Print rank correlations of the confidence, and of simpler things, with each error."""
    found = measured(pipeline, pictures)
    sureness = found.confidence.mean(1)
    rivals = {"confidence": sureness, "log p": found.log_prob, "smallness as WebP": -found.webp}
    errors = {
        "next place": -found.following.mean(1),
        "noise taken off": -found.denoised.mean(1),
        "noise taken off, PSNR": found.psnr,
        "drawn again, PSNR": found.redrawn,
    }
    print(f"\nSpearman's rank correlation with accuracy, {len(pictures)} held-out pictures\n")
    print(f"| | {' | '.join(errors)} |\n| --- {'| --- ' * len(errors)}|")
    for name, values in rivals.items():
        print(f"| {name} | {' | '.join(str(correlation(values, one)) for one in errors.values())} |", flush=True)
    by_place = [mean_correlation(found.confidence, -one) for one in (found.following, found.denoised)]
    print(f"| confidence, places within a picture | {by_place[0]} | {by_place[1]} | | |")
    quarters = sureness.argsort(descending=True).chunk(QUARTERS)
    told = ", ".join(f"{float(found.psnr[places].mean()):.1f} dB" for places in quarters)
    print(f"\nPSNR of the noise taken off, by quarters of the confidence, the surest first: {told}")


def measured(pipeline: Pipeline, pictures: np.ndarray) -> Errors:
    """Measure pictures (n, S, S, 3) uint8, given nothing."""
    parts = []
    bits = webp_bits_of(pictures)
    for first in tqdm(range(0, len(pictures), AT_ONCE), desc="errors", disable=None, leave=False):
        some = slice(first, first + AT_ONCE)
        parts.append(_measured(pipeline, as_tensor(pictures[some]), bits[some]))
    return Errors(*(torch.cat(of_all) for of_all in zip(*(vars(part).values() for part in parts), strict=True)))


@torch.no_grad()
def _measured(pipeline: Pipeline, pixels: Tensor, bits: Tensor) -> Errors:
    flow = pipeline.flow
    x = pixels if pipeline.autoencoder is None else pipeline.autoencoder.encode(pixels)
    one = pipeline.condition([""])
    condition = None if one is None else one.expand(len(x), *one.shape[1:])
    sure = torch.stack([confidence(flow, datum, one, draws=DRAWS).map.flatten() for datum in x])
    log_prob = torch.tensor([score(flow, datum, one, draws=DRAWS).log_prob for datum in x])
    # With noise of its own, which neither of the above has seen.
    noised = torch.cat([with_training_noise(flow, datum, DRAWS, 1) for datum in x])
    clean = denoise(flow, noised, condition)
    z = TEMPERATURE * flow(noised, condition).z
    again = denoise(flow, flow.inverse(z, condition, sampler=pipeline.jacobi()), condition)
    return Errors(
        sure,
        log_prob,
        bits,
        _next_error(pipeline, noised, condition),
        patchify(clean - x, flow.config).square().mean(-1),
        _psnr(pipeline, clean, x),
        _psnr(pipeline, again, x),
    )


def _next_error(pipeline: Pipeline, x: Tensor, condition: Tensor | None) -> Tensor:
    """Mean squared error (B, T), in raster order, of the mean that the deepest block predicts."""
    flow = pipeline.flow
    grid = flow.grid(x)
    deepest = max(range(len(flow.blocks)), key=lambda i: len(flow.blocks[i].attn_blocks))
    before = [patchify(x, flow.config), *(output.tokens for output in flow.transform(x, condition))]
    block = flow.blocks[deepest]
    given = flow.checked_condition(condition, len(x)) if block.is_conditioned else None
    tokens = block.reorder(before[deepest])
    mean, _ = block.affine(tokens, given, flow.rotary(block, grid, given))
    errors = (tokens[:, block.free_tokens :] - mean).square().mean(-1)
    return block.reorder(torch.nn.functional.pad(errors, (block.free_tokens, 0)))


def _psnr(pipeline: Pipeline, x: Tensor, expected: Tensor) -> Tensor:
    """PSNR (B,) of the pictures of data, in dB, against the pictures of other data: both come from the decoder."""
    one, other = (
        (data if pipeline.autoencoder is None else pipeline.autoencoder.decode(data)).clamp(-1, 1)
        for data in (x, expected)
    )
    return 10 * (4 / (one - other).square().mean((1, 2, 3)).clamp(min=1e-9)).log10()
