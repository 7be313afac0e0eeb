"""State dicts in the published format: cleaned of unused entries, and loaded strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ..operations import Computing

PREFIXES = ("module.", "_orig_mod.", "model.")
# Unused buffers of published checkpoints.
DROPPED = re.compile(r"blocks\.\d+\.attn_mask|feat_rope\.freqs_(cos|sin)")
UNUSED_PRIOR = "var"  # of a STARFlow, whose prior is standard normal
LISTED = 6


def published_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict without wrapper prefixes and unused buffers."""
    named = ((_without_prefixes(name), tensor) for name, tensor in state_dict.items())
    return {name: tensor for name, tensor in named if not DROPPED.fullmatch(name)}


def load_strict(module: Computing, state_dict: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Make the tensors of a state dict the parameters of a module on the meta device. It then computes in the widest
    of their dtypes.

    Args:
        module: whose parameters they become.
        state_dict: the tensors, by name.
        expected: names and shapes; layers of a host may lack them before loading.
        what: name of the module, for errors.

    Raises:
        ValueError: a tensor is missing, unexpected or of another shape; the message names them.
    """
    check_names(expected, state_dict, what)
    with torch.inference_mode(False):  # not in inference mode, whose tensors cannot take part in a gradient later
        state_dict = {name: w.clone() if w.is_inference() else w for name, w in state_dict.items()}
        module.load_state_dict(state_dict, strict=True, assign=True)
    module.computes_like(max(module.parameters(), key=lambda tensor: (tensor.is_floating_point(), tensor.itemsize)))


def check_names(expected: Mapping[str, Tensor], state_dict: Mapping[str, Tensor], what: str) -> None:
    """Compare the names and shapes of a state dict with those that a module has.

    Raises:
        ValueError: a tensor is missing, unexpected or of another shape; the message names them.
    """
    problems = _listed("missing", expected.keys() - state_dict.keys())
    problems += _listed("unexpected", state_dict.keys() - expected.keys())
    common = expected.keys() & state_dict.keys()
    wrong = [name for name in common if expected[name].shape != state_dict[name].shape]
    problems += _listed(
        "of another shape",
        (f"{name} {tuple(state_dict[name].shape)} instead of {tuple(expected[name].shape)}" for name in wrong),
    )
    if problems:
        raise ValueError(f"These weights are not those of this {what}: {'; '.join(problems)}.")


def _without_prefixes(name: str) -> str:
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), None):
        name = name[len(prefix) :]
    return name


def _listed(problem: str, names: Iterable[str]) -> list[str]:
    names = sorted(names)
    if not names:
        return []
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return [f"{problem}: {', '.join(names[:LISTED])}{more}"]
