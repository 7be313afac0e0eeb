"""The formats by name, and models whose layers are kept in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from .groups import Int4Linear
from .layer import SCALE, QuantizedLinear
from .rows import Float8Linear, Int8Linear

Model = TypeVar("Model", bound=nn.Module)

FORMATS: dict[str, type[QuantizedLinear]] = {"int4": Int4Linear, "int8": Int8Linear, "fp8": Float8Linear}
# Small layers at the edges of a flow's blocks, which keep their precision.
EDGES = ("proj_in", "proj_out", "proj_txt")
# A twelfth of a flow's weights, with a third of the loss that 4 bits would cause.
FINER = {"int4": ("attention.proj", Int8Linear)}


def checked_format(name: str) -> type[QuantizedLinear]:
    """The layer of a format.

    Raises:
        ValueError: there is no such format.
    """
    if name not in FORMATS:
        raise ValueError(f"There is no format of weights called {name!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


def layers_to_quantize(model: nn.Module, name: str) -> dict[str, type[QuantizedLinear]]:
    """The linear layers of a model, by name, that a format keeps, each with its kind: not those at the edges of a
    flow's blocks.

    Raises:
        ValueError: there is no such format.
    """
    kind = checked_format(name)
    suffix, finer = FINER.get(name, ("", kind))
    found: dict[str, type[QuantizedLinear]] = {}
    for layer, module in model.named_modules():
        if isinstance(module, nn.Linear) and layer.rpartition(".")[2] not in EDGES:
            own = finer if suffix and layer.endswith(suffix) else kind
            if own.takes(module.in_features):
                found[layer] = own
    return found


def quantized(model: nn.Module, weights: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights of a model with those of its large layers in a format.

    Args:
        model: with plain layers; on the meta device, for example.
        weights: its state dict; one that is of the format already is returned as it is.
        name: of the format.

    Raises:
        ValueError: there is no such format, or the weights are of another one.
    """
    layers = layers_to_quantize(model, name)
    stored = format_of_weights(weights)
    if stored == name:
        return dict(weights)
    if stored is not None:
        raise ValueError(f"The weights are {stored} already; make {name} from the original weights.")
    result: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        result |= stored_as(layers, key, tensor)
    return result


def stored_as(layers: Mapping[str, type[QuantizedLinear]], key: str, tensor: Tensor) -> dict[str, Tensor]:
    """A tensor of a state dict as it is stored: by several if it is the weight of one of these layers."""
    layer, _, what = key.rpartition(".")
    if what != "weight" or layer not in layers:
        return {key: tensor}
    return {f"{layer}.{part}": kept for part, kept in layers[layer].quantize(tensor).items()}


def stored_sizes(
    layers: Mapping[str, type[QuantizedLinear]], key: str, tensor: Tensor, itemsize: int
) -> dict[str, int]:
    """The sizes in bytes of the tensors of `stored_as`, where plain ones have `itemsize` bytes a number."""
    layer, _, what = key.rpartition(".")
    if what != "weight" or layer not in layers:
        return {key: tensor.numel() * itemsize}
    parts = layers[layer].stored(*tensor.shape)
    return {f"{layer}.{part}": math.prod(shape) * dtype.itemsize for part, (shape, dtype) in parts.items()}


def with_layers_for(model: Model, weights: Mapping[str, Tensor]) -> Model:
    """A model on the meta device whose layers are replaced by quantised ones where its weights are of a format.

    Raises:
        ValueError: a weight is of no known format, or of a layer that cannot be of it.
    """
    for layer in _layers_of_few_bits(weights):
        _replace(model, layer, _kind_of(layer, weights.get(f"{layer}.weight")))
    return model


def quantized_parts(weights: Mapping[str, Tensor]) -> set[str]:
    """Names of the tensors that stand for quantised weights, whose dtypes are those of the format."""
    layers = set(_layers_of_few_bits(weights))
    return {name for name in weights if name.rpartition(".")[0] in layers and not name.endswith(".bias")}


def format_of_weights(weights: Mapping[str, Tensor]) -> str | None:
    """The name of the format of a state dict; None for plain weights."""
    kinds = {_kind_of(layer, weights.get(f"{layer}.weight")) for layer in _layers_of_few_bits(weights)}
    return next((name for name, kind in FORMATS.items() if kind in kinds), None)


def format_of(model: nn.Module) -> str | None:
    """The name of the format of a model's layers; None for plain ones."""
    kinds = {type(layer) for layer in model.modules()}
    return next((name for name, kind in FORMATS.items() if kind in kinds), None)


def dequantized(model: nn.Module, like: Tensor) -> dict[str, Tensor]:
    """The state dict of a model with plain weights in the place of quantised ones, on a tensor's device and in its
    dtype.
    """
    weights = dict(model.state_dict())
    for name, layer in model.named_modules():
        if isinstance(layer, QuantizedLinear):
            for part in layer.stored(layer.out_features, layer.in_features):
                del weights[f"{name}.{part}"]
            weights[f"{name}.weight"] = layer.dequantized(like)
    return {name: weight.detach().to(like) for name, weight in weights.items()}


def number_of_weights(model: nn.Module) -> int:
    """Parameters of a model, those that are kept in few bits included."""
    kept = (layer for layer in model.modules() if isinstance(layer, QuantizedLinear))
    plain = sum(parameter.numel() for parameter in model.parameters())
    return plain + sum(layer.out_features * layer.in_features for layer in kept)


def _layers_of_few_bits(weights: Mapping[str, Tensor]) -> list[str]:
    return [name.removesuffix(f".{SCALE}") for name in weights if name.endswith(f".{SCALE}")]


def _kind_of(layer: str, weight: Tensor | None) -> type[QuantizedLinear]:
    for kind in FORMATS.values():
        if weight is not None and weight.dtype == kind.stored(1, 1)["weight"][1]:
            return kind
    found = "missing" if weight is None else f"of {weight.dtype}"
    raise ValueError(f"{layer}.{SCALE} belongs to a weight of few bits, but {layer}.weight is {found}.")


def _replace(model: nn.Module, name: str, kind: type[QuantizedLinear]) -> None:
    parent, _, own = name.rpartition(".")
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        layer = model
    if not isinstance(layer, nn.Linear) or not kind.takes(layer.in_features):
        raise ValueError(f"{name}.{SCALE} belongs to no layer of this model that can have weights of few bits.")
    new = kind(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    setattr(model.get_submodule(parent), own, new)
