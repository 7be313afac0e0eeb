"""How likely the frames of a morph are, beside those of cross-fades of latents and of pixels."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from starflow_core.editing.morph import between
from starflow_core.pipeline import Pipeline
from starflow_core.sampling import Sampling

from .sample import DOCS, Mean, Sample, curve, likelihood, sheet, table

FRAMES = 9
SHOWN = 3  # pairs of the sheet: the first of the sample
WAYS = ("morph", "morph, temperature 1", "latents cross-faded", "pixels cross-faded")


def report(pipeline: Pipeline, sample: Sample, kind: str) -> None:
    """Print the likelihood of each way by frame; the sample's pictures are paired, first with second and so on.

    Args:
        pipeline: the model.
        sample: pictures to pair.
        kind: of pictures, "held-out" or "drawn".
    """
    shares = [i / (FRAMES - 1) for i in range(FRAMES)]
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    rows: list[list[Image.Image]] = []
    errors = []
    for first in tqdm(range(0, len(sample.pictures) - 1, 2), desc="morph", disable=None, leave=False):
        ways = {"morph": _morphed(pipeline, sample, first, shares, pipeline.temperature(Sampling()))}
        ways["morph, temperature 1"] = _morphed(pipeline, sample, first, shares, 1.0)
        ends = sample.x[first : first + 2]
        errors.append(float((ways["morph"][[0, -1]] - ends).norm() / ends.norm()))
        ways["latents cross-faded"] = torch.stack([(1 - share) * ends[0] + share * ends[1] for share in shares])
        blended = [Image.blend(sample.pictures[first], sample.pictures[first + 1], share) for share in shares]
        ways["pixels cross-faded"] = pipeline.encode_all(blended)
        for way, x in ways.items():
            found[way].append(likelihood(pipeline, x, sample.nothing))
        if len(rows) < 3 * SHOWN:
            rows += [pipeline.decode(ways[way]) for way in WAYS[:3]]
    _tell(pipeline, kind, found, shares, errors)
    sheet(rows, 72).save(DOCS / f"morph-{kind}-{pipeline.name}.jpg", quality=90)


def _morphed(pipeline: Pipeline, sample: Sample, first: int, shares: list[float], temperature: float) -> Tensor:
    """The frames between two pictures that follow each other, as `Pipeline.morph` draws them."""
    given = sample.conditions
    pair = (None, None) if given is None else (given[first : first + 1], given[first + 1 : first + 2])
    z, conditions = between((sample.z[first : first + 1], sample.z[first + 1 : first + 2]), pair, shares, temperature)
    return pipeline.draw(z, conditions, None, Sampling(), share=0)


def _tell(
    pipeline: Pipeline, kind: str, found: dict[str, list[list[float]]], shares: list[float], errors: list[float]
) -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    pairs, middle = len(errors), len(shares) // 2
    print(f"\nlog p given nothing, in nats, along the way, {pairs} pairs of {kind} pictures, {pipeline.name}\n")
    by_frame = {way: [Mean.of(values) for values in zip(*of_pairs, strict=True)] for way, of_pairs in found.items()}
    print(table(("way", *(f"{share:g}" for share in shares)), [(way, *means) for way, means in by_frame.items()]))
    for way in WAYS[1:]:
        gains = [a[middle] - b[middle] for a, b in zip(found["morph"], found[way], strict=True)]
        likelier = sum(gain > 0 for gain in gains)
        print(f"The middle of the morph, less that of {way}: {Mean.of(gains)} nats; likelier in {likelier} of {pairs}.")
    print(f"Relative error of the ends: {max(errors):.1e} at most (jacobi, tolerance 0.01)", flush=True)
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for way, means in by_frame.items():
        curve(axes, shares, means, way)
    axes.set(xlabel="share of the second picture", ylabel="log p given nothing, nats")
    axes.legend()
    figure.savefig(DOCS / f"morph-{kind}-{pipeline.name}.png", dpi=100)
