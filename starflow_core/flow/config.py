"""Configurations of both kinds of flow, under the names of the published checkpoints."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .config_names import from_names

COUNTS = ("in_channels", "img_size", "patch_size", "channels", "num_blocks", "head_dim", "expansion")
SEQUENCE_ORDERS = ("L2R", "R2L")


@dataclass(frozen=True)
class BlockShape:
    """Sizes and options of one block, of either kind of flow.

    Attributes:
        index: of the block, in data → noise order.
        token_dim: numbers a token, D.
        width: of the transformer.
        layers: of the transformer.
        head_dim: width of an attention head.
        expansion: widening of the MLP.
        flip: the block runs over the tokens in reversed raster order.
        start_token: a learned start token is prepended; otherwise the outputs are shifted by one.
        positions: learned positions T; 0 for rotary ones.
        text_dim: width of the text features; 0 for a block without text.
        classes: number of class embeddings; 0 for a block without classes.
        final_norm: RMS norm before the output projection.
        soft_clip: bound c of o ← c·tanh(o/c) on the outputs; 0 = off.
        scale: how the outputs become a scale; "none" for a scale of 1, which preserves volume.
        local: the block sees one frame of a video at a time.
        keeps_frames: a flip reverses the tokens within each frame of a video, and not the order of the frames.
    """

    index: int
    token_dim: int
    width: int
    layers: int
    head_dim: int
    expansion: int
    flip: bool
    start_token: bool
    positions: int = 0
    text_dim: int = 0
    classes: int = 0
    final_norm: bool = False
    soft_clip: float = 0.0
    scale: Literal["softplus", "exp", "none"] = "exp"
    local: bool = False
    keeps_frames: bool = False


class AnyFlowConfig(Protocol):
    """The common part of both configurations."""

    @property
    def in_channels(self) -> int: ...
    @property
    def img_size(self) -> int: ...
    @property
    def patch_size(self) -> int: ...
    @property
    def num_blocks(self) -> int: ...
    @property
    def noise_std(self) -> float: ...
    @property
    def trained_side(self) -> int: ...
    @property
    def channels_last(self) -> bool: ...
    @property
    def txt_size(self) -> int: ...
    @property
    def txt_dim(self) -> int: ...
    @property
    def num_classes(self) -> int: ...
    def block(self, index: int) -> BlockShape: ...
    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class StarFlowConfig:
    """Configuration of a STARFlow (arXiv 2506.06276), of pictures or of videos (STARFlow-V, arXiv 2511.20462).

    Attributes:
        in_channels: latent channels C.
        img_size: side of the square latent grid that the model was trained at, in latents.
        patch_size: side p of a token, in latents; a token holds D = C·p² numbers.
        channels: width of the transformers.
        num_blocks: flow blocks, in data → noise order; the last is the deep one.
        layers_per_block: transformer layers of each block.
        top_block_channels: width of the last block, where it differs from `channels`.
        head_dim: width of an attention head; heads = width / head_dim.
        expansion: widening of the MLP.
        norm_type: `layer_norm`, the one that the published image models use.
        rope: rotary positions; otherwise a learned `pos_embed` a block.
        pt_seq_len: tokens a side that the rotary positions were trained at; img_size / patch_size where None.
        sos: a learned start token is prepended; otherwise the outputs are shifted by one.
        txt_size: text tokens a prompt is padded to; 0 for a model without text.
        txt_dim: width of a text feature.
        cond_top_only: only the last block sees the text; otherwise all do.
        use_softplus: the scale is a softplus; otherwise an exponential.
        use_final_norm: RMS norm before the output projection.
        soft_clip: bound c of o ← c·tanh(o/c) on the outputs; 0 = off.
        seq_order: `R2L`: blocks 0, 2, … run over the tokens in raster order and 1, 3, … in reverse; `L2R`: the other
            way round.
        noise_std: standard deviation of the Gaussian noise on the latents in training.
        temporal_causal: 0: a flipped block reverses all tokens of a video; above 0: the tokens within each frame. It is
            also the reach A of the learned denoiser, which sees A − 1 frames ahead.
        shallow_block_local: all blocks but the last see one frame of a video at a time; needs `cond_top_only`.
        learnable_self_denoiser: the flow has a learned denoiser, `Denoiser`.
        conditional_denoiser: the denoiser sees the text.
        denoiser_window: frames G that the denoiser sees, those ahead included, beside the own one; all where None.
        fps_cond: captions say how many frames a second there are, as `video_caption` writes them.
        cond_noise_level: captions say `noise_std`.
        mix_aspect: captions say the aspect ratio.
    """

    in_channels: int
    img_size: int
    channels: int
    num_blocks: int
    layers_per_block: tuple[int, ...]
    patch_size: int = 1
    top_block_channels: int | None = None
    head_dim: int = 64
    expansion: int = 4
    norm_type: str = "layer_norm"
    rope: bool = True
    pt_seq_len: int | None = None
    sos: bool = True
    txt_size: int = 0
    txt_dim: int = 0
    cond_top_only: bool = True
    use_softplus: bool = True
    use_final_norm: bool = True
    soft_clip: float = 0.0
    seq_order: str = "L2R"
    noise_std: float = 0.3
    temporal_causal: int = 0
    shallow_block_local: bool = False
    learnable_self_denoiser: bool = False
    conditional_denoiser: bool = False
    denoiser_window: int | None = None
    fps_cond: bool = False
    cond_noise_level: bool = False
    mix_aspect: bool = False

    def __post_init__(self) -> None:
        _check_counts(self, *COUNTS, "pt_seq_len", "top_block_channels")
        if self.txt_size < 0:
            raise ValueError(f"txt_size is {self.txt_size}; it must be 0 (no text) or more.")
        if len(self.layers_per_block) != self.num_blocks or min(self.layers_per_block) < 1:
            raise ValueError(
                f"layers_per_block is {list(self.layers_per_block)}; it must hold one count of 1 or more "
                f"for each of the {self.num_blocks} blocks."
            )
        for block in range(self.num_blocks):
            if self.width(block) % self.head_dim:
                raise ValueError(f"Block {block} is {self.width(block)} wide, no multiple of head_dim {self.head_dim}.")
        _check_patches(self.img_size, self.patch_size)
        if self.rope and (self.head_dim % 4 or (self.has_text and self.head_dim <= 16)):
            raise ValueError(
                f"head_dim is {self.head_dim}; rotary positions need a multiple of 4, above 16 for a model with text."
            )
        if self.has_text and self.txt_dim < 1:
            raise ValueError(
                f"txt_size is {self.txt_size} but txt_dim is {self.txt_dim}; a model with text needs both."
            )
        if self.seq_order not in SEQUENCE_ORDERS:
            raise ValueError(f"seq_order is {self.seq_order!r}; it must be one of {', '.join(SEQUENCE_ORDERS)}.")
        if self.norm_type != "layer_norm":
            raise ValueError(f"norm_type is {self.norm_type!r}; only 'layer_norm' is supported.")
        if not (math.isfinite(self.soft_clip) and self.soft_clip >= 0):
            raise ValueError(f"soft_clip is {self.soft_clip}; it must be 0 (off) or a positive number.")
        _check_noise_std(self.noise_std)
        self._check_video()

    def _check_video(self) -> None:
        if self.temporal_causal < 0:
            raise ValueError(f"temporal_causal is {self.temporal_causal}; it must be 0 or more.")
        if self.temporal_causal and self.seq_order != "L2R":
            raise ValueError(f"temporal_causal is {self.temporal_causal}, which needs seq_order 'L2R'.")
        if self.shallow_block_local and not self.cond_top_only:
            raise ValueError("shallow_block_local needs cond_top_only: blocks that see one frame see no text.")
        if self.conditional_denoiser and not self.has_text:
            raise ValueError("conditional_denoiser needs text; txt_size is 0.")
        needed = max(1, self.temporal_causal - 1)
        if self.denoiser_window is not None and self.denoiser_window < needed:
            raise ValueError(f"denoiser_window is {self.denoiser_window}; it must be {needed} or more, or none.")
        if self.learnable_self_denoiser and not self.rope:
            raise ValueError("learnable_self_denoiser needs rope: the denoiser has rotary positions.")

    @property
    def has_text(self) -> bool:
        return self.txt_size > 0

    @property
    def token_dim(self) -> int:
        """Numbers a token, D."""
        return self.in_channels * self.patch_size**2

    @property
    def trained_side(self) -> int:
        """Tokens a side that the rotary positions were trained at."""
        return self.pt_seq_len or self.img_size // self.patch_size

    @property
    def channels_last(self) -> bool:
        """Whether the numbers of a token are ordered (p1, p2, c), and not (c, p1, p2)."""
        return True

    @property
    def num_classes(self) -> int:
        """Classes that the flow knows: none."""
        return 0

    def width(self, block: int) -> int:
        """Transformer width of a block, counted in data → noise order."""
        is_top = block == self.num_blocks - 1
        return self.top_block_channels if is_top and self.top_block_channels else self.channels

    def sees_text(self, block: int) -> bool:
        return self.has_text and (not self.cond_top_only or block == self.num_blocks - 1)

    @property
    def keeps_frames(self) -> bool:
        """Whether a frame of a video depends on the frames before it alone, in both directions of the flow."""
        return self.temporal_causal > 0

    def is_flipped(self, block: int) -> bool:
        """Whether a block runs over the tokens in reversed raster order."""
        return block % 2 == (0 if self.seq_order == "L2R" else 1)

    def block(self, index: int) -> BlockShape:
        """Sizes and options of a block, counted in data → noise order."""
        return BlockShape(
            index=index,
            token_dim=self.token_dim,
            width=self.width(index),
            layers=self.layers_per_block[index],
            head_dim=self.head_dim,
            expansion=self.expansion,
            flip=self.is_flipped(index),
            start_token=self.sos,
            positions=0 if self.rope else self.trained_side**2,
            text_dim=self.txt_dim if self.sees_text(index) else 0,
            final_norm=self.use_final_norm,
            soft_clip=self.soft_clip,
            scale="softplus" if self.use_softplus else "exp",
            local=self.shallow_block_local and index < self.num_blocks - 1,
            keeps_frames=self.keeps_frames,
        )

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> StarFlowConfig:
        """A configuration from its published names; switches may be 0/1 or booleans.

        Raises:
            ValueError: a name is unknown, a required one is missing, or a value is out of range.
        """
        return from_names(cls, names)

    def to_dict(self) -> dict[str, Any]:
        """The same configuration under its published names, as JSON takes it."""
        return dataclasses.asdict(self) | {"layers_per_block": list(self.layers_per_block)}


FlowConfig = StarFlowConfig
"""The former name of `StarFlowConfig`."""


@dataclass(frozen=True)
class TarFlowConfig:
    """Configuration of a TarFlow (arXiv 2412.06329).

    Attributes:
        in_channels: colours C of a picture.
        img_size: side of the square pictures, in pixels.
        patch_size: side p of a token, in pixels; a token holds D = C·p² numbers.
        channels: width of the transformers.
        num_blocks: flow blocks, in data → noise order.
        layers_per_block: transformer layers of every block.
        num_classes: class embeddings; 0 for a model without classes.
        nvp: blocks scale and shift; otherwise they only shift, which preserves volume, and the prior's variance is
            learned instead.
        head_dim: width of an attention head; heads = channels / head_dim.
        expansion: widening of the MLP.
        noise_std: standard deviation of the Gaussian noise on pictures in [−1, 1] in training; 0 for a model of 8-bit
            pictures, trained with uniform dequantisation noise.
    """

    in_channels: int
    img_size: int
    patch_size: int
    channels: int
    num_blocks: int
    layers_per_block: int
    num_classes: int = 0
    nvp: bool = True
    head_dim: int = 64
    expansion: int = 4
    noise_std: float = 0.07

    def __post_init__(self) -> None:
        _check_counts(self, *COUNTS, "layers_per_block")
        if self.num_classes < 0:
            raise ValueError(f"num_classes is {self.num_classes}; it must be 0 (no classes) or more.")
        if self.channels % self.head_dim:
            raise ValueError(f"channels {self.channels} is no multiple of head_dim {self.head_dim}.")
        _check_patches(self.img_size, self.patch_size)
        _check_noise_std(self.noise_std)

    @property
    def token_dim(self) -> int:
        """Numbers a token, D."""
        return self.in_channels * self.patch_size**2

    @property
    def trained_side(self) -> int:
        """Tokens a side."""
        return self.img_size // self.patch_size

    @property
    def channels_last(self) -> bool:
        """Whether the numbers of a token are ordered (p1, p2, c), and not (c, p1, p2)."""
        return False

    @property
    def txt_size(self) -> int:
        """Text tokens that the flow reads: none."""
        return 0

    @property
    def txt_dim(self) -> int:
        """Width of the text features that the flow reads: none."""
        return 0

    def block(self, index: int) -> BlockShape:
        """Sizes and options of a block, counted in data → noise order."""
        return BlockShape(
            index=index,
            token_dim=self.token_dim,
            width=self.channels,
            layers=self.layers_per_block,
            head_dim=self.head_dim,
            expansion=self.expansion,
            flip=index % 2 == 1,
            start_token=False,
            positions=self.trained_side**2,
            classes=self.num_classes,
            scale="exp" if self.nvp else "none",
        )

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> TarFlowConfig:
        """A configuration from its published names; switches may be 0/1 or booleans.

        Raises:
            ValueError: a name is unknown, a required one is missing, or a value is out of range.
        """
        return from_names(cls, names)

    def to_dict(self) -> dict[str, Any]:
        """The same configuration under its published names, as JSON takes it."""
        return dataclasses.asdict(self)


def _check_counts(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; it must be 1 or more.")


def _check_patches(img_size: int, patch_size: int) -> None:
    if img_size % patch_size:
        raise ValueError(f"img_size {img_size} is no multiple of patch_size {patch_size}.")


def _check_noise_std(noise_std: float) -> None:
    if not (math.isfinite(noise_std) and noise_std >= 0):
        raise ValueError(f"noise_std is {noise_std}; it must be 0 or a positive number.")
