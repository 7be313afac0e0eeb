"""What keeps the demo safe, part by part, without a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gradio
import numpy as np
import pytest
from demo_server import ROOT
from PIL import Image

from demo.actions import draw, score
from demo.drawing import Wanted, draw_all
from demo.files import REFUSED, Hold, open_upload, with_files
from demo.folder import PREFIX, own_folder
from demo.steps import Done, Listener, Room, Step, Together, Watch, in_steps
from demo.turns import Turns
from demo.uploads import KEPT_PIXELS, Reading, all_opened, opened
from demo.visitors import TooMuch, Uploads, visitor_of

# Files


def test_file_is_held_as_it_was_when_it_was_opened(tmp_path: Path) -> None:
    """What happens to its name afterwards changes nothing."""
    upload = tmp_path / "photo.png"
    upload.write_bytes(b"mine")
    hold = Hold(tmp_path, "page")
    held = hold.hold([{"image": {"path": str(upload), "meta": {}}, "caption": "c"}])
    upload.unlink()
    upload.symlink_to("/etc/hostname")
    path = Path(held[0]["image"]["path"])
    assert path.read_bytes() == b"mine"
    assert path.name == "photo.png"
    assert held[0]["caption"] == "c"
    hold.release()
    assert not path.exists()


def test_file_that_is_changed_while_it_is_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, secret = tmp_path / "folder" / "photo.png", tmp_path / "secret.png"
    upload.parent.mkdir()
    upload.write_bytes(b"mine")
    secret.write_bytes(b"secret")
    honest = os.open

    def changed(path: Any, flags: int) -> int:
        upload.unlink()
        os.link(secret, upload)
        return honest(path, flags)

    monkeypatch.setattr(os, "open", changed)
    with pytest.raises(gradio.Error) as refused:
        open_upload(str(upload), tmp_path / "folder")
    assert refused.value.message == REFUSED


def test_too_many_and_too_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = tmp_path / "photo.png"
    upload.write_bytes(b"mine")
    with pytest.raises(gradio.Error, match="more than 64 files"):
        Hold(tmp_path, "page").hold([{"path": str(upload)}] * 65)
    monkeypatch.setattr("demo.files.MAX_FILE", 3)
    with pytest.raises(gradio.Error, match="larger than"):
        Hold(tmp_path, "page").hold({"path": str(upload)})


def test_all_that_names_a_file_is_found() -> None:
    value = {"a": [{"path": 1}, ({"url": 2},)], "b": {"c": {"path": 3, "url": 4}}, "d": "path"}
    found: list[Any] = []
    with_files(value, found.append)
    assert found == [{"path": 1}, {"url": 2}, {"path": 3, "url": 4}]


# Pictures


def saved(path: Path, picture: Image.Image, **options: Any) -> str:
    picture.save(path, **options)
    return str(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_large_picture_is_made_smaller_and_stays_what_it_is(tmp_path: Path, mode: str) -> None:
    """By means over squares, whatever it is stored as; what the model sees is within a grey level or two."""
    from starflow_core.images import as_rgb

    ramp = np.add.outer(np.arange(4000), np.arange(2000)) // 24
    whole = Image.fromarray(ramp.astype(np.uint8))
    large = Image.fromarray((ramp * 257).astype(np.uint16)) if mode == "I;16" else whole.convert(mode)
    found = opened(saved(tmp_path / "large.png", large))
    assert found.mode == "RGB"
    assert found.width * found.height <= KEPT_PIXELS
    assert found.width / found.height == pytest.approx(0.5, abs=0.01)
    small = (64, 128)
    expected = as_rgb(large).resize(small, Image.Resampling.BOX)
    close = np.abs(np.asarray(found.resize(small, Image.Resampling.BOX), int) - np.asarray(expected, int))
    assert close.max() <= (6 if mode == "1" else 2)  # whose dots are coarser than the squares


def test_small_picture_is_as_it_was(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 200, 3), dtype=np.uint8))
    assert opened(saved(tmp_path / "small.png", noise)).tobytes() == noise.tobytes()


def test_large_photo_is_decoded_smaller_and_upright(tmp_path: Path) -> None:
    photo = Image.new("RGB", (6000, 3000))
    photo.paste((250, 0, 0), (0, 0, 3000, 3000))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right
    found = opened(saved(tmp_path / "photo.jpg", photo, exif=exif))
    assert found.width * found.height <= KEPT_PIXELS
    assert found.height == 2 * found.width
    assert found.getpixel((found.width // 2, 10))[0] > 240  # type: ignore[index]
    assert found.getpixel((found.width // 2, found.height - 10))[0] < 10  # type: ignore[index]


def test_transparent_large_picture_stands_on_white(tmp_path: Path) -> None:
    palette = Image.new("P", (4000, 2000), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert opened(saved(tmp_path / "clear.png", palette, transparency=1)).getpixel((9, 9)) == (255, 255, 255)


def test_pictures_are_bounded_together(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.png", Image.new("1", (7000, 7000)))
    with pytest.raises(ValueError, match=r"245 megapixels together; 200"):
        all_opened([path] * 5)
    with pytest.raises(ValueError, match="17 pictures; 16"):
        all_opened([path] * 17)


class Clock:
    """A clock that moves on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("jpg", {"progressive": True, "quality": 95})])
