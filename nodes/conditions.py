"""Conversion between CONDITIONING and a flow's condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from starflow_core.pipeline import Pipeline

from .host import Host
from .origin import prompt_mark
from .values import OF_MODEL, PROMPT, Conditioning, Model, Placed

PROMPT_MEMORY = 512 * 2**20  # bytes, for the activations of the largest text encoder on one prompt
# Settings that ComfyUI's nodes write into a conditioning, by key: the node, and the value without effect.
SETTINGS: dict[str, tuple[str, Any]] = {
    "area": ("Conditioning (Set Area)", None),
    "set_area_to_bounds": ("Conditioning (Set Mask)", False),
    "mask": ("Conditioning (Set Mask)", None),
    "mask_strength": ("Conditioning (Set Mask)", 1.0),
    "strength": ("ConditioningSetAreaStrength", 1.0),
    "start_percent": ("ConditioningSetTimestepRange", 0.0),
    "end_percent": ("ConditioningSetTimestepRange", 1.0),
    "control": ("Apply ControlNet", None),
    "gligen": ("GLIGENTextBoxApply", None),
    "unclip_conditioning": ("unCLIPConditioning", None),
    "guidance": ("FluxGuidance", None),
    "concat_latent_image": ("InpaintModelConditioning", None),
    "concat_mask": ("InpaintModelConditioning", None),
    "reference_latents": ("ReferenceLatent", None),
}


def conditioning(features: Tensor, kind: str, prompt: str) -> Conditioning:
    """Features (1, L, D) or labels (1,) of a prompt as a CONDITIONING; `kind` names the models that they fit."""
    kept = features.float().cpu() if features.is_floating_point() else features.cpu()
    return [[kept, {OF_MODEL: kind, PROMPT: prompt_mark(prompt, kept)}]]


def condition(host: Host, model: Model, conditioning: Conditioning | None, batch: int) -> Tensor | None:
    """Return the flow's condition for a batch, from a CONDITIONING; without one, for no class or the empty prompt.

    Raises:
        ValueError: the conditioning was made for another model, or has a setting that a flow does not support.
    """
    config = model.pipeline.flow.config
    if conditioning is None:
        features = encoded(host, _text_encoder(model), [""]) if config.txt_size else None
    else:
        features = _features(model, conditioning)
    return None if features is None else features.expand(batch, *features.shape[1:])


def with_text(host: Host, model: Model) -> Pipeline:
    """Return the pipeline with its text encoder, which has the empty prompt in its cache; no other is encoded."""
    part, encoder = model.pipeline, None
    if model.text_encoder is not None:
        encoded(host, model.text_encoder, [""])
        encoder = model.text_encoder.part
    return Pipeline(part.flow, part.autoencoder, encoder, name=part.name, defaults=part.defaults, classes=part.classes)


def says_something(host: Host, model: Model, conditioning: Conditioning | None) -> bool:
    """Whether a CONDITIONING says what to draw: it is there, and neither no class nor the empty prompt."""
    if conditioning is None:
        return False
    features = _features(model, conditioning)
    if not features.is_floating_point():
        return bool((features >= 0).any())
    if model.text_encoder is None:
        return True
    nothing = encoded(host, model.text_encoder, [""]).to(features)
    return features.shape != nothing.shape or not torch.equal(features, nothing)


def of_prompts(host: Host, model: Model, prompts: Sequence[str]) -> Tensor:
    """The flow's conditions (P, …) of prompts or names of classes, "" for neither.

    Raises:
        ValueError: the model knows no prompts, or there is no such class.
    """
    if model.pipeline.classes is not None:
        return model.pipeline.classes.encode(prompts)
    if not model.pipeline.flow.config.txt_size:
        raise ValueError(f"{model.pipeline.name} knows no prompts; load a model of prompts or classes.")
    return encoded(host, _text_encoder(model), prompts)


def of_one_length(first: Tensor | None, second: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Pad features (B, L, D) and (B, L', D) of two prompts to one length, with zeros, as a text encoder does.

    The lengths differ after a Conditioning (Concat) on one of them alone.
    """
    if first is None or second is None or first.ndim < 3 or second.ndim < 3:
        return first, second
    longest = max(first.shape[1], second.shape[1])
    return _padded(first, longest), _padded(second, longest)


def encoded(host: Host, text_encoder: Placed, prompts: Sequence[str]) -> Tensor:
    """Features (B, L, D) of prompts; the encoder needs memory only for prompts that are not cached."""
    encoder = text_encoder.part
    if all(encoder.remembers(prompt) for prompt in prompts):
        features: Tensor = encoder.encode(prompts)
        return features
    report = host.steps()
    with host.in_memory(text_encoder, PROMPT_MEMORY):
        report(0, len(prompts))
        features = encoder.encode(prompts)
        report(len(prompts), len(prompts))
    return features


def tell_unread(host: Host, text_encoder: Placed, prompts: Sequence[str]) -> None:
    """Report the parts of the prompts that the encoder does not read."""
    remarks = [remark for prompt in dict.fromkeys(prompts) for remark in text_encoder.part.unread(prompt)]
    if remarks:
        host.tell(" ".join(remarks))


def _text_encoder(model: Model) -> Placed:
    if model.text_encoder is None:
        raise ValueError(
            f"{model.pipeline.name} needs the encoding of a prompt, if only of an empty one: connect STARFlow Text "
            "Encode."
        )
    return model.text_encoder


def _features(model: Model, conditioning: Conditioning) -> Tensor:
    config, name = model.pipeline.flow.config, model.pipeline.name
    wanted = "STARFlow Text Encode" if config.txt_size else "STARFlow Class Label"
    if not isinstance(conditioning, list) or not conditioning:
        raise ValueError(f"This conditioning is empty; use {wanted} of {name}.")
    if len(conditioning) != 1:
        raise ValueError(
            f"{len(conditioning)} conditionings are combined here; a flow takes one. Join prompts with Conditioning "
            "(Concat) or Conditioning (Average) instead, or write them as one."
        )
    features, more = conditioning[0]
    if OF_MODEL not in more:
        raise ValueError(f"This conditioning was made for another kind of model; use {wanted} of {name} instead.")
    if config.txt_size:
        fits = features.ndim == 3 and features.shape[-1] == config.txt_dim
    else:
        fits = features.ndim == 1 and not features.is_floating_point()
    if not fits:
        raise ValueError(
            f"This conditioning, of shape {tuple(features.shape)}, was made for {more[OF_MODEL]}, or changed on its "
            f"way; use {wanted} of {name}."
        )
    _check_settings(more)
    return features


def _check_settings(more: Mapping[str, Any]) -> None:
    """Refuse settings of other nodes that a flow would silently ignore."""
    for key, value in more.items():
        node, nothing = SETTINGS.get(key, (f"a node that sets {key}", None))
        if key in (OF_MODEL, PROMPT) or value is None or (not isinstance(value, Tensor) and value == nothing):
            continue
        raise ValueError(
            f"This conditioning went through {node}, which a flow cannot heed: it has no timesteps and no areas, and "
            "takes one prompt for the whole picture. Connect the conditioning from before that node."
        )


def _padded(features: Tensor, length: int) -> Tensor:
    return pad(features, (0, 0, 0, length - features.shape[1]))
