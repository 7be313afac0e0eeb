"""What people see of a training: drawn samples, a plot of its log, and TensorBoard where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..flow.flow import Flow
from .log import curves
from .loop import Logged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..pipeline import Pipeline

SAMPLES = 8
EVERY = 8  # lines of the log from one plot and sheet of samples to the next


class Journal:
    """Writes after each line of the log.

    Args:
        folder: for the files: `plot.png`, and in folders `samples` and `tensorboard`.
        log: the CSV file.
        pipeline_of: the pipeline of a flow in training.
        prompts: what to draw: names of classes or captions, or "" alone.
    """

    def __init__(
        self, folder: Path, log: Path, pipeline_of: Callable[[Flow], Pipeline], prompts: Sequence[str]
    ) -> None:
        self._folder, self._log, self._pipeline_of, self._prompts = folder, log, pipeline_of, prompts
        self._lines = 0
        self._board = _board(folder / "tensorboard")

    def __call__(self, line: Logged, flow: Flow) -> None:
        """Take a line of the log and the averaged flow."""
        if self._board is not None:
            self._board.add_scalar("bits per dimension/training", line.loss, line.pictures)
            self._board.add_scalar("bits per dimension/held out", line.held_out, line.pictures)
        if self._lines % EVERY == EVERY - 1:
            self.draw(line.pictures, flow)
        self._lines += 1

    def draw(self, pictures: int, flow: Flow) -> None:
        """Plot the log, and draw a sheet of samples, always of the same seeds."""
        plot_log(self._log, self._folder / "plot.png")
        folder = self._folder / "samples"
        folder.mkdir(exist_ok=True)
        try:
            images = samples(self._pipeline_of(flow), self._prompts)
        except ValueError:  # numbers overflow, as an early flow's may
            return
        sheet(images).save(folder / f"{pictures:09d}.png")

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def samples(pipeline: Pipeline, prompts: Sequence[str]) -> list[Image.Image]:
    """Pictures of the prompts in turn, of the seeds 0, 1, ….

    Raises:
        ValueError: numbers overflow.
    """
    if len(prompts) == 1:
        return pipeline.generate(prompts[0], count=SAMPLES)
    return [pipeline.generate(prompts[seed % len(prompts)], seed=seed)[0] for seed in range(SAMPLES)]


def sheet(images: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size side by side, in two rows."""
    width, height = images[0].size
    columns = -(-len(images) // 2)
    whole = Image.new("RGB", (columns * width, 2 * height), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        whole.paste(image, (column * width, row * height))
    return whole


def plot_log(log: Path, file: Path) -> bool:
    """Plot the loss and the held-out figure of a log; False where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    figure: Figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes, columns = figure.subplots(), curves(log)
    thousands = [pictures / 1000 for pictures in columns["pictures"]]
    axes.plot(thousands, columns["loss"], label="training")
    axes.plot(thousands, columns["held_out"], label="held out")
    axes.set(xlabel="training pictures, thousands", ylabel="bits/dim")
    axes.legend()
    figure.savefig(file, dpi=100)
    return True


def _board(folder: Path) -> Any:
    """A writer for TensorBoard; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(folder))