def test_reading_ends_when_its_time_is_over(tmp_path: Path, ending: str, options: dict[str, Any]) -> None:
    """Not only before a picture is decoded: a few kilobytes can keep a decoder busy for long."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), dtype=np.uint8))
    path = saved(tmp_path / f"long.{ending}", noise, **options)
    clock = Clock()
    with pytest.raises(ValueError, match="takes longer to read than"):
        all_opened([path], Reading(40, clock))
    assert clock.now < 45
    assert all_opened([path], Reading(10_000, clock))
    assert clock.now > 60  # so that the time was over in the middle


# Visitors


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_visitors_are_told_apart_by_their_network(host: str, visitor: str) -> None:
    assert visitor_of(host) == visitor


def file_of(folder: Path) -> Path:
    folder.mkdir()
    (folder / "x.png").write_bytes(b"x")
    return folder / "x.png"


def test_uploads_of_a_visitor_are_bounded_and_freed(tmp_path: Path) -> None:
    held = Uploads(count=2, size=100, size_of_all=150)
    first, second = held.begin("me", tmp_path / "1"), held.begin("me", tmp_path / "2")
    path = file_of(first.folder)
    held.arrived(first, 60, 1)
    with pytest.raises(TooMuch, match="2 files, and 0 MB"):
        held.arrived(second, 60)
    held.forget(second)
    held.arrived(held.begin("you", tmp_path / "3"), 80)
    with pytest.raises(TooMuch, match="Others"):
        held.arrived(held.begin("they", tmp_path / "4"), 80)
    held.used(path, "page")
    held.used(path, "other page")
    held.left("page")
    assert path.exists()
    held.left("other page")
    assert not path.exists()
    assert held.held()["me"] == 0


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    held = Uploads(count=2)
    with pytest.raises(TooMuch):
        held.arrived(held.begin("me", tmp_path / "1"), 1, 3)


def test_uploads_that_nobody_uses_go(tmp_path: Path) -> None:
    now = 0.0
    held = Uploads(seconds=10, clock=lambda: now)
    old, used = held.begin("me", tmp_path / "old"), held.begin("me", tmp_path / "used")
    paths = [file_of(one.folder) for one in (old, used)]
    now = 8
    held.used(paths[1], "page")
    now = 12
    held.begin("you", tmp_path / "new")
    assert [path.exists() for path in paths] == [False, True]


# Turns


def test_visitors_take_turns_and_so_do_their_pages() -> None:
    turns: Turns[str] = Turns(lambda thing: (thing[0], thing[:2]))
    waiting = ["A1a", "A1b", "A1c", "A2a", "B1a", "B1b", "C1a"]
    assert turns.ordered(waiting) == ["A1a", "B1a", "C1a", "A2a", "B1b", "A1b", "A1c"]
    turns.took("A1a")
    assert turns.ordered(waiting[1:]) == ["B1a", "C1a", "A2a", "B1b", "A1b", "A1c"]
    turns.took("B1a")
    assert turns.ordered(["A1b", "B1b", "D1a"]) == ["D1a", "A1b", "B1b"]


# Work of several visitors at once


def together(kind: str, request: int, done: list[list[int]], count: int = 1) -> Together[int]:
    def run(requests: list[int], watch: Watch) -> list[int]:
        done.append(requests)
        if 13 in requests:
            raise ValueError("thirteen")
        watch.step(0.5, lambda: [Image.new("RGB", (1, 1), (request, 0, 0)) for request in requests])
        return [request * 10 for request in requests]

    return Together(kind, count, request, run)


def all_done(work: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What comes of work that waits while other work is done."""
    monkeypatch.setattr("demo.steps.ROOM", Room())
    blocked = threading.Event()
    waiting = [in_steps(lambda watch: blocked.wait(30)), *(in_steps(one) for one in work)]
    for steps in waiting:
        next(steps)
    blocked.set()
    return [outcome(steps) for steps in waiting[1:]]


def outcome(steps: Any) -> Any:
    """What was done, with the previews on the way; or what went wrong."""
    try:
        *told, done = steps
    except ValueError as error:
        return error
    return done, [step.pictures for step in told if step.pictures]


def test_jobs_of_one_kind_are_done_at_once_and_everyone_gets_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[int]] = []
    asked = [("a", 1), ("b", 2), ("a", 3)]
    found = all_done([together(kind, request, done) for kind, request in asked], monkeypatch)
    assert done == [[1, 3], [2]]
    assert [one[0] for one in found] == [Done(10), Done(20), Done(30)]
    for (_, request), (_, previews) in zip(asked, found, strict=True):
        assert all(picture.getpixel((0, 0)) == (request, 0, 0) for pictures in previews for picture in pictures)


