"""The demo's endpoints, as programs, agents and troublemakers use them."""

from __future__ import annotations

import json
import struct
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio
import make_space
import numpy as np
import pytest
from demo_server import Demo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from nodes.catalogue import NODES
from starflow_core.cli import main as cli
from starflow_core.weights.model_folder import embedded_models

PAGES = ("/create", "/likelihood", "/match", "/odd", "/confidence", "/invert", "/inpaint", "/morph", "/noise_canvas")
OUR_FAULT_LOGGED = "unexpected"  # in demo/errors.py
SMALL = {"aspect_ratio": "width and height", "width": 32, "height": 32}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # One thread, as the tests themselves have it, so that sums are of one order and pictures the same bit by bit.
    # Few arenas, so that the process's size is that of what it holds.
    environment = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    with Demo(tmp_path_factory.mktemp("demo"), environment=environment) as server:
        yield server


def client(demo: Demo, folder: Path) -> Client:
    return Client(demo.address, verbose=False, download_files=folder, analytics_enabled=False)


@pytest.fixture
def visitor(demo: Demo, tmp_path: Path) -> Client:
    return client(demo, tmp_path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC).save(path)
    return path


def create(visitor: Client, prompt: str, **settings: Any) -> tuple[Any, ...]:
    result: tuple[Any, ...] = visitor.predict(prompt, **settings, api_name="/create")
    return result


# Endpoints


def test_every_action_and_every_node_has_a_documented_endpoint(visitor: Client) -> None:
    endpoints = visitor.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {*PAGES, *(f"/{node.id}" for node in NODES)}
    for node in NODES:
        names = [parameter["parameter_name"] for parameter in endpoints[f"/{node.id}"]["parameters"]]
        assert names == [given.name for given in node.inputs]


def test_created_picture_is_that_of_the_command_and_says_how_it_was_made(visitor: Client, tmp_path: Path) -> None:
    pictures, table, details = create(visitor, "a red heart", seed=5, batch_size=2)
    assert "bits per dimension" in table
    cli.main(["generate", "a red heart", "--seed", "5", "--count", "2", "-o", str(tmp_path / "heart.png")])
    for i, entry in enumerate(pictures):
        with Image.open(entry["image"]) as found, Image.open(tmp_path / f"heart-{5 + i}.png") as expected:
            assert found.tobytes() == expected.tobytes()
            assert found.text["prompt"] == "a red heart"  # type: ignore[attr-defined]
            assert found.text["seed"] == str(5 + i)  # type: ignore[attr-defined]
            theirs = json.loads(expected.text["settings"])  # type: ignore[attr-defined]
            ours = json.loads(found.text["settings"])  # type: ignore[attr-defined]
            assert {name: ours[name] for name in theirs} == theirs
        assert Path(entry["image"]).name == f"a-red-heart-{5 + i}.png"
        assert f"seed {5 + i}" in entry["caption"]
    assert [one["seed"] for one in details] == [5, 6]
    for one, entry in zip(details, pictures, strict=True):
        assert "the model was trained to know" in one["in_words"]
        assert one["in_words"] in entry["caption"]
        assert one["in_words"] in table


def test_picture_of_a_class_is_that_of_the_command(visitor: Client, tmp_path: Path) -> None:
    (entry,), _, _ = create(visitor, "cat", model="tarflow-mini", seed=2)
    cli.main(["generate", "--model", "tarflow-mini", "--class", "cat", "--seed", "2", "-o", str(tmp_path / "cat.png")])
    with Image.open(entry["image"]) as found, Image.open(tmp_path / "cat.png") as expected:
        assert found.tobytes() == expected.tobytes()


def test_likelihoods_are_those_of_the_command_and_are_ranked(
    visitor: Client, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry,), _, _ = create(visitor, "a red heart", **SMALL)
    given = [{"image": handle_file(str(path)), "caption": None} for path in (photo, entry["image"])]
    _, table, maps, numbers = visitor.predict(given, "a red heart", seed=3, draws=2, api_name="/likelihood")
    assert [one["picture"] for one in numbers] == [Path(entry["image"]).name, "photo.png"]
    assert numbers[0]["bits_per_dim"] < numbers[1]["bits_per_dim"]
    assert len(maps) == 2
    assert "photo.png" in table
    assert ["likel" in one["in_words"] for one in numbers] == [True, False]  # the photo's shape is not the reference's
    capsys.readouterr()
    command = ["score", str(photo), "--prompt", "a red heart", "--draws", "2", "--seed", "3", "--json"]
    assert cli.main(command) == 0
    expected = json.loads(capsys.readouterr().out)
    assert numbers[1]["log_prob"] == pytest.approx(expected["log_prob"], rel=1e-5)
    np.testing.assert_allclose(numbers[1]["map"], expected["map"], atol=2e-3)


