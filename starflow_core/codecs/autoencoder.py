"""The image autoencoder: the KL autoencoder of latent diffusion (arXiv 2112.10752), under diffusers' tensor names."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import operations as casting
from ..flow.state_dict import load_strict
from ..operations import Computing
from .tiling import blend_tiles

NORM_EPS = 1e-6
# Names that older files give to the attention's linear layers.
LEGACY_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True)
class AutoencoderConfig:
    """Configuration under diffusers' names.

    Attributes:
        block_out_channels: width of each level, from the image down; each level but the last halves the sides.
        layers_per_block: residual blocks a level of the encoder; the decoder has one more.
        latent_channels: channels of a latent.
        in_channels: channels of an image.
        norm_num_groups: groups of the group norms.
        scaling_factor: the factor of the latents that the flow sees.
        use_quant_conv: a 1×1 convolution on each side of the latents.
    """

    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    latent_channels: int = 4
    in_channels: int = 3
    norm_num_groups: int = 32
    scaling_factor: float = 0.18215
    use_quant_conv: bool = True

    def __post_init__(self) -> None:
        for name in ("layers_per_block", "latent_channels", "in_channels", "norm_num_groups"):
            value = getattr(self, name)
            if not isinstance(value, int):
                raise ValueError(f"{name} is {value!r}, which is of the wrong type; it must be a whole number.")
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be 1 or more.")
        if not self.block_out_channels or any(width % self.norm_num_groups for width in self.block_out_channels):
            raise ValueError(
                f"block_out_channels {list(self.block_out_channels)} must be multiples of "
                f"{self.norm_num_groups} groups."
            )
        if not (math.isfinite(self.scaling_factor) and self.scaling_factor > 0):
            raise ValueError(f"scaling_factor is {self.scaling_factor}; it must be a positive number.")

    @property
    def factor(self) -> int:
        """Pixels a latent, along a side."""
        return 2 ** (len(self.block_out_channels) - 1)

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> AutoencoderConfig:
        """From a diffusers `config.json`; its other entries must have the values that this module implements.

        Raises:
            ValueError: the file describes another kind of autoencoder, or a value is of the wrong type.
        """
        kind = names.get("_class_name", "AutoencoderKL")
        if kind != "AutoencoderKL":
            raise ValueError(f"The autoencoder is a {kind}; only AutoencoderKL is supported.")
        if names.get("shift_factor"):
            raise ValueError("The autoencoder has a shift_factor, which is not supported.")
        if names.get("act_fn", "silu") != "silu":
            raise ValueError(f"The autoencoder's act_fn is {names['act_fn']!r}; only 'silu' is supported.")
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in names.items() if name in known and value is not None}
        try:
            if "block_out_channels" in values:
                values["block_out_channels"] = tuple(int(width) for width in values["block_out_channels"])
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"The autoencoder's configuration holds a value of the wrong type: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """The same configuration as diffusers' `AutoencoderKL` reads it."""
        levels = len(self.block_out_channels)
        return {
            "_class_name": "AutoencoderKL",
            **dataclasses.asdict(self),
            "block_out_channels": list(self.block_out_channels),
            "out_channels": self.in_channels,
            "down_block_types": ["DownEncoderBlock2D"] * levels,
            "up_block_types": ["UpDecoderBlock2D"] * levels,
            "use_post_quant_conv": self.use_quant_conv,
        }


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, groups: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.norm1 = operations.GroupNorm(groups, inputs, eps=NORM_EPS, **factory)
        self.conv1 = operations.Conv2d(inputs, outputs, 3, padding=1, **factory)
        self.norm2 = operations.GroupNorm(groups, outputs, eps=NORM_EPS, **factory)
        self.conv2 = operations.Conv2d(outputs, outputs, 3, padding=1, **factory)
        self.conv_shortcut = operations.Conv2d(inputs, outputs, 1, **factory) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class SpatialAttention(nn.Module):
    """Single-head self-attention over all positions of a feature map."""

    def __init__(self, width: int, groups: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.group_norm = operations.GroupNorm(groups, width, eps=NORM_EPS, **factory)
        self.to_q = operations.Linear(width, width, **factory)
        self.to_k = operations.Linear(width, width, **factory)
        self.to_v = operations.Linear(width, width, **factory)
        self.to_out = nn.ModuleList([operations.Linear(width, width, **factory)])

    def forward(self, x: Tensor) -> Tensor:
        h = self.group_norm(x).flatten(2).transpose(1, 2)[:, None]  # (B, 1, H·W, width)
        h = F.scaled_dot_product_attention(self.to_q(h), self.to_k(h), self.to_v(h))
        return x + self.to_out[0](h)[:, 0].transpose(1, 2).reshape(x.shape)


class MiddleBlock(nn.Module):
    """Attention between two residual blocks, at the smallest resolution."""

    def __init__(self, width: int, groups: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([SpatialAttention(width, groups, operations, **factory)])
        self.resnets = nn.ModuleList(ResidualBlock(width, width, groups, operations, **factory) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Downsample(nn.Module):
    """Half the sides; padded below and to the right only."""

    def __init__(self, width: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.conv = operations.Conv2d(width, width, 3, stride=2, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the sides, by nearest neighbours and a convolution."""

    def __init__(self, width: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.conv = operations.Conv2d(width, width, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class DownLevel(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, layers: int, groups: int, *, halves: bool, operations: Any, **factory: Any
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(inputs if i == 0 else outputs, outputs, groups, operations, **factory) for i in range(layers)
        )
        self.downsamplers = nn.ModuleList([Downsample(outputs, operations, **factory)] if halves else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return x


class UpLevel(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, layers: int, groups: int, *, doubles: bool, operations: Any, **factory: Any
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(inputs if i == 0 else outputs, outputs, groups, operations, **factory) for i in range(layers)
        )
        self.upsamplers = nn.ModuleList([Upsample(outputs, operations, **factory)] if doubles else [])

    def forward(self, x: Tensor) -> Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x)
        return x


class Encoder(nn.Module):
    """Images (B, 3, H, W) → mean and log-variance of latents (B, 2·latent_channels, H/f, W/f)."""

    def __init__(self, config: AutoencoderConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = operations.Conv2d(config.in_channels, widths[0], 3, padding=1, **factory)
        self.down_blocks = nn.ModuleList(
            DownLevel(
                widths[max(i - 1, 0)],
                width,
                config.layers_per_block,
                groups,
                halves=i < len(widths) - 1,
                operations=operations,
                **factory,
            )
            for i, width in enumerate(widths)
        )
        self.mid_block = MiddleBlock(widths[-1], groups, operations, **factory)
        self.conv_norm_out = operations.GroupNorm(groups, widths[-1], eps=NORM_EPS, **factory)
        self.conv_out = operations.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Latents (B, latent_channels, H/f, W/f) → images (B, 3, H, W)."""

    def __init__(self, config: AutoencoderConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = operations.Conv2d(config.latent_channels, widths[0], 3, padding=1, **factory)
        self.up_blocks = nn.ModuleList(
            UpLevel(
                widths[max(i - 1, 0)],
                width,
                config.layers_per_block + 1,
                groups,
                doubles=i < len(widths) - 1,
                operations=operations,
                **factory,
            )
            for i, width in enumerate(widths)
        )
        self.mid_block = MiddleBlock(widths[0], groups, operations, **factory)
        self.conv_norm_out = operations.GroupNorm(groups, widths[-1], eps=NORM_EPS, **factory)
        self.conv_out = operations.Conv2d(widths[-1], config.in_channels, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Autoencoder(Computing):
    """Images ↔ scaled latents, which the flow takes: latents multiplied by `scaling_factor`.

    Args:
        config: what to build.
        operations: namespace that `Conv2d`, `Linear` and `GroupNorm` are taken from; by default, of layers that cast
            their weights at use.
        factory: `device` and `dtype` for the parameters.

    Attributes:
        device, dtype: where and in what dtype it computes, as for a `Flow`.
    """

    def __init__(self, config: AutoencoderConfig, operations: Any = casting, **factory: Any) -> None:
        super().__init__(**factory)
        self.config = config
        C = config.latent_channels
        self.encoder = Encoder(config, operations, **factory)
        self.decoder = Decoder(config, operations, **factory)
        self.quant_conv = operations.Conv2d(2 * C, 2 * C, 1, **factory) if config.use_quant_conv else None
        self.post_quant_conv = operations.Conv2d(C, C, 1, **factory) if config.use_quant_conv else None

    @classmethod
    @torch.inference_mode(False)
    def from_state_dict(
        cls,
        config: AutoencoderConfig,
        state_dict: Mapping[str, Tensor],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = casting,
    ) -> Autoencoder:
        """An autoencoder ready for use from a state dict in diffusers' format, new or old.

        Raises:
            ValueError: tensors are missing, unexpected or of another shape than `config` says.
        """
        autoencoder = cls(config, operations, device="meta")
        expected = (autoencoder if operations is casting else cls(config, device="meta")).state_dict()
        renamed = {_modern_name(name): tensor for name, tensor in state_dict.items()}
        load_strict(autoencoder, renamed, expected, "autoencoder")
        return autoencoder.to(device=device, dtype=dtype).eval().requires_grad_(False)

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the unscaled latents (B, latent_channels, H/f, W/f), float32."""
        h = self.encoder(images.to(self.device, self.dtype))
        if self.quant_conv is not None:
            h = self.quant_conv(h)
        mean, log_variance = h.float().chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)

    def encode(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [−1, 1] → the mean of their scaled latents (B, C, H/f, W/f), float32.

        Raises:
            ValueError: a side is not a multiple of f, the number of pixels per latent.
        """
        f = self.config.factor
        H, W = images.shape[-2:]
        if not H or not W or H % f or W % f:
            raise ValueError(f"The image is {W}×{H} pixels; width and height must be positive multiples of {f}.")
        return self.moments(images)[0] * self.config.scaling_factor

    def decode(self, latents: Tensor, *, tile: int | None = 64) -> Tensor:
        """Scaled latents (B, C, h, w) → images (B, 3, f·h, f·w), float32; about [−1, 1].

        Args:
            latents: scaled as `encode` gives them.
            tile: latents a side of the tiles that larger images are decoded in, so that memory does not grow with
                the image; None to decode any image at once.
        """
        latents = latents.to(self.device) / self.config.scaling_factor
        if tile is None or max(latents.shape[-2:]) <= tile:
            return self._decode_unscaled(latents)
        return blend_tiles(self._decode_unscaled, latents, tile=tile, factor=self.config.factor)

    def _decode_unscaled(self, latents: Tensor) -> Tensor:
        h = latents.to(self.dtype)
        if self.post_quant_conv is not None:
            h = self.post_quant_conv(h)
        return self.decoder(h).float()


def _modern_name(name: str) -> str:
    parts = name.split(".")
    if "attentions" in parts and parts[-2] in LEGACY_NAMES:
        parts[-2] = LEGACY_NAMES[parts[-2]]
    return ".".join(parts)
