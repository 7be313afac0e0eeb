"""The endpoints as tools for agents, by the Model Context Protocol: Gradio's server with corrections.

Gradio 6.31 has two faults. The schema of a list of files has references without a target, and addresses in such a list
stay text. Pictures in a gallery, or among several outputs, become text instead of pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import gradio.mcp
from gradio import processing_utils
from gradio.mcp import GradioMCPServer
from gradio_client import handle_file
from gradio_client.utils import is_file_obj_with_meta

from .files import ADDRESS

EMBEDDED = re.compile(r"data:image/[^\"']+")


class Agents(GradioMCPServer):
    """Gradio's server with the corrections that the module's docstring lists."""

    def simplify_filedata_schema(self, schema: dict[str, Any]) -> tuple[dict[str, Any], list[list[str | int]]]:
        """Return the schema with files as text, and the positions of the files; "items" stands for those of a list."""
        simple, places = super().simplify_filedata_schema(inlined(schema))
        return _with_what_is_taken(simple), places

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """Return an agent's arguments, with a file in place of each text that stands for one."""
        return {
            name: [_file(one) for one in given]
            if [name, "items"] in filedata_positions
            else _file(given)
            if [name] in filedata_positions and given is not None
            else given
            for name, given in value.items()
        }

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Return outputs as MCP contents: for each picture the picture and its address, for anything else text."""
        if len(data) == 1:  # Gradio wraps the outputs, of which our tools have several, if no progress was asked for
            (data,) = data
        data = processing_utils.add_root_url(data, root_url, None)
        contents: list[Any] = []
        for part in _parts(data):
            if is_file_obj_with_meta(part):
                contents += super().postprocess_output_data([part], root_url)
            else:
                contents.append(self.types.TextContent(type="text", text=_text(part)))
        return contents


def install() -> None:
    """Make Gradio use this server from the next launch on."""
    gradio.mcp.GradioMCPServer = Agents  # type: ignore[misc]


def inlined(node: Any, known: dict[str, Any] | None = None) -> Any:
    """Return a JSON schema with each `$ref` replaced by its target."""
    if isinstance(node, list):
        return [inlined(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    known = {**(known or {}), **node.get("$defs", {})}
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return inlined({**known[node["$ref"].split("/")[-1]], **rest}, known)
    return {key: inlined(value, known) for key, value in node.items() if key != "$defs"}


def _with_what_is_taken(schema: Any) -> Any:
    """Return the schema with a description, at each file, of the text that an agent may pass for it."""
    if isinstance(schema, list):
        return [_with_what_is_taken(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if str(schema.get("format", "")).startswith("Gradio File Input"):
        return {
            **schema,
            "format": "a data: URI of a picture, or the address of one that this server made or was given",
        }
    return {key: _with_what_is_taken(value) for key, value in schema.items()}


def _file(given: Any) -> Any:
    """Return the file at an address of this server. Pictures in data URIs have such addresses by now: agent_files.py.

    Raises:
        ValueError: the text is no address of this server; the demo requests no other address.
    """
    if isinstance(given, str) and given.startswith("http") and ADDRESS in given:
        return handle_file(given)  # it does not read the file
    raise ValueError(
        f"A picture is a data: URI or an address that this server returned, and this is {str(given)[:60]!r}."
    )


def _parts(data: Any) -> Iterator[Any]:
    """Yield the outputs one by one, and of galleries each caption and each picture; leave out empty outputs."""
    for output in data:
        if isinstance(output, (list, tuple)) and output and all(_shows(one) for one in output):
            for one in output:
                yield from [one["caption"], one["image"]] if "image" in one else [one]
        elif output not in (None, "", []):
            yield output


def _shows(one: Any) -> bool:
    """Return whether this is a picture, or an entry of a gallery."""
    return isinstance(one, dict) and (is_file_obj_with_meta(one) or is_file_obj_with_meta(one.get("image")))


def _text(part: Any) -> str:
    """Return an output as text or JSON, without embedded pictures: only browsers need those."""
    return EMBEDDED.sub("…", part if isinstance(part, str) else json.dumps(part, default=str))
