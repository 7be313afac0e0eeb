"""What visitors cannot have from the demo: files of the server, at every door of it."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_server import ROOT, Demo
from PIL import Image
from raw_client import RawClient

from demo.files import REFUSED

SECRET = (7, 77, 177)  # the colour of a picture that nobody may see
FILES = ("image", "gallery", "imageslider", "imageeditor", "file", "video", "audio", "model3d", "multimodaltextbox")
FEW = ("working directory", "temporary folder", "own pipe", "way up", "http")  # what every input is tried with
META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that runs in a checkout of its own, with secrets in it."""
    folder = tmp_path_factory.mktemp("demo")
    checkout = folder / "checkout"
    for name in ("demo", "nodes", "starflow_core", "web"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "app.py", checkout)
    with Demo(folder / "run", root=checkout) as server:
        yield server


@pytest.fixture(scope="module")
def forbidden(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths and addresses by what they are; pictures lie at all that are files."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    own = next(demo.folder.glob("files/starflow-demo-*"))
    places = {
        "working directory": demo.root / "secret.png",
        "dot folder": demo.root / ".git" / "secret.png",
        "examples' cache": demo.root / ".gradio" / "cached_examples" / "secret.png",
        "temporary folder": demo.folder / "secret.png",
        "Gradio's folder": demo.folder / "files" / "secret.png",
        "demo's temporary files": own / "temporary" / "secret.png",
        "elsewhere": elsewhere / "secret.png",
    }
    for path in places.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), SECRET).save(path)
    files = own / "files"
    (files / "link.png").symlink_to(places["elsewhere"])
    (files / "folder").mkdir()
    (files / "linked").symlink_to(elsewhere)
    os.mkfifo(files / "pipe.png")
    os.mkfifo(elsewhere / "pipe.png")
    found = {name: str(path) for name, path in places.items()}
    return found | {
        "relative": "secret.png",
        "missing": str(elsewhere / "missing.png"),
        "missing upload": str(files / "missing.png"),
        "link": str(files / "link.png"),
        "linked folder": str(files / "linked" / "secret.png"),
        "folder": str(files / "folder"),
        "upload folder": str(files),
        "way up": f"{files}/../../../secret.png",
        "pipe": str(elsewhere / "pipe.png"),
        "own pipe": str(files / "pipe.png"),
        "terminal": "/dev/ptmx",
        "zeros": "/dev/zero",
        "memory": "/proc/self/mem",
        "http": "http://127.0.0.1:1/secret.png",
        "outside": "https://example.com/secret.png",
        "file": f"file://{places['elsewhere']}",
        "data": "data:image/png;base64,iVBORw0KGgo=",
        "own address": f"{demo.address}/gradio_api/file={places['elsewhere']}",
        "own address, encoded": f"{demo.address}/gradio_api/file=%2E%2E/secret.png",
        "zero byte": f"{files}/\0",
        "empty": "",
    }


def payloads(path: str) -> list[dict[str, Any]]:
    """A file as Gradio's clients name it, and as they do not."""
    return [
        {"path": path},
        {"path": path, **META},
        {"path": path, "url": path, "is_stream": True, **META},
        {"path": None, "url": path},
        {"url": path, **META},
    ]


def as_input(kind: str, file: dict[str, Any]) -> list[Any]:
    """The values of a component that hold the file."""
    if kind == "gallery":
        return [[{"image": file, "caption": None}], [{"video": file, "caption": "x"}], [file], [[file, "x"]]]
    if kind == "imageslider":
        return [[file, file]]
    if kind == "imageeditor":
        return [{"background": file, "layers": [file], "composite": file}]
    return [file]


def calls(config: dict[str, Any]) -> Iterator[tuple[int, list[Any], int, str]]:
    """Every function of the page with each of its inputs: its number, its data, the place of the input, its kind."""
    kinds = {component["id"]: component for component in config["components"]}
    for function in config["dependencies"]:
        if not function["backend_fn"]:
            continue
        inputs = [kinds[number] for number in function["inputs"]]
        data = [component["props"].get("value") for component in inputs]
        for place, component in enumerate(inputs):
            yield function["id"], data, place, component["type"]


