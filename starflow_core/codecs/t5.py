"""T5's encoder (arXiv 1910.10683): prompts → features.

Names of weights and sizes are those of transformers' T5, and so are the results, bit for bit. Importing transformers
takes longer than importing torch, and every command would wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import operations as casting
from ..flow.state_dict import check_names
from ..quantization.formats import quantized, quantized_parts, with_layers_for

TYPES = ("t5", "mt5", "umt5")  # of models, in their config.json
EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight")  # two names of the same
OF_THE_DECODER = ("decoder.", "lm_head.")


@dataclass(frozen=True)
class T5Config:
    """Sizes, under transformers' names.

    Attributes:
        vocab_size: number of tokens.
        d_model, d_kv, d_ff: widths of a feature, of a head, and within an MLP.
        num_layers, num_heads: counts.
        relative_attention_num_buckets, relative_attention_max_distance: of the relative positions.
        layer_norm_epsilon: added to mean squares.
        feed_forward_proj: activation of the MLPs, relu, gelu or silu; "gated-" before it where there is a gate.
        model_type: t5, mt5 or umt5; the last has relative positions in each layer, and not in the first one only.

    Raises:
        ValueError: the activation or the type is unknown.
    """

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_heads: int
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"
    model_type: str = "t5"

    def __post_init__(self) -> None:
        if self.model_type not in TYPES:
            raise ValueError(f"model_type is {self.model_type!r}; it must be one of {', '.join(TYPES)}.")
        if self.feed_forward_proj not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"feed_forward_proj is {self.feed_forward_proj!r}; it must be one of {known}.")

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> T5Config:
        """From transformers' config.json, whose other entries do not concern the encoder.

        Raises:
            ValueError: a size is missing or of another kind.
        """
        known = {field.name: names[field.name] for field in fields(cls) if field.name in names}
        sizes = [field.name for field in fields(cls) if field.type == "int"]
        if missing := [name for name in sizes[:6] if name not in known]:
            raise ValueError(f"The configuration of T5 lacks {', '.join(missing)}.")
        if wrong := [name for name in sizes if name in known and not _is_count(known[name])]:
            raise ValueError(f"{wrong[0]} is {known[wrong[0]]!r}; it must be a positive whole number.")
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """As transformers reads it."""
        return {"architectures": ["T5EncoderModel"], "is_encoder_decoder": False, "use_cache": False, **asdict(self)}

    @property
    def hidden_size(self) -> int:
        """Width of a feature."""
        return self.d_model


class T5Output(NamedTuple):
    """Features (B, L, d_model)."""

    last_hidden_state: Tensor


class T5Encoder(nn.Module):
    """The encoder.

    Args:
        config: what to build.
        operations: namespace that `Linear` and `Embedding` are taken from; by default, of layers that cast at use.
        factory: `device` and `dtype` for the parameters.
    """

    def __init__(self, config: T5Config, operations: Any = casting, **factory: Any) -> None:
        super().__init__()
        self.config = config
        self.shared = operations.Embedding(config.vocab_size, config.d_model, **factory)
        self.encoder = _Stack(config, operations, **factory)

    @classmethod
    def from_state_dict(
        cls,
        config: T5Config,
        state_dict: Mapping[str, Tensor],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        weight_format: str | None = None,
        operations: Any = casting,
    ) -> T5Encoder:
        """An encoder ready for use, from the weights of a T5 with or without its decoder.

        Of float16, the last product of each MLP stays in float32, where trained weights overflow. With a
        `weight_format`, the weights of linear layers are kept in it; see `quantization`.

        Raises:
            ValueError: a tensor is missing, unexpected or of another shape; the message names them.
        """
        plain = cls(config, device="meta")
        tensors = {name: tensor for name, tensor in state_dict.items() if not name.startswith(OF_THE_DECODER)}
        embeddings = [tensors.pop(name) for name in EMBEDDINGS if name in tensors]
        if embeddings:
            tensors["shared.weight"] = embeddings[0]
        if weight_format is not None:
            tensors = quantized(plain, tensors, weight_format)
        check_names(with_layers_for(plain, tensors).state_dict(), tensors, "text encoder")
        encoder = with_layers_for(cls(config, operations, device="meta"), tensors)
        few_bits = quantized_parts(tensors)

        def dtype_of(name: str) -> torch.dtype | None:
            if name in few_bits:
                return None
            return torch.float32 if dtype is torch.float16 and name.endswith(".wo.weight") else dtype

        placed = {name: tensor.to(device, dtype_of(name)) for name, tensor in tensors.items()}
        encoder.load_state_dict(placed, strict=True, assign=True)
        return encoder.eval().requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        dtype: torch.dtype = self.shared.weight.dtype
        return dtype

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> T5Output:
        """Features of token ids (B, L); attention ignores positions where the mask (B, L) is 0."""
        return T5Output(self.encoder(self.shared(input_ids), attention_mask[:, None, None, :] != 0))


class _Stack(nn.Module):
    block: Any

    def __init__(self, config: T5Config, operations: Any, **factory: Any) -> None:
        super().__init__()
        has_bias = [layer == 0 or config.model_type == "umt5" for layer in range(config.num_layers)]
        self.block = nn.ModuleList(_Block(config, has, operations, **factory) for has in has_bias)
        self.final_layer_norm = _Norm(config, **factory)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        bias = None
        for block in self.block:
            bias = block.layer[0].SelfAttention.bias(x, mask, bias)
            x = _bounded(x + block.layer[0](x, bias))
            x = _bounded(x + block.layer[1](x))
        normed: Tensor = self.final_layer_norm(x)
        return normed


class _Block(nn.Module):
    layer: Any

    def __init__(self, config: T5Config, has_bias: bool, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            [_AttentionLayer(config, has_bias, operations, **factory), _MLPLayer(config, operations, **factory)]
        )


class _AttentionLayer(nn.Module):
    def __init__(self, config: T5Config, has_bias: bool, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.SelfAttention = _Attention(config, has_bias, operations, **factory)
        self.layer_norm = _Norm(config, **factory)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        attended: Tensor = self.SelfAttention(self.layer_norm(x), bias)
        return attended


class _Attention(nn.Module):
    """Attention without scale, with a learnt bias for each head and distance."""

    def __init__(self, config: T5Config, has_bias: bool, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.config = config
        inner = config.num_heads * config.d_kv
        self.q = operations.Linear(config.d_model, inner, bias=False, **factory)
        self.k = operations.Linear(config.d_model, inner, bias=False, **factory)
        self.v = operations.Linear(config.d_model, inner, bias=False, **factory)
        self.o = operations.Linear(inner, config.d_model, bias=False, **factory)
        buckets = config.relative_attention_num_buckets
        self.relative_attention_bias = operations.Embedding(buckets, config.num_heads, **factory) if has_bias else None

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (-1, self.config.d_kv)).transpose(1, 2) for part in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=1.0)
        mixed: Tensor = self.o(attended.transpose(1, 2).flatten(2))
        return mixed

    def bias(self, x: Tensor, mask: Tensor, previous: Tensor | None) -> Tensor:
        """The additive bias of the scores, (B, heads, L, L), or the layer's before; the lowest number at padding."""
        if self.relative_attention_bias is None:
            assert previous is not None
            return previous
        distances = torch.arange(x.shape[1], device=x.device)
        buckets = _buckets(distances[None, :] - distances[:, None], self.config)
        bias: Tensor = self.relative_attention_bias(buckets).permute(2, 0, 1)[None]
        return bias.masked_fill(~mask, torch.finfo(bias.dtype).min)


