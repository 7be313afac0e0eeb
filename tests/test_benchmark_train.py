"""The measuring of `python -m benchmarks.train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from benchmarks.train import __main__ as measured
from benchmarks.train import memory, sets, style, telling, weaves
from benchmarks.train.rivals import RIVALS
from benchmarks.train.style import DRAWN, LEARNT, SET, SETS, Style
from benchmarks.train.telling import SIDE, Telling
from recipes.data import Data
from recipes.pictures.held_out import NOTHING
from recipes.pictures.picture import Picture, Pictures
from starflow_core.pipeline import Pipeline

CLOTH_OF = {"normal": weaves.normal, **weaves.DEFECTS}


def drawn(draw: Any, seed: int) -> np.ndarray:
    return np.asarray(draw(np.random.default_rng(seed)))


def cloth_of(draw: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> weaves.Cloth:
    monkeypatch.setattr(weaves, "_picture", lambda cloth, rng, stray: cloth)
    made: weaves.Cloth = draw(np.random.default_rng(seed))
    return made


@pytest.mark.parametrize("draw", CLOTH_OF.values(), ids=CLOTH_OF)
def test_pictures_of_a_seed_are_always_the_same_and_others_differ(draw: Any) -> None:
    assert (drawn(draw, 1) == drawn(draw, 1)).all()
    assert drawn(draw, 1).shape == (weaves.SIDE, weaves.SIDE, 3)
    assert (drawn(draw, 1) != drawn(draw, 2)).mean() > 0.5


def test_wrong_colours_are_as_many_as_right_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = cloth_of(weaves.normal, 0, monkeypatch)
    for seed in range(20):
        odd = cloth_of(weaves.wrong_colour, seed, monkeypatch)
        assert (odd.weft != normal.weft).sum() == 2
        assert sorted(odd.weft) == sorted(normal.weft)
        assert (odd.is_warp == normal.is_warp).all()


@pytest.mark.parametrize(("draw", "columns"), [(weaves.missing_thread, 1), (weaves.shifted_pattern, weaves.STRETCH)])
def test_defects_of_the_weave_are_whole_within_the_picture(
    draw: Any, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    normal = cloth_of(weaves.normal, 0, monkeypatch)
    for seed in range(40):
        odd = cloth_of(draw, seed, monkeypatch)
        rows, places = np.nonzero(odd.is_warp != normal.is_warp)
        assert len(set(places)) == columns
        for seen in (rows, places):  # in threads; the picture starts up to len(ORDER) threads later
            assert seen.min() >= len(weaves.ORDER)
            assert seen.max() < weaves.SIDE // weaves.PITCH


def test_report_has_a_row_for_each_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sets, "CLOTH", 10)
    monkeypatch.setattr(weaves, "SIDE", 64)
    pipeline = Pipeline(random_flow(replace(TINY_TARFLOW, num_classes=0)), None, None, name="tiny")
    monkeypatch.setattr(measured, "trained", lambda pictures, folder, seen: pipeline)
    pictures = sets.cloth(tmp_path, 4)
    assert Image.open(pictures.usual[3]).size == (64, 64)
    measured.report("cloth", pictures, tmp_path, 4)
    output = capsys.readouterr().out
    assert output.count("| rival: ") == len(RIVALS)
    assert output.count("| its part: ") == 3
    assert "Called odd, at a false-positive rate of 5%: " in output


# A style


def test_drawn_names_are_neither_learnt_nor_shown_to_the_network_of_the_sets() -> None:
    rows, levels = [], []
    for number, of in enumerate(SETS):
        for name in range(LEARNT + DRAWN + 20):
            rows.append(Picture(f"{of}:{name}", of, "emoji", "emoji", f"thing {name}", "MIT", str(name)))
            levels.append(name % 25 * 10 + number)
    images = np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(rows), 2, 2, 3))
    places = np.arange(len(rows))
    made = Style.of(Data(Pictures(rows, images, images[..., 0]), NOTHING, places, places[:0], places[:0]))
    assert not set(made.names) & set(made.captions)
    assert (len(made.names), len(made.captions)) == (DRAWN, LEARNT)
    assert made.own.shape == (DRAWN, 2, 2, 3)
    assert [len(of) for of in made.sets] == [20] * len(SETS)
    assert [len(of) for of in made.named] == [len(SETS)] * DRAWN
    for number, images_of in enumerate(made.sets):
        assert set(images_of.flatten() % 10) == {number}
    assert set(made.learnt.flatten() % 10) == set(made.own.flatten() % 10) == {SETS.index(SET)} == {0}
    said = [int(name.split()[1]) % 25 * 10 for name in made.names]
    assert made.own[:, 0, 0, 0].tolist() == said


def test_style_has_a_row_for_each_strength(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stronger ones are drawn brighter here; the networks find names in dark pictures, and the style in bright ones."""
    images = np.zeros((2, 64, 64, 3), np.uint8)
    made = Style(["a", "b"], images, ["c", "d"], images, [images, images], [images, images])

    class Teller:
        def __init__(self, kinds: int) -> None:
            self.is_of_names = kinds == 600

        def ranks(self, pictures: torch.Tensor, kinds: Any) -> list[int]:
            dark = pictures.mean((1, 2, 3)) < 0
            return [0 if is_dark == self.is_of_names else 5 for is_dark in dark.tolist()]

    monkeypatch.setattr(style.Style, "of", lambda pictures: made)
    monkeypatch.setattr(style.data, "load", lambda config: None)
    monkeypatch.setattr(style, "trained", lambda made, folder: "lora")
    base = SimpleNamespace(autoencoder="autoencoder", brightness=0.0)
    monkeypatch.setattr(style, "load", lambda name, device: base)
    monkeypatch.setattr(style, "decoded", lambda images, autoencoder: torch.ones(len(images), 3, 64, 64))
    monkeypatch.setattr(style.Telling, "fit", lambda pictures, kinds, steps: Teller(steps))
    monkeypatch.setattr(style, "with_loras", lambda base, loras: SimpleNamespace(brightness=loras[0][1]))

    def drawn(pipeline: Any, names: list[str]) -> list[Image.Image]:
        return [Image.new("RGB", (64, 64), (round(255 * pipeline.brightness),) * 3) for _ in names]

    monkeypatch.setattr(style, "_drawn", drawn)
    style.report(None, tmp_path)  # type: ignore[arg-type]
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert [row[0].strip("| ") for row in rows] == [
        "without the LoRA",
        *(f"strength {strength}" for strength in ("0.3", "0.5", "0.7", "1")),
        "the set's own",
    ]
    assert [row[1][0] for row in rows] == list("001111")
    assert [row[3][0] for row in rows[:-1]] == list("11000")
    with Image.open(tmp_path / style.SHEET) as sheet:
        assert sheet.height == 128 * (2 + len(style.STRENGTHS))


def test_kinds_of_pictures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "BATCH", 8)
    half = torch.ones(3, SIDE, SIDE)
    half[:, :, : SIDE // 2] = -1
    pictures = torch.stack([half, half.mT] * 12) * torch.linspace(0.4, 1, 24)[:, None, None, None]
    found = Telling.fit(pictures[:16], [0, 1] * 8, steps=20)
    assert found.ranks(pictures[16:], [0, 1] * 4) == [0] * 8
    assert found.ranks(pictures[16:], [1, 0] * 4) == [1] * 8


# Memory


def test_what_memory_does_not_reach_is_estimated_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = memory.SETUPS[0], memory.SETUPS[-1]
    monkeypatch.setattr(memory, "SETUPS", (small, large))
    monkeypatch.setattr(memory, "_measured", lambda setup: {"peak": 9e9, "seconds": 61.4})
    memory.report(10)
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert rows[0].endswith(" GB | 9.0 GB | 61 s |")
    assert rows[1].endswith(" GB |  |  |")
    weights = 2 * 3.86e9
    assert weights < memory.estimate(small) < 1.3 * weights
    assert memory.estimate(large) > 2 * weights