def stolen(client: RawClient, answer: str) -> bool:
    """Whether the secret can be had at an address in an answer."""
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in client.served(answer)]
    return any(picture.getpixel((0, 0)) == SECRET for picture in pictures)


def answer_in_turn(client: RawClient, function: int, data: list[Any]) -> str:
    """The answer to a call. Jobs that were refused before may still be counted; it waits for their end."""
    while True:
        answer = client.call(function, data)
        if "wait until one is done" not in answer:
            return answer
        time.sleep(0.2)  # pytest's time limit ends this


@pytest.mark.timeout(900)  # some hundreds of calls, and jobs to wait for
def test_every_function_refuses_files_that_are_not_of_this_demo(demo: Demo, forbidden: dict[str, str]) -> None:
    """In every input, those of private functions too, whatever it is meant for; with one error for all.

    All of the files at one input of each kind, since all inputs have the same door; a few at every other input.
    """
    client = RawClient(demo)
    taken = 0
    seen = set()
    for function, data, place, kind in calls(client.config()):
        chosen: Iterable[str] = FEW if kind in seen else forbidden if kind in FILES else FEW[:1]
        seen.add(kind)
        for what in chosen:
            for file in payloads(forbidden[what]) if what == "working directory" else payloads(forbidden[what])[:2]:
                for value in as_input(kind, file):
                    answer = answer_in_turn(client, function, [*data[:place], value, *data[place + 1 :]])
                    assert REFUSED in answer, (function, what, answer)
                    assert client.served(answer) == []
                    taken += kind in FILES
    assert taken > 100
    assert demo.reached_outside() == []


def test_no_function_takes_a_path_that_is_typed(demo: Demo, forbidden: dict[str, str]) -> None:
    client = RawClient(demo)
    path = forbidden["working directory"]
    for function, data, place, kind in calls(client.config()):
        if kind in FILES:
            continue
        answer = client.call(function, [*data[:place], path, *data[place + 1 :]])
        assert not stolen(client, answer), (function, answer)


def test_what_comes_with_an_event_is_checked_too(demo: Demo, forbidden: dict[str, str]) -> None:
    client = RawClient(demo)
    function, data, _, _ = next(calls(client.config()))
    event = {"index": 0, "value": {"image": {"path": forbidden["elsewhere"]}}}
    assert REFUSED in client.call(function, data, event)


def test_uploads_are_taken(demo: Demo, tmp_path: Path) -> None:
    """By their path and by their address; without this, the other tests would say nothing."""
    client = RawClient(demo)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    path = client.uploaded(tmp_path / "red.png")
    config = client.config()
    invert = next(function for function in config["dependencies"] if function["api_name"] == "invert")
    kinds = {component["id"]: component for component in config["components"]}
    data = [kinds[number]["props"].get("value") for number in invert["inputs"]]
    for name in (path, f"{demo.address}/gradio_api/file={path}"):
        answer = client.call(invert["id"], [{"path": name, **META}, *data[1:]])
        assert "relative_error" in answer
        assert path not in answer  # no path goes through
        assert client.served(answer)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_address_serves_other_files(demo: Demo, forbidden: dict[str, str], method: str) -> None:
    client = RawClient(demo)
    for path in forbidden.values():
        for route in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/file/", "/gradio_api/proxy=", "/static/"):
            address = demo.address + route + urllib.parse.quote(path, safe="/:")
            request = urllib.request.Request(address, method=method)
            assert client.asked(request)[0] in (307, 400, 403, 404, 405), address
    assert demo.reached_outside() == []


@pytest.mark.parametrize(
    "path",
    [
        "stream/x",
        "component_server",
        "process_recording",
        "deep_link",
        "run-history/records",
        "vibe-edit",
        "token",
        "x",
    ],
)
def test_what_the_pages_do_not_need_is_closed(demo: Demo, path: str) -> None:
    client = RawClient(demo)
    assert client.post(f"/gradio_api/{path}", {})[0] == 403
    assert client.get(f"/gradio_api/{path}")[0] == 403
    assert client.get("/monitoring")[0] == 403


