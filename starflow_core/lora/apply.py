"""A model with LoRAs: its flow's matrices are changed once, so it computes as fast as without."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .. import operations as casting
from ..insight.reference import identity
from ..quantization.formats import format_of
from .adapter import Lora

if TYPE_CHECKING:
    from ..pipeline import Pipeline

LARGEST = 10.0  # strength


def with_loras(pipeline: Pipeline, loras: Sequence[tuple[Lora, float]], *, operations: Any = casting) -> Pipeline:
    """A model with LoRAs, each with a strength; the given one is unchanged, and shares all other weights.

    It has no reference: its likelihoods are those of another model.

    Args:
        pipeline: the model that they were trained on.
        loras: each with its strength: 1 as it was trained, 0 for none; changes of several add up.
        operations: namespace that the changed flow's layers are taken from, as `load` takes it.

    Raises:
        ValueError: a LoRA is of another model, or a strength is out of range.
    """
    if (format := format_of(pipeline.flow)) is not None:
        raise ValueError(f"{pipeline.name!r} has weights of {format}, which take no LoRA; load it in another dtype.")
    state = dict(pipeline.flow.state_dict())
    base = pipeline.adapted_from or identity(pipeline.flow)
    for lora, strength in loras:
        if not (math.isfinite(strength) and abs(strength) <= LARGEST):
            raise ValueError(f"strength is {strength!r}; it must be a number from −{LARGEST:g} to {LARGEST:g}.")
        _check_fits(lora, pipeline, base)
        for name in lora.down:
            weight = state[f"{name}.weight"]
            change = strength * lora.change(name)
            state[f"{name}.weight"] = (weight.float() + change.to(weight.device)).to(weight.dtype)
    changed = copy.copy(pipeline)
    flow = type(pipeline.flow).from_state_dict(pipeline.flow.config, state, operations=operations)
    flow.computes_like(torch.empty(0, device=pipeline.flow.device, dtype=pipeline.flow.dtype))
    changed.flow, changed.reference, changed.adapted_from = flow, None, base
    return changed


def parsed(text: str) -> tuple[str, float]:
    """File and strength from FILE or FILE:STRENGTH.

    Raises:
        ValueError: the strength is no number.
    """
    file, colon, strength = text.rpartition(":")
    if not colon:
        return text, 1.0
    try:
        return file, float(strength)
    except ValueError:
        if "/" in strength or "\\" in strength or strength.endswith(".safetensors"):
            return text, 1.0  # a colon within the path
        raise ValueError(f"{text!r} is no LoRA with a strength; write it like style.safetensors:0.8.") from None


def _check_fits(lora: Lora, pipeline: Pipeline, base: str) -> None:
    state = pipeline.flow.state_dict()
    shapes = {name: (lora.up[name].shape[0], lora.down[name].shape[1]) for name in lora.down}
    fits = all(tuple(state.get(f"{name}.weight", torch.empty(0)).shape) == shape for name, shape in shapes.items())
    if not fits or (lora.weights and lora.weights != base):
        of = f"the model {lora.base!r} of weights {lora.weights}" if lora.weights else "another model"
        raise ValueError(f"This LoRA is of {of}; {pipeline.name!r} has the weights {base}. Load the one that it is of.")
