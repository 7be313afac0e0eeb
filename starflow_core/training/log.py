"""The log of a training: a CSV file that a resumed training continues."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = ("pictures", "loss", "held_out")


def append(file: Path, pictures: int, loss: float, held_out: float) -> None:
    """Add a line to a log, which is made where there is none."""
    if not file.exists():
        file.write_text(",".join(COLUMNS) + "\n")
    with file.open("a") as opened:
        opened.write(f"{pictures},{loss:.5f},{held_out:.5f}\n")


def drop_after(file: Path, pictures: int) -> None:
    """Drop the lines that an interrupted training wrote after its last checkpoint; it writes them again."""
    if not file.exists():
        return
    lines = file.read_text().splitlines(keepends=True)
    whole = [line for line in lines[1:] if line.endswith("\n") and line.count(",") == len(COLUMNS) - 1]
    file.write_text("".join([*lines[:1], *(line for line in whole if int(line.partition(",")[0]) <= pictures)]))


def curves(file: Path) -> dict[str, list[float]]:
    """The columns of a log: `pictures`, `loss` and `held_out`."""
    with file.open(newline="") as opened:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(opened)]
    # Logs from before `drop_after` may have lines twice.
    kept: list[dict[str, float]] = []
    for row in rows:
        while kept and kept[-1]["pictures"] >= row["pictures"]:
            kept.pop()
        kept.append(row)
    return {name: [row[name] for row in kept] for name in COLUMNS}
