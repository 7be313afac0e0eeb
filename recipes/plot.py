"""Curves of the trainings' logs: `python -m recipes.plot`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from starflow_core.training.log import curves

from .config import arguments

TARGET = Path("docs/training.png")
HELD_OUT = dict.fromkeys(("autoencoder", "decoder"), "PSNR, dB, held-out pictures")
OTHERS = "bits/dim"


def plot(logs: list[Path]) -> Figure:
    """Plot the held-out figure of each log, and the training loss too if both have the same unit."""
    figure = Figure(figsize=(5 * len(logs), 3.2), layout="constrained")
    for axes, log in zip(figure.subplots(1, len(logs), squeeze=False)[0], logs, strict=True):
        columns = curves(log)
        thousands = [pictures / 1000 for pictures in columns["pictures"]]
        own = HELD_OUT.get(log.stem)
        if own is None:
            axes.plot(thousands, columns["loss"], label="training")
        axes.plot(thousands, columns["held_out"], label="held-out")
        axes.set(title=log.stem, xlabel="training pictures, thousands", ylabel=own or OTHERS)
        axes.legend()
    return figure


def main() -> None:
    config = arguments(__doc__).config
    logs = [config.folder / f"{name}.csv" for name in ("autoencoder", "decoder", "flow")]
    plot([log for log in logs if log.exists()]).savefig(TARGET, dpi=100)
    print(TARGET)


if __name__ == "__main__":
    main()
