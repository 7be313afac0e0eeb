"""Likelihood of images under a flow, and denoising by its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..codecs.dequantization import dequantized
from ..flow.flow import Flow
from ..flow.noise import SEEDS, check_seed, seeded_noise, seeded_uniform
from ..flow.tokens import Grid, patchify
from ..progress import OnProgress, part_of
from .reference import Standing

DRAW_BATCH = 8  # noise draws at once, so that memory does not grow with their number
DENOISED_AT_ONCE = 1024  # tokens of pictures to denoise together: each keeps all of its activations
TOKENS_AT_ONCE = 4096  # of pictures and draws together: enough for large matrix products, whatever the model's size


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of one image with training noise, averaged over noise draws.

    Attributes:
        log_prob: in nats, the mean over the draws.
        bits_per_dim: of the latents, −log_prob / (ln 2 · C·H·W); of pictures, in units of their 8-bit steps.
        map: (H/p, W/p), in nats by token; sums to `log_prob`.
        draws: (K,), the log-probability of each draw, in nats.
        noise_map: (H/p, W/p), ‖z‖² by token, the mean over the draws; z is the flow's noise. Under the model, ‖z‖² of
            one draw follows the χ² law with D degrees of freedom, D being the dimensions of a token.
        standing: how the picture stands among those that the model was trained to know, in words as text; None where
            the model has no reference, or one that does not compare.
    """

    log_prob: float
    bits_per_dim: float
    map: Tensor
    draws: Tensor
    noise_map: Tensor
    standing: Standing | None = None

    @property
    def standard_error(self) -> float:
        """Standard error of `log_prob` over the draws, in nats; NaN for a single draw."""
        return float(self.draws.std() / math.sqrt(len(self.draws))) if len(self.draws) > 1 else math.nan


def bits_per_dim(log_prob: float, dimensions: int, levels: float = 1.0) -> float:
    """Bits per dimension from the nats of a whole image: −(log_prob − dimensions·ln levels) / (ln 2 · dimensions).

    `levels` is the number of quantisation steps per unit of the data: 128 for 8-bit images in [−1, 1]. It turns the
    density into one per step.
    """
    return (math.log(levels) - log_prob / dimensions) / math.log(2)


def log_prob_of(bits: float, dimensions: int, levels: float = 1.0) -> float:
    """Nats of a whole image from its bits per dimension: the inverse of `bits_per_dim`."""
    return dimensions * (math.log(levels) - bits * math.log(2))


def with_training_noise(flow: Flow, x: Tensor, seed: int, draws: int) -> Tensor:
    """K copies (K, C, H, W) of one datum (C, H, W) with training noise: Gaussian, or uniform within 8-bit steps."""
    if flow.is_dequantized:
        return dequantized(x, seeded_uniform(x.shape, seed, draws).to(x))
    return x + flow.config.noise_std * seeded_noise(x.shape, seed, draws).to(x)


