"""The measuring of `python -m benchmarks.insight`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.insight import __main__ as command
from benchmarks.insight import best, calibration, confidence, correlation, methods, pictures
from benchmarks.insight.methods import METHODS, Looked, auroc
from recipes import meaning
from recipes.data import Data
from recipes.evaluate import Evaluation
from recipes.figures import marks
from recipes.judge import Judge, Matcher
from recipes.pictures.held_out import NOTHING
from recipes.pictures.picture import Picture, Pictures
from starflow_core.flow.noise import seeded_noise
from starflow_core.insight.looking import KINDS
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


def picture(seed: int = 0, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def rng() -> np.random.Generator:
    return np.random.default_rng(99)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    normal, odd = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    assert auroc(normal, odd) == pytest.approx((1.5 + 3) / 6)
    assert auroc(normal, normal + 10) == 1
    assert auroc(normal, torch.full((2,), torch.inf)) == 1


@pytest.mark.parametrize("change", pictures.CHANGES, ids=lambda change: change.__name__)
def test_odd_pictures_are_others_of_the_same_size(change: pictures.Change) -> None:
    normal = picture()
    kept = normal.copy()
    odd = change(normal, rng())
    assert odd.shape == normal.shape
    assert odd.dtype == np.uint8
    assert (odd != normal).any()
    assert (normal == kept).all()  # itself untouched


def test_shuffled_and_turned_pictures_have_the_same_pixels() -> None:
    normal = picture()
    for change in (pictures.shuffled, pictures.upside_down):
        assert sorted(change(normal, rng()).ravel()) == sorted(normal.ravel())
    assert (pictures.inverted(pictures.inverted(normal, rng()), rng()) == normal).all()
    assert len(np.unique(pictures.flat(normal, rng()).reshape(-1, 3), axis=0)) == 1


def test_pasted_piece_is_a_ninth_of_another_picture() -> None:
    black, white = np.zeros((63, 63, 3), np.uint8), np.full((63, 63, 3), 255, np.uint8)
    assert (pictures.pasted(black, white, rng()) > 0).all(2).sum() == 21 * 21


def looked(count: int, shift: float = 0.0, seed: int = 0) -> Looked:
    """Pictures of which every figure is normal, or shifted."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, 12, generator=generator, dtype=torch.float64) + shift
    pixels = np.full((count, 32, 32, 3), 128, np.uint8) + picture(seed, 32) // 64
    evidence = {name: numbers[:, place : place + 4] for place, name in enumerate(KINDS)}
    return Looked(pixels, numbers[:, 0], numbers[:, :6], evidence, 1000 + 50 * numbers[:, 11], numbers[:, 10])


@pytest.mark.parametrize("name", ["typicality", "distance of the map", "fit of the noise", "five kinds of evidence"])
def test_methods_on_both_sides_find_what_is_likelier_too(name: str) -> None:
    normal, usual, odd = looked(200), looked(100, seed=1), looked(100, shift=4, seed=2)
    assert auroc(METHODS[name](normal, usual), METHODS[name](normal, odd)) > 0.95
    assert (
        auroc(methods.raw(normal, usual), methods.raw(normal, odd)) < 0.05
    )  # which the likelihood alone takes for normal


def test_every_method_gives_a_score_each() -> None:
    normal, others = looked(60), looked(7, seed=1)
    for name, method in METHODS.items():
        scores = method(normal, others)
        assert scores.shape == (7,), name
        assert scores.isfinite().all(), name


