from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from golden import STARFLOWS, Golden, load_golden, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY, randn, random_flow
from torch import Tensor

from starflow_core.config import FlowConfig
from starflow_core.flow import StarFlow
from starflow_core.tokens import patchify, unpatchify

TOLERANCE = 1e-4


@pytest.fixture(params=STARFLOWS)
def golden(request: pytest.FixtureRequest) -> Golden:
    return load_golden(request.param)


@pytest.fixture(scope="module")
def flow() -> StarFlow:
    return random_flow(TINY)


def noise(batch: int = 2, size: tuple[int, int] = (4, 4), seed: int = 1) -> Tensor:
    return randn(batch, TINY.in_channels, *size, seed=seed)


def text(batch: int = 2, length: int = 3, seed: int = 2) -> Tensor:
    return randn(batch, length, TINY.txt_dim, seed=seed)


# Golden files


def test_golden_files_are_there() -> None:
    assert len(STARFLOWS) == 4


def test_forward_matches_golden(golden: Golden) -> None:
    output = golden.flow()(golden.x, golden.text)
    assert relative_error(output.z, golden.expected["forward.z"]) < TOLERANCE
    assert relative_error(output.log_prob, golden.expected["forward.loglik"]) < TOLERANCE
    assert relative_error(output.log_prob_map, golden.expected["forward.loglik_map"]) < TOLERANCE


def test_every_block_matches_golden(golden: Golden) -> None:
    flow = golden.flow()
    outputs = list(flow.transform(golden.x, golden.text))
    assert len(outputs) == golden.config.num_blocks
    for i, output in enumerate(outputs):
        x = unpatchify(output.tokens, flow.grid(golden.x), golden.config.patch_size)
        assert relative_error(x, golden.expected[f"forward.block_output.{i}"]) < TOLERANCE
        assert relative_error(output.log_det.sum(1), golden.expected[f"forward.logdet_sum.{i}"]) < TOLERANCE


@pytest.mark.parametrize("guidance", [0.0, 2.5])
def test_inverse_matches_golden(golden: Golden, guidance: float) -> None:
    flow = golden.flow()
    rows, columns = flow.grid(golden.noise)
    deep_block = rows * columns * golden.config.layers_per_block[-1]
    after_top = x = torch.empty(0)
    steps = flow.inverse_steps(golden.noise, golden.text, guidance=guidance, unconditional=golden.unconditional)
    for step in steps:
        x = step.partial()
        if step.done == deep_block:
            after_top = x
    assert relative_error(after_top, golden.expected[f"reverse.cfg{guidance}.after_top"]) < TOLERANCE
    assert relative_error(x, golden.expected[f"reverse.cfg{guidance}"]) < TOLERANCE


def test_score_matches_golden(golden: Golden) -> None:
    x = golden.x.clone().requires_grad_()
    (score,) = torch.autograd.grad(golden.flow()(x, golden.text).log_prob.sum(), x)
    assert relative_error(golden.x + 0.3**2 * score, golden.expected["denoise.sigma0.3"]) < TOLERANCE


# Properties of all configurations


@st.composite
def configs(draw: st.DrawFn, num_blocks: int | None, has_text: bool | None) -> FlowConfig:
    has_text = draw(st.booleans()) if has_text is None else has_text
    head_dim = 20 if has_text else 4
    blocks = num_blocks or draw(st.integers(1, 3))
    patch_size = draw(st.sampled_from([1, 2]))
    return FlowConfig(
        in_channels=draw(st.integers(1, 2)),
        img_size=2 * patch_size,
        channels=head_dim * draw(st.integers(1, 2)),
        num_blocks=blocks,
        layers_per_block=tuple(draw(st.lists(st.integers(1, 2), min_size=blocks, max_size=blocks))),
        patch_size=patch_size,
        top_block_channels=draw(st.sampled_from([None, 3 * head_dim])),
        head_dim=head_dim,
        expansion=2,
        rope=draw(st.booleans()),
        sos=draw(st.booleans()),
        txt_size=3 if has_text else 0,
        txt_dim=5 if has_text else 0,
        cond_top_only=draw(st.booleans()),
        use_softplus=draw(st.booleans()),
        use_final_norm=draw(st.booleans()),
        soft_clip=draw(st.sampled_from([0.0, 4.0])),
        seq_order=draw(st.sampled_from(["L2R", "R2L"])),
    )


