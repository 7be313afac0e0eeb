"""What a flow is made of: its configuration, under the names of the published checkpoints."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Spellings of the published YAML, and the names that the checkpoints' own configuration uses.
ALIASES = {"channel_size": "in_channels"}
COUNTS = (
    *("in_channels", "img_size", "patch_size", "channels", "top_block_channels"),
    *("num_blocks", "head_dim", "expansion", "pt_seq_len"),
)
SEQUENCE_ORDERS = ("L2R", "R2L")


@dataclass(frozen=True)
class FlowConfig:
    """Configuration of a STARFlow (arXiv 2506.06276).

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

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be 1 or more.")
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
        if self.img_size % self.patch_size:
            raise ValueError(f"img_size {self.img_size} is no multiple of patch_size {self.patch_size}.")
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
        if not (math.isfinite(self.noise_std) and self.noise_std >= 0):
            raise ValueError(f"noise_std is {self.noise_std}; it must be 0 or a positive number.")

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

    def width(self, block: int) -> int:
        """Transformer width of a block, counted in data → noise order."""
        is_top = block == self.num_blocks - 1
        return self.top_block_channels if is_top and self.top_block_channels else self.channels

    def sees_text(self, block: int) -> bool:
        return self.has_text and (not self.cond_top_only or block == self.num_blocks - 1)

    def is_flipped(self, block: int) -> bool:
        """Whether a block runs over the tokens in reversed raster order."""
        return block % 2 == (0 if self.seq_order == "L2R" else 1)

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> FlowConfig:
        """A configuration from its published names; switches may be 0/1 or booleans.

        Raises:
            ValueError: a name is unknown, one that is needed is missing, or a value is out of range.
        """
        if twice := [alias for alias, name in ALIASES.items() if alias in names and name in names]:
            raise ValueError(
                f"The flow's configuration holds both {twice[0]} and {ALIASES[twice[0]]}; keep one of them."
            )
        values = {ALIASES.get(name, name): value for name, value in names.items()}
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if unknown := sorted(values.keys() - fields.keys()):
            raise ValueError(f"Unknown in a flow's configuration: {', '.join(unknown)}. Known: {', '.join(fields)}.")
        required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
        if missing := [name for name in required if name not in values]:
            raise ValueError(f"Missing from the flow's configuration: {', '.join(missing)}.")
        try:
            return cls(**{name: _parsed(name, str(fields[name].type), value) for name, value in values.items()})
        except TypeError as error:
            raise ValueError(f"The flow's configuration holds a value of the wrong type: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """The same configuration under its published names, as JSON takes it."""
        return dataclasses.asdict(self) | {"layers_per_block": list(self.layers_per_block)}


def _parsed(name: str, kind: str, value: Any) -> Any:
    """A JSON or YAML value as the type of a field; TypeError where it is of another kind."""
    if value is None and kind.endswith("| None"):
        return None
    if kind == "bool" and value in (0, 1):
        return bool(value)
    if kind.startswith("tuple") and isinstance(value, (list, tuple)):
        return tuple(_parsed(name, "int", element) for element in value)
    if kind.startswith("int") and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    raise TypeError(f"{name} is {value!r} where {kind} is expected")
