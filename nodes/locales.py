"""English texts of the nodes in the format of ComfyUI's translations; `python -m nodes.locales` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .catalogue import NODES
from .declaration import Node

LOCALES = Path(__file__).parent.parent / "locales"


def texts(node: Node) -> dict[str, Any]:
    """The texts of a node, under ComfyUI's keys."""
    inputs = {given.name: {"name": given.label, "tooltip": given.field.help} for given in node.inputs}
    outputs = {
        str(i): {"name": output.name.replace("_", " ")} | ({"tooltip": output.help} if output.help else {})
        for i, output in enumerate(node.outputs)
    }
    return {"display_name": node.title, "description": node.help, "inputs": inputs, "outputs": outputs}


def english() -> str:
    """The content of the file."""
    return json.dumps({node.id: texts(node) for node in NODES}, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (LOCALES / "en" / "nodeDefs.json").write_text(english(), encoding="utf-8")