@dataclasses.dataclass(frozen=True)
class Case:
    """A random flow, with latents and text that fit it."""

    flow: StarFlow
    x: Tensor
    text: Tensor | None


@st.composite
def cases(draw: st.DrawFn, batch: int = 2, num_blocks: int | None = None, has_text: bool | None = None) -> Case:
    config = draw(configs(num_blocks, has_text))
    # Learned positions exist for the square grid of the training only.
    rows, columns = draw(st.sampled_from([(2, 2), (1, 3), (3, 2), (2, 3), (1, 1)])) if config.rope else (2, 2)
    p, seed = config.patch_size, draw(st.integers(0, 99))
    x = randn(batch, config.in_channels, rows * p, columns * p, seed=seed)
    features = randn(batch, 3, config.txt_dim, seed=seed + 1) if config.has_text else None
    return Case(random_flow(config, seed), x, features)


@settings(max_examples=60)
@given(cases())
def test_inverse_undoes_forward(case: Case) -> None:
    z = case.flow(case.x, case.text).z
    torch.testing.assert_close(case.flow.inverse(z, case.text), case.x, rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(cases(batch=1))
def test_log_prob_is_that_of_a_change_of_variables(case: Case) -> None:
    output = case.flow(case.x, case.text)
    jacobian = torch.autograd.functional.jacobian(lambda x: case.flow(x, case.text).z, case.x)
    log_det = jacobian.reshape(case.x.numel(), case.x.numel()).double().slogdet().logabsdet
    normal = -0.5 * (output.z.double().square() + math.log(2 * math.pi)).sum()
    torch.testing.assert_close(output.log_prob[0].double(), normal + log_det, rtol=1e-4, atol=1e-3)


@given(cases())
def test_log_prob_map_sums_to_log_prob(case: Case) -> None:
    output = case.flow(case.x, case.text)
    assert output.log_prob_map.shape == (len(case.x), *case.flow.grid(case.x))
    torch.testing.assert_close(output.log_prob_map.sum((1, 2)), output.log_prob)


@given(cases(num_blocks=1), st.data())
def test_block_is_causal_in_its_order(case: Case, data: st.DataObject) -> None:
    config, grid = case.flow.config, case.flow.grid(case.x)
    tokens = patchify(case.x, config.patch_size)
    T = tokens.shape[1]
    t = data.draw(st.integers(0, T - 1))
    changed = tokens.clone()
    changed[:, t] += 1
    (before,) = case.flow.transform(case.x, case.text)
    (after,) = case.flow.transform(unpatchify(changed, grid, config.patch_size), case.text)

    earlier = slice(t + 1, None) if config.seq_order == "L2R" else slice(None, t)
    later = slice(None, t) if config.seq_order == "L2R" else slice(t + 1, None)
    assert torch.equal(before.tokens[:, earlier], after.tokens[:, earlier])
    assert torch.equal(before.log_det[:, earlier], after.log_det[:, earlier])
    # A token's own map does not depend on it, so that the log-determinant is a plain sum.
    assert torch.equal(before.log_det[:, t], after.log_det[:, t])
    assert (before.tokens[:, t] != after.tokens[:, t]).any()
    assert (before.log_det[:, later] != after.log_det[:, later]).all()


@given(cases(has_text=True))
def test_text_reaches_the_blocks_that_see_it_and_no_others(case: Case) -> None:
    grid = case.flow.grid(case.x)
    assert case.text is not None
    before = case.flow.transform(case.x, case.text)
    after = case.flow.transform(case.x, case.text + 1)
    for block, a, b in zip(case.flow.blocks, before, after, strict=True):
        predicted = grid != (1, 1) or not block.free_tokens  # the first token may have nothing that predicts it
        is_changed = not torch.equal(a.tokens, b.tokens)
        assert is_changed == (block.sees_text and predicted)
        if is_changed:
            break  # all that follows depends on the text by way of the tokens


# Batches, dtypes and guidance


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_image_does_not_depend_on_its_batch(flow: StarFlow, guidance: float) -> None:
    z, prompts, empty = noise(3), text(3), text(3, seed=4)
    together = flow.inverse(z, prompts, guidance=guidance, unconditional=empty)
    for i in range(3):
        one = slice(i, i + 1)
        alone = flow.inverse(z[one], prompts[one], guidance=guidance, unconditional=empty[one])
        torch.testing.assert_close(alone, together[one], rtol=1e-4, atol=1e-5)


def test_likelihood_does_not_depend_on_the_batch(flow: StarFlow) -> None:
    x, prompts = noise(3), text(3)
    together = flow(x, prompts).log_prob
    alone = torch.cat([flow(x[i : i + 1], prompts[i : i + 1]).log_prob for i in range(3)])
    torch.testing.assert_close(alone, together)


def test_guidance_of_zero_ignores_the_unconditional_text(flow: StarFlow) -> None:
    given_anyway = flow.inverse(noise(), text(), guidance=0.0, unconditional=text(seed=4))
    assert torch.equal(given_anyway, flow.inverse(noise(), text()))


def test_guidance_changes_the_image(flow: StarFlow) -> None:
    guided = flow.inverse(noise(), text(), guidance=2.0, unconditional=text(seed=4))
    assert relative_error(guided, flow.inverse(noise(), text())) > 0.01


def test_one_unconditional_text_serves_the_whole_batch(flow: StarFlow) -> None:
    one = text(1, seed=4)
    shared = flow.inverse(noise(), text(), guidance=2.0, unconditional=one)
    assert torch.equal(shared, flow.inverse(noise(), text(), guidance=2.0, unconditional=one.repeat(2, 1, 1)))


def test_text_length_is_free(flow: StarFlow) -> None:
    longer = text(length=5)
    z = flow(noise(), longer).z
    torch.testing.assert_close(flow.inverse(z, longer), noise(), rtol=1e-4, atol=1e-4)


def test_inputs_of_any_floating_dtype_are_taken(flow: StarFlow) -> None:
    output = flow(noise().double(), text().double())
    assert output.z.dtype == output.log_prob.dtype == torch.float32
    torch.testing.assert_close(output.log_prob, flow(noise(), text()).log_prob)


def test_reduced_precision_keeps_densities_in_float32(flow: StarFlow) -> None:
    reduced = StarFlow.from_state_dict(TINY, flow.state_dict(), dtype=torch.bfloat16)
    output = reduced(noise(), text())
    assert output.z.dtype == output.log_prob.dtype == output.log_prob_map.dtype == torch.float32
    assert relative_error(output.z, flow(noise(), text()).z) < 0.05
    x = reduced.inverse(output.z, text())
    assert x.dtype == torch.float32
    assert relative_error(x, noise()) < 0.05


def test_inputs_are_left_as_they_are(flow: StarFlow) -> None:
    z, prompts = noise(), text()
    flow.inverse(z, prompts)
    flow(z, prompts)
    assert torch.equal(z, noise())
    assert torch.equal(prompts, text())


def test_sampled_latents_may_be_differentiated(flow: StarFlow) -> None:
    x = flow.inverse(noise(), text()).requires_grad_()
    (score,) = torch.autograd.grad(flow(x, text()).log_prob.sum(), x)
    assert score.isfinite().all()
    assert score.any()


# Progress


def test_progress_rises_to_its_total(flow: StarFlow) -> None:
    steps = list(flow.inverse_steps(noise(), text()))
    done = [step.done for step in steps]
    assert done == sorted(set(done))
    assert {step.total for step in steps} == {16 * 4} == {done[-1]}


def test_progress_is_called_with_every_step(flow: StarFlow) -> None:
    seen: list[int] = []
    x = flow.inverse(noise(), text(), progress=lambda step: seen.append(step.done))
    assert seen == [step.done for step in flow.inverse_steps(noise(), text())]
    assert x.shape == noise().shape


def test_what_progress_raises_ends_the_sampling(flow: StarFlow) -> None:
    class Cancelled(Exception):
        pass

    def cancel(_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        flow.inverse(noise(), text(), progress=cancel)


# What is refused


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 4, 4), (0, 2, 4, 4), (2, 2, 4, 4, 1)])
def test_latents_of_a_wrong_shape_are_refused(flow: StarFlow, shape: tuple[int, ...]) -> None:
    message = rf"shape \({', '.join(map(str, shape))}\).*\(B, 2, H, W\)"
    with pytest.raises(ValueError, match=message):
        flow(torch.zeros(shape), text())
    with pytest.raises(ValueError, match=message):
        flow.inverse(torch.zeros(shape), text())


