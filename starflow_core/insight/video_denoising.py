"""Denoising of videos, chunk by chunk: by the learned denoiser of a flow, or by the gradient of its likelihood."""

from __future__ import annotations

import torch
from torch import Tensor

from ..flow.starflow import StarFlow
from ..flow.video import denoised_chunks
from .likelihood import denoise


@torch.inference_mode(False)
@torch.no_grad()
def denoise_video(
    flow: StarFlow,
    x: Tensor,
    text: Tensor | None,
    *,
    learned: bool | None = None,
    window: int | None = None,
    noise_std: float | None = None,
) -> Tensor:
    """Latents without the noise that the flow was trained with, shaped like x (STARFlow-V, arXiv 2511.20462).

    A video is denoised in place, chunk by chunk, so a chunk begins with frames that the one before it has denoised.

    Args:
        flow: the model.
        x: noised latents of pictures (B, C, H, W) or videos (B, T, C, H, W).
        text: features (B, L, txt_dim) of the prompts, never of the empty one.
        learned: by the learned denoiser; otherwise x + σ²·∇ log p(x | text). By default, where the flow has one.
        window: frames a chunk, those that it looks back on among them; None for all at once.
        noise_std: σ of the gradient's; the model's own by default.

    Raises:
        ValueError: a shape does not fit the model, the flow has no denoiser, or the window is too small.
    """
    flow.grid(x)
    learned = flow.learnable_self_denoiser is not None if learned is None else learned

    def denoised(part: Tensor) -> Tensor:
        if learned:
            return part + flow.denoising_step(part, text).to(part)
        return denoise(flow, part, text, noise_std=noise_std)

    if x.ndim == 4:
        return denoised(x)
    x = x.detach().clone()
    for start, first, end in denoised_chunks(x.shape[1], window, flow.config.denoiser_window):
        x[:, first:end] = denoised(x[:, start:end])[:, first - start :]
    return x
