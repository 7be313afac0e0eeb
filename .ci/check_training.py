"""Check that a training has learnt something: `check_training.py FOLDER`, of logs and checkpoints."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

# Half of what such a short training gains at worst, since its figures vary from machine to machine.
LEAST_PSNR = 14.0  # dB; a grey picture has some 10, this training 17.5 to 19
LEAST_GAIN = 0.3  # bits/dim; this training gains 0.6


def column(log: Path, name: str) -> list[float]:
    """The values of a column, from first to last."""
    with log.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def main() -> None:
    folder = Path(sys.argv[1])
    psnr = column(folder / "autoencoder.csv", "held_out")[-1]
    losses = column(folder / "flow.csv", "loss")
    print(f"autoencoder {psnr:.1f} dB; flow from {losses[0]:.2f} to {losses[-1]:.2f} bits/dim")
    if psnr < LEAST_PSNR or losses[0] - losses[-1] < LEAST_GAIN:
        raise SystemExit(f"At least {LEAST_PSNR} dB and {LEAST_GAIN} bits/dim of gain were expected.")


if __name__ == "__main__":
    main()
