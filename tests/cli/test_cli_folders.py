"""Many pictures: folders and lists of them, tables, and going on after an interruption."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.cli import parquet as cli_parquet
from starflow_core.images import open_image
from starflow_core.insight.measure import Measure
from starflow_core.insight.measures import ScoreMeasure

ROOT = Path(starflow_core.__file__).parent.parent
FAST = ("--draws", "1", "--model", "tarflow-mini-8bit")
KINDS = (".csv", ".jsonl", ".parquet")


def draw(file: Path, number: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    gradient = np.linspace(rng.uniform(0, 100), rng.uniform(150, 255), 32)[None, :, None]
    pixels = gradient * np.ones((32, 1, 3)) + rng.normal(0, 2, (32, 32, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)


@pytest.fixture
def folder(workplace: Path) -> Path:
    """Four pictures, one of them in a folder below, and a file that is none."""
    for number, name in enumerate(("b.png", "a.png", "sub/c.png", "d.png")):
        draw(workplace / "pictures" / name, number)
    (workplace / "pictures" / "broken.png").write_text("no picture")
    return workplace / "pictures"


@pytest.fixture
def scorer(workplace: Path) -> str:
    for number in range(10):
        draw(workplace / "normal" / f"{number}.png", number)
    model = starflow_core.load("tarflow-mini-8bit", device="cpu")
    starflow_core.Anomaly.fit(model, "normal", draws=1).save("scorer.safetensors")
    return "scorer.safetensors"


def run(*arguments: str, status: int = 0) -> None:
    assert cli.main([*arguments, *FAST]) == status


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence that a command ends with."""
    capsys.readouterr()
    assert cli.main([*arguments, *FAST]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("starflow: ")
    assert errors.count("\n") == 1
    return errors


def rows_of(file: str) -> list[dict[str, Any]]:
    path = Path(file)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    parquet = pytest.importorskip("pyarrow.parquet")
    return list(parquet.read_table(path).to_pylist())


def names_in(file: str) -> list[str]:
    return [row["image"] for row in rows_of(file)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are read from now on."""
    names: list[str] = []
    original = Measure.read

    def noted(self: Measure[Any], source: Any, name: str) -> Any:
        names.append(name)
        return original(self, source, name)

    monkeypatch.setattr(Measure, "read", noted)
    return names


# What to measure


def test_folder_is_measured_with_folders_in_it_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("score", "pictures", status=1)
    output, errors = capsys.readouterr()
    names = [line.partition(":")[0] for line in output.splitlines()]
    assert names == [f"pictures/{name}" for name in ("a.png", "b.png", "d.png", "sub/c.png")]
    told, summary = errors.splitlines()
    assert "pictures/broken.png is no picture" in told
    assert summary == "starflow: 1 of 5 pictures could not be measured."


def test_broken_file_is_a_line_whatever_pillow_says_of_it(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 30)).save("whole.tif")
    Path("half.tif").write_bytes(Path("whole.tif").read_bytes()[:60])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match=r"half\.tif"):
            open_image("half.tif")
        assert any("Truncated" in str(one.message) for one in caught)
        caught.clear()
        assert "half.tif" in refused(capsys, "score", "half.tif")
        assert not caught


def test_three_commands_take_folders_files_and_lists(folder: Path, scorer: str) -> None:
    Path("list.txt").write_text("pictures/b.png\n\npictures/sub\r\n")
    given = ("pictures/a.png", "pictures/d.png", "--files-from", "list.txt")
    for number, command in enumerate((["score"], ["match", "--class", "cat"], ["anomaly", "score", scorer])):
        model = ("--model", "tarflow-mini") if command[0] == "match" else FAST[2:]
        draws = () if command[0] == "anomaly" else FAST[:2]
        assert cli.main([*command, *given, *draws, *model, "-o", f"{number}.jsonl"]) == 0
        expected = [f"pictures/{name}" for name in ("a.png", "d.png", "b.png", "sub/c.png")]
        assert names_in(f"{number}.jsonl") == expected


def test_pictures_and_options_may_stand_in_any_order(
    folder: Path, scorer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", *FAST[:2], "pictures/a.png", *FAST[2:], "pictures/b.png", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["image"] for row in rows] == ["pictures/a.png", "pictures/b.png"]
    assert cli.main(["anomaly", "score", scorer, "--json", "pictures/a.png", *FAST[2:], "pictures/d.png"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    for command in (["score", "a.png", "--wings"], ["info", "a", "b"], ["score", "--draws", "1", "a.png", "-x"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(command)
        assert caught.value.code == 2
        assert "unrecognized arguments" in capsys.readouterr().err


def test_list_comes_from_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(folder / " “кот”, 1.png")
    paths = os.fsencode("\ufeffpictures/a.png\npictures/ “кот”, 1.png\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(paths)))
    run("score", "--files-from", "-", "-o", "rows.csv")
    assert names_in("rows.csv") == ["pictures/a.png", "pictures/ “кот”, 1.png"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n\n", "There is no path in list.txt"), (b"a.png\0b.png", "one path a line")]
)
def test_lists_that_are_none(content: bytes, message: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "list.txt").write_bytes(content)
    assert message in refused(capsys, "score", "--files-from", "list.txt")
    assert "missing.txt" in refused(capsys, "score", "--files-from", "missing.txt")


def test_nothing_to_measure_is_wrong_usage(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["score"], ["match", "--prompt", "cat"], ["anomaly", "score", "a.safetensors"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(command)
        assert caught.value.code == 2
        assert "--files-from" in capsys.readouterr().err


def test_empty_folder_is_a_row_with_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert "There is no picture in empty" in refused(capsys, "score", "empty")
    run("score", "empty", "pictures/a.png", "-o", "rows.jsonl", status=1)
    first, second = rows_of("rows.jsonl")
    assert (first["image"], second["image"]) == ("empty", "pictures/a.png")
    assert first["error"].startswith("There is no picture in empty")
    assert second["error"] is None


def test_progress_is_one_bar_on_a_terminal_and_none_elsewhere(folder: Path) -> None:
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    arguments = [sys.executable, "-m", "starflow_core.cli", "score", "pictures", "-o", "rows.csv", *FAST]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 1000):
            shown += some
    except OSError:  # how Linux says that the other end is closed
        pass
    output, _ = process.communicate()
    assert output == b"rows.csv: 5 pictures.\n"
    assert b"/5 [" in shown
    quiet = subprocess.run([*arguments, "--overwrite"], env=environment, capture_output=True, check=False)
    assert quiet.stderr.decode().splitlines() == [
        "starflow: pictures/broken.png is no picture that can be read; PNG, JPEG and WebP can.",
        "starflow: 1 of 5 pictures could not be measured.",
    ]


# Tables


@pytest.mark.parametrize("kind", KINDS)
def test_table_has_a_row_for_each_picture(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    run("score", "pictures", "-o", f"rows{kind}", status=1)
    output, errors = capsys.readouterr()
    assert output == f"rows{kind}: 5 pictures.\n"
    assert len(errors.splitlines()) == 2
    assert [file for file in os.listdir() if file.startswith((".", "rows"))] == [f"rows{kind}"]
    rows = {row["image"]: row for row in rows_of(f"rows{kind}")}
    pipeline = starflow_core.load("tarflow-mini-8bit", device="cpu")
    for name in ("a.png", "b.png", "d.png", "sub/c.png"):
        row = rows.pop(f"pictures/{name}")
        assert not row["error"]
        expected = pipeline.score(folder / name, draws=1)
        assert float(row["log_prob"]) == pytest.approx(expected.log_prob, rel=1e-6)
        assert float(row["bits_per_dim"]) == pytest.approx(expected.bits_per_dim, rel=1e-6)
        assert (int(row["width"]), int(row["draws"]), row["model"]) == (32, 1, "tarflow-mini-8bit")
    (broken,) = rows.values()
    assert "no picture" in broken["error"]
    assert broken["log_prob"] in ("", None)


@pytest.mark.parametrize("kind", KINDS)
def test_matches_and_oddness_in_tables(kind: str, folder: Path, scorer: str) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    model = ("--draws", "1", "--model", "tarflow-mini")
    prompts = ("--class", "cat", "--class", "face")
    assert cli.main(["match", "pictures/a.png", "pictures/broken.png", *prompts, *model, "-o", f"m{kind}"]) == 1
    row, broken = rows_of(f"m{kind}")
    expected = starflow_core.load("tarflow-mini", device="cpu").match(folder / "a.png", ["cat", "face"], draws=1)
    assert row["best"] == expected.best
    found = [row["scores: cat"], row["scores: face"]] if kind == ".csv" else row["scores"]
    assert [float(score) for score in found] == pytest.approx(expected.scores.tolist(), rel=1e-4, abs=1e-3)
    assert row["prompts"] == ('["cat", "face"]' if kind == ".csv" else ["cat", "face"])
    assert "no picture" in broken["error"]
    assert cli.main(["anomaly", "score", scorer, "pictures", *FAST[2:], "-o", f"o{kind}"]) == 1
    model_of_scorer = starflow_core.load("tarflow-mini-8bit", device="cpu")
    oddity = starflow_core.Anomaly.load(scorer, model_of_scorer).score(folder / "a.png")
    row = next(row for row in rows_of(f"o{kind}") if row["image"] == "pictures/a.png")
    assert float(row["score"]) == pytest.approx(oddity.score, rel=1e-4)
    assert float(row["p_value"]) == oddity.p_value
    assert str(row["is_odd"]) == str(oddity.is_odd)


def test_json_is_printed_beside_a_table_if_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("score", "pictures/a.png", "-o", "rows.csv", "--json")
    line, summary = capsys.readouterr().out.splitlines()
    assert json.loads(line)["log_prob"] == float(rows_of("rows.csv")[0]["log_prob"])
    assert summary == "rows.csv: 1 picture."


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes as names")
@pytest.mark.parametrize("kind", KINDS)
def test_names_of_any_kind(kind: str, workplace: Path, read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    names = ["кот 🐈.png", "a,b;“c”.png", "line\nbreak\r.png", os.fsdecode(b"\xff\xfe.png"), "\x1b[2J.png"]
    for name in names:
        draw(workplace / "odd" / name)
    (workplace / "odd" / "broken\n.png").write_text("no picture")
    run("score", "odd", "-o", f"rows{kind}", status=1)
    told, _ = capsys.readouterr().err.splitlines()
    assert "odd/broken\\n.png" in told
    shown = [f"odd/{name}" for name in [*names[:3], "\\udcff\\udcfe.png", *names[4:], "broken\n.png"]]
    assert sorted(names_in(f"rows{kind}")) == sorted(shown)
    assert len(read) == 6
    run("score", "odd", "-o", f"rows{kind}", "--resume", status=1)
    assert read[6:] == ["odd/broken\n.png"]
    assert sorted(names_in(f"rows{kind}")) == sorted(shown)
    run("score", "odd", status=1)
    output, errors = capsys.readouterr()
    assert "\x1b" not in output + errors
    assert "\nbreak" not in output


def test_duplicates_are_one_row_and_two_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("score", "pictures/a.png", "pictures/a.png")
    assert len(capsys.readouterr().out.splitlines()) == 2
    run("score", "pictures/a.png", "pictures", "pictures/a.png", "-o", "rows.csv", status=1)
    assert sorted(names_in("rows.csv")) == [
        f"pictures/{name}" for name in ("a.png", "b.png", "broken.png", "d.png", "sub/c.png")
    ]


def test_output_inside_the_folder_is_no_picture_of_it(folder: Path, scorer: str) -> None:
    out = ("-o", "pictures/rows.csv", "--map-dir", "pictures/maps")
    command = ["anomaly", "score", scorer, "pictures", *out, *FAST[2:]]
    assert cli.main(command) == 1
    maps = sorted(str(file.relative_to(folder / "maps")) for file in (folder / "maps").rglob("*.png"))
    assert maps == ["a.png.png", "b.png.png", "d.png.png", "sub/c.png.png"]
    assert cli.main([*command, "--resume"]) == 1
    assert len(rows_of("pictures/rows.csv")) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "rows.txt"), "rows.txt does not end with .csv or .jsonl or .parquet"),
        (("-o", "nowhere/rows.csv"), "There is no folder nowhere"),
        (("-o", "taken.csv"), "taken.csv cannot be written"),
        (("--resume",), "--resume is for tables"),
        (("--overwrite",), "--overwrite is for tables"),
        (("--ray",), "--ray is for tables"),
        (("-o", "rows.csv", "--workers", "2"), "give --ray as well"),
    ],
)
def test_outputs_that_cannot_be(
    arguments: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken.csv").mkdir()
    assert message in refused(capsys, "score", "pictures", *arguments)


def test_parquet_without_pyarrow_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_parquet, "find_spec", lambda name: None)
    assert 'pip install "starflow[tables]"' in refused(capsys, "score", "pictures", "-o", "rows.parquet")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_full_disk_is_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rows.csv", "rows.jsonl"):
        os.symlink("/dev/full", name)
        told = refused(capsys, "score", "pictures/a.png", "-o", name, "--overwrite")
        assert f"{name} cannot be written (No space left on device)" in told


def test_disk_that_fills_up_leaves_rows_to_go_on_from(folder: Path) -> None:
    resource = pytest.importorskip("resource")
    for number in range(100):
        draw(folder / f"more/{number}.png", number)
    arguments = [sys.executable, "-m", "starflow_core.cli", "score", "pictures/more", "-o", "rows.csv", *FAST]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))

    result = subprocess.run(arguments, env=environment, capture_output=True, check=False, preexec_fn=limited)
    assert result.returncode == 1
    errors = result.stderr.decode()
    assert errors.startswith("starflow: rows.csv cannot be written (File too large)")
    assert errors.count("\n") == 1
    assert Path("rows.csv").stat().st_size == 9_000
    run("score", "pictures/more", "-o", "rows.csv", "--resume")
    assert sorted(names_in("rows.csv")) == sorted(f"pictures/more/{number}.png" for number in range(100))


# Going on


@pytest.mark.parametrize("kind", KINDS)
def test_table_that_is_there_is_left_alone_unless_told_otherwise(
    kind: str, folder: Path, read: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    command = ("score", "pictures/a.png", "pictures/b.png", "-o", f"rows{kind}")
    run(*command)
    before = Path(f"rows{kind}").read_bytes()
    told = refused(capsys, *command)
    assert "--resume" in told
    assert "--overwrite" in told
    assert Path(f"rows{kind}").read_bytes() == before
    read.clear()
    run(*command, "pictures/d.png", "--resume")
    assert read == ["pictures/d.png"]
    assert capsys.readouterr().out == f"rows{kind}: 3 pictures, 2 of them from before.\n"
    assert names_in(f"rows{kind}") == [f"pictures/{name}.png" for name in "abd"]
    run("score", "pictures/d.png", "-o", f"rows{kind}", "--overwrite")
    assert names_in(f"rows{kind}") == ["pictures/d.png"]


def test_resuming_what_is_not_there_starts_it(folder: Path) -> None:
    run("score", "pictures/a.png", "-o", "rows.csv", "--resume")
    assert names_in("rows.csv") == ["pictures/a.png"]


def test_broken_pictures_are_tried_again_and_others_stay(folder: Path, read: list[str]) -> None:
    Path("other.png").write_text("no picture")
    run("score", "other.png", "pictures", "-o", "rows.jsonl", status=1)
    draw(folder / "broken.png")
    read.clear()
    run("score", "pictures", "-o", "rows.jsonl", "--resume")
    assert read == ["pictures/broken.png"]
    errors = {row["image"]: row["error"] for row in rows_of("rows.jsonl")}
    assert len(errors) == 6
    assert [name for name, error in errors.items() if error] == ["other.png"]


@pytest.mark.parametrize("kind", KINDS)
def test_other_settings_are_refused(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    command = ["score", "pictures/a.png", "--draws", "1", "--model", "tarflow-mini", "-o", f"rows{kind}"]
    assert cli.main(command) == 0
    before = rows_of(f"rows{kind}")
    for other, message in (
        (("--draws", "2"), "draws"),
        (("--seed", "1"), "seed"),
        (("--class", "face"), "prompt"),
        (("--model", "starflow-mini"), "weights"),
        (("--dtype", "bfloat16"), "dtype"),
    ):
        capsys.readouterr()
        assert cli.main([*command, "--resume", *other]) == 1
        output, errors = capsys.readouterr()
        assert (output, errors.count("\n")) == ("", 1)
        assert f"rows{kind} was measured with " in errors
        assert message in errors
        assert rows_of(f"rows{kind}") == before


def test_other_prompts_and_another_scorer_are_refused(
    folder: Path, scorer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--draws", "1", "--model", "tarflow-mini", "-o", "rows.csv")
    assert cli.main(["match", "pictures/a.png", "--class", "cat", *model]) == 0
    assert cli.main(["match", "pictures/a.png", "--class", "face", *model, "--resume"]) == 1
    assert "rows.csv was measured with prompts" in capsys.readouterr().err
    assert cli.main(["anomaly", "score", scorer, "pictures/a.png", *FAST[2:], "-o", "odd.csv"]) == 0
    model_of_scorer = starflow_core.load("tarflow-mini-8bit", device="cpu")
    starflow_core.Anomaly.fit(model_of_scorer, "normal", draws=1, false_positive_rate=0.2).save("other.safetensors")
    assert cli.main(["anomaly", "score", "other.safetensors", "pictures", *FAST[2:], "-o", "odd.csv", "--resume"]) == 1
    assert "false_positive_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", b"image,size\na.png,3\n"),
        ("rows.csv", b"\xff\xfe\n"),
        ("rows.jsonl", b'{"image": "a.png"}\n'),
        ("rows.jsonl", b"words\n"),
        ("rows.parquet", b"words"),
    ],
)
def test_other_files_are_not_gone_on_with(
    name: str, content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    Path(name).write_bytes(content)
    told = refused(capsys, "score", "pictures/a.png", "-o", name, "--resume")
    assert name in told
    assert Path(name).read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
@pytest.mark.parametrize(
    ("kind", "by"), [(".csv", "SIGKILL"), (".csv", "SIGINT"), (".jsonl", "SIGKILL"), (".parquet", "SIGKILL")]
)
def test_run_that_is_cut_short_goes_on(kind: str, by: str, workplace: Path, read: list[str]) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    for number in range(40):
        draw(workplace / "many" / f"{number}.png", number)
    arguments = ("score", "many", "-o", f"rows{kind}", "--draws", "8", *FAST[2:])
    batch = ScoreMeasure(starflow_core.load("tarflow-mini-8bit", device="cpu"), draws=8).at_once
    growing = Path(f"rows{kind}.jsonl" if kind == ".parquet" else f"rows{kind}")
    process = subprocess.Popen(
        [sys.executable, "-m", "starflow_core.cli", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        # A shell starts what runs in the background with the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and (not growing.exists() or growing.read_bytes().count(b"\n") <= batch):
        time.sleep(0.01)
    process.send_signal(getattr(signal, by))
    _, errors = process.communicate()
    assert process.returncode == (-signal.SIGKILL if by == "SIGKILL" else 130)
    if by == "SIGINT":
        told, cancelled = errors.decode().splitlines()
        assert told.endswith("--resume goes on.")
        assert cancelled == "Cancelled."
    assert not Path("rows.parquet").exists()
    lines = growing.read_bytes().count(b"\n") - (kind == ".csv")
    assert batch <= lines < 40
    again = [*arguments, "--resume"]
    assert cli.main(again) == 0
    assert len(read) == 40 - lines
    found = {row["image"]: float(row["log_prob"]) for row in rows_of(f"rows{kind}")}
    assert len(rows_of(f"rows{kind}")) == len(found) == 40
    assert cli.main(["score", "many", "-o", "whole.jsonl", "--draws", "8", *FAST[2:]]) == 0
    assert found == pytest.approx({row["image"]: row["log_prob"] for row in rows_of("whole.jsonl")}, rel=1e-6)
