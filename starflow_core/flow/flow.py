"""A normalizing flow of causal transformer blocks, for any kind of condition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from .tokens import Grid, Order, Part, patchify, unpatchify
from .video import checked_context, checked_given, segments

LOG_2PI = math.log(2 * math.pi)

Kind = TypeVar("Kind", bound="Flow")


@dataclass(frozen=True)
class FlowOutput:
    """The noise of a batch, and its exact log-likelihood.

    Attributes:
        z: (B, C, H, W) or (B, T, C, H, W), standard normal under the model.
        log_prob: (B,), in nats; of a video, over all its frames.
        log_prob_map: (B, H/p, W/p) or (B, T, H/p, W/p), in nats by token; sums to `log_prob`.
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
            x: data (B, C, H, W), or (B, T, C, H, W) of a flow that takes videos.
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
        log_prob = log_prob_map.sum(tuple(range(1, log_prob_map.ndim)))
        return FlowOutput(unpatchify(noise, grid, self.config), log_prob, log_prob_map)

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
        grid: Grid,
        states: list[Tensor] | None = None,
    ) -> Iterator[BlockOutput]:
        """The output of some blocks in turn, given tokens (B, T, D) in raster order."""
        for block in blocks:
            given = condition if block.is_conditioned else None
            seen = states if block is self.blocks[-1] else None
            order = Order(block.shape, grid)
            z, log_det = block(order.enter(tokens), given, self.rotary(block, grid, given), self.dtype, seen)
            tokens = order.leave(z)
            yield BlockOutput(tokens, order.leave(log_det))

    def _densities(self, tokens: Tensor, log_det: Tensor | float, grid: Grid) -> tuple[Tensor, Tensor]:
        """Noise (B, N, D) from the last block's tokens, and the map (B, H/p, W/p) of log-likelihoods in nats."""
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
        given: Tensor | None = None,
        window: int | None = None,
        context: int | None = None,
    ) -> Tensor:
        """Noise → data, shaped like z and float32: the exact inverse of `forward` where `guidance` is 0, and there are
        no windows.

        Args:
            z: noise (B, C, H, W), or (B, T, C, H, W) of a video.
            condition: of each datum; a subclass says of which kind.
            guidance: strength w ≥ 0 of classifier-free guidance, or a `Guidance`.
            unconditional: the condition of the unconditional pass, one per datum or (1, …) for all.
            sampler: `Sequential()` by default.
            progress: called after every step; an exception that it raises ends the sampling.
            given: (B, g, C, H, W) or (1, g, C, H, W), the first g < T frames of a video, with the noise that the flow
                was trained with; the frames after them are drawn. Their own noise is not used.
            window: frames that the last block sees at once, for videos longer than those of the training; None for all.
            context: frames of a window that the next one begins with; 16/21 of it where None, the published share.

        Raises:
            ValueError: a shape does not fit the model; guidance is negative, not finite, or lacks its condition; or
                frames are given, or windows asked for, that this flow or these sizes do not allow.
        """
        for step in self.inverse_steps(
            z,
            condition,
            guidance=guidance,
            unconditional=unconditional,
            sampler=sampler,
            given=given,
            window=window,
            context=context,
        ):
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
        given: Tensor | None = None,
        window: int | None = None,
        context: int | None = None,
    ) -> Iterator[Progress]:
        """`inverse`, step by step; closing the generator cancels it and frees its memory."""
        grid = self.grid(z)
        B = len(z)
        sampler = sampler or Sequential()
        condition = self.checked_condition(condition, B)
        guide = guidance if callable(guidance) else self.guide(guidance)
        if guide.strength > 0:
            unconditional = self.checked_unconditional(unconditional, condition, B)
        if window is not None:
            self._check_windows(grid, window, context)

        tokens = patchify(z.to(self.device, torch.float32), self.config) * self.prior_std
        frames = () if given is None else self._given_inputs(checked_given(given, z), condition)
        first = frames[0].shape[1] if frames else 0
        total = (tokens.shape[1] - first) * sum(len(block.attn_blocks) for block in self.blocks)
        done = 0
        for i, block in reversed(list(enumerate(self.blocks))):
            if frames:
                tokens = torch.cat([frames[i], tokens[:, first:]], dim=1)
            of_windows = (window, context) if i == len(self.blocks) - 1 else (None, None)
            parts = self._parts(block, grid, first, *of_windows)
            for part in parts:
                # No variable holds the predictor: its cache is freed before the next one's is allocated.
                steps = sampler.invert(
                    self._predictor(block, part, tokens, condition, unconditional, guide),
                    part.enter(tokens)[:, part.known :],
                )
                for known, x in steps:
                    work = done + known * part.order.sequences * len(block.attn_blocks)
                    yield Progress(work, total, partial(self._partial, part, tokens, x, grid))
                tokens = part.written(tokens, x)
                done = work

    def _check_windows(self, grid: Grid, window: int, context: int | None) -> None:
        checked_context(window, context)
        if len(grid) == 2 or not self.blocks[-1].shape.keeps_frames:
            raise ValueError(
                "Windows are for videos (B, T, C, H, W) of a flow whose frames depend on earlier ones alone "
                "(temporal_causal above 0); leave window away."
            )

    def _given_inputs(self, given: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        """The input of each block, (B, N, D) in raster order, on the way of given frames from data to noise."""
        *before, last = self.blocks
        if any(block.is_conditioned for block in before) or not last.shape.keeps_frames:
            raise ValueError(
                "This flow cannot take given frames: its frames do not depend on earlier ones alone "
                "(temporal_causal is 0), or its shallow blocks see the text (cond_top_only is 0)."
            )
        grid, tokens = self.grid(given), patchify(given.to(self.device, torch.float32), self.config)
        return (tokens, *(output.tokens for output in self._through(before, tokens, condition, grid)))

    def _parts(
        self, block: FlowBlock, grid: Grid, first: int, window: int | None, context: int | None
    ) -> Iterator[Part]:
        """What of a datum a block is inverted on at once, in turn, where the first tokens are known."""
        order = Order(block.shape, grid)
        F = order.frame_tokens
        if block.shape.local:
            yield Part(replace(order, grid=(order.frames - first // F, *grid[-2:])), first, 0)
            return
        for start, known, end in segments(order.frames, first // F, window, context):
            of_part = grid if len(grid) == 2 else (end - start, *grid[-2:])
            yield Part(replace(order, grid=of_part), start * F, (known - start) * F)

    def _predictor(
        self,
        block: FlowBlock,
        part: Part,
        tokens: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        guide: Guidance,
    ) -> Predictor:
        given = condition if block.is_conditioned else None
        sequences = part.enter(tokens)
        return Predictor(
            block,
            self.rotary(block, part.order.grid, given),
            given,
            unconditional,
            guide if is_guided(block, guide) else None,
            len(sequences),
            part.order.length,
            device=self.device,
            dtype=self.dtype,
            known=sequences[:, : part.known],
        )

    def _partial(self, part: Part, tokens: Tensor, x: Tensor, grid: Grid) -> Tensor:
        """Data from the tokens of a block that is not through yet; made only where somebody looks."""
        return unpatchify(part.written(tokens, x), grid, self.config)

    def grid(self, x: Tensor) -> Grid:
        """The token grid: (H', W') of pictures (B, C, H, W), (T, H', W') of videos (B, T, C, H, W).

        Raises:
            ValueError: the shape does not fit the model.
        """
        p, C, what = self.config.patch_size, self.config.in_channels, self.data.capitalize()
        takes = (4, 5) if self.takes_videos else (4,)
        if x.ndim not in takes or x.shape[-3] != C or not x.shape[0] or not x.shape[1]:
            shapes = " or ".join(f"(B, {C}, H, W)" if n == 4 else f"(B, T, {C}, H, W)" for n in takes)
            raise ValueError(f"{what} have shape {tuple(x.shape)}; this flow takes {shapes}.")
        H, W = x.shape[-2:]
        if not H or not W or H % p or W % p:
            raise ValueError(f"{what} are {H}×{W}; height and width must be positive multiples of {p}.")
        trained = self.config.trained_side
        if self.has_fixed_size and (H // p, W // p) != (trained, trained):
            side = trained * p
            raise ValueError(f"{what} are {H}×{W}; this flow has learned positions for {side}×{side} only.")
        return (*x.shape[1:-3], H // p, W // p)

    # What the kinds of flow override

    # The data: "latents" of an autoencoder, or "pictures" in [−1, 1].
    data = "data"
    # Whether it takes videos (B, T, C, H, W) beside pictures.
    takes_videos = False
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

    def rotary(self, block: FlowBlock, grid: Grid, given: Tensor | None) -> Rotary | None:
        """A block's table of rotary positions; None where positions are learned."""
        return None
