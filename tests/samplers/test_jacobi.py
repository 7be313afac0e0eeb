from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import Any

import pytest
import torch
from golden import STARFLOWS, load_golden, relative_error
from tiny import HERE, TINY, TINY_TARFLOW, randn, random_condition, random_data, random_flow
from torch import Tensor

import starflow_core.flow.predictor
from benchmarks.published_jacobi import PublishedJacobi
from starflow_core.flow.block import Affine
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.flow import Flow
from starflow_core.flow.predictor import Predictor
from starflow_core.flow.rotary import rotary_table
from starflow_core.samplers import Jacobi, Progress, Sampler, Sequential
from starflow_core.samplers.fixed_point import MAX_DRAFTS

EXACT = 1e-3
SEQUENCE = dataclasses.replace(TINY, in_channels=4, img_size=8)
PIXELS = dataclasses.replace(TINY_TARFLOW, in_channels=1, img_size=16)
CONFIGS: dict[str, StarFlowConfig | TarFlowConfig] = {
    "plain": SEQUENCE,
    "without a start token": dataclasses.replace(SEQUENCE, sos=False),
    "without text and start token": dataclasses.replace(SEQUENCE, txt_size=0, sos=False),
    "without soft clip": dataclasses.replace(SEQUENCE, soft_clip=0.0),
    "exponential": dataclasses.replace(SEQUENCE, use_softplus=False),
    "six blocks": dataclasses.replace(SEQUENCE, num_blocks=6, layers_per_block=(1,) * 6),
    "one block": dataclasses.replace(SEQUENCE, num_blocks=1, layers_per_block=(2,)),
    "patches": dataclasses.replace(SEQUENCE, in_channels=2, patch_size=2, img_size=16),
    "tarflow": PIXELS,
    "tarflow without classes": dataclasses.replace(PIXELS, num_classes=0),
    "tarflow that preserves volume": dataclasses.replace(PIXELS, nvp=False),
}