def test_inverted_picture_comes_back_and_varies(visitor: Client, photo: Path) -> None:
    slider, told, varied, numbers = visitor.predict(
        handle_file(str(photo)), "", count=2, strength=0.8, seed=7, api_name="/invert"
    )
    assert numbers["relative_error"] < 1e-4
    assert numbers["seeds"] == [7, 8]
    assert "dB" in told
    pictures = [np.asarray(Image.open(path)) for path in slider]
    first, second = (np.asarray(Image.open(entry["image"])) for entry in varied)
    assert pictures[0].shape == first.shape
    assert (first != second).any()


def test_nodes_go_hand_in_hand_by_handles(visitor: Client, tmp_path: Path) -> None:
    model, encoder, _, _ = visitor.predict(api_name="/STARFlowLoader")
    positive, _ = visitor.predict(encoder, "a red heart", api_name="/STARFlowTextEncode")
    negative, _ = visitor.predict(encoder, "", api_name="/STARFlowTextEncode")
    latent, _ = visitor.predict(model, positive, negative, seed=5, api_name="/STARFlowSampler")
    pictures, _ = visitor.predict(model, latent, api_name="/STARFlowDecode")
    cli.main(["generate", "a red heart", "--seed", "5", "-o", str(tmp_path / "heart.png")])
    with Image.open(pictures[0]["image"]) as found, Image.open(tmp_path / "heart.png") as expected:
        assert found.tobytes() == expected.tobytes()
    log_prob, bits, heatmap, mask, log_probs, all_bits, words, _ = visitor.predict(
        model, handle_file(pictures[0]["image"]), conditioning=positive, api_name="/STARFlowLikelihood"
    )
    assert (log_prob > 0) == (bits < 0)
    assert len(heatmap) == len(mask) == 1
    assert [log_probs, all_bits] == [[log_prob], [bits]]
    assert "likel" in words[0]
    noise, _ = visitor.predict(model, latent=latent, conditioning=positive, api_name="/STARFlowInvert")
    back, _ = visitor.predict(model, positive, noise=noise, guidance=0, api_name="/STARFlowSampler")
    again, _ = visitor.predict(model, back, api_name="/STARFlowDecode")
    close = np.abs(np.asarray(Image.open(again[0]["image"]), int) - np.asarray(Image.open(pictures[0]["image"]), int))
    assert close.max() <= 8  # the default sampler's tolerance


def test_compressed_picture_comes_back_and_its_file_is_on_no_disk(demo: Demo, visitor: Client, photo: Path) -> None:
    (handle,), (bits,), _ = visitor.predict(handle_file(photo), filename_prefix="a/b", api_name="/STARFlowCompress")
    assert bits > 0
    pictures, masks, _ = visitor.predict(handle, api_name="/STARFlowDecompress")
    with Image.open(pictures[0]["image"]) as found, Image.open(photo) as expected:
        assert found.tobytes() == expected.tobytes()
    with Image.open(masks[0]["image"]) as mask:
        assert mask.convert("L").getextrema() == (0, 0)
    assert not list(demo.folder.rglob("*.sfl"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "run STARFlow Compress first"),
        ("/etc/passwd", "nothing under the handle"),
        ("../b_00001_.sfl", "nothing under the handle"),
        ("b_00001_.sfl", "nothing under the handle"),
    ],
)
def test_names_of_files_are_no_handles(visitor: Client, name: str, told: str) -> None:
    with pytest.raises(AppError, match=told):
        visitor.predict(name, api_name="/STARFlowDecompress")


def test_files_are_not_asked_for_elsewhere(visitor: Client, photo: Path) -> None:
    with pytest.raises(AppError, match="leads out of the output folder"):
        visitor.predict(handle_file(photo), filename_prefix="../b", api_name="/STARFlowCompress")


