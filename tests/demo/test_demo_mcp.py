"""The demo's tools, called as an agent calls them: by the client of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import Demo
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from demo.agents import inlined
from nodes.catalogue import NODES
from starflow_core.pipeline import Pipeline

SMALL = {"aspect_ratio": "width and height", "width": 32, "height": 32}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), environment={"OMP_NUM_THREADS": "1"}) as server:
        yield server


@pytest.fixture(scope="module")
def tools(demo: Demo) -> dict[str, Any]:
    """All tools, by name."""

    async def listed(session: ClientSession) -> Any:
        return (await session.list_tools()).tools

    return {tool.name: tool for tool in in_session(demo, listed)}


def in_session(demo: Demo, work: Any) -> Any:
    async def run() -> Any:
        async with (
            streamable_http_client(f"{demo.address}/gradio_api/mcp/") as (read, write, *_),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await work(session)

    return asyncio.run(run())


def call(demo: Demo, tool: str, **given: Any) -> Any:
    """What a tool answers, with or without an error."""

    async def called(session: ClientSession) -> Any:
        return await session.call_tool(tool, given)

    return in_session(demo, called)


def done(demo: Demo, tool: str, **given: Any) -> list[Any]:
    """The contents of an answer without error."""
    result = call(demo, tool, **given)
    assert not result.isError, result.content[0].text
    return list(result.content)


def pictures_in(contents: list[Any]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(one.data))) for one in contents if one.type == "image"]


def texts_in(contents: list[Any]) -> list[str]:
    return [one.text for one in contents if one.type == "text"]


def addresses_in(contents: list[Any]) -> list[str]:
    return re.findall(r"Image URL: (\S+)", "\n".join(texts_in(contents)))


def data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def photo() -> Image.Image:
    """A picture that is unlike all that the models know."""
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC)


PAGES = ("create", "likelihood", "match", "odd", "confidence", "invert", "inpaint", "morph", "noise_canvas")


def test_schemas_stand_alone_and_have_the_true_ranges(tools: dict[str, Any]) -> None:
    assert set(tools) == {*PAGES, *(node.id for node in NODES)}
    for tool in tools.values():
        assert "$ref" not in json.dumps(tool.inputSchema), tool.name
    create = tools["create"].inputSchema["properties"]
    assert "from 1 to 16" in create["batch_size"]["description"]
    assert "from 8 to 512" in create["width"]["description"]
    assert "from 8 to 512" in create["height"]["description"]
    assert "4096" not in json.dumps(tools["STARFlowSampler"].inputSchema)
    assert " 64" not in json.dumps(tools["STARFlowSampler"].inputSchema["properties"]["batch_size"])
    assert create["batch_size"]["default"] == 1
    pictures = tools["likelihood"].inputSchema["properties"]["pictures"]
    assert pictures["type"] == "array"
    assert pictures["items"]["type"] == "string"


def test_models_that_are_refused_are_not_offered(tools: dict[str, Any]) -> None:
    for name in (*PAGES, "STARFlowLoader"):
        offered = json.dumps(tools[name].inputSchema["properties"]["model"])
        assert "starflow-mini" in offered
        assert "starflow-3b" not in offered


def test_created_pictures_come_as_pictures_with_their_likelihood(demo: Demo, pipeline: Pipeline) -> None:
    contents = done(demo, "create", prompt="a red heart", seed=5, batch_size=2, **SMALL)
    expected = pipeline.generate("a red heart", seed=5, count=2, size=32)
    found = pictures_in(contents)
    assert [np.asarray(one).tolist() for one in found] == [np.asarray(one).tolist() for one in expected]
    assert any("seed 5" in text for text in texts_in(contents))
    details = json.loads(texts_in(contents)[-1])
    assert [one["seed"] for one in details] == [5, 6]


def test_likelihood_takes_pictures_that_another_tool_made_and_data_uris(demo: Demo) -> None:
    (address,) = addresses_in(done(demo, "create", prompt="a red heart", seed=5, **SMALL))
    given = [data_uri(photo()), address]
    contents = done(demo, "likelihood", pictures=given, prompt="a red heart", draws=1)
    numbers = json.loads(texts_in(contents)[-1])
    assert numbers[0]["picture"] == Path(address).name  # likeliest first
    assert numbers[0]["bits_per_dim"] < numbers[1]["bits_per_dim"]
    assert len(pictures_in(contents)) == 2  # heatmaps
    assert not any("base64" in text for text in texts_in(contents))


def test_inverted_picture_comes_back_as_a_picture(demo: Demo) -> None:
    (address,) = addresses_in(done(demo, "create", prompt="a red heart", seed=5))
    contents = done(demo, "invert", picture=address, prompt="a red heart", count=1)
    before, after, varied = pictures_in(contents)
    assert np.abs(np.asarray(before, int) - np.asarray(after, int)).mean() < 4  # what the autoencoder keeps
    assert varied.size == before.size
    assert json.loads(texts_in(contents)[-1])["relative_error"] < 1e-4


def test_every_node_is_a_tool_that_works(demo: Demo) -> None:
    """From a prompt to a picture, its likelihood and its noise, by handles; and a class's label."""
    model, encoder, *_ = texts_in(done(demo, "STARFlowLoader", model="starflow-mini"))
    positive, _ = texts_in(done(demo, "STARFlowTextEncode", text_encoder=encoder, text="a red heart"))
    negative, _ = texts_in(done(demo, "STARFlowTextEncode", text_encoder=encoder, text=""))
    latent, _ = texts_in(
        done(demo, "STARFlowSampler", model=model, positive=positive, negative=negative, seed=5, **SMALL)
    )
    drawn = done(demo, "STARFlowDecode", model=model, latent=latent)
    (picture,) = pictures_in(drawn)
    assert picture.size == (32, 32)
    (address,) = addresses_in(drawn)
    encoded, _ = texts_in(done(demo, "STARFlowEncode", model=model, image=address))
    assert encoded.startswith("latent-")
    scored = done(demo, "STARFlowLikelihood", model=model, image=address, conditioning=positive)
    assert len(pictures_in(scored)) == 2  # heatmap and mask
    noise, _ = texts_in(done(demo, "STARFlowInvert", model=model, latent=latent, conditioning=positive))
    again, _ = texts_in(
        done(demo, "STARFlowSampler", model=model, positive=positive, noise=noise, guidance=0, sampler="sequential")
    )
    (back,) = pictures_in(done(demo, "STARFlowDecode", model=model, latent=again))
    assert np.abs(np.asarray(back, int) - np.asarray(picture, int)).max() <= 2
    of_classes, *_ = texts_in(done(demo, "STARFlowLoader", model="tarflow-mini"))
    label, _ = texts_in(done(demo, "STARFlowClassLabel", model=of_classes, name="cat"))
    assert label.startswith("conditioning-")