@pytest.fixture(params=[False, True], ids=["float32", "drafts"])
def drafts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether to draft, which then happens on any machine."""
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    return bool(request.param)


def sample_golden(name: str, guidance: float, sampler: Sampler) -> Tensor:
    golden = load_golden(name)
    return golden.flow().inverse(
        golden.noise, golden.condition, guidance=guidance, unconditional=golden.unconditional, sampler=sampler
    )


@functools.cache
def sequential_golden(name: str, guidance: float) -> Tensor:
    return sample_golden(name, guidance, Sequential())


def expected_jacobi(name: str, guidance: float, tolerance: str) -> dict[int, Tensor]:
    """Golden results by block size."""
    pattern = rf"jacobi\.cfg{guidance}\.block(\d+)\.th{tolerance}"
    matches = {key: re.fullmatch(pattern, key) for key in load_golden(name).expected}
    return {int(match[1]): load_golden(name).expected[key] for key, match in matches.items() if match}


# Golden files


@pytest.mark.parametrize(("block_size", "guidance"), [(None, 0.0), (None, 2.5), (16, 2.5), (5, 0.0), (1, 2.5)])
@pytest.mark.parametrize("name", STARFLOWS)
def test_small_tolerance_gives_the_sequential_result(
    name: str, guidance: float, block_size: int | None, drafts: bool
) -> None:
    x = sample_golden(name, guidance, Jacobi(block_size=block_size, tolerance=1e-8, drafts=drafts))
    assert relative_error(x, sequential_golden(name, guidance)) < EXACT
    assert relative_error(x, load_golden(name).expected[f"reverse.cfg{guidance}"]) < EXACT
    expected = expected_jacobi(name, guidance, "1e-08")
    assert expected
    for other in expected.values():
        assert relative_error(x, other) < EXACT


@pytest.mark.parametrize("block_size", [4, 16])
@pytest.mark.parametrize("guidance", [0.0, 2.5])
def test_published_jacobi_matches_golden(guidance: float, block_size: int) -> None:
    expected = expected_jacobi("starflow_square", guidance, "0.001")[block_size]
    x = sample_golden("starflow_square", guidance, PublishedJacobi(block_size=block_size, tolerance=1e-3))
    assert relative_error(x, expected) < EXACT


@pytest.mark.parametrize("guidance", [0.0, 2.5])
@pytest.mark.parametrize("name", STARFLOWS)
def test_published_jacobi_is_exact_at_a_small_tolerance(name: str, guidance: float) -> None:
    for block_size, expected in expected_jacobi(name, guidance, "1e-08").items():
        x = sample_golden(name, guidance, PublishedJacobi(block_size=block_size, tolerance=1e-8))
        assert relative_error(x, expected) < EXACT


# The tolerance is kept


@dataclasses.dataclass(frozen=True)
class Problem:
    flow: Flow
    noise: Tensor
    condition: Tensor | None
    unconditional: Tensor | None
    guidance: float

    def solve(self, sampler: Sampler, **kwargs: Any) -> Tensor:
        return self.flow.inverse(
            self.noise,
            self.condition,
            guidance=self.guidance,
            unconditional=self.unconditional,
            sampler=sampler,
            **kwargs,
        )


@functools.cache
def problem(config: StarFlowConfig | TarFlowConfig, seed: int, strength: float) -> tuple[Problem, Tensor]:
    """A random flow whose predictions depend on the other tokens as strongly as asked for, and its exact result."""
    flow = random_flow(config, seed)
    with torch.no_grad():
        for block in flow.blocks:
            block.proj_out.weight.mul_(strength)
    noise = random_data(config, seed=50 + seed)
    condition, unconditional = random_condition(config), random_condition(config, 1, seed=3)
    guidance = 2.5 if condition is not None and seed % 2 else 0.0
    posed = Problem(flow, noise, condition, unconditional, guidance)
    return posed, posed.solve(Sequential())


@pytest.mark.parametrize("tolerance", [0.1, 0.03, 0.01, 0.003])
@pytest.mark.parametrize("strength", [1.0, 2.0])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_error_stays_below_the_tolerance(
    config: StarFlowConfig | TarFlowConfig, strength: float, tolerance: float, drafts: bool
) -> None:
    for seed in range(2):
        posed, exact = problem(config, seed, strength)
        for block_size in (None,) if drafts else (None, 16):
            x = posed.solve(Jacobi(block_size=block_size, tolerance=tolerance, drafts=drafts))
            assert relative_error(x, exact) <= tolerance, f"seed {seed}, block_size {block_size}"


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 0.001])
def test_embedded_model_keeps_the_tolerance(pipeline: Any, tolerance: float, drafts: bool) -> None:
    text, unconditional = pipeline.text_encoder.encode(["a red heart"]), pipeline.text_encoder.encode([""])
    posed = Problem(pipeline.flow, randn(1, *latent_shape(pipeline)), text, unconditional, 2.0)
    error = relative_error(posed.solve(Jacobi(tolerance=tolerance, drafts=drafts)), posed.solve(Sequential()))
    assert error <= tolerance


def latent_shape(pipeline: Any) -> tuple[int, int, int]:
    config = pipeline.flow.config
    return config.in_channels, config.img_size, config.img_size


# Steps


def new_predictor(config: StarFlowConfig = SEQUENCE) -> tuple[Predictor, Tensor]:
    block = random_flow(config).blocks[-1]
    z = randn(2, 64, config.token_dim, seed=4)
    return Predictor(block, rotary_table(config, (8, 8), 3, **HERE), randn(2, 3, 5), None, None, 2, 64, **HERE), z


def count_evaluations(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often each context has been read, counted up as it happens."""
    counts = [0] * 64
    predict = predictor.predict

    def counted(contexts: Tensor) -> Affine:
        for t in range(predictor.position, predictor.position + contexts.shape[1]):
            counts[t] += 1
        return predict(contexts)

    monkeypatch.setattr(predictor, "predict", counted)
    return counts


