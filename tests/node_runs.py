"""Nodes run by themselves, without ComfyUI."""

from __future__ import annotations

from typing import Any

from nodes.catalogue import NODES
from nodes.host import Host
from nodes.local_host import LocalHost

BY_ID = {node.id: node for node in NODES}


def run(name: str, /, host: Host | None = None, **values: Any) -> Any:
    """A node's outputs: the one, or all of them; `name` is its id without the beginning that all have."""
    node = BY_ID[f"STARFlow{name}"]
    defaults = {given.name: given.default for given in node.inputs if not given.is_required}
    results = node(host or LocalHost(device="cpu"), **defaults | values).outputs
    return results[0] if len(results) == 1 else results