@pytest.mark.parametrize("size", [(5, 4), (4, 3), (0, 4)])
def test_sizes_that_do_not_divide_are_refused(size: tuple[int, int]) -> None:
    flow = random_flow(dataclasses.replace(TINY, patch_size=2))
    with pytest.raises(ValueError, match=rf"{size[0]}.{size[1]}; height and width must be positive multiples of 2"):
        flow(noise(size=size), text())


@pytest.mark.parametrize("size", [(4, 6), (2, 8)])
def test_learned_positions_are_for_the_trained_grid_only(size: tuple[int, int]) -> None:
    flow = random_flow(dataclasses.replace(TINY, rope=False))
    with pytest.raises(ValueError, match=rf"{size[0]}.{size[1]}; this flow has learned positions for 4.4 only"):
        flow(noise(size=size), text())


@pytest.mark.parametrize("guidance", [-1.0, math.nan, math.inf])
def test_guidance_out_of_range_is_refused(flow: StarFlow, guidance: float) -> None:
    with pytest.raises(ValueError, match=f"guidance is {guidance}"):
        flow.inverse(noise(), text(), guidance=guidance, unconditional=text())


def test_guidance_without_unconditional_text_is_refused(flow: StarFlow) -> None:
    with pytest.raises(ValueError, match="`unconditional`"):
        flow.inverse(noise(), text(), guidance=1.0)