@torch.no_grad()
def score(
    flow: Flow,
    x: Tensor,
    condition: Tensor | None,
    *,
    draws: int = 4,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> Likelihood:
    """The likelihood of one image or its latents, with noise as in training.

    The density is that of noised data, on which the flow was trained; each draw adds other noise.

    Args:
        flow: the model.
        x: (C, H, W), without noise: scaled latents, or a picture in [−1, 1].
        condition: (1, …) as for the flow: features of the prompt, or a label; None for a model without either.
        draws: the number K of noise draws.
        seed: the seed of the first draw; draw i has seed + i.
        on_progress: called with the number of finished draws, and K; an exception that it raises ends the work.

    Raises:
        ValueError: a shape does not fit the model, or numbers overflow.
    """
    return scores(flow, x[None], condition, draws=draws, seed=seed, on_progress=on_progress)[0]


@torch.no_grad()
def scores(
    flow: Flow,
    x: Tensor,
    condition: Tensor | None,
    *,
    draws: int = 4,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> list[Likelihood]:
    """The likelihoods of several images or their latents under one condition: each is that of `score`, up to rounding.

    They are computed a few at a time, so memory does not grow with their number.

    Args:
        flow: the model.
        x: (N, C, H, W), without noise.
        condition: (1, …), as for `score`.
        draws: the number K of noise draws.
        seed: the seed of the first draw; draw i has seed + i, and the same noise for all.
        on_progress: called with the number of finished draws of all, and N·K; an exception that it raises ends the
            work.

    Raises:
        ValueError: a shape does not fit the model, or numbers overflow.
    """
    check_seed(seed)
    some = scored_at_once(flow.grid(x), draws)
    found: list[Likelihood] = []
    for first in range(0, len(x), some):
        report = part_of(on_progress, first * draws, len(x) * draws)
        found += _scored_together(flow, x[first : first + some], condition, draws, seed, report)
    return found


def scored_at_once(grid: Grid, draws: int) -> int:
    """The number of images of a token grid (H', W') that `scores` takes together."""
    return max(1, TOKENS_AT_ONCE // (math.prod(grid) * min(draws, DRAW_BATCH)))


def _scored_together(
    flow: Flow, x: Tensor, condition: Tensor | None, draws: int, seed: int, on_progress: OnProgress
) -> list[Likelihood]:
    """`scores`, a few draws at a time."""
    maps, noise_maps, N = [], [], len(x)
    for first in range(0, draws, DRAW_BATCH):
        count = min(DRAW_BATCH, draws - first)
        noised = torch.cat([with_training_noise(flow, one, (seed + first) % SEEDS, count) for one in x])
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        output = flow(noised, given)
        squares = patchify(output.z, flow.config).square().sum(-1).unflatten(1, flow.grid(noised))
        maps.append(output.log_prob_map.unflatten(0, (N, count)))
        noise_maps.append(squares.unflatten(0, (N, count)))
        on_progress(N * (first + count), N * draws)
    by_draw, noise_map = torch.cat(maps, 1).cpu(), torch.cat(noise_maps, 1).cpu()  # (N, K, H', W')
    if not by_draw.isfinite().all():
        raise ValueError(f"The likelihood overflows: these {flow.data} are too unlike those that the model knows.")
    return [_likelihood(flow, x[n].numel(), by_draw[n], noise_map[n]) for n in range(N)]


def _likelihood(flow: Flow, dimensions: int, by_draw: Tensor, noise_map: Tensor) -> Likelihood:
    """The likelihood of one image from its maps (K, H', W'), a draw each."""
    log_prob_map = by_draw.mean(0)
    log_prob = float(log_prob_map.sum())
    bits = bits_per_dim(log_prob, dimensions, flow.levels)
    return Likelihood(log_prob, bits, log_prob_map, by_draw.sum((1, 2)), noise_map.mean(0))


@torch.no_grad()
def discrete_bits_per_dim(
    flow: Flow, x: Tensor, condition: Tensor | None, seeds: Sequence[int], *, draws: int = 1
) -> Tensor:
    """Bits per dimension of 8-bit pictures, (B,), bounded from above by K importance draws (arXiv 1509.00519).

    With x_k = (v + u_k)/128 − 1, u_k uniform in [0, 1), the probability of the integers v is estimated by
    P(v) ≈ 1/K Σ_k p(x_k | condition) / 128^D. Its expected logarithm is below log P(v), and closer for larger K.

    Args:
        flow: a flow of pictures.
        x: pictures (B, C, H, W) in [−1, 1], of 256 levels.
        condition: one for each picture, as for the flow.
        seeds: the seed of each picture's first draw; draw k has seed + k.
        draws: K.

    Raises:
        ValueError: the flow is one of latents, which has no likelihood of pixels, or a shape does not fit the model.
    """
    check_has_pixels(flow)
    H, W = flow.grid(x)
    at_once = max(1, TOKENS_AT_ONCE // (len(x) * H * W))
    log_probs = []
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        u = torch.stack([seeded_uniform(x.shape[1:], (seed + first) % SEEDS, count) for seed in seeds], dim=1)
        noised = dequantized(x.to(flow.device), u.to(flow.device)).flatten(0, 1)  # draw by draw
        given = None if condition is None else condition.repeat(count, *(1,) * (condition.ndim - 1))
        log_probs.append(flow(noised, given).log_prob.view(count, -1))
    log_prob = torch.cat(log_probs).logsumexp(0) - math.log(draws)
    return math.log2(flow.levels) - log_prob / (math.log(2) * x[0].numel())


def check_has_pixels(flow: Flow) -> None:
    """Check that a flow has likelihoods of pixels.

    Raises:
        ValueError: it is a flow of latents.
    """
    if flow.data != "pictures":
        raise ValueError("A flow of latents has no likelihood of pixels; choose a TarFlow, a flow of pictures.")


def denoise(
    flow: Flow,
    x: Tensor,
    condition: Tensor | None,
    *,
    noise_std: float | None = None,
    report: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Score denoising, Tweedie's formula: x + σ²·∇ log p(x | condition), (B, C, H, W).

    It works inside a caller's `torch.no_grad()` and `torch.inference_mode()` too. It denoises a few pictures at a time,
    so memory does not grow with their number.

    Args:
        flow: the model.
        x: data (B, C, H, W) with the noise that the model was trained with.
        condition: as for the flow.
        noise_std: σ; the model's own by default.
        report: called with all pictures after each few are denoised; an exception that it raises ends the denoising.

    Raises:
        ValueError: a shape does not fit the model.
    """
    sigma = flow.config.noise_std if noise_std is None else noise_std
    at_once = denoised_at_once(flow.grid(x))
    flow.checked_condition(condition, len(x))
    with torch.inference_mode(False):
        denoised = x.detach().clone()
        for first in range(0, len(x), at_once):
            part = slice(first, first + at_once)
            given = None if condition is None else condition[part]
            denoised[part] += sigma**2 * gradient(flow, x[part].detach(), given).to(denoised)
            if report is not None:
                report(denoised)
    return denoised


def denoised_at_once(grid: Grid) -> int:
    """The number of pictures or videos of a token grid to denoise together."""
    return max(1, DENOISED_AT_ONCE // math.prod(grid))


@torch.inference_mode(False)
def gradient(flow: Flow, x: Tensor, condition: Tensor | None) -> Tensor:
    """∇ log p(x | condition), the score of each datum, (B, C, H, W) like x.

    It works inside a caller's `torch.no_grad()` and `torch.inference_mode()` too.

    Raises:
        ValueError: a shape does not fit the model.
    """
    with torch.enable_grad():
        x = x.clone().requires_grad_()  # a copy, because tensors of inference mode cannot take part in a gradient
        given = None if condition is None else condition.clone()
        (gradient,) = torch.autograd.grad(flow(x, given).log_prob.sum(), x)
    return gradient
