"""What visitors may fill in, and what they are told of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from demo import upload_check
from demo.components import checked, component
from demo.create_endpoint import SETTINGS
from demo.documented import parameter
from demo.fields import MODEL_NAME
from demo.limits import SEEDS, here, longest_side
from demo.node_panels import HandleField, _refresh
from demo.pictures import SHOWN, enlarged
from demo.unread import unread
from nodes.declaration import Choice, Number
from nodes.sampling import sample

BY_NAME = {given.name: given for given in sample.inputs}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("seed", -1, "Seed is -1, and must be"),
        ("seed", SEEDS, "Seed is 9007199254740992, and must be from 0 to 9007199254740991"),
        ("batch_size", 17, "Batch size is 17, and must be a whole number from 1 to 16"),
        ("width", 520, "Width is 520, and must be a whole number from 8 to 512"),
        ("guidance", "much", "Guidance is 'much', and must be a number from -1 to 30"),
        ("aspect_ratio", "7:1", "Aspect ratio is '7:1', and must be one of 1:1,"),
    ],
)
def test_errors_name_the_field(name: str, value: Any, told: str) -> None:
    with gr.Blocks():
        made = component(BY_NAME[name])
    with pytest.raises(ValueError, match=told.replace("[", r"\[")):
        checked([BY_NAME[name]], [made.preprocess(value)])


def test_limits_are_those_of_the_models_here() -> None:
    assert longest_side() == 512  # four times the 128 pixels of the largest embedded model
    field = here(MODEL_NAME).field
    assert isinstance(field, Choice)
    assert field.names() == ["starflow-mini", "starflow-mini-128", "tarflow-mini", "tarflow-mini-8bit"]
    for given in SETTINGS:
        field = here(given).field
        if isinstance(field, Number):
            assert f"to {field.most:g}" in parameter(given).help


def test_prompt_is_taken_whole_however_long() -> None:
    with gr.Blocks():
        made = component(BY_NAME["seed"]), component(MODEL_NAME)
        from demo.fields import PROMPT

        prompt = component(PROMPT)
    assert made
    assert prompt.max_length is None  # a browser would cut what is pasted, without a word
    with pytest.raises(ValueError, match="Text has 10,001 characters; 10,000 is the most"):
        checked([PROMPT], ["x" * 10_001])


def test_what_of_a_prompt_is_not_read_is_told() -> None:
    assert unread("starflow-mini", "a red heart", "") == ""
    told = unread("starflow-mini", "red heart " * 40, "")
    assert "Only the first 16 tokens" in told
    assert unread("starflow-mini", "red xyzzy", "plugh").startswith(
        "Not understood in “red xyzzy”: “xyzzy”. No word of"
    )
    assert "&lt;b&gt;" in unread("starflow-mini", "<b>" + " red heart" * 40)
    assert unread("tarflow-mini", "cat") == ""


def test_only_required_fields_are_filled_in_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    from demo import node_panels

    monkeypatch.setattr(node_panels, "visitor", lambda request: "me")
    handle = node_panels.HANDLES.put("me", "LATENT", "latent", 1)
    fields = [HandleField(None, "LATENT", True), HandleField(None, "LATENT", False), HandleField(None, "VAE", True)]
    required, optional, missing = _refresh(fields)(None)  # type: ignore[arg-type]
    assert required.value == handle if hasattr(required, "value") else required["value"] == handle
    assert "value" not in (optional if isinstance(optional, dict) else optional.constructor_args)
    assert missing == gr.skip()
    node_panels.HANDLES.forget("me")


# Uploads, checked at once


@pytest.fixture
def warnings_(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    return told


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("empty.png", b""),
        ("notes.png", b"no picture"),
    ],
)
def test_what_is_no_picture_is_told_once_and_refused(
    tmp_path: Path, warnings_: list[str], name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert upload_check._verdicts(str(path)) == [{"taken": False}]
    (told,) = warnings_
    assert told.startswith(f"{name}: ")
    assert "TIFF" in told


def test_name_of_a_file_is_text_and_not_markup(tmp_path: Path, warnings_: list[str]) -> None:
    (tmp_path / "<b>.png").write_bytes(b"no picture")
    upload_check._verdicts(str(tmp_path / "<b>.png"))
    assert warnings_[0].startswith("&lt;b&gt;.png: ")


def test_pictures_are_taken_and_those_that_browsers_do_not_show_have_a_preview(
    tmp_path: Path, warnings_: list[str]
) -> None:
    for name in ("a.png", "b.tif", "c.TIFF"):
        Image.new("RGB", (600, 300), "red").save(tmp_path / name)
    first, *others = upload_check._verdicts([str(tmp_path / name) for name in ("a.png", "b.tif", "c.TIFF")])
    assert first == {"taken": True, "preview": None}
    assert all(one["preview"].startswith("data:image/webp;base64,") for one in others)
    assert warnings_ == []


# Pictures


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (512, 512)), ((128, 64), (512, 256)), ((600, 10), (600, 10))])
def test_small_pictures_are_enlarged_by_a_whole_factor(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert enlarged(Image.new("RGB", size)).size == shown
    assert max(shown) >= SHOWN


def test_enlarged_edges_are_steeper_than_a_browsers() -> None:
    """A browser's filter is bilinear."""
    edge = Image.new("L", (64, 64), 0)
    edge.paste(255, (32, 0, 64, 64))
    shown = enlarged(edge)
    blurred = edge.resize(shown.size, Image.Resampling.BILINEAR)

    def steepest(picture: Image.Image) -> int:
        row = list(picture.crop((0, 256, 512, 257)).tobytes())
        return max(after - before for before, after in itertools.pairwise(row))

    assert steepest(shown) > 1.1 * steepest(blurred)
