"""What steps up the likelihood do to pictures: clean ones, and ones that were noised or compressed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from tqdm import tqdm

from starflow_core.images import psnr, to_tensor
from starflow_core.pipeline import Pipeline

from .sample import DOCS, Mean, Sample, sheet, table

STRENGTHS = (0.5, 1.0, 2.0)
STEPS = 4
SHOWN = 6


def noised(picture: Image.Image) -> Image.Image:
    """With Gaussian noise of a standard deviation of 20 levels."""
    pixels = np.asarray(picture, float)
    return Image.fromarray(
        (pixels + np.random.default_rng(0).normal(0, 20, pixels.shape)).clip(0, 255).astype(np.uint8)
    )


def compressed(picture: Image.Image) -> Image.Image:
    """As a JPEG of quality 15."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=15)
    return Image.open(file).convert("RGB")


def as_it_is(picture: Image.Image) -> Image.Image:
    return picture


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": as_it_is,
    "noise of 20 levels": noised,
    "JPEG of quality 15": compressed,
}


def report(pipeline: Pipeline, sample: Sample) -> None:
    """Print log p before and after, and the PSNR against the clean picture, by strength."""
    rows = []
    shown: list[list[Image.Image]] = []
    for kind, change in tqdm(KINDS.items(), desc="ascent", disable=None, leave=False):
        changed = [change(picture) for picture in sample.pictures]
        back = pipeline.decode(pipeline.encode_all(changed))
        start = Mean.of(_psnrs(back, sample.pictures))
        shown.append(back[:SHOWN])
        for strength in STRENGTHS:
            found = [pipeline.ascend(one, steps=STEPS, strength=strength) for one in changed]
            gains = Mean.of([one.after - one.before for one in found])
            before = Mean.of([one.before for one in found])
            after = Mean.of(_psnrs([one.image for one in found], sample.pictures))
            rows.append((kind, f"{strength:g}", before, gains, start, after))
            if strength in (STRENGTHS[0], STRENGTHS[-1]):
                shown.append([one.image for one in found[:SHOWN]])
    print(
        f"\nAscent of log p given nothing, {STEPS} steps, {len(sample.pictures)} held-out pictures, {pipeline.name}\n"
    )
    head = ("picture", "strength", "log p before, nats", "gain, nats", "PSNR before, dB", "PSNR after, dB")
    print(table(head, rows), flush=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    sheet(shown, 96).save(DOCS / f"ascent-{pipeline.name}.jpg", quality=90)


def _psnrs(pictures: list[Image.Image], clean: list[Image.Image]) -> list[float]:
    return [psnr(to_tensor(one), to_tensor(other)) for one, other in zip(pictures, clean, strict=True)]
