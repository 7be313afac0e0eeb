"""How far variations depart from a picture by their strength, and how well they match its prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from starflow_core.editing.vary import fresh_share, varied
from starflow_core.flow.noise import seeded_noise
from starflow_core.pipeline import Pipeline
from starflow_core.sampling import Sampling

from .distance import distances
from .sample import DOCS, Mean, Sample, curve, likelihood, match, sheet, table

STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SEED = 1000
SHOWN = 4  # pictures of the sheet: the first of the sample


def report(pipeline: Pipeline, sample: Sample, kind: str) -> None:
    """Print distance, match and likelihood by strength; write the plot and a sheet.

    Args:
        pipeline: the model.
        sample: pictures to vary.
        kind: of pictures, "held-out" or "drawn".
    """
    nothing, conditions = sample.nothing, sample.conditions
    found, rows = [], []
    shown: list[list[Image.Image]] = [[] for _ in range(SHOWN)]
    base = pipeline.decode(sample.x)
    for strength in tqdm(STRENGTHS, desc="vary", disable=None, leave=False):
        x = at_strength(pipeline, sample, strength)
        pictures = pipeline.decode(x)
        apart = Mean.of(distances(pictures, base))
        told = (
            Mean.of(match(pipeline, x, conditions, nothing)) if conditions is not None and nothing is not None else None
        )
        likely = Mean.of(likelihood(pipeline, x, nothing))
        found.append((apart, told, likely))
        rows.append((strength, f"{fresh_share(strength):.2f}", apart, told or "", likely))
        for row, picture in zip(shown, pictures[: len(shown)], strict=True):
            row.append(picture)
    print(f"\nVariations of {len(base)} {kind} pictures by {pipeline.name}\n")
    print(table(("strength", "fresh noise s", "distance, ΔE", "match, nats", "log p, nats"), rows), flush=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    _plot([apart for apart, _, _ in found], [told for _, told, _ in found]).savefig(
        DOCS / f"vary-{kind}-{pipeline.name}.png", dpi=100
    )
    sheet(shown, 96).save(DOCS / f"vary-{kind}-{pipeline.name}.jpg", quality=90)


def at_strength(pipeline: Pipeline, sample: Sample, strength: float, share: float | None = None) -> Tensor:
    """Variations of all pictures, with a seed each, as `Pipeline.vary` draws them; `share` overrides the curve."""
    if strength == 0:
        return sample.x
    settings = Sampling()
    fresh = pipeline.temperature(settings) * seeded_noise(sample.z.shape[1:], SEED, len(sample.z))
    s = fresh_share(strength) if share is None else share
    z = (1 - s**2) ** 0.5 * sample.z + s * fresh if share is not None else varied(sample.z, fresh, strength)
    return pipeline.draw(z, sample.conditions, sample.nothing, settings, share=s)


def _plot(apart: Sequence[Mean], told: Sequence[Mean | None]) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    curve(left, STRENGTHS, apart, "")
    left.plot((0, 1), (apart[0].value, apart[-1].value), ":", color="grey")
    left.set(xlabel="strength", ylabel="distance to the picture, ΔE")
    if all(one is not None for one in told):
        curve(right, STRENGTHS, [one for one in told if one is not None], "")
    right.set(xlabel="strength", ylabel="match with the prompt, nats")
    return figure


def calibrate(pipeline: Pipeline, sample: Sample, what: str) -> None:
    """Print the distance by the share of fresh noise, as a part of that of a new picture: the curve's source."""
    base = pipeline.decode(sample.x)
    shares = [0.1, 0.25, 0.5, 0.75, 1.0]
    apart = []
    for share in tqdm(shares, desc="calibrate", disable=None, leave=False):
        pictures = pipeline.decode(at_strength(pipeline, sample, 1.0, share))
        apart.append(torch.tensor(distances(pictures, base)))
    parts = torch.stack(apart).mean(1) / apart[-1].mean()
    powers = [float(part.log() / math.log(share)) for share, part in zip(shares[:-1], parts[:-1], strict=True)]
    rows = [
        (f"{share:g}", f"{part:.2f}", f"{power:.2f}")
        for share, part, power in zip(shares, parts, [*powers, 1.0], strict=True)
    ]
    print(f"\nDistance by the share of fresh noise, {len(base)} {what} pictures, {pipeline.name}\n")
    print(table(("share s", "part of the distance to a new picture", "as a power of s"), rows), flush=True)
