"""The endpoints as tools for agents, by the Model Context Protocol: Gradio's server, mended where it falls short.

In Gradio 6.31, a list of files gets a schema that refers to nowhere, and addresses in it stay text; and pictures within
a gallery, or among several outputs, are written out as text rather than shown.
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
    """See the module."""

    def simplify_filedata_schema(self, schema: dict[str, Any]) -> tuple[dict[str, Any], list[list[str | int]]]:
        """The schema with files as text, and where those are; in lists, at "items"."""
        simple, places = super().simplify_filedata_schema(inlined(schema))
        return _with_what_is_taken(simple), places

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """What an agent gave, with files where text stands for them."""
        return {
            name: [_file(one) for one in given]
            if [name, "items"] in filedata_positions
            else _file(given)
            if [name] in filedata_positions and given is not None
            else given
            for name, given in value.items()
        }

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Outputs as contents: each picture as a picture and an address, and the rest as text."""
        if len(data) == 1:  # all outputs as one, where the tool's progress was not asked for; ours have several
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
    """Have Gradio serve these tools from the next launch on."""
    gradio.mcp.GradioMCPServer = Agents  # type: ignore[misc]


def inlined(node: Any, known: dict[str, Any] | None = None) -> Any:
    """A JSON schema without `$ref`: what it refers to stands in its place."""
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
    """Files' own word for what may stand for one."""
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
    """A file from its address at this server, which a picture in a data URI has by now, too; see agent_files.py.

    Raises:
        ValueError: it is no such address; this server asks no other.
    """
    if isinstance(given, str) and given.startswith("http") and ADDRESS in given:
        return handle_file(given)  # which reads nothing
    raise ValueError(
        f"A picture is a data: URI or an address that this server returned, and this is {str(given)[:60]!r}."
    )


def _parts(data: Any) -> Iterator[Any]:
    """Outputs one by one; of galleries, captions and pictures one by one."""
    for output in data:
        if isinstance(output, (list, tuple)) and output and all(_shows(one) for one in output):
            for one in output:
                yield from [one["caption"], one["image"]] if "image" in one else [one]
        elif output not in (None, "", []):
            yield output


def _shows(one: Any) -> bool:
    """Whether this is a picture, or a gallery's."""
    return isinstance(one, dict) and (is_file_obj_with_meta(one) or is_file_obj_with_meta(one.get("image")))


def _text(part: Any) -> str:
    """Words or JSON; pictures within it, which are there for browsers, are left out."""
    return EMBEDDED.sub("…", part if isinstance(part, str) else json.dumps(part, default=str))
