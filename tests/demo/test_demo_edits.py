"""The page that edits pictures: its parts, and in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import numpy as np
import pytest
from demo_page import Visit, visit
from demo_server import Demo
from PIL import Image
from playwright.sync_api import Locator, expect

from demo import edits
from demo.edits import Patch
from demo.noise_canvas import MOST_PATCHES, patches_of
from demo.steps import Done
from starflow_core.pipeline import Pipeline

needs_chromium = pytest.mark.skipif(not chromium.found(), reason="there is no chromium")


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> list[Path]:
    folder = tmp_path_factory.mktemp("hearts")
    paths = [folder / f"{colour}.png" for colour in ("red", "green")]
    for path, image in zip(paths, pipeline.generate(["red heart", "green heart"], seed=1), strict=True):
        image.save(path)
    return paths


def done(steps: Iterator[Any]) -> Any:
    *_, last = steps
    assert isinstance(last, Done)
    return last.result


# Patches of noise


def test_redrawn_patches_change_the_picture_and_the_rest_of_the_noise_stays(hearts: list[Path]) -> None:
    picture = Image.open(hearts[0]).convert("RGB")
    patch = Patch(((3, 3), (3, 4), (4, 3), (4, 4)), 5)
    before, after, again = (
        done(edits.canvas(picture, "red heart", "starflow-mini", asked)) for asked in ([], [patch], [patch])
    )
    assert (before.rows, before.columns) == (8, 8)
    assert before.noise.size == (8, 8)
    apart = np.abs(np.asarray(before.noise, int) - np.asarray(after.noise, int)).sum(-1)
    assert {(int(row), int(column)) for row, column in np.argwhere(apart)} <= set(patch.cells)
    assert apart.any()
    assert np.abs(np.asarray(before.picture, int) - np.asarray(picture, int)).mean() < 3
    assert before.picture.tobytes() != after.picture.tobytes() == again.picture.tobytes()


def test_patch_outside_of_the_picture_is_told(hearts: list[Path]) -> None:
    picture = Image.open(hearts[0]).convert("RGB")
    with pytest.raises(ValueError, match="The cell 8, 0 is outside of the 8×8 cells"):
        done(edits.canvas(picture, "", "starflow-mini", [Patch(((8, 0),), 1)]))


def test_patches_are_read_from_json() -> None:
    assert patches_of("[]") == []
    assert patches_of('[{"cells": [[1, 2], [3, 4]], "seed": 7}]') == [Patch(((1, 2), (3, 4)), 7)]


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "{}", "[1]", "[[]]", "[" * 100_000, '[{"cells": [[1, 2]]}]', '[{"cells": [[1]], "seed": 1}]'),
        *('[{"cells": [[1, true]], "seed": 1}]', '[{"cells": [], "seed": -1}]', '[{"cells": [], "seed": 1.5}]'),
        f"[{', '.join(['{}'] * (MOST_PATCHES + 1))}]",
    ],
)
def test_other_patches_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="The patches must be a list like"):
        patches_of(text)


# In a browser


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), environment={"OMP_NUM_THREADS": "1"}) as server:
        yield server


@pytest.fixture
def visitor(demo: Demo) -> Iterator[Visit]:
    with visit(demo) as visitor:
        visitor.tab("Edit")
        yield visitor
        assert visitor.errors == []


def source(image: Locator) -> str:
    return image.get_attribute("src") or ""


@needs_chromium
def test_slider_goes_through_frames_that_are_drawn_ahead(visitor: Visit, hearts: list[Path]) -> None:
    page = visitor.page
    visitor.shown("role=tab[name='Morph']").click()
    for field, path in zip(("#morph-from", "#morph-to"), hearts, strict=True):
        page.locator(f"{field} input[type=file]").set_input_files(path)
        page.locator(f"{field} img").wait_for()
    for field, prompt in (("#morph-prompt", "red heart"), ("#morph-to-prompt", "green heart")):
        page.locator(f"{field} textarea, {field} input").fill(prompt)
    page.get_by_label(re.compile("^number input for frames")).locator("visible=true").first.fill("4")
    visitor.shown("#morph").click()
    expect(page.locator("#morph-frames .thumbnails img, #morph-frames .grid-wrap img")).to_have_count(4)
    player = page.locator("#morph-player")
    first = source(player.locator("img"))
    player.locator("input[type=range]").fill("3")
    assert source(player.locator("img")) not in ("", first)
    expect(player.locator("img")).to_have_attribute("alt", "frame 4 of 4")
    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    assert source(player.locator("a").filter(has_text="Save")) == ""
    assert (player.locator("a").get_attribute("href") or "").startswith("data:image/webp;base64,")


@needs_chromium
def test_painting_over_the_noise_redraws_the_picture(visitor: Visit, hearts: list[Path]) -> None:
    page = visitor.page
    visitor.shown("role=tab[name='Noise canvas']").click()
    page.locator("#canvas-picture input[type=file]").set_input_files(hearts[0])
    page.locator("#canvas-picture img").wait_for()
    visitor.shown("#canvas").click()
    canvas = page.locator("#noise-canvas")
    canvas.locator(".cells div").nth(63).wait_for()
    drawn = canvas.locator(".drawn")
    before = source(drawn)
    for place in (27, 28, 35):
        canvas.locator(".cells div").nth(place).hover()
        if place == 27:
            page.mouse.down()
    page.mouse.up()
    page.get_by_text("One patch redrawn.").wait_for()
    after = source(drawn)
    assert after != before
    canvas.get_by_role("button", name="Undo").click()
    page.get_by_text("Paint over the noise.").wait_for()
    assert source(drawn) == before
    cell = canvas.locator(".cells div").first
    cell.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("One patch redrawn.").wait_for()
    assert source(drawn) not in (before, after)
