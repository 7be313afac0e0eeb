"""Whether the noise is Gaussian: of training pictures, held-out ones and odd ones, by place and after each block."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from starflow_core.insight.calibration import LEVELS, Calibration, Fit, gaussian_quantiles
from starflow_core.pipeline import Pipeline

PLOTS = Path(__file__).parent.parent.parent / "docs" / "calibration"
MAIN = ("training", "held-out")  # kinds that are plotted apart
SHOWN = ("noise", "flat", "blurred", "photographs", "digits")  # odd kinds in the plots


def report(pipeline: Pipeline, kinds: Mapping[str, np.ndarray], folder: Path = PLOTS) -> None:
    """Print the fits as tables, and plot quantiles and maps.

    Args:
        pipeline: the model.
        kinds: pictures (n, S, S, 3) uint8 of each kind; the first two are training and held-out pictures.
        folder: for the plots, which are named after the model.
    """
    found = {name: Calibration.of(pipeline, list(pictures)) for name, pictures in kinds.items()}
    print(f"\nNoise of {pipeline.name} beside a Gaussian\n")
    _print({f"{name}, {one.pictures} pictures": one.whole for name, one in found.items()}, "kind")
    for name in MAIN:
        fits = found[name].by_block
        print(f"\nAfter each block, {name} pictures\n")
        _print({f"{place} of {len(fits)}": fit for place, fit in enumerate(fits, 1)}, "block")
    for name in MAIN:
        distance, square = found[name].distance, found[name].mean_square
        print(
            f"\nBy place, {name} pictures: distance {float(distance.min()):.3f} to {float(distance.max()):.3f}, "
            f"mean square {float(square.min()):.2f} to {float(square.max()):.2f}"
        )
    _plot(found, folder / f"{pipeline.name}.png")


def _print(fits: Mapping[str, Fit], what: str) -> None:
    shares = " | ".join(f"in the {level:.0%} interval" for level in LEVELS)
    print(f"| {what} | mean | deviation | excess kurtosis | distance | {shares} |")
    print(f"| --- {'| --- ' * (4 + len(LEVELS))}|")
    for name, fit in fits.items():
        inside = " | ".join(f"{share:.1%}" for share in fit.coverage)
        print(
            f"| {name} | {fit.mean:.3f} | {fit.deviation:.3f} | {fit.kurtosis:.2f} | {fit.distance:.3f} | {inside} |",
            flush=True,
        )


def _plot(found: Mapping[str, Calibration], file: Path) -> None:
    """Quantiles of each kind beside a Gaussian's, and mean squares by place."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, *maps) = pyplot.subplots(1, 1 + len(MAIN), figsize=(13, 4.2), width_ratios=(1.25, 1, 1))
    expected = gaussian_quantiles().numpy()
    left.plot(expected, expected, color="0.6", linewidth=1, label="Gaussian")
    for name in (*MAIN, *(kind for kind in SHOWN if kind in found)):
        is_main = name in MAIN
        left.plot(expected, found[name].quantiles.numpy(), linewidth=2 if is_main else 1, label=name)
    left.set(xlabel="quantiles of a Gaussian", ylabel="quantiles of the noise", title="Q–Q plot", ylim=(-6, 6))
    left.legend(fontsize=8)
    most = max(float(found[name].mean_square.max()) for name in MAIN)
    for axes, name in zip(maps, MAIN, strict=True):
        shown = axes.imshow(
            found[name].mean_square.numpy(), cmap="RdBu_r", vmin=2 - max(most, 1.2), vmax=max(most, 1.2)
        )
        axes.set(title=f"mean square by place, {name}", xticks=[], yticks=[])
        figure.colorbar(shown, ax=axes, shrink=0.8)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)
    pyplot.close(figure)
    print(f"\n{file}", file=sys.stderr)