def test_progress_is_told_where_it_is_asked_for(demo: Demo) -> None:
    """Gradio hands the outputs on in another form then."""
    seen: list[float] = []

    async def called(session: ClientSession) -> Any:
        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        return await session.call_tool("create", {"prompt": "a red heart", **SMALL}, progress_callback=note)

    contents = in_session(demo, called).content
    assert len(pictures_in(contents)) == 1
    assert seen


@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        ("create", {"prompt": "x", "seed": -1}, "Seed is -1"),
        ("create", {"prompt": "x", "batch_size": 64}, "Batch size is 64, and must be a whole number from 1 to 16"),
        ("create", {"prompt": "x", "width": 4096}, "Width is 4096, and must be a whole number from 8 to 512"),
        ("create", {"prompt": "x", "model": "starflow-3b"}, "'starflow-3b' is not one of ['starflow-mini'"),
        ("likelihood", {"pictures": []}, "no picture yet"),
        ("likelihood", {"pictures": ["https://example.com/a.png"]}, "an address that this server returned"),
        ("likelihood", {"pictures": ["/etc/passwd"]}, "an address that this server returned"),
        ("invert", {"picture": "file:///etc/passwd"}, "an address that this server returned"),
    ],
)
def test_what_is_wrong_is_told_by_name(demo: Demo, tool: str, given: dict[str, Any], told: str) -> None:
    result = call(demo, tool, **given)
    assert result.isError
    assert told in result.content[0].text


def test_files_of_the_server_are_not_read_by_an_address(demo: Demo) -> None:
    """The gate refuses the whole request, which the client raises as a group of errors."""
    for path in ("/etc/passwd", f"{Path(__file__)}", "../../etc/passwd"):
        with pytest.raises(Exception) as refused:  # noqa: PT011 — the group's own words do not matter
            call(demo, "likelihood", pictures=[f"{demo.address}/gradio_api/file={path}"])
        assert "400 Bad Request" in "".join(traceback.format_exception(refused.value))


def test_what_a_schema_refers_to_stands_in_its_place() -> None:
    schema = {"$defs": {"A": {"type": "string"}}, "items": {"$ref": "#/$defs/A", "description": "a"}}
    assert inlined(schema) == {"items": {"type": "string", "description": "a"}}


def test_nothing_outside_was_reached(demo: Demo) -> None:
    """The last of these tests."""
    assert demo.reached_outside() == []