def test_no_more_is_done_at_once_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[int]] = []
    all_done([together("a", number, done, count=7) for number in (1, 2, 3)], monkeypatch)
    assert done == [[1, 2], [3]]


def test_fault_of_one_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[int]] = []
    found = all_done([together("a", number, done) for number in (1, 13, 2)], monkeypatch)
    assert done == [[1, 13, 2], [1], [13], [2]]
    assert (found[0][0], found[2][0]) == (Done(10), Done(20))
    assert str(found[1]) == "thirteen"


def test_work_that_one_of_several_leaves_goes_on() -> None:
    listeners = [Listener(1), Listener(1)]
    watch = Watch(listeners=listeners)
    listeners[0].has_left.set()
    watch.step(0.5)
    assert listeners[1].news.get() == Step(0.5)


def wanted(prompt: str, seed: int, **changed: Any) -> Wanted:
    sampling = {
        "seed": seed, "guidance": -1.0, "aspect_ratio": "1:1", "width": 64, "height": 64, "batch_size": 1,
        "sampler": "jacobi", "tolerance": 0.01, "temperature": -1.0, "denoise": "default",
    }  # fmt: skip
    return Wanted(prompt, "", {**sampling, **changed})


def test_picture_of_a_seed_is_the_same_whoever_draws_at_the_same_time() -> None:
    """Up to a grey level: the sampler stops when all pictures of a batch are within its tolerance."""
    asked = [
        wanted("a red heart", 5),
        wanted("cat face", 1, batch_size=2, temperature=0.4),
        wanted("owl", 9, temperature=0.0),
    ]
    alone = [draw_all("starflow-mini", [one], Watch())[0] for one in asked]
    at_once = draw_all("starflow-mini", asked, Watch())
    assert [len(drawn) for drawn in at_once] == [1, 2, 1]
    for own, shared in zip(alone, at_once, strict=True):
        for first, second in zip(own, shared, strict=True):
            # What others asked for is no business of the file, so it does not say which batch it was drawn in.
            without_batch = {name: value for name, value in first.settings.items() if name != "batch"}
            assert (first.prompt, first.seed, without_batch) == (second.prompt, second.seed, second.settings)
            assert abs(first.scored.likelihood.bits_per_dim - second.scored.likelihood.bits_per_dim) < 0.02
            close = np.abs(np.asarray(first.picture, int) - np.asarray(second.picture, int))
            assert close.max() <= 2
            assert (close > 1).mean() < 0.001


def test_alone_a_picture_is_that_of_the_pipeline(pipeline: Any) -> None:
    (drawn,) = draw_all("starflow-mini", [wanted("a red heart", 5)], Watch())[0]
    assert drawn.picture.tobytes() == pipeline.generate("a red heart", seed=5)[0].tobytes()


# Work that is too much


def last_of(steps: Any) -> Any:
    *_, last = steps
    return last


@pytest.mark.parametrize(
    "size", [{"batch_size": 2, "width": 256, "height": 256}, {"batch_size": 5, "width": 128, "height": 128}]
)
def test_pictures_are_bounded_by_their_area(size: dict[str, int]) -> None:
    sampling = {**wanted("", 0).sampling, "aspect_ratio": "width and height", **size}
    with pytest.raises(ValueError, match="16 at once is the most"):
        last_of(draw("a", "", "starflow-mini", sampling))


def test_likelihoods_are_bounded_by_their_draws() -> None:
    pictures = [Image.new("RGB", (64, 64))] * 16
    with pytest.raises(ValueError, match=r"256 pictures.*fewer draws"):
        last_of(score(pictures, "", "starflow-mini", 256, 0))


# The folder


def test_folder_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with own_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder / "files")
        (folder / "files" / "x").write_text("x")
    assert list(tmp_path.iterdir()) == []
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)


HOLDER = """
import time
from demo.folder import own_folder
with own_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def holder(tmp_path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_folder_goes_when_its_process_is_asked_to_end(tmp_path: Path, number: signal.Signals) -> None:
    process = holder(tmp_path)
    assert process.stdout
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    process.send_signal(number)
    process.wait(60)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_process_goes_at_the_next_start_and_no_other(tmp_path: Path) -> None:
    living, killed = holder(tmp_path), holder(tmp_path)
    assert living.stdout
    assert killed.stdout
    kept, left = Path(living.stdout.readline().strip()), Path(killed.stdout.readline().strip())
    killed.kill()
    killed.wait(60)
    assert left.is_dir()
    somebodys = tmp_path / f"{PREFIX}file"
    somebodys.write_text("x")
    (tmp_path / f"{PREFIX}link").symlink_to(kept)
    third = holder(tmp_path)
    assert third.stdout
    third.stdout.readline()
    assert not left.exists()
    assert kept.is_dir()
    assert somebodys.exists()
    for process in (living, third):
        process.terminate()
        process.wait(60)
