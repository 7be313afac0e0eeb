"""References: what a likelihood is compared with, and how it is told in words."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.codecs.classes import Classes
from starflow_core.insight.known_pictures import measure_reference
from starflow_core.insight.reference import FILE, LEAST_PICTURES, Reference, Spread, Standing, identity, percent
from starflow_core.pipeline import Pipeline

FLOW = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.1))
CLASSES = Classes(("cat", "dog", "wild"))


def pipeline() -> Pipeline:
    return Pipeline(FLOW, None, None, name="tiny", classes=CLASSES)


def pictures(number: int, side: int = 8, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(number)]


def reference(**changed: Any) -> Reference:
    made = Reference.of(
        FLOW, list(range(101)), list(range(100, 201)), pictures="noise", kind="held out", size=(8, 8), draws=2, seed=3
    )
    return dataclasses.replace(made, **changed)


# Shares


def test_share_is_that_of_the_less_likely_pictures() -> None:
    found = reference()
    assert found.share_below(83) == pytest.approx(0.83)
    assert found.share_below(83.5) == pytest.approx(0.835)
    assert (found.share_below(-5), found.share_below(0), found.share_below(500)) == (0, 0, 1)


def test_share_is_of_the_same_condition() -> None:
    found = reference()
    assert found.share_below(150) == 1
    assert found.share_below(150, described=True) == pytest.approx(0.5)
    assert reference(described=None).share_below(150, described=True) is None


def test_share_agrees_with_the_count_of_the_pictures() -> None:
    values = np.random.default_rng(0).normal(size=1000).tolist()
    spread = Spread.of(values)
    for value in (-2.0, -0.3, 0.0, 1.4):
        assert spread.share_below(value) == pytest.approx(np.mean(np.array(values) < value), abs=0.01)


def test_equal_likelihoods_are_below_none_of_themselves() -> None:
    assert Spread.of([1.0] * 50).share_below(1.0) == 0
    half = Spread.of([1.0] * 50 + [2.0] * 50)
    assert half.share_below(2.0) == pytest.approx(0.5, abs=0.011)


def test_share_grows_with_the_likelihood() -> None:
    spread = Spread.of(np.random.default_rng(1).standard_t(2, 300).tolist())
    shares = [spread.share_below(value) for value in np.linspace(-9, 9, 400)]
    assert shares == sorted(shares)


# Words


def test_standing_is_told_in_words() -> None:
    told = {kind: str(Standing(0.834, 160, kind)) for kind in ("held out", "trained on", "given")}
    assert told == {
        "held out": "likelier than 83 % of pictures of the kind the model was trained to know",
        "trained on": "likelier than 83 % of the pictures the model was trained on",
        "given": "likelier than 83 % of the pictures in the model's reference",
    }


def test_extremes_are_told_with_the_number_of_pictures() -> None:
    assert str(Standing(1.0, 160, "trained on")) == "likelier than all 160 pictures the model was trained on"
    assert str(Standing(0.0, 160, "held out")).startswith("less likely than all 160 pictures of the kind")


def test_shares_near_the_ends_are_told_as_bounds() -> None:
    assert [percent(share) for share in (0.001, 0.01, 0.5, 0.99, 0.999)] == [
        *("less than 1 %", "1 %", "50 %", "99 %", "more than 99 %")
    ]


def test_what_does_not_compare_is_not_compared() -> None:
    found = reference()
    assert found.standing(50, (8, 8), described=False) == Standing(0.5, 101, "held out")
    assert found.standing(50, (16, 8), described=False) is None
    assert reference(described=None).standing(50, (8, 8), described=True) is None
    assert found.standing(math.nan, (8, 8), described=False) is None


# Measuring


def test_measured_likelihoods_are_those_of_score() -> None:
    model = pipeline()
    images = pictures(LEAST_PICTURES)
    found = measure_reference(model, images, ["cat"] * len(images), pictures="noise", draws=2, seed=5)
    plain = [model.score(image, draws=2, seed=5).log_prob for image in images]
    described = [model.score(image, "cat", draws=2, seed=5).log_prob for image in images]
    assert found.plain.quantiles == pytest.approx(Spread.of(plain).quantiles, abs=0.01)
    assert found.described is not None
    assert found.described.quantiles == pytest.approx(Spread.of(described).quantiles, abs=0.01)
    assert (found.size, found.draws, found.seed, found.plain.number) == ((8, 8), 2, 5, LEAST_PICTURES)


def test_score_says_where_a_picture_stands() -> None:
    model = pipeline()
    images = pictures(40)
    said = [None if i < 20 else "dog" for i in range(40)]
    model.reference = measure_reference(model, images, said, pictures="noise", kind="trained on")
    log_probs = [model.score(image).log_prob for image in images]
    middle = images[int(np.argsort(log_probs)[20])]
    found = model.score(middle).standing
    assert found is not None
    assert found.share == pytest.approx(0.5, abs=0.03)
    assert str(found) == f"likelier than {100 * found.share:.0f} % of the pictures the model was trained on"
    described = model.score(middle, "cat").standing
    assert described is not None
    assert (found.number, described.number) == (40, 20)


def test_model_without_a_reference_says_nothing() -> None:
    assert pipeline().score(pictures(1)[0]).standing is None


def test_too_few_pictures_are_refused_and_too_few_descriptions_left_out() -> None:
    with pytest.raises(ValueError, match="19 pictures cannot show"):
        measure_reference(pipeline(), pictures(LEAST_PICTURES - 1), pictures="noise")
    said = ["cat"] * 5 + [""] * 15
    assert measure_reference(pipeline(), pictures(20), said, pictures="noise", draws=1).described is None


def test_pictures_that_cannot_be_measured_are_named_and_left_out(tmp_path: Path) -> None:
    for number, image in enumerate(pictures(LEAST_PICTURES, side=12)):
        image.save(tmp_path / f"{number:02}.png")
    (tmp_path / "words.png").write_text("words")
    told: list[str] = []
    done: list[tuple[int, int]] = []
    found = measure_reference(
        pipeline(), tmp_path, pictures="noise", draws=1, failed=told.append, on_progress=lambda *at: done.append(at)
    )
    assert found.plain.number == LEAST_PICTURES
    assert len(told) == 1
    assert "words.png" in told[0]
    assert done[-1] == (21, 21)


def test_prompts_must_fit_the_pictures_and_the_model() -> None:
    with pytest.raises(ValueError, match="20 pictures and 1 prompts"):
        measure_reference(pipeline(), pictures(20), ["cat"], pictures="noise")
    plain = Pipeline(random_flow(dataclasses.replace(TINY_TARFLOW, num_classes=0)), None, None, name="plain")
    with pytest.raises(ValueError, match="knows no prompts"):
        measure_reference(plain, pictures(20), ["cat"] * 20, pictures="noise")
    with pytest.raises(ValueError, match="heart"):
        measure_reference(pipeline(), pictures(20), ["heart"] * 20, pictures="noise")


# The file


def test_saved_reference_is_loaded(tmp_path: Path) -> None:
    reference().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert Reference.load(tmp_path) == reference()
    reference(described=None).save(tmp_path)
    assert Reference.load(tmp_path) == reference(described=None)


def test_missing_file_is_no_reference(tmp_path: Path) -> None:
    assert Reference.load(tmp_path) is None


def spoilt(**changed: Any) -> str:
    return json.dumps(reference().to_dict() | changed)


def quantiles(values: Any, number: Any = 101) -> str:
    return spoilt(log_prob={"nothing given": {"number": number, "quantiles": values}})


@pytest.mark.parametrize(
    "content",
    [
        *("", "words", "[]", "null", "{}", "[" * 100_000, "\xff", "9" * 5_000),
        *(spoilt(format="starflow-reference-2"), spoilt(format=["starflow-reference-1"])),
        *(spoilt(pictures=""), spoilt(pictures="two\nlines"), spoilt(pictures="\x1b[31mred"), spoilt(pictures=7)),
        *(spoilt(pictures="x" * 301), spoilt(kind="best"), spoilt(kind=["given"]), spoilt(weights=None)),
        *(spoilt(size=[8]), spoilt(size=[8, 0]), spoilt(size=[8, True]), spoilt(size="88"), spoilt(size=[8.0, 8])),
        *(spoilt(draws=0), spoilt(draws=1.5), spoilt(seed=-1), spoilt(seed=2**64), spoilt(draws=10**400)),
        *(spoilt(log_prob=None), spoilt(log_prob={}), spoilt(log_prob={"nothing given": []})),
        spoilt(log_prob=reference().to_dict()["log_prob"] | {"more": {}}),
        *(quantiles([]), quantiles(list(range(100))), quantiles([*range(100), "100"]), quantiles(None)),
        *(quantiles([*range(100), math.nan]), quantiles([*range(100), math.inf]), quantiles([*range(100), True])),
        *(quantiles([*range(100), 10**400]), quantiles([*range(100, -1, -1)]), quantiles([0, *range(99, -1, -1)])),
        *(quantiles(list(range(101)), number=3), quantiles(list(range(101)), number="many")),
        *(
            spoilt(prompt_weight=0),
            spoilt(prompt_weight=1.5),
            spoilt(prompt_weight="1"),
            spoilt(prompt_weight=math.nan),
        ),
        " " * 2_000_000,
    ],
)
def test_hostile_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="is no reference that this version reads") as error:
        Reference.load(tmp_path)
    told = str(error.value)
    assert str(tmp_path / FILE) in told
    assert "\n" not in told
    assert len(told) < 400 + len(str(tmp_path))


def test_folder_in_the_file_s_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(ValueError, match="is no reference"):
        Reference.load(tmp_path)


def test_identity_is_that_of_the_weights_in_either_dtype() -> None:
    same = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.1))
    assert identity(FLOW) == identity(same) == identity(same.to(torch.bfloat16))
    assert identity(FLOW) != identity(random_flow(TINY_TARFLOW, seed=1))
