"""A normalizing flow of causal transformer blocks, for any kind of condition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .. import operations as casting
from ..operations import Computing
from ..quantization.formats import quantized, with_layers_for
from ..samplers import Progress, ProgressCallback, Sampler, Sequential
from .block import FlowBlock
from .config import AnyFlowConfig
from .guidance import Guidance
from .predictor import Predictor, is_guided
from .rotary import Rotary
from .state_dict import UNUSED_PRIOR, load_strict, published_state_dict
from .tokens import patchify, unpatchify

LOG_2PI = math.log(2 * math.pi)

Kind = TypeVar("Kind", bound="Flow")


@dataclass(frozen=True)
class FlowOutput:
    """The noise of a batch, and its exact log-likelihood.

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
    """The tokens after one block, (B, T, D), and the block's log-determinants, (B, T), both in raster order."""

    tokens: Tensor
    log_det: Tensor


class Flow(Computing):
    """An autoregressive flow between data and Gaussian noise.

    `flow(x, condition)` maps data to noise in one parallel pass; `flow.inverse(z, condition)` is its exact inverse,
    token by token. Inputs may have any device and any floating dtype; they are moved to the flow's. Densities are
    float32. A subclass defines its kind of condition by overriding the methods at the end.

    Attributes:
        device, dtype: of the transformers' computation. `to` and its kin set them together with the weights'; weights
            on another device or of another dtype are cast at use.

    Args:
        config: what to build.
        operations: namespace that `Linear` and `LayerNorm` are taken from; by default, of layers that cast their
            weights at use.
        factory: `device` and `dtype` for the parameters.
    """

    blocks: Sequence[FlowBlock]

    def __init__(self, config: AnyFlowConfig, operations: Any = casting, **factory: Any) -> None:
        super().__init__(**factory)
        blocks = (FlowBlock(config.block(i), operations, **factory) for i in range(config.num_blocks))
        self.config = config
        self.blocks = nn.ModuleList(blocks)  # type: ignore[assignment]

    @classmethod
    @torch.inference_mode(False)
    def from_state_dict(
        cls: type[Kind],
        config: Any,
        state_dict: Mapping[str, Tensor],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        weight_format: str | None = None,
        operations: Any = casting,
    ) -> Kind:
        """A flow ready for use from a state dict in the published format.

        The tensors become the parameters, and are copied only to change their `device` or `dtype`.

        Args:
            config: of this kind of flow, `StarFlowConfig` or `TarFlowConfig`.
            state_dict: under the published names.
            device: of the parameters and of the computation; by default that of the tensors.
            dtype: of the parameters and of the computation; by default that of the tensors.
            weight_format: to keep the weights of large layers in, such as `int8`; see `quantization`. Weights that are
                of a format keep it.
            operations: as for the flow itself.

        Raises:
            ValueError: tensors are missing, unexpected or of another shape than `config` says.
        """
        weights = published_state_dict(state_dict)
        plain = cls(config, device="meta")
        if UNUSED_PRIOR not in plain.state_dict():
            weights.pop(UNUSED_PRIOR, None)
        if weight_format is not None:
            weights = quantized(plain, weights, weight_format)
        expected = with_layers_for(plain, weights).state_dict()
        flow = with_layers_for(cls(config, operations, device="meta"), weights)
        load_strict(flow, weights, expected, "flow")
        flow.check_weights()
        return flow.to(device=device, dtype=dtype).eval().requires_grad_(False)

    @property
    def has_fixed_size(self) -> bool:
        """Whether the flow takes only the size that it was trained at."""
        return self.config.block(0).positions > 0

    @property
    def is_dequantized(self) -> bool:
        """Whether it is a flow of 8-bit pictures, trained with uniform noise within their steps."""
        return self.data == "pictures" and self.config.noise_std == 0

    def forward(self, x: Tensor, condition: Tensor | None = None, *, states: list[Tensor] | None = None) -> FlowOutput:
        """Data → noise, with the exact log-likelihood.

        Args:
            x: data (B, C, H, W).
            condition: of each datum; a subclass says of which kind.
            states: receives the hidden states after each layer of the last block, (B, T, width): what its transformer
                makes of the data. Without a start token they are T − 1.

        Raises:
            ValueError: a shape does not fit the model.
        """
        grid = self.grid(x)
        log_det: Tensor | float = 0.0
        for output in self.transform(x, condition, states=states):
            log_det = log_det + output.log_det
        noise, log_prob_map = self._densities(output.tokens, log_det, grid)
        return FlowOutput(unpatchify(noise, grid, self.config), log_prob_map.sum((1, 2)), log_prob_map)

    def log_prob_maps(self, x: Tensor, conditions: Tensor | None) -> Tensor:
        """Log-likelihood of each datum given each condition: (B, P, H/p, W/p), in nats by token.

        The blocks before the first that sees the condition are computed once for all conditions.

        Args:
            x: data (B, C, H, W).
            conditions: P of them, each for all data; None for a model without conditions, where P is 1.

        Raises:
            ValueError: a shape does not fit the model.
        """
        grid = self.grid(x)
        P = 1 if conditions is None else len(conditions)
        conditions = self.checked_condition(conditions, P)
        shared = list(takewhile(lambda block: not block.is_conditioned, self.blocks))
        tokens = patchify(x.to(self.device, torch.float32), self.config)
        log_det = torch.zeros(tokens.shape[:2], device=self.device)
        for output in self._through(shared, tokens, None, grid):
            tokens, log_det = output.tokens, log_det + output.log_det
        tokens, log_det = tokens.repeat_interleave(P, 0), log_det.repeat_interleave(P, 0)
        given = None if conditions is None else conditions.repeat(len(x), *(1,) * (conditions.ndim - 1))
        for output in self._through(self.blocks[len(shared) :], tokens, given, grid):
            tokens, log_det = output.tokens, log_det + output.log_det
        _, log_prob_map = self._densities(tokens, log_det, grid)
        return log_prob_map.unflatten(0, (len(x), P))

    def transform(
        self, x: Tensor, condition: Tensor | None = None, *, states: list[Tensor] | None = None
    ) -> Iterator[BlockOutput]:
        """The output of each block in turn, from data to noise; arguments as for `forward`."""
        grid = self.grid(x)
        condition = self.checked_condition(condition, len(x))
        tokens = patchify(x.to(self.device, torch.float32), self.config)
        yield from self._through(self.blocks, tokens, condition, grid, states)

    def _through(
        self,
        blocks: Sequence[FlowBlock],
        tokens: Tensor,
        condition: Tensor | None,
        grid: tuple[int, int],
        states: list[Tensor] | None = None,
    ) -> Iterator[BlockOutput]:
        """The output of some blocks in turn, given tokens (B, T, D) in raster order."""
        for block in blocks:
            given = condition if block.is_conditioned else None
            seen = states if block is self.blocks[-1] else None
            z, log_det = block(block.reorder(tokens), given, self.rotary(block, grid, given), self.dtype, seen)
            tokens = block.reorder(z)
            yield BlockOutput(tokens, block.reorder(log_det))

    def _densities(self, tokens: Tensor, log_det: Tensor | float, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Noise (B, T, D) from the last block's tokens, and the map (B, H/p, W/p) of log-likelihoods in nats."""
        std = self.prior_std
        noise = tokens / std
        log_normal = (-0.5 * (noise.square() + LOG_2PI) - std.log()).sum(-1)
        return noise, (log_normal + log_det).unflatten(1, grid)

    def inverse(
        self,
        z: Tensor,
        condition: Tensor | None = None,
        *,
        guidance: float | Guidance = 0.0,
        unconditional: Tensor | None = None,
        sampler: Sampler | None = None,
        progress: ProgressCallback | None = None,
    ) -> Tensor:
        """Noise → data, (B, C, H, W) float32: the exact inverse of `forward` where `guidance` is 0.

        Args:
            z: noise (B, C, H, W).
            condition: of each datum; a subclass says of which kind.
            guidance: strength w ≥ 0 of classifier-free guidance, or a `Guidance`.
            unconditional: the condition of the unconditional pass, one per datum or (1, …) for all.
            sampler: `Sequential()` by default.
            progress: called after every step; an exception that it raises ends the sampling.

        Raises:
            ValueError: a shape does not fit the model, or guidance is negative, not finite, or lacks its condition.
        """
        for step in self.inverse_steps(z, condition, guidance=guidance, unconditional=unconditional, sampler=sampler):
            if progress is not None:
                progress(step)
        return step.partial().clone()  # a copy outside inference mode, so that it can have gradients

    @torch.inference_mode()
    def inverse_steps(
        self,
        z: Tensor,
        condition: Tensor | None = None,
        *,
        guidance: float | Guidance = 0.0,
        unconditional: Tensor | None = None,
        sampler: Sampler | None = None,
    ) -> Iterator[Progress]:
        """`inverse`, step by step; closing the generator cancels it and frees its memory."""
        grid = self.grid(z)
        B = len(z)
        sampler = sampler or Sequential()
        condition = self.checked_condition(condition, B)
        guide = guidance if callable(guidance) else self.guide(guidance)
        if guide.strength > 0:
            unconditional = self.checked_unconditional(unconditional, condition, B)

        tokens = patchify(z.to(self.device, torch.float32), self.config) * self.prior_std
        T = tokens.shape[1]
        total = T * sum(len(block.attn_blocks) for block in self.blocks)
        done = 0
        for block in reversed(self.blocks):
            given = condition if block.is_conditioned else None
            layers = len(block.attn_blocks)
            # No variable holds the predictor: its cache is freed before the next block's is allocated.
            steps = sampler.invert(
                Predictor(
                    block,
                    self.rotary(block, grid, given),
                    given,
                    unconditional,
                    guide if is_guided(block, guide) else None,
                    B,
                    T,
                    device=self.device,
                    dtype=self.dtype,
                ),
                block.reorder(tokens),
            )
            for known, x in steps:
                yield Progress(done + known * layers, total, partial(self._partial, block, x, grid))
            tokens = block.reorder(x)
            done += T * layers

    def _partial(self, block: FlowBlock, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Data from the tokens (B, T, D) of a block that is not through yet; made only where somebody looks."""
        return unpatchify(block.reorder(x), grid, self.config)

    def grid(self, x: Tensor) -> tuple[int, int]:
        """The token grid (H', W') of data (B, C, H, W).

        Raises:
            ValueError: the shape does not fit the model.
        """
        p, C, what = self.config.patch_size, self.config.in_channels, self.data.capitalize()
        if x.ndim != 4 or x.shape[1] != C or not len(x):
            raise ValueError(f"{what} have shape {tuple(x.shape)}; this flow takes (B, {C}, H, W).")
        H, W = x.shape[2:]
        if not H or not W or H % p or W % p:
            raise ValueError(f"{what} are {H}×{W}; height and width must be positive multiples of {p}.")
        trained = self.config.trained_side
        if self.has_fixed_size and (H // p, W // p) != (trained, trained):
            side = trained * p
            raise ValueError(f"{what} are {H}×{W}; this flow has learned positions for {side}×{side} only.")
        return H // p, W // p

    # What the kinds of flow override

    # The data: "latents" of an autoencoder, or "pictures" in [−1, 1].
    data = "data"
    # 8-bit steps per unit of the data, for a flow of pictures; bits per dimension count these steps.
    levels = 1.0

    @property
    def prior_std(self) -> Tensor:
        """Standard deviation of the prior, broadcast over tokens (T, D)."""
        return torch.ones((), device=self.device)

    def check_weights(self) -> None:
        """Check the values of weights whose shapes fit.

        Raises:
            ValueError: a value is impossible.
        """

    def guide(self, strength: float, **options: Any) -> Guidance:
        """Guidance of this kind of flow.

        Raises:
            ValueError: a value is out of range, or this kind has no such option.
        """
        raise NotImplementedError

    def checked_condition(self, condition: Tensor | None, batch: int, name: str = "condition") -> Tensor | None:
        """The condition of a batch, on the flow's device; errors call it `name`.

        Raises:
            ValueError: it does not fit the model.
        """
        raise NotImplementedError

    def checked_unconditional(
        self, unconditional: Tensor | None, condition: Tensor | None, batch: int
    ) -> Tensor | None:
        """The condition of the unconditional pass, one for each datum.

        Raises:
            ValueError: it is missing, or does not fit the condition.
        """
        raise NotImplementedError

    def rotary(self, block: FlowBlock, grid: tuple[int, int], given: Tensor | None) -> Rotary | None:
        """A block's table of rotary positions; None where positions are learned."""
        return None