class _MLPLayer(nn.Module):
    def __init__(self, config: T5Config, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.DenseReluDense = _MLP(config, operations, **factory)
        self.layer_norm = _Norm(config, **factory)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.DenseReluDense(self.layer_norm(x))
        return hidden


class _MLP(nn.Module):
    def __init__(self, config: T5Config, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.feed_forward_proj]
        names = ("wi_0", "wi_1") if config.feed_forward_proj.startswith("gated-") else ("wi",)
        for name in names:
            self.add_module(name, operations.Linear(config.d_model, config.d_ff, bias=False, **factory))
        self.ways_in = names
        self.wo = operations.Linear(config.d_ff, config.d_model, bias=False, **factory)

    def forward(self, x: Tensor) -> Tensor:
        activated, *gates = (getattr(self, name)(x) for name in self.ways_in)
        hidden = self.activation(activated)
        for gate in gates:
            hidden = hidden * gate
        out: Tensor = self.wo(hidden.float() if hidden.dtype == torch.float16 else hidden)
        return out


class _Norm(nn.Module):
    """Division by the root of the mean square (arXiv 1910.07467)."""

    def __init__(self, config: T5Config, **factory: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.d_model, **factory))
        self.eps = config.layer_norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + self.eps)
        weight = self.weight.to(x.device)
        return weight * scaled.to(weight.dtype)


def _buckets(distances: Tensor, config: T5Config) -> Tensor:
    """The bucket of each distance from a query to a key: near ones have one each, far ones share them by logarithm."""
    half = config.relative_attention_num_buckets // 2  # for either direction
    near = half // 2
    reach = math.log(config.relative_attention_max_distance / near)
    lengths = distances.abs()
    logarithm = torch.log(lengths.clamp(min=near).float() / near) / reach * (half - near)
    far = (near + logarithm.long()).clamp(max=half - 1)
    return torch.where(lengths < near, lengths, far) + half * (distances > 0)


def _gelu(x: Tensor) -> Tensor:
    """GELU by tanh, in the order of the original, which torch's own rounds differently."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def _bounded(x: Tensor) -> Tensor:
    """Without infinities in float16."""
    if x.dtype != torch.float16:
        return x
    most = torch.finfo(x.dtype).max
    return x.clamp(-most, most)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "gated-relu": F.relu,
    "gated-gelu": _gelu,
    "gated-silu": F.silu,
}
