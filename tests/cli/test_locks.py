"""One run at a time writes a table."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.cli.locks import locked

ROOT = Path(starflow_core.__file__).parent.parent
HOLDS = """import sys, time
from pathlib import Path
from starflow_core.cli.locks import locked
with locked(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of a file until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate("")
    assert process.returncode == 0


def test_second_run_is_told_who_writes_and_the_lock_goes_with_the_first(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    process = holder(table)
    with pytest.raises(
        ValueError, match=f"rows.csv is being written by another run, process {process.pid} on "
    ) as told:
        locked(table).__enter__()
    assert str(told.value).count(". ") == 0
    let_go(process)
    assert list(tmp_path.iterdir()) == []
    with locked(table):
        assert [one.name for one in tmp_path.iterdir()] == ["rows.csv.lock"]
    assert list(tmp_path.iterdir()) == []


def test_other_tables_of_a_folder_are_free(tmp_path: Path) -> None:
    process = holder(tmp_path / "rows.csv")
    with locked(tmp_path / "others.csv"):
        pass
    let_go(process)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_killed_run_locks_nothing(tmp_path: Path) -> None:
    process = holder(tmp_path / "rows.csv")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "rows.csv.lock").exists()
    with locked(tmp_path / "rows.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_link_and_its_file_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "rows.csv")
    process = holder(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match=r"link\.csv is being written by another run"):
        locked(tmp_path / "link.csv").__enter__()
    let_go(process)


def test_many_runs_that_wait_for_each_other_never_write_at_once(tmp_path: Path) -> None:
    """Each takes the lock as soon as the last one has let it go and removed its file."""
    script = """import sys, time
from pathlib import Path
from starflow_core.cli.locks import locked
table, taken = Path(sys.argv[1]), 0
while taken < 20:
    try:
        with locked(table):
            other = table.with_suffix(".writing")
            other.touch(exist_ok=False)
            time.sleep(0.001)
            other.unlink()
            taken += 1
    except ValueError:
        time.sleep(0.001)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "rows.csv")]
    runs = [subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_had_work_goes_on(tmp_path: Path) -> None:
    with locked(tmp_path / ("long" * 63)):  # with .lock, the name is too long
        pass
    with locked(tmp_path / "no folder" / "rows.csv"):
        pass


@pytest.mark.parametrize("how", ["--resume", "--overwrite"])
def test_command_leaves_a_table_alone_that_another_run_writes(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("what the other run has written so far")
    process = holder(tmp_path / "rows.csv")
    assert cli.main(["score", "nothing.png", "-o", "rows.csv", how]) == 1
    assert capsys.readouterr().err == (
        f"starflow: rows.csv is being written by another run, process {process.pid} on {socket.gethostname()}; "
        "wait for its end, or choose another file.\n"
    )
    assert Path("rows.csv").read_text() == "what the other run has written so far"
    let_go(process)
