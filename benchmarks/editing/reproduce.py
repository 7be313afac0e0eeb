"""How exactly pictures are drawn again from what their files say: alone, in batches, and with other threads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from starflow_core.pipeline import Pipeline
from starflow_core.png_text import drawn_with, png_text, settings_of
from starflow_core.recover.reproduce import Reproduction, reproduced
from starflow_core.sampling import Sampling

from .sample import table

PROMPTS = ("red heart", "owl", "hamburger", "green frog")
COUNT = 2


def report(pipeline: Pipeline) -> None:
    """Print how many pictures come out identical, and how far off the others are."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = list(_drawn(pipeline, Path(folder), batch=True))
        rows.append(("in the same batch", *_told(_again(files, pipeline))))
        alone = list(_drawn(pipeline, Path(folder), batch=False))
        rows.append(("alone, though drawn in a batch", *_told(_again(alone, pipeline))))
        with _threads(2 if torch.get_num_threads() == 1 else 1):
            rows.append(("where another number of threads is set", *_told(_again(files, pipeline))))
    print(f"\n{len(files)} pictures drawn again, {pipeline.name}\n")
    head = ("", "bit-identical", "largest difference, of 255", "largest mean difference", "least PSNR, dB")
    print(table(head, rows), flush=True)


def _drawn(pipeline: Pipeline, folder: Path, *, batch: bool) -> Iterator[Path]:
    """Draw pictures in batches, and write them; the files tell of the batch, or do not."""
    sampling = Sampling(seed=5, count=COUNT)
    settings = settings_of(pipeline, sampling, "jacobi", 0.01)
    for number, one in enumerate(pipeline.pictures(PROMPTS, sampling)):
        path = folder / f"{number}-{batch}.png"
        told = settings | (drawn_with(one.together) if batch else {})
        one.image.save(path, pnginfo=png_text(one.prompt, one.seed, told))
        yield path


def _again(files: list[Path], pipeline: Pipeline) -> list[Reproduction]:
    kept: dict[str, Tensor] = {}
    return [reproduced(file, lambda origin: pipeline, kept=kept) for file in files]


def _told(found: list[Reproduction]) -> tuple[str, ...]:
    identical = sum(one.is_identical for one in found)
    largest, mean = max(one.largest for one in found), max(one.mean for one in found)
    return f"{identical} of {len(found)}", str(largest), f"{mean:.4f}", f"{min(one.psnr for one in found):.1f}"


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
