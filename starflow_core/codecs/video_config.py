"""The configuration of the video autoencoder, and both spellings of its weights' names."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# fmt: off
MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on
DIFFUSERS = {"base_dim": "dim", "decoder_base_dim": "dec_dim", "latents_mean": "mean", "latents_std": "std"}
# What diffusers' configuration must say of the rest.
ALLOWED = {"_class_name": "AutoencoderKLWan", "is_residual": True, "patch_size": 2, "in_channels": 12}
ALLOWED |= {"out_channels": 12, "dropout": 0.0, "attn_scales": []}


@dataclass(frozen=True)
class VideoAutoencoderConfig:
    """Configuration under the original names, those of the published autoencoder by default.

    Attributes:
        dim: width of the encoder's first stage.
        dec_dim: width of the decoder's last stage.
        z_dim: channels of a latent.
        dim_mult: widths of the stages, in multiples; each stage but the last halves the sides.
        num_res_blocks: residual layers a stage of the encoder; the decoder has one more.
        temperal_downsample: which stages but the last halve the frames, too.
        temporal_scale: factor of all latent frames but the first, which the flow sees.
        mean: of the latents, by channel, which the flow sees as 0.
        std: of the latents, by channel, which the flow sees as 1.
    """

    dim: int = 160
    dec_dim: int = 256
    z_dim: int = 48
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temperal_downsample: tuple[bool, ...] = (False, True, True)
    temporal_scale: float = 0.6
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    def __post_init__(self) -> None:
        for name in ("dim", "dec_dim", "z_dim", "num_res_blocks"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; it must be a whole number of 1 or more.")
        if len(self.temperal_downsample) != len(self.dim_mult) - 1:
            raise ValueError(
                f"temperal_downsample has {len(self.temperal_downsample)} entries; dim_mult {list(self.dim_mult)} "
                f"needs {len(self.dim_mult) - 1}, one for each stage but the last."
            )
        if len(self.mean) != self.z_dim or len(self.std) != self.z_dim or min(self.std) <= 0:
            raise ValueError(f"mean and std must have {self.z_dim} numbers each, as z_dim says, and std positive ones.")
        if not (math.isfinite(self.temporal_scale) and self.temporal_scale > 0):
            raise ValueError(f"temporal_scale is {self.temporal_scale}; it must be a positive number.")

    @property
    def factor(self) -> int:
        """Pixels a latent, along a side; the first halving is that of the patches."""
        return int(2 ** len(self.dim_mult))

    @property
    def frames(self) -> int:
        """Frames of a latent frame, but the first, which is one frame."""
        return int(2 ** sum(self.temperal_downsample))

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> VideoAutoencoderConfig:
        """From the original names, or from a diffusers `config.json` of an `AutoencoderKLWan`.

        Raises:
            ValueError: it describes another kind of autoencoder, or a value is out of range or of the wrong type.
        """
        for name, value in ALLOWED.items():
            if names.get(name, value) != value:
                raise ValueError(f"The video autoencoder's {name} is {names[name]!r}; only {value!r} is supported.")
        renamed = {DIFFUSERS.get(name, name): value for name, value in names.items()}
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in renamed.items()
            if name in known and value is not None
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"The video autoencoder's configuration holds a wrong type: {error}.") from error


RENAMED = (
    (r"^conv1\.", "quant_conv."),
    (r"^conv2\.", "post_quant_conv."),
    (r"coder\.conv1\.", "coder.conv_in."),
    (r"\.head\.0\.", ".norm_out."),
    (r"\.head\.2\.", ".conv_out."),
    (r"\.middle\.0\.", ".mid_block.resnets.0."),
    (r"\.middle\.1\.", ".mid_block.attentions.0."),
    (r"\.middle\.2\.", ".mid_block.resnets.1."),
    (r"\.downsamples\.(\d+)\.downsamples\.\d+\.(resample|time_conv)\.", r".down_blocks.\1.downsampler.\2."),
    (r"\.upsamples\.(\d+)\.upsamples\.\d+\.(resample|time_conv)\.", r".up_blocks.\1.upsampler.\2."),
    (r"\.downsamples\.(\d+)\.downsamples\.(\d+)\.", r".down_blocks.\1.resnets.\2."),
    (r"\.upsamples\.(\d+)\.upsamples\.(\d+)\.", r".up_blocks.\1.resnets.\2."),
    (r"\.residual\.0\.", ".norm1."),
    (r"\.residual\.2\.", ".conv1."),
    (r"\.residual\.3\.", ".norm2."),
    (r"\.residual\.6\.", ".conv2."),
    (r"\.shortcut\.", ".conv_shortcut."),
)


def diffusers_name(name: str) -> str:
    """diffusers' name of a tensor, given its original or its diffusers name."""
    if ".resnets." in name:  # whose own conv1 is none of the original's
        return name
    for pattern, new in RENAMED:
        name = re.sub(pattern, new, name)
    return name
