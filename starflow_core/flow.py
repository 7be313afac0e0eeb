"""STARFlow: a normalizing flow of causal transformer blocks over latents (arXiv 2506.06276)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .block import FlowBlock
from .config import FlowConfig
from .predictor import Predictor
from .rotary import Rotary, rotary_table
from .samplers import Progress, ProgressCallback, Sampler, Sequential
from .state_dict import load_strict, published_state_dict
from .tokens import patchify, unpatchify

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class FlowOutput:
    """The latent noise of a batch, and its exact log-likelihood.

    Attributes:
        z: (B, C, H, W), standard normal under the model.
        log_prob: (B,), in nats.
        log_prob_map: (B, H/p, W/p), in nats by token; sums to `log_prob`.
    """

    z: Tensor
    log_prob: Tensor
    log_prob_map: Tensor


@dataclass(frozen=True)
class BlockOutput:
    """The tokens behind one block, (B, T, D), and the block's log-determinants, (B, T), both in raster order."""

    tokens: Tensor
    log_det: Tensor


class StarFlow(nn.Module):
    """An autoregressive flow between latents and Gaussian noise, conditioned on text.

    `flow(x, text)` maps data to noise in one parallel pass; `flow.inverse(z, text)` is its exact inverse, token by
    token. Inputs may lie on any device and in any floating dtype; they are moved to the model's, and all densities are
    computed in float32.

    Args:
        config: what to build.
        operations: namespace that `Linear` and `LayerNorm` are taken from; `torch.nn` by default.
        factory: `device` and `dtype` for the parameters.
    """

    blocks: Sequence[FlowBlock]

    def __init__(self, config: FlowConfig, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.config = config
        blocks = (FlowBlock(config, i, operations, **factory) for i in range(config.num_blocks))
        self.blocks = nn.ModuleList(blocks)  # type: ignore[assignment]

    @classmethod
    def from_state_dict(
        cls,
        config: FlowConfig,
        state_dict: Mapping[str, Tensor],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> StarFlow:
        """A flow ready for use from a state dict in the published format.

        The tensors themselves become the parameters; they are copied only where `device` or `dtype` asks for it.

        Raises:
            ValueError: tensors are missing, unexpected or of another shape than `config` says.
        """
        flow = cls(config, operations, device="meta")
        load_strict(flow, published_state_dict(state_dict), what="flow")
        return flow.to(device=device, dtype=dtype).eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.blocks[0].proj_in.weight.device

    def forward(self, x: Tensor, text: Tensor | None = None) -> FlowOutput:
        """Data → noise, with the exact log-likelihood.

        Args:
            x: latents (B, C, H, W), scaled as the autoencoder's configuration says.
            text: features (B, L, txt_dim) of one prompt an image; None for a model without text.

        Raises:
            ValueError: a shape does not fit the model.
        """
        grid = self.grid(x)
        log_det: Tensor | float = 0.0
        for output in self.transform(x, text):
            log_det = log_det + output.log_det
        normal = -0.5 * (output.tokens.square() + LOG_2PI).sum(-1)
        log_prob_map = (normal + log_det).unflatten(1, grid)
        z = unpatchify(output.tokens, grid, self.config.patch_size)
        return FlowOutput(z, log_prob_map.sum((1, 2)), log_prob_map)

    def transform(self, x: Tensor, text: Tensor | None = None) -> Iterator[BlockOutput]:
        """The blocks' outputs on the way from data to noise, one after the other; arguments as for `forward`."""
        grid = self.grid(x)
        text = self._checked_text(text, len(x), "text")
        tokens = patchify(x.to(self.device, torch.float32), self.config.patch_size)
        for block in self.blocks:
            seen = text if block.sees_text else None
            z, log_det = block(block.reorder(tokens), seen, self._rotary(block, grid, seen))
            tokens = block.reorder(z)
            yield BlockOutput(tokens, block.reorder(log_det))

    def inverse(
        self,
        z: Tensor,
        text: Tensor | None = None,
        *,
        guidance: float = 0.0,
        unconditional: Tensor | None = None,
        sampler: Sampler | None = None,
        progress: ProgressCallback | None = None,
    ) -> Tensor:
        """Noise → data, (B, C, H, W) float32: the exact inverse of `forward` where `guidance` is 0.

        Args:
            z: noise (B, C, H, W).
            text: features (B, L, txt_dim) of one prompt an image; None for a model without text.
            guidance: strength w ≥ 0 of classifier-free guidance.
            unconditional: features of the empty or negative prompt, (B, L, txt_dim) or (1, L, txt_dim); needed for
                guidance.
            sampler: `Sequential()` by default.
            progress: called after every step; what it raises ends the sampling.

        Raises:
            ValueError: a shape does not fit the model, or guidance is negative, not finite, or without its text.
        """
        for step in self.inverse_steps(z, text, guidance=guidance, unconditional=unconditional, sampler=sampler):
            if progress is not None:
                progress(step)
        return step.partial().clone()  # out of inference mode, so that gradients can be taken of it

    @torch.inference_mode()
    def inverse_steps(
        self,
        z: Tensor,
        text: Tensor | None = None,
        *,
        guidance: float = 0.0,
        unconditional: Tensor | None = None,
        sampler: Sampler | None = None,
    ) -> Iterator[Progress]:
        """`inverse`, step by step; closing the generator cancels it and frees its memory."""
        grid = self.grid(z)
        B = len(z)
        sampler = sampler or Sequential()
        text = self._checked_text(text, B, "text")
        if not (math.isfinite(guidance) and guidance >= 0):
            raise ValueError(f"guidance is {guidance}; it must be 0 (off) or a positive number.")
        if guidance > 0:
            if unconditional is None:
                raise ValueError("Guidance needs the features of an empty or negative prompt as `unconditional`.")
            unconditional = self._checked_unconditional(unconditional, text)

        tokens = patchify(z.to(self.device, torch.float32), self.config.patch_size)
        T = tokens.shape[1]
        total = T * sum(self.config.layers_per_block)
        done = 0
        for block in reversed(self.blocks):
            seen = text if block.sees_text else None
            layers = len(block.attn_blocks)
            # No name holds the predictor, so that its cache is freed before the next block's is allocated.
            steps = sampler.invert(
                Predictor(block, self._rotary(block, grid, seen), seen, unconditional, guidance, B, T),
                block.reorder(tokens),
            )
            for known, x in steps:
                tokens = block.reorder(x)
                yield Progress(done + known * layers, total, partial(unpatchify, tokens, grid, self.config.patch_size))
            done += T * layers

    def grid(self, x: Tensor) -> tuple[int, int]:
        """The token grid (H', W') of latents (B, C, H, W).

        Raises:
            ValueError: the shape does not fit the model.
        """
        p, C = self.config.patch_size, self.config.in_channels
        if x.ndim != 4 or x.shape[1] != C or not len(x):
            raise ValueError(f"Latents have shape {tuple(x.shape)}; this flow takes (B, {C}, H, W).")
        H, W = x.shape[2:]
        if not H or not W or H % p or W % p:
            raise ValueError(f"Latents are {H}×{W}; height and width must be positive multiples of {p}.")
        trained = self.config.trained_side
        if not self.config.rope and (H // p, W // p) != (trained, trained):
            side = trained * p
            raise ValueError(f"Latents are {H}×{W}; this flow has learned positions for {side}×{side} only.")
        return H // p, W // p

    def _checked_text(self, text: Tensor | None, batch: int, name: str) -> Tensor | None:
        if not self.config.has_text:
            if text is not None:
                raise ValueError(f"This flow takes no text, but {name} was given.")
            return None
        width = self.config.txt_dim
        if text is None:
            raise ValueError(f"This flow needs {name}: features (B, L, {width}); those of the empty prompt will do.")
        if text.ndim != 3 or text.shape[0] != batch or not text.shape[1] or text.shape[2] != width:
            raise ValueError(f"{name} has shape {tuple(text.shape)}; it must be ({batch}, L, {width}).")
        return text.to(self.device)

    def _checked_unconditional(self, unconditional: Tensor, text: Tensor | None) -> Tensor | None:
        """The unconditional text as one for each image, of the same length as the prompts."""
        if text is None or unconditional.shape == text.shape:
            return self._checked_text(unconditional, len(unconditional), "unconditional")
        if unconditional.shape != (1, *text.shape[1:]):
            raise ValueError(
                f"unconditional has shape {tuple(unconditional.shape)}; it must be {tuple(text.shape)} as the text is, "
                f"or {(1, *text.shape[1:])}."
            )
        return unconditional.to(self.device).expand_as(text)

    def _rotary(self, block: FlowBlock, grid: tuple[int, int], text: Tensor | None) -> Rotary | None:
        if not self.config.rope:
            return None
        return rotary_table(self.config, grid, 0 if text is None else text.shape[1], like=block.proj_in.weight)
