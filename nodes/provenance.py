"""The origin of a latent in a graph: a latent of another autoencoder has no mark of its own.

Latents of Stable Diffusion 3 and of starflow-mini, for example, have the same shape, and mean different pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .declaration import LATENT, VAE

LOADER = "STARFlowLoader"
OURS = "STARFlow"  # how the ids of this pack's nodes begin
DIFFUSION_MODEL = "MODEL"  # ComfyUI's type of models that draw latents of another space


def foreign_source(
    start: str, name: str, node_of: Callable[[str], Mapping[str, Any]], classes: Mapping[str, Any]
) -> str | None:
    """The node of another pack that made a latent; None if the graph shows none.

    Args:
        start, name: the node and its input that receive the latent.
        node_of: a graph's node by its id, in the API's form: {"class_type": …, "inputs": {name: value or [id, slot]}}.
        classes: of nodes, by their type.
    """
    waiting, seen = [start], {start}
    while waiting:
        number = waiting.pop()
        for source, type in _linked(node_of(number), classes, only=name if number == start else None):
            kind = node_of(source)["class_type"]
            if type == DIFFUSION_MODEL or (type == VAE and not _is_ours(source, node_of, classes)):
                return str(node_of(number)["class_type"])
            if type == LATENT and source not in seen and not kind.startswith(OURS):
                seen.add(source)
                waiting.append(source)
    return None


def _is_ours(number: str, node_of: Callable[[str], Mapping[str, Any]], classes: Mapping[str, Any]) -> bool:
    """Whether an autoencoder comes from this pack's loader, possibly through other nodes."""
    node = node_of(number)
    if node["class_type"] == LOADER:
        return True
    return any(_is_ours(source, node_of, classes) for source, type in _linked(node, classes) if type in (VAE, "*"))


def _linked(node: Mapping[str, Any], classes: Mapping[str, Any], only: str | None = None) -> Iterator[tuple[str, str]]:
    """The nodes connected to a node's inputs, or to `only` one of them, with the types of these inputs."""
    types: dict[str, str] = {}
    if kind := classes.get(node["class_type"]):
        declared = kind.INPUT_TYPES()
        for group in ("required", "optional"):
            types |= {given: about[0] for given, about in declared.get(group, {}).items() if isinstance(about[0], str)}
    for given, value in node["inputs"].items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and only in (None, given):
            yield value[0], types.get(given, "*")
