"""STARFlow: a flow over latents, conditioned on text (arXiv 2506.06276), and STARFlow-V, of videos (2511.20462)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import operations as casting
from .block import FlowBlock
from .config import StarFlowConfig
from .denoiser import STEP, Denoiser
from .flow import Flow
from .guidance import StarFlowGuidance
from .rotary import Rotary, rotary_table
from .tokens import Grid


class StarFlow(Flow):
    """A flow between scaled latents, of pictures or videos, and noise; its condition is text.

    A picture (B, C, H, W) is a video (B, T, C, H, W) of one frame, and has the same likelihood.

    The condition of `forward` and `inverse` is features (B, L, txt_dim) of one prompt an image; None for a model
    without text. Guidance needs the features of an empty or negative prompt, (B, L, txt_dim) or (1, L, txt_dim).
    """

    config: StarFlowConfig
    data = "latents"
    learnable_self_denoiser: Denoiser | None

    def __init__(self, config: StarFlowConfig, operations: Any = casting, **factory: Any) -> None:
        super().__init__(config, operations, **factory)
        denoiser = Denoiser(config, operations, **factory) if config.learnable_self_denoiser else None
        self.learnable_self_denoiser = denoiser  # the name of its weights in checkpoints

    @property
    def takes_videos(self) -> bool:  # type: ignore[override]
        """Whether its tokens have positions in time: rotary ones, whose axis of time is that of the text."""
        return self.config.has_text and self.config.rope

    def denoising_step(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """What the learned denoiser adds to noised data, shaped like x: an estimate of σ²·∇ log p(x | condition).

        Raises:
            ValueError: the flow has no denoiser, or a shape does not fit the model.
        """
        denoiser = self.learnable_self_denoiser
        if denoiser is None:
            raise ValueError("This flow has no learned denoiser; denoise with the gradient.")
        grid, text = self.grid(x), self.checked_condition(condition, len(x))
        return -STEP * denoiser(x.to(self.device, torch.float32), text, grid, self.dtype)

    def guide(self, strength: float, **options: Any) -> StarFlowGuidance:
        if options:
            raise ValueError(f"The guidance of a STARFlow has a strength and no {', '.join(options)}; leave it away.")
        return StarFlowGuidance(strength)

    def checked_condition(self, condition: Tensor | None, batch: int, name: str = "text") -> Tensor | None:
        if not self.config.has_text:
            if condition is not None:
                raise ValueError(f"This flow takes no text, but {name} was given.")
            return None
        width = self.config.txt_dim
        if condition is None:
            raise ValueError(f"This flow needs {name}: features (B, L, {width}); those of the empty prompt will do.")
        shape = tuple(condition.shape)
        if len(shape) != 3 or shape[0] != batch or not shape[1] or shape[2] != width:
            raise ValueError(f"{name} has shape {shape}; it must be ({batch}, L, {width}).")
        return condition.to(self.device)

    def checked_unconditional(
        self, unconditional: Tensor | None, condition: Tensor | None, batch: int
    ) -> Tensor | None:
        if unconditional is None:
            raise ValueError("Guidance needs the features of an empty or negative prompt as `unconditional`.")
        if condition is None or unconditional.shape == condition.shape:
            return self.checked_condition(unconditional, len(unconditional), "unconditional")
        if unconditional.shape != (1, *condition.shape[1:]):
            raise ValueError(
                f"unconditional has shape {tuple(unconditional.shape)}, and the text {tuple(condition.shape)}; both "
                f"must have as many tokens of the same width, for each picture or (1, …) for all of them. Encode both "
                "prompts with the same encoder, and pad the shorter one with zeros."
            )
        return unconditional.to(self.device).expand_as(condition)

    def rotary(self, block: FlowBlock, grid: Grid, given: Tensor | None) -> Rotary | None:
        if not self.config.rope:
            return None
        if block.shape.local:
            grid = grid[-2:]
        text_tokens = 0 if given is None else given.shape[1]
        return rotary_table(self.config, grid, text_tokens, device=self.device, dtype=self.dtype)