def test_pictures_are_looked_at_as_the_scorer_does(pipeline: Pipeline) -> None:
    found = methods.look(
        pipeline,
        load("tarflow-mini-8bit", dtype=torch.float32),
        np.stack([picture(seed) // 4 + 128 for seed in range(3)]),
    )
    assert found.log_prob.tolist() == pytest.approx(found.maps.sum(1).tolist())
    assert {len(vectors) for vectors in found.evidence.values()} == {len(found.webp)} == {3}
    assert (found.webp > 8 * 1000).all()


def test_8_bit_pictures_get_their_own_noise() -> None:
    model = load("tarflow-mini-8bit", device="cpu", dtype=torch.float32)
    grey = np.full((32, 32, 3), 128, np.uint8)
    expected = model.score(Image.fromarray(grey), draws=methods.DRAWS).log_prob
    assert methods.look(model, model, grey[None]).log_prob.tolist() == pytest.approx([expected], rel=1e-4)


# Confidence


def test_rank_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(60, generator=generator)
    for second in (first + torch.randn(60, generator=generator), -first, (first > 0).float(), first.round()):
        expected = stats.spearmanr(first.numpy(), second.numpy()).statistic
        assert correlation.spearman(first, second) == pytest.approx(expected, abs=1e-6)


def test_interval_holds_the_correlation_and_narrows_with_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    widths = []
    for count in (30, 300):
        first = torch.randn(count, generator=generator)
        found = correlation.correlation(first, first + torch.randn(count, generator=generator))
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2
    assert str(correlation.Correlation(0.5, 0.25, 0.75)) == "0.50 [0.25, 0.75]"


def test_mean_correlation_is_over_the_places_of_each_picture() -> None:
    """Pictures that differ as wholes do not count."""
    places = torch.arange(8.0).expand(5, 8)
    shifts = 100 * torch.arange(5.0)[:, None]
    assert correlation.mean_correlation(places + shifts, -places + shifts).value == pytest.approx(-1)


def test_errors_are_measured_as_they_are_described(pipeline: Pipeline) -> None:
    images = np.stack([np.asarray(one) for one in pipeline.generate(["owl", "red heart"], seed=1)])
    found = confidence.measured(pipeline, images)
    T = 64
    assert found.confidence.shape == found.following.shape == found.denoised.shape == (2, T)
    sure = [pipeline.confidence(Image.fromarray(one), draws=confidence.DRAWS) for one in images]
    assert found.confidence.mean(1).tolist() == pytest.approx([one.score for one in sure], abs=1e-4)
    assert (found.following > 0).all()
    assert float(found.denoised.mean()) < pipeline.flow.config.noise_std**2  # less than the noise that it had
    assert (found.psnr > 15).all()
    assert (found.redrawn > 10).all()


def test_next_error_is_scale_times_noise_of_the_deepest_block(pipeline: Pipeline) -> None:
    """x = mean + scale·z: the error of the mean is what the scale and the noise make of it."""
    flow = pipeline.flow
    x, condition = 0.5 * seeded_noise((16, 8, 8), 0, 1), pipeline.condition([""])
    outputs = list(flow.transform(x, condition))
    found = confidence._next_error(pipeline, x, condition)
    block = flow.blocks[-1]
    assert len(block.attn_blocks) == max(len(one.attn_blocks) for one in flow.blocks)
    _, scale = block.affine(block.reorder(outputs[-2].tokens), condition, flow.rotary(block, (8, 8), condition))
    expected = (block.reorder(scale) * outputs[-1].tokens).square().mean(-1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


# Calibration


def test_calibration_is_printed_and_plotted(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = np.stack([np.asarray(one) for one in pipeline.generate("owl", count=3, seed=1)])
    calibration.report(pipeline, {"training": drawn, "held-out": drawn[:2], "noise": drawn[:1]}, tmp_path)
    output = capsys.readouterr().out
    assert "| training, 3 pictures |" in output
    assert "| 4 of 4 |" in output
    assert "By place, held-out pictures" in output
    with Image.open(tmp_path / "starflow-mini.png") as plot:
        assert plot.width > 600


# The best of several


def test_best_of_several_is_judged_and_printed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a judge that has learnt nothing, so that its weights alone are missing."""
    names = ["red heart", "owl", "cat face"]
    rows = [Picture(f"set:{name}", "set", "flat", "emoji", name, "", "") for name in names]
    images = np.zeros((3, 64, 64, 3), np.uint8)
    nothing = np.array([], int)
    data = Data(Pictures(rows, images, images[..., 0]), NOTHING, np.arange(3), nothing, nothing)
    monkeypatch.setattr(best, "NAMES", 3)
    monkeypatch.setattr(
        meaning,
        "sentence_embeddings",
        lambda texts: torch.stack([torch.full((384,), len(one)) for one in texts]).float(),
    )
    judge = Judge(Matcher((8, 8), 4), 32)
    asked: list[int] = []
    generate = pipeline.generate

    def noting(*given: Any, **how: Any) -> Any:
        asked.append(how["best_of"])
        return generate(*given, **how)

    monkeypatch.setattr(pipeline, "generate", noting)
    best.report(Evaluation(pipeline, data, judge, {}))
    printed = capsys.readouterr().out
    assert asked == [1, 4]
    for number in best.CANDIDATES:
        for k in (1, 5):
            assert f"| recall@{k} of 3 names, best of {number} | " in printed
    assert "| recall@5 of 3 names, best of 4 | 1 ± 0 |" in printed  # of three, one of the first five


# The pages of the docs


def test_figures_go_between_the_marks_of_their_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    begin, end = marks("match of mine")
    page.write_text(f"Before\n{begin}\nold\n{end}\nAfter\n")
    other.write_text("Nothing\n")
    assert command.written(lambda: print("\n| new |\n"), "match of mine", [other, page])
    assert page.read_text() == f"Before\n{begin}\n\n| new |\n\n{end}\nAfter\n"
    assert other.read_text() == "Nothing\n"
    assert not command.written(lambda: print("newer"), "match of yours", [other, page])


def test_every_figure_of_the_measuring_model_has_its_place_in_the_docs() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in command.PAGES)
    for name in command.REPORTS:
        for mark in marks(f"{name} of starflow-mini-128"):
            assert text.count(mark) == 1, mark


def test_what_is_missing_for_one_report_does_not_end_the_others(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def misses(given: command.Given) -> None:
        raise SystemExit("There is no judge yet")

    reports = {"best": misses, "match": lambda given: print("matched")}
    monkeypatch.setattr(command, "REPORTS", reports)
    monkeypatch.setattr(command, "load", lambda *given, **how: pipeline)
    monkeypatch.setattr(command.data, "load", lambda *given: None)
    monkeypatch.setattr("sys.argv", ["insight"])
    with pytest.raises(SystemExit, match="1"):
        command.main()
    printed = capsys.readouterr()
    assert printed.out == "matched\n"
    assert printed.err == "best: There is no judge yet\n"
