"""Likelihood of images under a flow, and what its gradient is good for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .flow import StarFlow
from .noise import seeded_noise

DRAW_BATCH = 8  # noise draws at once, so that memory does not grow with their number


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of one image's noised latents, averaged over noise draws.

    Attributes:
        log_prob: in nats, the mean over the draws.
        bits_per_dim: −log_prob / (ln 2 · C·H·W), of the latents.
        map: (H/p, W/p), in nats by token; sums to `log_prob`.
        draws: (K,), the log-probability of each draw, in nats.
    """

    log_prob: float
    bits_per_dim: float
    map: Tensor
    draws: Tensor

    @property
    def standard_error(self) -> float:
        """Standard error of `log_prob` over the draws, in nats; NaN for a single draw."""
        return float(self.draws.std() / math.sqrt(len(self.draws))) if len(self.draws) > 1 else math.nan


def bits_per_dim(log_prob: float, dimensions: int) -> float:
    """Nats of a whole image as bits a dimension: −log_prob / (ln 2 · dimensions)."""
    return -log_prob / (math.log(2) * dimensions)


@torch.no_grad()
def score_latents(flow: StarFlow, latents: Tensor, text: Tensor | None, *, draws: int = 4, seed: int = 0) -> Likelihood:
    """The likelihood of one image's latents, noised as in training.

    The density is that of noised latents, since that is what the flow has learnt; each draw adds other noise.

    Args:
        flow: the model.
        latents: (C, H, W), scaled, without noise.
        text: features (L, txt_dim) of the prompt, or of the empty one; None for a model without text.
        draws: noise draws K.
        seed: of the first draw; draw i is that of seed + i.

    Raises:
        ValueError: a shape does not fit the model.
    """
    maps = []
    for noise in seeded_noise(latents.shape, seed, draws).split(DRAW_BATCH):
        x = latents + flow.config.noise_std * noise.to(latents)
        maps.append(flow(x, None if text is None else text.expand(len(noise), -1, -1)).log_prob_map)
    by_draw = torch.cat(maps).cpu()
    log_prob_map = by_draw.mean(0)
    log_prob = float(log_prob_map.sum())
    return Likelihood(log_prob, bits_per_dim(log_prob, latents.numel()), log_prob_map, by_draw.sum((1, 2)))


def denoise(flow: StarFlow, x: Tensor, text: Tensor | None, *, noise_std: float | None = None) -> Tensor:
    """Score denoising, Tweedie's formula: x + σ²·∇ log p(x | text), (B, C, H, W).

    Args:
        flow: the model.
        x: latents (B, C, H, W) with the noise that the model was trained with.
        text: features (B, L, txt_dim) of the prompts; None for a model without text.
        noise_std: σ; the model's own by default.

    Raises:
        ValueError: a shape does not fit the model.
    """
    sigma = flow.config.noise_std if noise_std is None else noise_std
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        (score,) = torch.autograd.grad(flow(x, text).log_prob.sum(), x)
    return x.detach() + sigma**2 * score
