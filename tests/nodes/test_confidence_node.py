"""STARFlow Confidence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes import convert
from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core.insight.confidence import bounds, doubt
from starflow_core.insight.heatmap import heatmap
from starflow_core.pipeline import Pipeline


def test_node_says_what_the_library_says(starflow: tuple[Model, Any], pipeline: Pipeline) -> None:
    model, encoder = starflow
    drawn = pipeline.generate(["a red heart", "owl"], seed=3)
    text = run("TextEncode", text_encoder=encoder, text="owl")
    sure, shown, mask, each = run(
        "Confidence", model=model, image=convert.image(drawn), conditioning=text, draws=2, seed=5
    )
    found = [pipeline.confidence(picture, "owl", draws=2, seed=5) for picture in drawn]
    assert each == pytest.approx([one.score for one in found], abs=1e-4)
    assert sure == pytest.approx(sum(each) / 2)
    expected = convert.image([heatmap(one.map, (64, 64), bounds(pipeline.flow)) for one in found])
    torch.testing.assert_close(shown, expected, rtol=0, atol=0.02)
    doubts = torch.stack([doubt(one.map, pipeline.flow) for one in found])
    torch.testing.assert_close(mask, convert.mask(doubts, (64, 64)), rtol=0, atol=1e-3)


def test_map_lies_over_the_part_that_the_model_sees(tarflow: Model) -> None:
    image = torch.rand(1, 40, 80, 3, generator=torch.Generator().manual_seed(0))
    _, shown, mask, _ = run("Confidence", model=tarflow, image=image, draws=1)
    assert shown.shape == (1, 40, 80, 3)
    assert mask.shape == (1, 40, 80)
    assert float(shown[:, :, :20].max()) == float(mask[:, :, 60:].max()) == 0
    assert float(shown[:, :, 20:60].max()) > 0


def test_cancelling_ends_it(tarflow: Model) -> None:
    done: list[int] = []

    def cancel(part: int, whole: int) -> None:
        done.append(part)
        if part > 8:
            raise KeyboardInterrupt

    image = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(KeyboardInterrupt):
        run("Confidence", LocalHost(device="cpu", on_progress=cancel), model=tarflow, image=image, draws=256)
    assert max(done) == 16
