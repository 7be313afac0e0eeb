"""Two workers of a local Ray give what one machine gives."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.insight.measures import ScoreMeasure

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "starflow[scale]"')
pytest.importorskip("pyarrow", reason='pyarrow is not installed: pip install "starflow[tables]"')

ROOT = Path(starflow_core.__file__).parent.parent
MODEL = "tarflow-mini"
COUNT = 12
HOW: dict[str, Any] = {"workers": 2, "batch_size": 3}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pictures, one of them broken, in the working directory."""
    folder = tmp_path_factory.mktemp("scale")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        gradient = np.linspace(rng.uniform(0, 100), rng.uniform(150, 255), 32)[None, :, None]
        pixels = gradient * np.ones((32, 1, 3)) + rng.normal(0, 2, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "pictures" / f"{number:02}.png")
    (folder / "pictures" / "broken, “кот”.png").write_text("no picture")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module", autouse=True)
def two_workers(workplace: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # of the workers
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield
        ray.shutdown()


@pytest.fixture
def measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray reads the pictures and hands the measure over, and a worker in this process measures them.

    Two workers of their own take longer to start than all else in a test. The tests without this fixture start them.
    """

    def map_batches(
        self: Any, worker: Any, *, fn_constructor_args: Any, batch_format: str, batch_size: int, **how: Any
    ) -> Any:
        here = worker(*fn_constructor_args)
        batches = self.iter_batches(batch_format=batch_format, batch_size=batch_size)
        return ray.data.from_arrow([here(batch) for batch in batches])

    monkeypatch.setattr(ray.data.Dataset, "map_batches", map_batches)


@pytest.fixture(scope="module")
def expected(workplace: Path) -> dict[str, dict[str, Any]]:
    """The rows of one machine, by the names of the pictures."""
    arguments = ["score", "pictures", "--draws", "2", "--model", MODEL, "--class", "cat", "-o", "one.jsonl"]
    assert cli.main([*arguments, "--overwrite"]) == 1
    rows = [json.loads(line) for line in Path("one.jsonl").read_text(encoding="utf-8").splitlines()]
    return {row["image"]: row for row in rows}


def by_name(dataset: Any, column: str = "image") -> dict[Any, dict[str, Any]]:
    return {row[column]: row for row in dataset.take_all()}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """One rounding apart: workers measure other pictures together."""
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name


def test_folder_gives_the_rows_of_one_machine(expected: dict[str, dict[str, Any]]) -> None:
    from starflow_core.scale import score_dataset

    assert_rows(score_dataset("pictures", MODEL, prompt="cat", draws=2, **HOW), expected)


def test_list_gives_the_rows_of_one_machine(expected: dict[str, dict[str, Any]], measured_here: None) -> None:
    from starflow_core.scale import score_dataset

    assert_rows(score_dataset(list(expected), MODEL, prompt="cat", draws=2, **HOW), expected)


def assert_rows(dataset: Any, expected: dict[str, dict[str, Any]]) -> None:
    found = by_name(dataset)
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert list(found[name]) == list(row)
        if row["standard_error"] is not None:
            assert found[name].pop("standard_error") == pytest.approx(row["standard_error"], rel=1e-2)
        assert_same(found[name], {key: row[key] for key in row if key != "standard_error" or row["error"]})


class Noting(ScoreMeasure):
    """Notes in a file what each worker does."""

    notes: Path

    def _note(self, what: str) -> None:
        with (self.notes / str(os.getpid())).open("a") as file:
            file.write(f"{what}\n")

    def to(self, device: str) -> None:
        self._note("begins")
        super().to(device)

    def measure(self, pictures: Any) -> Any:
        self._note("measures")
        time.sleep(0.5)  # so that the other one gets some, too
        return super().measure(pictures)


def test_both_workers_take_the_weights_once_from_the_object_store(workplace: Path) -> None:
    """The folder of the model is gone when they begin."""
    from ray import cloudpickle

    from starflow_core.scale import measured_dataset
    from starflow_core.scale.datasets import pipeline_for

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    starflow_core.save(starflow_core.load(MODEL, device="cpu"), "mine")
    measure = Noting(pipeline_for("mine"), draws=1)
    shutil.rmtree("mine")
    measure.notes = workplace / "notes"
    measure.notes.mkdir()
    files = [f"pictures/{number:02}.png" for number in range(COUNT)]
    found = by_name(measured_dataset(files, measure, workers=2, batch_size=1))
    assert {row["error"] for row in found.values()} == {None}
    notes = [file.read_text().split() for file in measure.notes.iterdir()]
    assert len(notes) == 2
    for of_worker in notes:
        assert (of_worker[0], of_worker.count("begins")) == ("begins", 1)
        assert "measures" in of_worker


@pytest.mark.parametrize("kind", ["paths", "bytes", "datasets"])
def test_parquet_in_and_out(
    kind: str, workplace: Path, expected: dict[str, dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    import pyarrow
    from pyarrow import parquet

    from starflow_core.scale import score_dataset

    if kind != "bytes":
        request.getfixturevalue("measured_here")
    names = list(expected)
    encoded = [Path(name).read_bytes() for name in names]
    photos: dict[str, list[Any]] = {
        "paths": [str(workplace / name) for name in names],
        "bytes": encoded,
        "datasets": [{"bytes": one, "path": None} for one in encoded],
    }
    parquet.write_table(pyarrow.table({"id": names, "photo": photos[kind]}), f"{kind}.parquet")
    dataset = score_dataset(f"{kind}.parquet", MODEL, column="photo", prompt="cat", draws=2, **HOW)
    dataset.write_parquet(f"out of {kind}")
    rows = {row["id"]: row for row in parquet.read_table(f"out of {kind}").to_pylist()}
    assert rows.keys() == expected.keys()
    for name, row in expected.items():
        assert ("photo" in rows[name]) == (kind == "paths")
        assert (rows[name]["error"] is None) == (row["error"] is None)
        assert_same(rows[name], {key: row[key] for key in ("log_prob", "bits_per_dim", "width", "weights")})


def test_address_of_a_folder_is_read_through_ray(
    workplace: Path, expected: dict[str, dict[str, Any]], measured_here: None
) -> None:
    from starflow_core.scale import score_dataset

    found = by_name(score_dataset((workplace / "pictures").as_uri(), MODEL, prompt="cat", draws=2, **HOW))
    assert {Path(name).name for name in found} == {Path(name).name for name in expected}
    for name, row in found.items():
        assert_same(row, {"log_prob": expected[f"pictures/{Path(name).name}"]["log_prob"]})


def test_matches_and_oddness(workplace: Path, measured_here: None) -> None:
    from starflow_core.scale import anomaly_dataset, match_dataset

    pipeline = starflow_core.load(MODEL, device="cpu")
    scorer = starflow_core.Anomaly.fit(pipeline, "pictures", draws=1, failed=lambda message: None)
    scorer.save("scorer.safetensors")
    files = [f"pictures/{number:02}.png" for number in range(COUNT)]
    matches = by_name(match_dataset(files, ["cat", "face"], MODEL, draws=1, **HOW))
    oddities = by_name(anomaly_dataset(files, "scorer.safetensors", MODEL, **HOW))
    for file in files:
        match = pipeline.match(file, ["cat", "face"], draws=1)
        assert matches[file]["best"] == match.best
        assert matches[file]["scores"] == pytest.approx(match.scores.tolist(), rel=1e-3, abs=1e-2)
        oddity = scorer.score(file)
        assert oddities[file]["score"] == pytest.approx(oddity.score, rel=1e-4)
        assert (oddities[file]["p_value"], oddities[file]["is_odd"]) == (oddity.p_value, oddity.is_odd)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"draws": 0}, "draws is 0"),
        ({"model": "unheard of"}, "There is no model"),
        ({"pictures": "nowhere"}, "There is no folder nowhere"),
        ({"pictures": []}, "is empty"),
        ({"prompt": "unheard of"}, "There is no class"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    from starflow_core.scale import score_dataset

    with pytest.raises(ValueError, match=message):
        score_dataset(**{"pictures": "pictures", "model": MODEL, **wrong})


def test_missing_column_names_those_that_are_there(measured_here: None) -> None:
    from starflow_core.scale import score_dataset

    dataset = ray.data.from_items([{"file": "a.png"}])
    with pytest.raises(ValueError, match=r"no column 'image' .* there are: file"):
        score_dataset(dataset, MODEL)
    (row,) = score_dataset(dataset, MODEL, column="file", **HOW).take_all()
    assert (row["image"], row["file"], row["error"]) == ("a.png", "a.png", "There is no file a.png.")


def test_command_writes_the_same_table_and_goes_on(workplace: Path, expected: dict[str, dict[str, Any]]) -> None:
    common = ["--draws", "2", "--model", MODEL, "--class", "cat", "-o", "ray.jsonl"]
    assert cli.main(["score", "pictures/00.png", *common, "--overwrite"]) == 0
    Path("empty").mkdir(exist_ok=True)
    arguments = [sys.executable, "-m", "starflow_core.cli", "score", "pictures", "empty", *common]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [*arguments, "--ray", "--workers", "2", "--resume"], env=environment, capture_output=True, check=False
    )
    assert result.returncode == 1
    assert result.stdout.decode() == f"ray.jsonl: {COUNT + 2} pictures, 1 of them from before.\n"
    told = [line for line in result.stderr.decode().splitlines() if line.startswith("starflow: ")]
    assert sorted(told)[0] == f"starflow: 2 of {COUNT + 2} pictures could not be measured."
    assert len(told) == 3
    found = [json.loads(line) for line in Path("ray.jsonl").read_text(encoding="utf-8").splitlines()]
    assert found[0]["image"] == "pictures/00.png"
    rows = {row["image"]: row for row in found}
    assert rows.pop("empty")["error"].startswith("There is no picture in empty")
    assert rows.keys() == expected.keys()
    for name, row in expected.items():
        assert_same(
            rows[name], {key: row[key] for key in ("log_prob", "bits_per_dim", "error", "weights", "scored_width")}
        )


def test_without_ray_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from starflow_core.scale import datasets

    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    assert cli.main(["score", "pictures", "-o", "new.csv", "--ray"]) == 1
    errors = capsys.readouterr().err
    assert 'pip install "starflow[scale]"' in errors
    assert errors.count("\n") == 1


def test_address_where_nothing_answers_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for where in ("option", "variable"):
        if where == "variable":
            monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        address = ["--ray-address", "127.0.0.1:1"] if where == "option" else []
        assert cli.main(["score", "pictures", "-o", "new.csv", "--ray", *address]) == 1
        errors = capsys.readouterr().err
        assert errors.startswith("starflow: There is no Ray at 127.0.0.1:1 ")
        assert errors.count("\n") == 1
