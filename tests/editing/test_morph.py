from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from starflow_core.editing.morph import between
from starflow_core.flow.noise import seeded_noise
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


@pytest.fixture(scope="module")
def hearts(pipeline: Pipeline) -> list[Image.Image]:
    return pipeline.generate(["red heart", "green heart"], seed=1)


def colour(image: Image.Image) -> tuple[int, ...]:
    """Of the middle."""
    found = image.getpixel((32, 32))
    assert isinstance(found, tuple)
    return found


def test_morph_goes_from_one_picture_to_the_other(pipeline: Pipeline, hearts: list[Image.Image]) -> None:
    found = pipeline.morph(hearts[0], hearts[1], 5, "red heart", "green heart")
    assert len(found.frames) == 5
    assert found.shares == [0, 0.25, 0.5, 0.75, 1]
    ends = [pipeline.encode(heart)[0] for heart in hearts]
    for x, end in zip((found.x[0], found.x[-1]), ends, strict=True):
        assert float((x - end).norm() / end.norm()) < 0.01
    assert 0 < found.latent_error < 0.01
    reds = [colour(frame)[0] for frame in found.frames]
    greens = [colour(frame)[1] for frame in found.frames]
    assert reds == sorted(reds, reverse=True)
    assert greens == sorted(greens)


def test_ends_are_exact_with_the_exact_sampler(pipeline: Pipeline, hearts: list[Image.Image]) -> None:
    from starflow_core.samplers import Sequential

    assert pipeline.morph(hearts[0], hearts[1], 2, "red heart", "green heart", sampler=Sequential()).latent_error < 1e-5


@pytest.mark.parametrize("frames", [1, 0, 257, 2.0, True, "3", None])
def test_number_of_frames_is_checked(pipeline: Pipeline, hearts: list[Image.Image], frames: Any) -> None:
    with pytest.raises(ValueError, match=r"frames is .*; it must be a whole number from 2 to 256"):
        pipeline.morph(hearts[0], hearts[1], frames)


def test_pictures_must_differ_and_have_one_size(pipeline: Pipeline, hearts: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="The two pictures are the same"):
        pipeline.morph(hearts[0], hearts[0].copy(), 3)
    wide = Image.new("RGB", (200, 100), "red")
    with pytest.raises(ValueError, match=r"The model sees these pictures at 64×64 and .*; crop them"):
        pipeline.morph(hearts[0], wide, 3)
    assert pipeline.morph(hearts[0], wide, 2, size=16).frames[0].size == (16, 16)


def test_classes_change_in_the_middle(hearts: list[Image.Image]) -> None:
    tarflow = load("tarflow-mini", device="cpu")
    assert tarflow.classes is not None
    first, second = tarflow.classes.names[:2]
    found = tarflow.morph(hearts[0], hearts[1], 4, first, second)
    assert found.conditions is not None
    assert found.conditions.tolist() == [0, 0, 1, 1]
    assert found.latent_error < 0.02
    assert torch.isfinite(found.x).all()


def test_noise_is_calmer_half_way_and_its_own_at_the_ends() -> None:
    noises = tuple(seeded_noise((4, 20, 20), seed, 1) for seed in (0, 1))
    z, conditions = between(noises, (None, None), [0, 0.25, 0.5, 1], 0.5)  # type: ignore[arg-type]
    assert conditions is None
    lengths = z.flatten(1).norm(dim=1) / noises[0].norm()
    assert lengths.tolist() == pytest.approx([1, 1 - 0.5 * 0.5**0.5, 0.5, 1], abs=0.03)
    assert torch.equal(z[0], noises[0][0])
    assert torch.equal(z[-1], noises[1][0])