def test_agents_find_the_tools(demo: Demo) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    request = urllib.request.Request(f"{demo.address}/gradio_api/mcp/", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Accept", "application/json, text/event-stream")
    with urllib.request.urlopen(request, timeout=30) as reply:
        text = reply.read().decode()
    data = next(line.removeprefix("data:") for line in text.splitlines() if line.startswith(("data:", "{")))
    tools = {tool["name"]: tool for tool in json.loads(data)["result"]["tools"]}
    assert {"create", "likelihood", "invert", "STARFlowSampler"} <= {name.split("/")[-1] for name in tools}
    described = next(tool for name, tool in tools.items() if name.endswith("create"))
    assert "normalizing flow" in described["description"]
    assert "steer away" in json.dumps(described["inputSchema"])


def test_space_runs_from_its_own_folder(tmp_path: Path) -> None:
    make_space.make(tmp_path / "space")
    with pytest.raises(ValueError, match="not empty"):
        make_space.make(tmp_path / "space")
    models = tmp_path / "space" / "starflow_core" / "models"
    assert all((models / name / "reference.json").is_file() for name in embedded_models())
    front = (tmp_path / "space" / "README.md").read_text().split("---")[1]
    assert f"sdk_version: {gradio.__version__}" in front
    (tmp_path / "run").mkdir()
    with Demo(tmp_path / "run", root=tmp_path / "space") as space:
        visitor = client(space, tmp_path)
        assert len(create(visitor, "a red heart", **SMALL)[0]) == 1
        assert space.reached_outside() == []


# Many at once


def test_fifty_requests_of_ten_visitors(demo: Demo, tmp_path: Path) -> None:
    """Everyone gets their own picture, that of the command within a grey level or two, since those of several visitors
    are drawn at once; and memory stays flat."""
    cases = [(prompt, seed) for prompt in ("a red heart", "cat face") for seed in range(5)]
    expected = {}
    for prompt, seed in cases:
        path = tmp_path / f"{prompt}-{seed}.png"
        cli.main(["generate", prompt, "--seed", str(seed), "--size", "32", "-o", str(path)])
        expected[prompt, seed] = np.asarray(Image.open(path), int)

    clients = [client(demo, tmp_path / str(number)) for number in range(10)]

    def visit(number: int, requests: int = 5) -> list[bool]:
        visitor = clients[number]
        mine = [cases[(number * 3 + i * 7) % len(cases)] for i in range(requests)]
        results = [(case, create(visitor, case[0], seed=case[1], **SMALL)) for case in mine]
        found = [(case, np.asarray(Image.open(pictures[0]["image"]), int)) for case, (pictures, *_) in results]
        return [bool(np.abs(picture - expected[case]).max() <= 2) for case, picture in found]

    with ThreadPoolExecutor(10) as visitors:
        list(visitors.map(visit, range(10), [1] * 10))  # until threads and caches are there
        before = demo.memory()
        right = [one for results in visitors.map(visit, range(10)) for one in results]
    assert len(right) == 50
    assert all(right)
    assert demo.memory() - before < 50 * 2**20


def test_handles_cannot_be_guessed(visitor: Client) -> None:
    model, *_ = visitor.predict(api_name="/STARFlowLoader")
    assert len(model) > 20
    with pytest.raises(AppError, match="nothing under the handle"):
        visitor.predict("starflow_model-guessed", api_name="/STARFlowClassLabel")


def test_cancelled_work_ends(demo: Demo, tmp_path: Path) -> None:
    visitor = client(demo, tmp_path)
    long = visitor.submit("a red heart", sampler="sequential", batch_size=16, guidance=3.0, api_name="/create")
    seen = threading.Event()
    for _ in long:
        seen.set()
        break
    assert seen.is_set()
    long.cancel()
    # The one slot is free again: otherwise this would wait for the long work.
    create(client(demo, tmp_path / "next"), "cat face", **SMALL)


# Abuse


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"guidance": float("nan")}, "(?i)guidance|nan|json"),
        ({"guidance": 1e9}, "(?i)greater|guidance"),
        ({"seed": -1}, "(?i)less|minimum|seed"),
        ({"seed": 2**70}, "(?i)greater|maximum|seed"),
        ({"batch_size": 1_000_000}, "(?i)greater|batch"),
        ({"batch_size": 1.5}, "(?i)whole|batch"),
        ({"width": 20_000, "aspect_ratio": "width and height"}, "(?i)greater|width"),
        (
            {"width": 4096, "height": 4096, "aspect_ratio": "width and height"},
            "Width is 4096.* to 512",
        ),
        ({"batch_size": 17}, "(?i)greater|batch"),
        ({"aspect_ratio": "1:1000"}, "must be one of"),
        ({"model": "../../etc"}, "must be one of"),
        ({"model": "starflow-3b"}, "must be one of"),
        ({"sampler": "nobody"}, "must be one of"),
    ],
)
def test_what_is_out_of_range_is_told(visitor: Client, settings: dict[str, Any], told: str) -> None:
    with pytest.raises((AppError, ValueError), match=told):
        create(visitor, "a red heart", **settings)


