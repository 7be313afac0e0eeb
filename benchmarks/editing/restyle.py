"""Whether restyled pictures get the colour that is asked for, and keep their shape."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image
from tqdm import tqdm

from recipes.pictures.colours import HUES, MIN_COLOURFULNESS
from starflow_core.pipeline import Pipeline

from .sample import DOCS, Mean, sheet, table

WHITE = 235  # levels, above which all colours of a pixel count as paper
GUIDANCE = (0.0, 1.0, 2.0, 4.0)
SHOWN = 6


def report(pipeline: Pipeline, named: list[tuple[str, Image.Image]]) -> None:
    """Print how often the hue is right, and how well the shape is kept, by guidance.

    Args:
        pipeline: the model.
        named: pictures with their names, each of one hue.
    """
    hues = list(HUES)
    wanted = [random.Random(name).choice([hue for hue in hues if hue not in name]) for name, _ in named]
    rows, shown = [], [[picture for _, picture in named[:SHOWN]]]
    for guidance in tqdm(GUIDANCE, desc="restyle", disable=None, leave=False):
        found = [
            pipeline.restyle(picture, name, f"{hue} {name}", guidance=guidance)
            for (name, picture), hue in zip(named, wanted, strict=True)
        ]
        right = [float(hue_of(picture) == hue) for picture, hue in zip(found, wanted, strict=True)]
        kept = [overlap(one, picture) for one, (_, picture) in zip(found, named, strict=True)]
        rows.append((f"restyled, guidance {guidance:g}", Mean.of(right), Mean.of(kept)))
        shown.append(found[:SHOWN])
    drawn = [pipeline.generate(f"{hue} {name}", seed=1)[0] for (name, _), hue in zip(named, wanted, strict=True)]
    right = [float(hue_of(picture) == hue) for picture, hue in zip(drawn, wanted, strict=True)]
    kept = [overlap(one, picture) for one, (_, picture) in zip(drawn, named, strict=True)]
    rows.append(("drawn anew from the other prompt", Mean.of(right), Mean.of(kept)))
    before = [float(hue_of(picture) == hue) for (_, picture), hue in zip(named, wanted, strict=True)]
    rows.append(("the picture itself", Mean.of(before), Mean.of([1.0] * len(named))))
    print(f"\nRestyling {len(named)} held-out pictures to another colour, {pipeline.name}\n")
    print(table(("", "hue right, share", "overlap of the shapes"), rows))
    print(
        "\nOf the sheet: " + ", ".join(f"{name} to {hue}" for (name, _), hue in zip(named, wanted, strict=True))[:400]
    )
    DOCS.mkdir(parents=True, exist_ok=True)
    sheet([*shown, drawn[:SHOWN]], 96).save(DOCS / f"restyle-{pipeline.name}.jpg", quality=90)


def shape(picture: Image.Image) -> np.ndarray:
    """Where a picture is no paper, (H, W)."""
    return np.any(np.asarray(picture) < WHITE, axis=-1)


def overlap(first: Image.Image, second: Image.Image) -> float:
    """Intersection over union of the shapes of two pictures of any size."""
    one, other = shape(first), shape(second.resize(first.size, Image.Resampling.BOX))
    return float((one & other).sum() / max(1, (one | other).sum()))


def hue_of(picture: Image.Image) -> str | None:
    """The name of the hue of most of the colour in a picture; None for a grey one."""
    hsv = np.asarray(picture.convert("HSV"), float) / 255
    weight = hsv[..., 1] * hsv[..., 2] * shape(picture)
    if weight.sum() < MIN_COLOURFULNESS * max(1, shape(picture).sum()):
        return None
    turn = (weight * np.exp(2j * np.pi * hsv[..., 0])).sum()
    degrees = float(np.degrees(np.angle(turn)))
    return min(HUES, key=lambda name: abs((HUES[name] - degrees + 180) % 360 - 180))