@pytest.mark.parametrize("shape", [(3, 3, 5), (2, 3, 4), (2, 2, 3, 5)])
def test_unconditional_text_of_a_wrong_shape_is_refused(flow: StarFlow, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"unconditional has shape.*\(2, "):
        flow.inverse(noise(), text(), guidance=1.0, unconditional=torch.zeros(shape))


def test_unconditional_text_of_another_length_is_refused(flow: StarFlow) -> None:
    with pytest.raises(ValueError, match=r"unconditional.*\(2, 4, 5\)"):
        flow.inverse(noise(), text(), guidance=1.0, unconditional=text(length=4))


def test_missing_text_is_refused(flow: StarFlow) -> None:
    with pytest.raises(ValueError, match=r"needs text: features \(B, L, 5\)"):
        flow(noise())
    with pytest.raises(ValueError, match=r"needs text: features \(B, L, 5\)"):
        flow.inverse(noise())


@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 3, 4), (2, 0, 5), (2, 5)])
def test_text_of_a_wrong_shape_is_refused(flow: StarFlow, shape: tuple[int, ...]) -> None:
    message = rf"text has shape \({', '.join(map(str, shape))}\); it must be \(2, L, 5\)"
    with pytest.raises(ValueError, match=message):
        flow(noise(), torch.zeros(shape))


def test_text_for_a_model_without_text_is_refused() -> None:
    flow = random_flow(dataclasses.replace(TINY, txt_size=0))
    with pytest.raises(ValueError, match="takes no text, but text was given"):
        flow(noise(), text())
    with pytest.raises(ValueError, match="takes no text, but unconditional was given"):
        flow.inverse(noise(), guidance=1.0, unconditional=text())
