from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.codecs.classes import Classes
from starflow_core.flow.noise import seeded_uniform
from starflow_core.images import middle_square, to_tensor
from starflow_core.insight.evaluation import (
    Entry,
    Measurement,
    Protocol,
    Table,
    fingerprint,
    mean_and_error,
    measure,
    pictures_in,
)
from starflow_core.insight.likelihood import discrete_bits_per_dim
from starflow_core.pipeline import Pipeline

PROTOCOL = Protocol("tiny", draws=3, seed=5)
SIDE = TINY_TARFLOW.img_size


@pytest.fixture(scope="module")
def tarflow() -> Pipeline:
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.0))
    return Pipeline(flow, None, None, name="tiny", classes=Classes(("cat", "dog", "wild")))


def noise_picture(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(7):
        place = tmp_path / "pictures" / ("cat" if i % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        noise_picture(i).save(place / f"{i}.png")
    return tmp_path / "pictures"


def files(folder: Path, label: str = "") -> list[Entry]:
    return [Entry(path, path.name, label) for path in pictures_in(folder)]


def fail(message: str) -> None:
    raise AssertionError(message)


def test_pictures_are_found_in_folders_and_in_order(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    names = [path.relative_to(folder).as_posix() for path in pictures_in(folder)]
    assert names == ["cat/1.png", "cat/3.png", "cat/5.png", "dog/0.png", "dog/2.png", "dog/4.png", "dog/6.png"]


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture in"):
        pictures_in(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        pictures_in(tmp_path / "elsewhere")


def test_measurement_does_not_depend_on_order_name_or_company(tarflow: Pipeline, folder: Path) -> None:
    together = {m.image: m.bits_per_dim for m in measure(tarflow, files(folder), PROTOCOL, fail)}
    (folder / "cat" / "1.png").rename(folder / "alone.png")
    (alone,) = measure(tarflow, [Entry(folder / "alone.png", "alone", "")], PROTOCOL, fail)
    assert alone.bits_per_dim == pytest.approx(together["1.png"], rel=1e-6)
    assert len(set(together.values())) == 7


def test_class_and_seed_and_draws_change_a_measurement(tarflow: Pipeline, folder: Path) -> None:
    def first(label: str, **changes: int) -> float:
        protocol = dataclasses.replace(PROTOCOL, **changes)  # type: ignore[arg-type]
        return next(iter(measure(tarflow, files(folder, label)[:1], protocol, fail))).bits_per_dim

    values = [first(""), first("cat"), first("dog"), first("", seed=6), first("", draws=4)]
    assert len(set(values)) == len(values)


def test_unknown_class_is_an_error_before_the_work(tarflow: Pipeline, folder: Path) -> None:
    with pytest.raises(ValueError, match="knows cat, dog, wild"):
        next(iter(measure(tarflow, files(folder, "cow"), PROTOCOL, fail)))


def test_unreadable_and_wrongly_sized_pictures_are_told_and_left_out(tarflow: Pipeline, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    noise_picture(9, (SIDE, SIDE + 2)).save(folder / "tall.png")
    told: list[str] = []
    assert len(list(measure(tarflow, files(folder), PROTOCOL, told.append))) == 7
    assert len(told) == 2
    assert "broken.png" in told[0]
    assert f"tall.png is {SIDE}×{SIDE + 2}" in told[1]


def test_class_of_a_model_without_classes_is_an_error(folder: Path) -> None:
    classless = Pipeline(random_flow(dataclasses.replace(TINY_TARFLOW, num_classes=0)), None, None, name="plain")
    assert len(list(measure(classless, files(folder), PROTOCOL, fail))) == 7
    with pytest.raises(ValueError, match="'plain' knows no classes"):
        next(iter(measure(classless, files(folder, "cat"), PROTOCOL, fail)))


def test_picture_whose_likelihood_overflows_is_told_and_left_out(folder: Path) -> None:
    flow = random_flow(TINY_TARFLOW)
    flow.blocks[0].proj_out.weight.mul_(1e5)
    pipeline = Pipeline(flow, None, None, classes=Classes(("cat", "dog", "wild")))
    told: list[str] = []
    assert list(measure(pipeline, files(folder), PROTOCOL, told.append)) == []
    assert len(told) == 7
    assert "overflows" in told[0]


def test_resized_pictures_are_measured(tarflow: Pipeline, tmp_path: Path) -> None:
    noise_picture(9, (3 * SIDE, 5 * SIDE)).save(tmp_path / "tall.png")
    protocol = dataclasses.replace(PROTOCOL, resize=True)
    (measurement,) = measure(tarflow, [Entry(tmp_path / "tall.png", "tall.png", "")], protocol, fail)
    assert math.isfinite(measurement.bits_per_dim)


def test_middle_square_is_the_mean_over_areas() -> None:
    image = noise_picture(3, (4 * SIDE, 2 * SIDE))
    expected = np.asarray(image, dtype=float)[:, SIDE : 3 * SIDE].reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    assert np.abs(np.asarray(middle_square(image, SIDE, Image.Resampling.BOX)) - expected).max() <= 1
    same = noise_picture(4)
    assert middle_square(same, SIDE, Image.Resampling.BOX).tobytes() == same.tobytes()


def test_importance_draws_average_probabilities_and_not_their_logarithms(tarflow: Pipeline) -> None:
    image, labels, D = noise_picture(1), torch.tensor([2]), 3 * SIDE**2
    v = torch.from_numpy(np.array(image)).permute(2, 0, 1).double()
    x = (v + seeded_uniform((3, SIDE, SIDE), 11, 4)) / 128 - 1
    probabilities = tarflow.flow(x, labels.expand(4)).log_prob.double() - D * math.log(128)
    expected = math.log(4) - probabilities.logsumexp(0)
    bits = discrete_bits_per_dim(tarflow.flow, to_tensor(image)[None], labels, [11], draws=4)
    assert float(bits) == pytest.approx(float(expected) / (D * math.log(2)), rel=1e-5)


def test_draws_in_portions_are_the_same_draws(tarflow: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.stack([to_tensor(noise_picture(i)) for i in range(2)])
    whole = discrete_bits_per_dim(tarflow.flow, x, None, [3, 7], draws=5)
    monkeypatch.setattr("starflow_core.insight.likelihood.TOKENS_AT_ONCE", 1)
    torch.testing.assert_close(discrete_bits_per_dim(tarflow.flow, x, None, [3, 7], draws=5), whole)


def test_flow_of_latents_has_no_bits_of_pixels(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="no likelihood of pixels"):
        discrete_bits_per_dim(pipeline.flow, torch.zeros(1, 16, 8, 8), None, [0])


def test_mean_and_standard_error_by_hand() -> None:
    assert mean_and_error([1.0, 2.0, 6.0]) == pytest.approx((3.0, math.sqrt(7 / 3)))
    mean, error = mean_and_error([4.0])
    assert mean == 4.0
    assert math.isnan(error)


def test_fingerprint_tells_weights_apart() -> None:
    first, second = random_flow(TINY_TARFLOW, seed=0), random_flow(TINY_TARFLOW, seed=1)
    assert fingerprint(first) == fingerprint(random_flow(TINY_TARFLOW, seed=0)) != fingerprint(second)


ROWS = [Measurement("a.png", "cat", 2.5), Measurement('b, "c".png', "", 1 / 3)]


def test_table_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "bits.csv"
    Table(path, PROTOCOL).append(ROWS[:1])
    table = Table(path, PROTOCOL)
    assert table.measurements == ROWS[:1]
    table.append(ROWS[1:])
    assert Table(path, PROTOCOL).measurements == ROWS
    with path.open() as file:
        assert [row["image"] for row in csv.DictReader(file)] == [row.image for row in ROWS]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_half_written_line_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "bits.csv"
    Table(path, PROTOCOL).append(ROWS)
    path.write_bytes(path.read_bytes()[:-cut])
    table = Table(path, PROTOCOL)
    assert table.measurements == ROWS[:1]
    table.append(ROWS[1:])
    assert Table(path, PROTOCOL).measurements == ROWS


def test_file_cut_in_its_header_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "bits.csv"
    path.write_text("image,lab")
    Table(path, PROTOCOL).append(ROWS)
    assert Table(path, PROTOCOL).measurements == ROWS


@pytest.mark.parametrize("change", [{"draws": 4}, {"seed": 1}, {"model": "other"}, {"resize": True}])
def test_table_of_another_protocol_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "bits.csv"
    Table(path, PROTOCOL).append(ROWS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="was measured with"):
        Table(path, dataclasses.replace(PROTOCOL, **change))  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_other_files_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "shopping.csv"
    path.write_text("milk,2\nbread,1")
    with pytest.raises(ValueError, match="no table of bits per dimension"):
        Table(path, PROTOCOL)
    assert path.read_text() == "milk,2\nbread,1"


def test_table_without_a_file_keeps_measurements(tmp_path: Path) -> None:
    table = Table(None, PROTOCOL)
    table.append(ROWS)
    assert table.measurements == ROWS
    assert list(tmp_path.iterdir()) == []