@pytest.mark.parametrize("value", [None, "much", [1], {"a": 1}, True])
def test_what_is_no_number_is_refused(demo: Demo, visitor: Client, value: Any) -> None:
    with pytest.raises((AppError, ValueError)):
        create(visitor, "a red heart", temperature=value, **SMALL)
    assert demo.status("/") == 200


@pytest.mark.parametrize("prompt", ["x" * 100_000, "é" * 100_000])
def test_endless_prompt_is_told(visitor: Client, prompt: str) -> None:
    with pytest.raises((AppError, ValueError), match=r"10,?000"):
        create(visitor, prompt)


@pytest.mark.parametrize("prompt", ["", "   ", "\0", "<script>alert(1)</script>", "../../etc/passwd", "❤️" * 50])
def test_strange_prompts_are_drawn(visitor: Client, prompt: str) -> None:
    pictures, _, _ = create(visitor, prompt, **SMALL)
    assert len(pictures) == 1


def test_unknown_class_lists_the_known_ones_and_is_not_taken_for_markup(visitor: Client) -> None:
    with pytest.raises(AppError, match=r"&lt;img.*cat"):
        create(visitor, "<img src=x onerror=alert(1)>", model="tarflow-mini")


def bomb(path: Path) -> None:
    """A PNG of 60,000×60,000 pixels in half a megabyte; Pillow would need 4 GB to make it."""
    side = 60_000
    deflate = zlib.compressobj(1)
    rows = b"".join(deflate.compress(bytes(1 + side // 8) * 100) for _ in range(side // 100)) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    )


def huge(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def long(path: Path) -> None:
    Image.new("RGB", (3000, 10)).save(path)


def text(path: Path) -> None:
    path.write_text("no picture")


def truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (bomb, "too large|50 megapixels"),
        (huge, "50 megapixels"),
        (long, "4 times"),
        (text, "no picture"),
        (truncated, "cannot be read"),
    ],
)
def test_hostile_files_are_told(visitor: Client, tmp_path: Path, make: Any, told: str) -> None:
    path = tmp_path / "hostile.png"
    make(path)
    with pytest.raises(AppError, match=told):
        visitor.predict(handle_file(str(path)), "", api_name="/invert")
    with pytest.raises(AppError, match=told):
        visitor.predict([{"image": handle_file(str(path)), "caption": None}], "", api_name="/likelihood")


@pytest.mark.parametrize("name", ["/etc/passwd", "../app.py", "app.py", "starflow_core/models/starflow-mini/README.md"])
def test_files_of_the_server_cannot_be_read(demo: Demo, visitor: Client, name: str) -> None:
    for route in ("/gradio_api/file=", "/file=", "/static/", "/assets/", "/gradio_api/file/"):
        assert demo.status(route + name) in (400, 403, 404, 405)
    stolen = {"path": name, "meta": {"_type": "gradio.FileData"}}
    with pytest.raises((AppError, ValueError)):
        raw(demo, "invert", [stolen, "", "starflow-mini", 1, 0.5, 0, 0.0, 0.01, 1.0, "default"])


def raw(demo: Demo, endpoint: str, data: list[Any]) -> str:
    """A call as `curl` makes it; what came of it.

    Raises:
        ValueError: an error came.
    """
    request = urllib.request.Request(f"{demo.address}/gradio_api/call/{endpoint}", json.dumps({"data": data}).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            event = json.loads(reply.read())["event_id"]
        with urllib.request.urlopen(f"{demo.address}/gradio_api/call/{endpoint}/{event}", timeout=60) as reply:
            result = reply.read().decode()
    except urllib.error.HTTPError as error:
        raise ValueError(f"HTTP {error.code}") from None
    if "event: error" in result:
        raise ValueError(result)
    return str(result)


def test_large_uploads_are_refused(demo: Demo) -> None:
    boundary = "b"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = head + bytes(21 * 2**20) + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(f"{demo.address}/gradio_api/upload", body)
    request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 413


def test_nothing_outside_was_reached_and_nothing_unexpected_happened(demo: Demo) -> None:
    """The last of these tests, so that it sees what came of all others."""
    assert demo.reached_outside() == []
    assert OUR_FAULT_LOGGED not in demo.log.read_text()
