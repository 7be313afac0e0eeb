from __future__ import annotations

import pytest
from PIL import Image

from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


@pytest.fixture(scope="module")
def heart(pipeline: Pipeline) -> Image.Image:
    return pipeline.generate("red heart", seed=1)[0]


def test_restyling_changes_the_colour_and_keeps_the_shape(pipeline: Pipeline, heart: Image.Image) -> None:
    red, green, blue = heart.getpixel((32, 32))  # type: ignore[misc]
    assert red > max(green, blue) + 50
    found = pipeline.restyle(heart, "red heart", "blue heart")
    red, green, blue = found.getpixel((32, 32))  # type: ignore[misc]
    assert blue > max(red, green) + 50
    for corner in ((2, 2), (61, 2), (2, 61), (61, 61)):
        assert min(found.getpixel(corner)) > 240  # type: ignore[arg-type]


def test_same_prompt_without_guidance_gives_the_picture_back(pipeline: Pipeline, heart: Image.Image) -> None:
    again = pipeline.restyle(heart, "red heart", "red heart", guidance=0.0, denoise=False)
    back = pipeline.reconstruct(heart, "red heart").image
    differences = [abs(a - b) for a, b in zip(again.tobytes(), back.tobytes(), strict=True)]
    assert max(differences) <= 6
    assert sum(differences) / len(differences) < 0.5


def test_restyling_needs_prompts(heart: Image.Image) -> None:
    tarflow = load("tarflow-mini", device="cpu")
    tarflow.classes = None
    with pytest.raises(ValueError, match="knows no prompts, and restyling needs two"):
        tarflow.restyle(heart, "a", "b")
