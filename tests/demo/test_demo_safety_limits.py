"""What one visitor may ask of the demo, so that others get their share."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo_server import Demo
from PIL import Image
from raw_client import RawClient, endpoint

META = {"meta": {"_type": "gradio.FileData"}}
SMALL = {"aspect_ratio": "width and height", "width": 32, "height": 32}
PATIENCE = 300  # seconds for what must come at last


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), environment={"MALLOC_ARENA_MAX": "2"}) as server:
        yield server


def comes(condition: Callable[[], bool]) -> bool:
    """Whether something comes about at last."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def test_visitor_who_floods_the_queue_delays_others_by_a_job(demo: Demo) -> None:
    """Two hundred requests of one address, from many pages; then one of another."""
    pages = [RawClient(demo, "192.0.2.1") for _ in range(51)]
    number, data = endpoint(pages[0], "create", prompt="a red heart", sampler="sequential", **SMALL)
    place = data.index(0.01)  # the tolerance, which means nothing here
    answers = []
    for i, page in enumerate(pages * 4):
        one = [*data[:place], 0.01 + 0.001 * i, *data[place + 1 :]]  # nothing of this can be done at once
        answers.append(page.join(number, one))
    taken = [status for status, _ in answers].count(200)
    refused = [answer for status, answer in answers if status == 429]
    assert taken >= 32
    assert len(refused) == len(answers) - taken
    assert all("jobs here by now; wait until one is done" in answer for answer in refused)
    waiting = json.loads(pages[0].get("/gradio_api/queue/status")[1])["queue_size"]
    assert 8 <= waiting <= 32
    quiet = RawClient(demo, "192.0.2.2")
    assert '"success":true' in quiet.call(*endpoint(quiet, "create", prompt="owl", **SMALL))
    left = json.loads(pages[0].get("/gradio_api/queue/status")[1])["queue_size"]
    assert waiting - left <= 5
    assert comes(lambda: json.loads(pages[0].get("/gradio_api/queue/status")[1])["queue_size"] == 0)


def test_page_has_few_jobs_at_a_time(demo: Demo) -> None:
    page = RawClient(demo, "192.0.2.3")
    number, data = endpoint(page, "create", prompt="a red heart", sampler="sequential", **SMALL)
    statuses = [page.join(number, data)[0] for _ in range(6)]
    assert statuses[:4] == [200] * 4
    assert 429 in statuses
    told = page.followed()
    assert told.count('"process_completed"') == statuses.count(200)
    assert '"success":true' in page.call(number, data)


def test_uploads_of_a_visitor_are_bounded(demo: Demo) -> None:
    greedy = RawClient(demo, "192.0.2.4")
    answers = [greedy.upload((f"{i}.png", bytes(19 * 2**20))) for i in range(8)]
    assert [status for status, _ in answers] == [200] * 6 + [429] * 2
    assert "64 files, and 128 MB" in answers[-1][1]
    kept = sum(path.stat().st_size for path in demo.uploads())
    assert kept <= 128 * 2**20
    assert RawClient(demo, "192.0.2.5").upload(("a.png", b"x"))[0] == 200
    many = RawClient(demo, "192.0.2.6").upload(*((f"{i}.png", b"x") for i in range(65)))
    assert many[0] == 429


@pytest.mark.parametrize(
    ("path", "most"), [("/gradio_api/queue/join", 1), ("/gradio_api/run/predict", 1), ("/gradio_api/mcp/", 8)]
)
def test_other_requests_are_bounded(demo: Demo, path: str, most: int) -> None:
    """Those of agents are larger, since their pictures stand in them."""
    status, answer = RawClient(demo).post(path, {"data": ["x" * (most + 1) * 2**20]})
    assert (status, f"larger than {most} MB" in answer) == (413, True)


def test_there_is_nothing_to_post_to_elsewhere(demo: Demo) -> None:
    assert RawClient(demo).post("/x", {"data": ["x" * 2**21]})[0] == 403


def test_upload_that_breaks_off_leaves_nothing(demo: Demo) -> None:
    before = demo.uploads()
    host, port = demo.address.removeprefix("http://").split(":")
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as half:
        half.sendall(head.encode() + bytes(2**20))
        assert comes(lambda: len(demo.uploads()) > len(before))
    assert comes(lambda: demo.uploads() == before)


def test_uploads_go_with_the_page(demo: Demo, tmp_path: Path) -> None:
    page = RawClient(demo, "192.0.2.7")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    path = Path(page.uploaded(tmp_path / "red.png"))
    page.call(*endpoint(page, "invert", picture={"path": str(path), **META}, count=1))
    assert path.exists()
    with urllib.request.urlopen(f"{demo.address}/gradio_api/heartbeat/{page.session}", timeout=60) as alive:
        alive.readline()
    assert comes(lambda: not path.exists())


def test_nothing_is_left_of_what_calls_held(demo: Demo) -> None:
    """After all the calls before."""
    held = demo.folder.glob("files/starflow-demo-*/files/held/*")
    assert comes(lambda: not list(held))


def test_memory_is_flat_over_large_pictures(demo: Demo, tmp_path: Path) -> None:
    """Four pictures of 49 megapixels each, which are 600 MB as they are decoded, and more as numbers."""
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("RGB", (64, 64), "red").save(small)
    Image.new("RGB", (7000, 7000), "red").save(large)
    client = RawClient(demo, "192.0.2.8")

    def measured(path: Path, count: int) -> str:
        files = [{"image": {"path": client.uploaded(path), **META}, "caption": None} for _ in range(count)]
        return client.call(*endpoint(client, "likelihood", pictures=files, draws=1))

    assert "bits_per_dim" in measured(small, 4)
    before = demo.peak_memory()
    assert measured(large, 4).count("bits_per_dim") >= 4
    assert demo.peak_memory() - before < 500 * 2**20
    assert "megapixels together" in measured(large, 5)


def test_uploads_go_when_the_demo_is_asked_to_end(tmp_path: Path) -> None:
    with Demo(tmp_path) as server:
        assert RawClient(server).upload(("a.png", b"x"))[0] == 200
        assert server.uploads()
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
