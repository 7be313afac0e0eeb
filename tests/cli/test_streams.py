"""Output that the terminal's encoding does not hold."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.cli.streams import printable

ROOT = Path(starflow_core.__file__).parent.parent


def stream(encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)


def written(target: io.TextIOWrapper) -> bytes:
    target.flush()
    buffer = target.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "shift_jis"])
def test_what_an_encoding_lacks_is_written_as_an_escape(encoding: str) -> None:
    target = stream(encoding)
    with printable(target):
        print("image \u2192 \u8d64 \U0001f697 caf\udce9", file=target)
    assert b"\\U0001f697" in written(target)
    assert target.errors == "strict"


def test_stream_of_the_caller_is_as_it_was_even_after_an_error() -> None:
    target = stream("ascii")
    with pytest.raises(KeyError), printable(target):
        raise KeyError
    assert target.errors == "strict"


@pytest.mark.parametrize("errors", ["replace", "surrogateescape", "xmlcharrefreplace"])
def test_what_the_user_has_chosen_is_kept(errors: str) -> None:
    target = stream("ascii", errors)
    with printable(target):
        assert target.errors == errors


def test_streams_of_others_are_left_alone() -> None:
    target = io.StringIO()
    with printable(target):
        print("\u8d64\udce9", file=target)
    assert target.getvalue() == "\u8d64\udce9\n"


# Every command prints what the encoding lacks: the name of a file, of a folder or of a model, a sign of its own.
COMMANDS = [
    (["generate", "赤いハート", "cat", "--size", "16", "--guidance", "0", "--no-denoise"], 0),
    (["generate", "\u8d64" * 99, "--size", "16", "--model", "nope\u8d64"], 1),
    (["reconstruct", "赤.png", "-o", "戻.png"], 0),
    (["score", "赤.png", "--draws", "2"], 0),
    (["score", "赤.png", "無.png", "--draws", "1", "--json"], 1),
    (["bpd", "写真", "--model", "tarflow-mini-8bit", "--resize"], 0),
    (["info", "tarflow-mini"], 0),
    (["models"], 0),
    (["models", "--remove", "\u8d64"], 1),
    (["fetch", "\u8d64"], 1),
    (["convert", "\u8d64.pth", "x"], 1),
    (["generate", "--help"], 0),
    (["score", "\u8d64", "--draws", "\u8d64"], 2),
]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(("command", "status"), COMMANDS, ids=[" ".join(command[:2]) for command, _ in COMMANDS])
def test_each_command_ends_as_it_should(
    encoding: str, command: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path / "家"))
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "赤.png")
    (tmp_path / "写真").mkdir()
    Image.effect_noise((40, 40), 50).convert("RGB").save(tmp_path / "写真" / "赤.png")
    output, errors = stream(encoding), stream(encoding)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    assert ended(command) == status
    assert b"Traceback" not in written(errors)
    assert written(output if status == 0 else errors)


def ended(command: list[str]) -> object:
    """The exit status of a command; argparse ends a program by itself."""
    try:
        return cli.main(command)
    except SystemExit as end:
        return end.code


def test_all_pictures_are_drawn_and_named_in_a_process_of_its_own(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "starflow_core.cli", *COMMANDS[0][0]]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat-0.png", "赤いハート-0.png"]
    assert result.stdout.splitlines() == [rb"\u8d64\u3044\u30cf\u30fc\u30c8-0.png", b"cat-0.png"]