def test_queue_cannot_be_passed_by(demo: Demo) -> None:
    client = RawClient(demo)
    for function in client.config()["dependencies"]:
        if function["backend_fn"] and function["queue"] is not False:
            body = {"fn_index": function["id"], "session_hash": "x", "data": []}
            assert client.post("/gradio_api/run/predict", body)[0] == 404


@pytest.mark.parametrize("name", ["../../x.png", "/x.png", "..", "a/../../x.png", "x\0.png", "%2e%2e/x.png"])
def test_uploads_stay_in_their_folder(demo: Demo, name: str) -> None:
    status, answer = RawClient(demo).upload((name, b"x"))
    own = next(demo.folder.glob("files/starflow-demo-*/files"))
    if status == 200:
        assert all(Path(path).resolve().is_relative_to(own / "uploads") for path in json.loads(answer))
    else:
        assert status == 400


def asked(client: RawClient, method: str, **parameters: Any) -> tuple[int, str]:
    """As an agent speaks to the server of tools."""
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    return client.post("/gradio_api/mcp/", call, {"Accept": "application/json, text/event-stream"})


def tool(client: RawClient, name: str) -> str:
    """A tool's whole name."""
    listed = asked(client, "tools/list")[1]
    data = next(line.removeprefix("data:") for line in listed.splitlines() if line.startswith(("data:", "{")))
    return next(one["name"] for one in json.loads(data)["result"]["tools"] if one["name"].endswith(name))


def test_agents_get_no_other_files(demo: Demo, forbidden: dict[str, str]) -> None:
    """Gradio reads files that an agent's call names by itself, before any function is called."""
    client = RawClient(demo)
    tools = [(tool(client, one), name) for one, name in (("invert", "picture"), ("likelihood", "pictures"))]
    for what, path in forbidden.items():
        for file in payloads(path)[:2]:
            for one, name in tools:
                for value in (file, [{"image": file}], [file], path, [path]):
                    if what == "data" and path in (value, value[0] if isinstance(value, list) else None):
                        continue  # in which a picture may stand
                    status, answer = asked(client, "tools/call", name=one, arguments={name: value, "prompt": ""})
                    assert status == 400 or 'isError":true' in answer.replace(" ", ""), (what, value, answer)
                    assert client.served(answer) == []
    assert demo.reached_outside() == []


def test_pictures_of_agents_are_uploads(demo: Demo) -> None:
    """In a data URI, or by the address of an upload; both are held in the demo's folder, and taken."""
    client = RawClient(demo)
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    before = set(demo.uploads())
    status, answer = asked(client, "tools/call", name=tool(client, "invert"), arguments={"picture": uri, "count": 1})
    assert (status, "relative_error" in answer) == (200, True)
    (upload,) = set(demo.uploads()) - before
    assert upload.read_bytes() == file.getvalue()
    given = {"picture": f"{demo.address}/gradio_api/file={upload}", "count": 1}
    status, answer = asked(client, "tools/call", name=tool(client, "invert"), arguments=given)
    assert (status, "relative_error" in answer) == (200, True)
    assert set(demo.uploads()) - before == {upload}


def test_canvas_refuses_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret.png").parent.mkdir(exist_ok=True)
    with Demo(tmp_path / "run", program=("demo.graph", "likelihood")) as canvas:
        client = RawClient(canvas)
        elsewhere = tmp_path / "secret.png"
        Image.new("RGB", (64, 64), SECRET).save(elsewhere)
        functions = client.config()["dependencies"]
        number = next(one["id"] for one in functions if one["api_name"] == "predict_fn_MaskToImage")

        def ran(value: Any) -> str:
            return client.call(number, [json.dumps([value])])

        for path in (str(elsewhere), "/dev/ptmx", str(tmp_path), "app.py", f"/gradio_api/file={elsewhere}"):
            for value in (path, {"path": path}, {"url": path}):
                assert REFUSED in ran(value)
            assert client.get(f"/gradio_api/file={path}")[0] in (403, 404)
        mine = client.uploaded(elsewhere)
        assert "/gradio_api/file=" in ran({"path": mine})
