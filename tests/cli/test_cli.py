from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import starflow_core
from starflow_core.cli import generate
from starflow_core.cli import main as cli
from starflow_core.flow.flow import Flow
from starflow_core.pipeline import Pipeline

ROOT = Path(starflow_core.__file__).parent.parent
FAST = ("--size", "16", "--guidance", "0", "--no-denoise")
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence that a wrong command ends with."""
    assert cli.main(arguments) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("starflow: ")
    assert errors.count("\n") == 1
    assert "Traceback" not in errors
    return errors


def numbers_in(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert "usage: starflow" in errors
    return errors


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )


# generate


def test_picture_is_written_and_its_name_printed(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generate", "a red heart", "-o", "out.png", *FAST]) == 0
    output, errors = capsys.readouterr()
    assert output == "out.png\n"
    assert errors == ""  # no progress bar where there is no terminal
    assert Image.open(workplace / "out.png").size == (16, 16)
    assert [path.name for path in workplace.iterdir()] == ["out.png"]


def test_picture_is_that_of_the_library(workplace: Path, pipeline: Pipeline) -> None:
    cli.main(["generate", "cat", "-o", "out.png", "--seed", "4", *FAST])
    expected = pipeline.generate("cat", seed=4, size=16, guidance=0, denoise=False)[0]
    assert (np.asarray(Image.open(workplace / "out.png")) == np.asarray(expected)).all()


def test_settings_stand_in_the_file(workplace: Path) -> None:
    arguments = ["generate", "a ❤️\nheart", "--seed", "7", "--count", "2", "-o", "out.png", "--negative", "dog"]
    cli.main([*arguments, "--tolerance", "0.05", "--temperature", "0.7", *FAST])
    text = dict(Image.open(workplace / "out-8.png").text)  # type: ignore[attr-defined]
    assert (text["prompt"], text["seed"]) == ("a ❤️\nheart", "8")
    settings = json.loads(text["settings"])
    asked = {
        "model": "starflow-mini",
        "guidance": 0.0,
        "negative": "dog",
        "sampler": "jacobi",
        "tolerance": 0.05,
        "denoise": False,
        "temperature": 0.7,
        "version": starflow_core.__version__,
    }
    assert {name: settings[name] for name in asked} == asked
    assert settings["batch"] == [{"seed": 7}, {"seed": 8}]  # what `starflow reproduce` needs besides


def test_defaults_that_were_used_stand_in_the_file(workplace: Path, pipeline: Pipeline) -> None:
    cli.main(["generate", "cat", "-o", "out.png", "--size", "16", "--sampler", "sequential"])
    settings = json.loads(Image.open(workplace / "out.png").text["settings"])  # type: ignore[attr-defined]
    for name in ("guidance", "temperature", "denoise"):
        assert settings[name] == getattr(pipeline.defaults, name)
    assert (settings["sampler"], settings["tolerance"]) == ("sequential", None)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["cat", "-o", "a.png"], ["a.png"]),
        (["cat", "-o", "a.PNG"], ["a.PNG"]),
        (["cat", "-o", "a.png", "--count", "2", "--seed", "9"], ["a-9.png", "a-10.png"]),
        (["cat", "dog", "-o", "a.png"], ["a-1.png", "a-2.png"]),
        (["cat", "dog", "-o", "a.png", "--count", "2"], ["a-1-0.png", "a-1-1.png", "a-2-0.png", "a-2-1.png"]),
        (["A red, red heart!"], ["a-red-red-heart-0.png"]),
        (["cat", "dog", "--seed", "3"], ["cat-3.png", "dog-3.png"]),
        (["cat", "--count", "2"], ["cat-0.png", "cat-1.png"]),
        ([""], ["picture-0.png"]),
        (["❤️"], ["heavy-black-heart-0.png"]),
        (["../../etc/passwd"], ["etc-passwd-0.png"]),
        (["кот"], ["кот-0.png"]),
        (["x" * 500], ["x" * 60 + "-0.png"]),
    ],
)
def test_names_of_files(
    arguments: list[str], names: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["generate", *arguments, *FAST]) == 0
    assert capsys.readouterr().out.split() == names
    assert sorted(path.name for path in workplace.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["cat", "-o", "new/"], ["new/cat-0.png"]),
        (["cat", "--output-dir", "new", "--count", "2"], ["new/cat-0.png", "new/cat-1.png"]),
        (["cat", "dog", "--seed", "7", "--seed", "3"], ["cat-7.png", "cat-3.png", "dog-7.png", "dog-3.png"]),
        (
            ["cat", "--seed", "7", "--seed", "3", "--count", "2", "-o", "a.jpg"],
            ["a-7.jpg", "a-8.jpg", "a-3.jpg", "a-4.jpg"],
        ),
        (["cat", "--prompts", "list.txt"], ["cat-0.png", "a-red-heart-0.png", "赤-0.png"]),
        (["--prompts", "list.txt", "-o", "a.webp"], ["a-1.webp", "a-2.webp"]),
        (["🚗", "🐈"], ["automobile-0.png", "cat-0.png"]),
    ],
)
def test_places_seeds_and_lists(
    arguments: list[str], names: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "list.txt").write_bytes("\ufeffa red heart\r\n\n  赤  \n".encode())
    assert cli.main(["generate", *arguments, *FAST]) == 0
    assert capsys.readouterr().out.split() == names
    assert all(Image.open(workplace / name).size == (16, 16) for name in names)


def test_prompts_come_from_standard_input(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("кот\ndog\n".encode())))
    assert cli.main(["generate", "--prompts", "-", *FAST]) == 0
    assert sorted(path.name for path in workplace.iterdir()) == ["dog-0.png", "кот-0.png"]


def test_mark_at_the_start_of_a_list_is_no_part_of_a_prompt(workplace: Path) -> None:
    (workplace / "list.txt").write_bytes("cat\n".encode("utf-8-sig"))
    assert cli.main(["generate", "--prompts", "list.txt", *FAST]) == 0
    assert Image.open(workplace / "cat-0.png").info["prompt"] == "cat"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"\n \n", "no prompt in list.txt"), (b"\xff\xfea\0", "no text in UTF-8")],
)
def test_lists_that_cannot_be_read_are_told(
    content: bytes | None, message: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (workplace / "list.txt").write_bytes(content)
    assert message in failed(capsys, "generate", "--prompts", "list.txt")


def test_picture_that_is_left_out_does_not_move_the_others(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seed 1 overflows: its file is missing, and each of the others has the picture of its seed."""
    inverse = Flow.inverse

    def overflowing(self: Flow, z: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        x = inverse(self, z, *args, **kwargs)
        x[[1, 4]] = torch.inf
        return x

    monkeypatch.setattr(Flow, "inverse", overflowing)
    assert cli.main(["generate", "cat", "dog", "--count", "3", *FAST]) == 1
    output, errors = capsys.readouterr()
    assert output.split() == ["cat-0.png", "cat-2.png", "dog-0.png", "dog-2.png"]
    assert "'cat' of seed 1, 'dog' of seed 1" in errors
    for name in output.split():
        text = Image.open(workplace / name).text  # type: ignore[attr-defined]
        assert f"{text['prompt']}-{text['seed']}.png" == name


def test_best_of_several_is_named_by_the_seed_that_was_asked_for(workplace: Path, pipeline: Pipeline) -> None:
    """Its file says the seed that draws it again."""
    cli.main(["generate", "cat", "--seed", "4", "--count", "2", "--best-of", "3", "--temperature", "1", *FAST])
    assert sorted(path.name for path in workplace.iterdir()) == ["cat-4.png", "cat-7.png"]
    for first in (4, 7):
        with Image.open(workplace / f"cat-{first}.png") as kept:
            seed = int(kept.text["seed"])  # type: ignore[attr-defined]
            assert first <= seed < first + 3
            cli.main(["generate", "cat", "--seed", str(seed), "--temperature", "1", *FAST, "-o", "again.png"])
            assert np.abs(np.asarray(Image.open("again.png"), int) - np.asarray(kept, int)).max() <= 1


def test_same_prompt_twice_gives_two_files(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generate", "cat", "cat", *FAST]) == 0
    assert capsys.readouterr().out.split() == ["cat-0.png", "cat-0-2.png"]


@pytest.mark.parametrize("prompts", [["a cat", "a-cat"], ["❤️", "🚗"], ["x" * 70 + "a", "x" * 70 + "b"]])
def test_pictures_of_different_prompts_do_not_overwrite_each_other(prompts: list[str], workplace: Path) -> None:
    assert cli.main(["generate", *prompts, *FAST]) == 0
    assert len(list(workplace.iterdir())) == 2


def test_file_that_was_not_asked_for_is_not_written_over(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "cat-0.png").write_bytes(b"precious")
    assert cli.main(["generate", "cat", *FAST]) == 0
    assert capsys.readouterr().out != "cat-0.png\n"
    assert (workplace / "cat-0.png").read_bytes() == b"precious"
    assert len(list(workplace.iterdir())) == 2


def test_file_that_was_asked_for_is_written_over(workplace: Path) -> None:
    (workplace / "a.png").write_bytes(b"old")
    assert cli.main(["generate", "cat", "-o", "a.png", *FAST]) == 0
    assert Image.open(workplace / "a.png").size == (16, 16)


def test_largest_seed_goes_round(workplace: Path) -> None:
    assert cli.main(["generate", "cat", "--seed", str(2**64 - 1), "--count", "2", "-o", "a.png", *FAST]) == 0
    assert len(list(workplace.iterdir())) == 2


def test_sizes_and_samplers(workplace: Path) -> None:
    assert cli.main(["generate", "cat", "-o", "a.png", "--size", "24x16", "--sampler", "sequential"]) == 0
    assert Image.open(workplace / "a.png").size == (24, 16)


@pytest.mark.parametrize("output", [[], ["-o", "a.png"]])
def test_prompt_that_is_no_utf8_is_drawn(
    output: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A shell hands over bytes that are no UTF-8 as lone surrogates, which cannot be printed or stored.
    assert cli.main(["generate", "caf\udce9", *output, *FAST]) == 0
    name = capsys.readouterr().out.strip()
    assert name.encode()
    assert "prompt" in Image.open(workplace / name).text  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.gif"], "does not end with .png or .jpg or .jpeg or .webp"),
        (["-o", "a"], "does not end with .png"),
        (["-o", ""], ".png"),
        (["-o", "nowhere/a.png"], "There is no folder nowhere"),
        (["-o", "x" * 252 + ".png"], "choose another name"),
        (["-o", "x" * 249 + ".png", "--count", "1000"], "choose another name"),
        (["--model", "starflow-maxi"], "There is no model 'starflow-maxi'"),
        (["--size", "60"], "size is 60×60"),
        (["--size", "0"], "size is 0×0"),
        (["--size", "99999x99999"], "size is"),
        (["--size", "8000x8000"], "up to 256×256"),
        (["--count", "0"], "count is 0"),
        (["--count", "-1"], "count is -1"),
        (["--count", "10001"], "count is 10001"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", str(2**64)], "seed is 18446744073709551616"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--guidance", "-1"], "guidance is -1"),
        (["--guidance", "inf"], "guidance is inf"),
        (["--temperature", "-1"], "temperature is -1"),
        (["--tolerance", "0"], "tolerance is 0"),
        (["--tolerance", "nan"], "tolerance is nan"),
        (["--device", "tpu"], "no kind of device called 'tpu'"),
    ],
)
def test_wrong_arguments_of_generate(
    arguments: list[str], message: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failed(capsys, "generate", "cat", *arguments)
    assert list(workplace.iterdir()) == []


def test_huge_count_is_refused_before_its_files_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_at: list[object] = []
    monkeypatch.setattr(generate, "check_writable", looked_at.append)
    assert "count is" in failed(capsys, "generate", "cat", "--count", "30000", "-o", "a.png")
    assert len(looked_at) <= 10_000


def test_folder_that_cannot_be_written_is_refused_before_the_work(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")  # root may write anywhere
    monkeypatch.setattr(Pipeline, "pictures", lambda *args, **kwargs: pytest.fail("the drawing began"))
    assert "cannot be written" in failed(capsys, "generate", "cat", "-o", "locked/a.png")
    (workplace / "a.png").mkdir()
    assert "cannot be written" in failed(capsys, "generate", "cat", "-o", "a.png")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(self: Image.Image, path: Path, **kwargs: Any) -> None:
        Path(path).write_bytes(b"half a pic")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Image.Image, "save", save)


def test_full_disk_leaves_no_half_of_a_file(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_disk(monkeypatch)
    assert "No space left on device" in failed(capsys, "generate", "cat", "-o", "a.png", *FAST)
    assert list(workplace.iterdir()) == []


def test_full_disk_keeps_the_file_that_was_there(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "a.png").write_bytes(b"precious")
    fill_disk(monkeypatch)
    failed(capsys, "generate", "cat", "-o", "a.png", *FAST)
    assert (workplace / "a.png").read_bytes() == b"precious"
    assert [path.name for path in workplace.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nMore"), "not enough memory"),
    ],
)
def test_lack_of_memory_is_told_in_a_sentence(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(Pipeline, "pictures", fail)
    assert message in failed(capsys, "generate", "cat")


def test_mistakes_in_the_program_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Pipeline, "pictures", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        cli.main(["generate", "cat"])


def test_cancelling_exits_with_130(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cancel(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "pictures", cancel)
    assert cli.main(["generate", "cat", "-o", "a.png"]) == 130
    assert capsys.readouterr().err == "Cancelled.\n"
    assert list(workplace.iterdir()) == []


# score


def test_score_prints_a_line_a_picture(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", picture, picture, "--draws", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert numbers_in(lines[0]) == pytest.approx(numbers_in(lines[1]), abs=0.1)
    assert lines[0].startswith(f"{picture}: ")
    assert " bits/dim, log-likelihood " in lines[0]
    assert " ± " in lines[0]


def test_score_says_in_words_how_likely_a_picture_is(
    workplace: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.generate("owl")[0].save("owl.png")
    Image.open("owl.png").resize((64, 48)).save("wide.png")
    assert cli.main(["score", "owl.png", "wide.png"]) == 0
    owl, wide = capsys.readouterr().out.splitlines()
    assert owl.startswith("owl.png: likelier than ")
    assert " of pictures of the kind the model was trained to know; " in owl
    assert owl.endswith(" nats")
    assert "likel" not in wide.partition(" bits/dim")[0]  # another size does not compare
    for said in ([], ["--prompt", "owl"], ["--prompt", ""]):
        assert cli.main(["score", "owl.png", "--json", *said]) == 0
        row = json.loads(capsys.readouterr().out)
        expected = pipeline.score("owl.png", *said[1:]).standing
        assert expected is not None
        assert (row["in_words"], row["share_below"]) == (str(expected), expected.share)
    assert cli.main(["score", "wide.png", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["in_words"], row["share_below"]) == (None, None)


def test_bits_below_zero_are_explained(workplace: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.generate("red heart")[0].save("heart.png")
    assert pipeline.score("heart.png", "red heart").bits_per_dim < 0
    assert cli.main(["score", "heart.png", "--prompt", "red heart"]) == 0
    assert " bits/dim (below 0, as a density can be above 1), log-likelihood " in capsys.readouterr().out
    Image.effect_noise((64, 64), 90).convert("RGB").save("noise.png")
    assert cli.main(["score", "noise.png"]) == 0
    assert "below 0" not in capsys.readouterr().out


def test_single_draw_has_no_error(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", picture, "--draws", "1"]) == 0
    assert "±" not in capsys.readouterr().out
    assert cli.main(["score", picture, "--draws", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["standard_error"] is None


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_score_goes_on_past_what_cannot_be_scored(
    form: list[str], workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "words.png").write_text("words")
    Image.new("L", (500, 10)).save(workplace / "wide.png")
    (workplace / "folder").mkdir()
    files = ["words.png", picture, "wide.png", "folder", "missing.png", picture]
    assert cli.main(["score", *files, "--draws", "1", *form]) == 1
    output, errors = capsys.readouterr()
    assert cli.main(["score", picture, "--draws", "1", *form]) == 0
    alone = capsys.readouterr().out
    assert NUMBER.sub("", output) == 2 * NUMBER.sub("", alone)
    # Pictures are scored together, and rounding is another then.
    assert numbers_in(output) == pytest.approx(2 * numbers_in(alone), rel=1e-4, abs=1e-2)
    *lines, summary = errors.splitlines()
    for line, file in zip(lines, ("words.png", "wide.png", "folder", "missing.png"), strict=True):
        assert line.startswith("starflow: ")
        assert file in line
    assert summary == "starflow: 4 of 6 pictures could not be measured."


def test_what_is_wrong_with_every_picture_is_said_once(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--draws", "0"], ["--seed", "-1"], ["--model", "tarflow-mini", "--class", "unheard of"]):
        failed(capsys, "score", picture, picture, picture, *wrong)


def test_size_that_a_picture_was_scored_at_is_said(
    workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (64, 64)).save(workplace / "fits.png")
    assert cli.main(["score", picture, "fits.png", "--draws", "1"]) == 0
    scaled, fits = capsys.readouterr().out.splitlines()
    assert scaled.endswith(" nats (70×60 pixels, scaled to 72×56)")
    assert fits.endswith(" nats")
    assert cli.main(["score", picture, "--draws", "1", "--model", "tarflow-mini-8bit"]) == 0
    assert capsys.readouterr().out.endswith(" nats (the middle of 70×60 pixels, scaled to 32×32)\n")
    assert cli.main(["reconstruct", picture]) == 0
    assert capsys.readouterr().out.startswith("size: 70×60 pixels, scaled to 72×56\n")
    assert cli.main(["score", picture, "--draws", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["size"], row["scored_size"]) == ([70, 60], [72, 56])


def test_json_has_what_the_library_says(picture: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", picture, "--json", "--prompt", "cat", "--draws", "2", "--seed", "5"]) == 0
    row = json.loads(capsys.readouterr().out)
    expected = pipeline.score(Image.open(picture), "cat", draws=2, seed=5)
    assert row["image"] == picture
    assert (row["prompt"], row["draws"]) == ("cat", 2)
    assert row["log_prob"] == expected.log_prob
    assert row["bits_per_dim"] == expected.bits_per_dim
    assert row["standard_error"] == expected.standard_error
    assert row["map"] == expected.map.tolist()


def test_map_as_numbers_and_as_a_picture(
    workplace: Path, picture: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", picture, "--draws", "1", "--map", "map.npy", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert np.load(workplace / "map.npy").tolist() == pytest.approx(np.array(row["map"]))
    assert cli.main(["score", picture, "--draws", "1", "--map", "map.png"]) == 0
    assert Image.open(workplace / "map.png").size == pipeline.fit(Image.open(picture)).size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "There is no file missing.png"),
        (["words.png"], "is no picture"),
        (["empty"], "There is no picture in empty"),
        (["picture.jpg", "--draws", "0"], "draws is 0"),
        (["picture.jpg", "--seed", "-1"], "seed is -1"),
        (["picture.jpg", "--map", "nowhere/map.png"], "There is no folder nowhere"),
        (["picture.jpg", "picture.jpg", "--map", "map.png"], "--map takes a single picture"),
        (["picture.jpg", "--map", "map.jpg"], "map.jpg"),
        (["wide.png"], "Crop it first"),
        (["picture.jpg", "--model", "."], "config.json is missing"),
    ],
)
def test_wrong_arguments_of_score(
    arguments: list[str], message: str, workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "words.png").write_text("words")
    (workplace / "empty").mkdir()
    Image.new("L", (500, 10)).save(workplace / "wide.png")
    assert message in failed(capsys, "score", *arguments)


# match


def test_match_prints_the_likeliest_prompt_first(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["generate", "a red heart", "-o", "heart.png"])
    capsys.readouterr()
    prompts = ["--prompt", "a green frog", "--prompt", "a red heart", "--prompt", "a blue car"]
    assert cli.main(["match", "heart.png", *prompts]) == 0
    name, *lines = capsys.readouterr().out.splitlines()
    assert name == "heart.png:"
    assert len(lines) == 3
    assert lines[0].endswith("a red heart")
    assert " nats " in lines[0]
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_match_as_json_has_what_the_library_says(
    picture: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = ["--prompt", "cat", "--prompt", "dog"]
    assert cli.main(["match", picture, *prompts, "--json", "--draws", "2", "--seed", "5"]) == 0
    row = json.loads(capsys.readouterr().out)
    expected = pipeline.match(Image.open(picture), ["cat", "dog"], draws=2, seed=5)
    assert (row["image"], row["best"], row["prompts"]) == (picture, expected.best, ["cat", "dog"])
    assert row["scores"] == expected.scores.tolist()
    assert row["standard_errors"] == expected.standard_errors.tolist()
    assert row["posterior"] == expected.posterior.tolist()
    assert row["maps"] == expected.maps.tolist()
    assert cli.main(["match", picture, *prompts, "--json", "--draws", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["standard_errors"] == [None, None]


def test_match_goes_on_past_what_cannot_be_read(
    workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "words.png").write_text("words")
    assert cli.main(["match", "words.png", picture, "missing.png", "--prompt", "cat", "--draws", "1"]) == 1
    output, errors = capsys.readouterr()
    assert output.startswith(f"{picture}: (70×60 pixels, scaled to 72×56)\n")
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["starflow"] * 3
    assert errors.endswith("starflow: 2 of 3 pictures could not be measured.\n")


def test_map_of_a_match_is_that_of_the_likeliest_prompt(workplace: Path, picture: str, pipeline: Pipeline) -> None:
    prompts = ["--prompt", "cat", "--prompt", "dog"]
    assert cli.main(["match", picture, *prompts, "--draws", "1", "--map", "map.npy"]) == 0
    expected = pipeline.match(Image.open(picture), ["cat", "dog"], draws=1)
    assert np.load(workplace / "map.npy").tolist() == expected.maps[int(expected.scores.argmax())].tolist()


def test_wrong_arguments_of_match(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, message in (
        (["--prompt", "cat", "--draws", "0"], "draws is 0"),
        (["--class", "unheard of", "--model", "tarflow-mini"], "There is no class"),
    ):
        assert message in failed(capsys, "match", picture, picture, *wrong)
    assert "--prompt" in usage(capsys, "match", picture)


# reconstruct and info


def test_reconstruct_prints_errors_and_writes_the_picture(
    workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["reconstruct", picture, "-o", "back.png", "--prompt", "cat"]) == 0
    output = capsys.readouterr().out
    assert "relative error" in output
    assert "dB PSNR" in output
    assert output.endswith("back.png\n")
    assert Image.open(workplace / "back.png").size == (72, 56)


@pytest.mark.parametrize(
    ("output", "name"), [("new/", "new/picture-back.png"), ("a.jpg", "a.jpg"), ("a.webp", "a.webp")]
)
def test_picture_that_comes_back_goes_where_it_is_wanted(
    output: str, name: str, workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["reconstruct", picture, "-o", output]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == name
    assert Image.open(workplace / name).size == (72, 56)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "There is no file"),
        (["picture.jpg", "-o", "back.gif"], "back.gif"),
        (["picture.jpg", "-o", "nowhere/back.png"], "There is no folder"),
    ],
)
def test_wrong_arguments_of_reconstruct(
    arguments: list[str], message: str, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failed(capsys, "reconstruct", *arguments)


def test_info_describes_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("starflow-mini: ")
    parts = ("flow: ", "autoencoder: ", "text encoder: ", " parameters", "64×64 pixels", "16 tokens")
    for part in (*parts, "guidance", "temperature", "denoise"):
        assert part in output


def test_info_about_an_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no model" in failed(capsys, "info", "starflow-maxi")


def test_prompt_of_unknown_words_is_told_in_a_line(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generate", "xyzzyplugh", "-o", "out.png", *FAST]) == 0
    output, errors = capsys.readouterr()
    assert output == "out.png\n"
    assert errors == "starflow: No word of “xyzzyplugh” is understood; it counts as no prompt.\n"


def test_words_that_are_not_understood_are_told_by_every_command_that_takes_a_prompt(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "starflow: Not understood in “red xyzzyplugh”: “xyzzyplugh”.\n"
    prompts = ["red xyzzyplugh", "red heart", "red xyzzyplugh"]
    assert cli.main(["generate", *prompts, "--negative", "red xyzzyplugh", "--output-dir", ".", *FAST]) == 0
    assert capsys.readouterr().err == told
    picture = next(workplace.glob("*.png"))
    for command in ("score", "reconstruct"):
        assert cli.main([command, str(picture), "--prompt", "red xyzzyplugh"]) == 0
        assert capsys.readouterr().err == told


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["score"],
        ["reconstruct"],
        ["generate", "cat", "--size", "big"],
        ["generate", "cat", "--size", "-8"],
        ["generate", "cat", "--size", "8x8x8"],
        ["generate", "cat", "--seed", "1.5"],
        ["generate", "cat", "--count", "many"],
        ["generate", "cat", "--guidance", "strong"],
        ["generate", "cat", "--sampler", "magic"],
        ["generate", "cat", "--dtype", "int3"],
        ["score", "a.png", "--wings"],
        ["generate", "cat", "-o", "a.png", "--output-dir", "b"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    usage(capsys, *arguments)


@pytest.mark.parametrize("command", [[], ["generate"], ["score"], ["reconstruct"], ["info"]])
def test_help_and_version_exit_with_0(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--help", "--version") if not command else ("--help",):
        with pytest.raises(SystemExit) as caught:
            cli.main([*command, option])
        assert caught.value.code == 0
        assert "starflow" in capsys.readouterr().out


# As a process of its own


def test_process_draws_a_picture(workplace: Path) -> None:
    result = run("-m", "starflow_core.cli", "generate", "a red heart", "-o", "out.png", *FAST, cwd=workplace)
    assert (result.returncode, result.stdout) == (0, "out.png\n")
    assert "%" not in result.stderr
    assert Image.open(workplace / "out.png").size == (16, 16)


def test_process_fails_with_a_sentence(workplace: Path) -> None:
    result = run("-m", "starflow_core.cli", "score", "missing.png", "--model", "x", cwd=workplace)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("starflow: There is no ")
    assert result.stderr.count("\n") == 1


def test_drawing_loads_no_library_that_takes_longer_than_torch(workplace: Path) -> None:
    """transformers, and the compiler of torch with sympy, which random numbers on the meta device bring in."""
    slow = "{'transformers', 'torch._dynamo', 'torch._inductor', 'sympy', 'torchvision', 'sklearn', 'scipy'}"
    drawn = ["generate", "cat", "-o", "a.png", "--size", "16", "--denoise", "--guidance", "2"]
    code = f"from starflow_core.cli.main import main; import sys; status = main({drawn})"
    result = run("-c", f"{code}; print('loaded', *sorted({slow} & set(sys.modules)))", cwd=workplace)
    assert (result.stdout, result.stderr) == ("a.png\nloaded\n", "")
    assert (workplace / "a.png").exists()


@pytest.mark.parametrize(
    "code",
    [
        "import starflow_core; dir(starflow_core)",
        "from starflow_core.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from starflow_core.cli.main import main\ntry: main(['generate', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_import_and_help_load_no_torch(code: str, workplace: Path) -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'PIL'}"
    result = run("-c", f"{code}\nimport sys; assert not {heavy} & set(sys.modules)", cwd=workplace)
    assert result.returncode == 0, result.stderr