@pytest.mark.parametrize("block_size", [None, 16, 5])
@pytest.mark.parametrize("limit", [1, 2, 7])
def test_no_token_is_evaluated_more_often_than_max_iterations(
    limit: int, block_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, z = new_predictor()
    counts = count_evaluations(predictor, monkeypatch)
    settings = Jacobi(block_size=block_size, tolerance=1e-8, max_iterations=limit, drafts=False)
    known = [known for known, _ in settings.invert(predictor, z)]
    assert known[-1] == 64
    assert min(counts) >= 1
    assert max(counts) <= limit


def test_window_of_one_token_evaluates_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, z = new_predictor()
    counts = count_evaluations(predictor, monkeypatch)
    for _ in Jacobi(block_size=1, drafts=False).invert(predictor, z):
        pass
    assert counts == [1] * 64


def test_larger_tolerance_needs_fewer_steps() -> None:
    steps = []
    for tolerance in (1e-8, 1e-3, 0.1):
        predictor, z = new_predictor()
        steps.append(sum(1 for _ in Jacobi(tolerance=tolerance, drafts=False).invert(predictor, z)))
    assert 64 >= steps[0] > steps[1] > steps[2]


@pytest.mark.parametrize("block_size", [None, 16])
def test_progress_never_falls_and_ends_at_the_total(block_size: int | None, drafts: bool) -> None:
    posed, _ = problem(SEQUENCE, 1, 1.0)
    seen: list[Progress] = []
    x = posed.solve(Jacobi(block_size=block_size, drafts=drafts), progress=seen.append)
    done = [step.done for step in seen]
    assert done == sorted(done)
    assert done[0] >= 0
    assert done[-1] == seen[-1].total == 64 * sum(SEQUENCE.layers_per_block)
    assert len({step.total for step in seen}) == 1
    assert torch.equal(seen[-1].partial(), x)


def test_tokens_that_are_known_do_not_change_again() -> None:
    predictor, z = new_predictor()
    last, last_known = z.clone(), 0
    for known, x in Jacobi(tolerance=0.1, block_size=16, drafts=False).invert(predictor, z):
        assert known > last_known
        assert torch.equal(x[:, :last_known], last[:, :last_known])
        last, last_known = x.clone(), known


def test_noise_is_left_alone(drafts: bool) -> None:
    predictor, z = new_predictor()
    before = z.clone()
    for _ in Jacobi(drafts=drafts).invert(predictor, z):
        pass
    assert torch.equal(z, before)


# Drafts


@pytest.mark.parametrize("faster", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_drafts_are_made_where_they_are_wanted_and_faster(
    wanted: bool, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: faster)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    predictor, z = new_predictor()
    known = [known for known, _ in Jacobi(drafts=wanted).invert(predictor, z)]
    assert (0 in known) == (wanted and faster)
    assert known.count(0) <= MAX_DRAFTS


def test_model_in_bfloat16_needs_no_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    flow = random_flow(SEQUENCE).to(torch.bfloat16)
    predictor = Predictor(flow.blocks[0], None, None, None, None, 2, 64, device=flow.device, dtype=flow.dtype)
    assert not predictor.drafts_are_faster


def test_drafts_leave_the_weights_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    posed, _ = problem(SEQUENCE, 0, 1.0)
    before = {name: tensor.clone() for name, tensor in posed.flow.state_dict().items()}
    posed.solve(Jacobi(drafts=True))
    for name, tensor in posed.flow.state_dict().items():
        assert torch.equal(tensor, before[name])


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_size": 0}, "block_size is 0"),
        ({"block_size": -3}, "block_size is -3"),
        ({"tolerance": 0.0}, "tolerance is 0"),
        ({"tolerance": -0.01}, "tolerance is -0.01"),
        ({"tolerance": math.nan}, "tolerance is nan"),
        ({"tolerance": math.inf}, "tolerance is inf"),
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"max_iterations": -1}, "max_iterations is -1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Jacobi(**settings)


def test_noise_that_is_not_finite_ends_all_the_same(drafts: bool) -> None:
    posed, _ = problem(SEQUENCE, 0, 1.0)
    noise = posed.noise.clone()
    noise[0, 0, 3, 3] = math.nan
    x = dataclasses.replace(posed, noise=noise).solve(Jacobi(drafts=drafts))
    assert x.shape == noise.shape
