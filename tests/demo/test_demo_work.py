"""How much work a request may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from node_runs import run
from PIL import Image

from demo.components import as_image
from demo.uploads import KEPT_PIXELS
from demo.work import MOST_WORK, check, work_of
from nodes.anomaly import fit, score
from nodes.confidence import measure
from nodes.likelihood import likelihood
from nodes.match import match_prompts
from nodes.picking import pick


@pytest.fixture(scope="module")
def model() -> Any:
    return run("Loader", model="starflow-mini")[0]


def batch(count: int, side: int = 64) -> torch.Tensor:
    return torch.rand(count, side, side, 3, generator=torch.Generator().manual_seed(0))


def test_measuring_counts_pictures_prompts_draws_and_tiles(model: Any) -> None:
    """In drawn pictures, each as much as sixteen likelihoods."""
    assert work_of(likelihood, {"model": model, "image": batch(2), "draws": 8}) == 1
    assert work_of(measure, {"model": model, "image": batch(4), "draws": 8}) == 2
    assert work_of(match_prompts, {"model": model, "image": batch(2), "prompts": "a\n\nb\nc", "draws": 4}) == 2
    assert work_of(pick, {"model": model, "image": batch(8), "draws": 4}) == 4
    assert work_of(fit, {"model": model, "image": batch(16), "draws": 2}) == 2
    assert work_of(fit, {"model": model, "image": batch(4, 128), "draws": 4}) == 9  # 3×3 tiles each
    scorer = run("AnomalyFit", model=model, image=batch(8), draws=1)
    assert work_of(score, {"anomaly": scorer, "image": batch(4)}) == 0.25
    assert (
        work_of(score, {"anomaly": scorer, "image": batch(4, 128)}) == 0.25
    )  # scaled, as those that it has learnt from


def test_endless_lists_of_prompts_are_refused(model: Any) -> None:
    asked = {"model": model, "image": batch(1), "prompts": "a\n" * 4000, "draws": 256}
    assert work_of(match_prompts, asked) > MOST_WORK
    with pytest.raises(ValueError, match="since others wait; ask for fewer or smaller pictures, or fewer draws"):
        check(work_of(match_prompts, asked))


def test_several_pictures_take_no_more_memory_than_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, size in zip(paths, ((3000, 1500), (64, 64), (1500, 3000), (3000, 1500)), strict=True):
        Image.new("RGB", size, "red").save(path)
    image = as_image([str(path) for path in paths])
    assert image.shape[0] == 4
    assert image.shape[1] * image.shape[2] * 4 <= KEPT_PIXELS
    assert image.shape[2] == pytest.approx(2 * image.shape[1], abs=2)
    assert as_image(str(paths[1])).shape == (1, 64, 64, 3)
    assert as_image(None) is None
    assert as_image([]) is None
