"""The learned denoiser: a transformer trained to give the score of a flow, so that no gradient is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .block import FinalNorm
from .config import StarFlowConfig
from .rotary import rotary_table
from .tokens import Grid, Order, patchify, unpatchify
from .transformer import AttentionState, TransformerLayer, Visible

LAYERS = 8
# What the output is multiplied by; it estimates −σ²∇log p then, of any noise std σ that the flow was trained with.
STEP = 0.3


class Denoiser(nn.Module):
    """d(x, text), an estimate of −σ²/0.3·∇ log p(x | text) (STARFlow-V, arXiv 2511.20462).

    A token sees the text, its own frame, `temporal_causal` − 1 frames after it, and as many before it as
    `denoiser_window` leaves; those of a picture see all.

    Args:
        config: of the flow.
        operations: namespace that `Linear` and `LayerNorm` are taken from.
        factory: `device` and `dtype` for the parameters.
    """

    attn_blocks: Sequence[TransformerLayer]

    def __init__(self, config: StarFlowConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.config = config
        width, D = config.channels, config.token_dim
        self.proj_in = operations.Linear(D, width, **factory)
        self.proj_txt = operations.Linear(config.txt_dim, width, **factory) if config.conditional_denoiser else None
        layers = (
            TransformerLayer(width, config.head_dim, config.expansion, operations, **factory) for _ in range(LAYERS)
        )
        self.attn_blocks = nn.ModuleList(layers)  # type: ignore[assignment]
        self.final_norm = FinalNorm(width, **factory) if config.use_final_norm else None
        self.proj_out = operations.Linear(width, D, **factory)

    def forward(self, x: Tensor, text: Tensor | None, grid: Grid, dtype: torch.dtype) -> Tensor:
        """d(x, text), shaped like x and float32.

        Args:
            x: latents (B, C, H, W) or (B, T, C, H, W), on the device of the computation.
            text: features (B, L, txt_dim); unused by a denoiser that sees none.
            grid: of the tokens.
            dtype: of the computation.
        """
        h = self.proj_in(patchify(x, self.config).to(dtype))
        L = 0
        if self.proj_txt is not None:
            assert text is not None
            L = text.shape[1]
            h = torch.cat([self.proj_txt(text.to(dtype)), h], dim=1)
        rotary = rotary_table(self.config, grid, L, device=x.device, dtype=dtype)
        state = AttentionState(visible=visible(self.config, grid, L))
        for i, layer in enumerate(self.attn_blocks):
            h = partial(layer, rotary=rotary, state=state, layer=i)(h)
        h = h[:, L:]
        if self.final_norm is not None:
            h = self.final_norm(h)
        return unpatchify(self.proj_out(h).float(), grid, self.config)


def visible(config: StarFlowConfig, grid: Grid, text_tokens: int) -> Visible:
    """What each token of text and video sees, frame by frame: the text, and a range of frames."""
    order, L, A = Order(config.block(0), grid), text_tokens, config.temporal_causal
    T, F = order.frames, order.frame_tokens
    if A == 0 or len(grid) == 2:
        return ((slice(0, L + T * F), (slice(0, L + T * F),)),)

    def frames(first: int, last: int) -> slice:
        return slice(L + max(first, 0) * F, L + min(last + 1, T) * F)

    text = slice(0, L)
    G = T + A if config.denoiser_window is None else config.denoiser_window
    parts = [(frames(f, f), (text, frames(f + A - 1 - G, f + A - 1))) for f in range(T)]
    return ((text, (text, frames(0, A - 1))), *parts) if L else tuple(parts)
