"""What both kinds of flow have in common; what only one of them has is in test_starflow.py and test_tarflow.py."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from golden import GOLDEN, Golden, load_golden, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINIES, randn, random_condition, random_data, random_flow
from torch import Tensor

from starflow_core.flow.config import AnyFlowConfig, StarFlowConfig, TarFlowConfig
from starflow_core.flow.flow import Flow
from starflow_core.flow.guidance import GUIDED, Guidance, StarFlowGuidance, TarFlowGuidance
from starflow_core.flow.tokens import patchify, unpatchify
from starflow_core.samplers import Jacobi, Sampler, Sequential

TOLERANCE = 1e-4


@pytest.fixture(params=GOLDEN)
def golden(request: pytest.FixtureRequest) -> Golden:
    return load_golden(request.param)


@dataclasses.dataclass(frozen=True)
class Case:
    """A random flow with what it takes: data, or noise, their conditions, and others to be guided away from."""

    flow: Flow
    x: Tensor
    condition: Tensor | None
    unconditional: Tensor | None
    guidance: Guidance

    def drawn(self, *, guided: bool = True, sampler: Sampler | None = None) -> Tensor:
        if not guided:
            return self.flow.inverse(self.x, self.condition, sampler=sampler)
        return self.flow.inverse(
            self.x, self.condition, guidance=self.guidance, unconditional=self.unconditional, sampler=sampler
        )

    def part(self, start: int, end: int) -> Case:
        """Some of the batch."""
        x, condition, unconditional = (
            None if part is None else part[start:end] for part in (self.x, self.condition, self.unconditional)
        )
        assert x is not None
        return Case(self.flow, x, condition, unconditional, self.guidance)


@pytest.fixture(scope="module", params=TINIES)
def case(request: pytest.FixtureRequest) -> Case:
    """One case of each kind of flow."""
    config = TINIES[request.param]
    unconditional = random_condition(config, 3, seed=4)
    guidance = random_flow(config).guide(2.0)
    return Case(random_flow(config), random_data(config, 3), random_condition(config, 3), unconditional, guidance)


# Golden files


def test_golden_files_are_there() -> None:
    assert len(GOLDEN) == 6


def test_forward_matches_golden(golden: Golden) -> None:
    output = golden.flow()(golden.x, golden.condition)
    assert relative_error(output.z, golden.expected["forward.z"]) < TOLERANCE
    assert relative_error(output.log_prob, golden.expected["forward.loglik"]) < TOLERANCE
    for expected in golden.outputs("forward.loglik_map").values():
        assert relative_error(output.log_prob_map, expected) < TOLERANCE


def test_every_block_matches_golden(golden: Golden) -> None:
    flow = golden.flow()
    outputs = list(flow.transform(golden.x, golden.condition))
    assert len(outputs) == golden.config.num_blocks == len(golden.outputs("forward.block_output."))
    for i, output in enumerate(outputs):
        x = unpatchify(output.tokens, flow.grid(golden.x), golden.config)
        assert relative_error(x, golden.expected[f"forward.block_output.{i}"]) < TOLERANCE
        for expected in golden.outputs(f"forward.logdet_sum.{i}").values():
            assert relative_error(output.log_det.sum(1), expected) < TOLERANCE


def test_maps_and_log_determinants_are_compared_where_they_are_there() -> None:
    for name in GOLDEN:
        golden = load_golden(name)
        per_block = golden.config.num_blocks if golden.kind == "starflow" else 0
        assert len(golden.outputs("forward.logdet_sum.")) == per_block
        assert len(golden.outputs("forward.loglik_map")) == bool(per_block)
        assert len(golden.outputs("reverse.")) == len(golden.guidances()) * (2 if per_block else 1)


@pytest.mark.parametrize("sampler", [Sequential(), Jacobi(tolerance=1e-7)], ids=["sequential", "jacobi"])
def test_inverse_matches_golden(golden: Golden, sampler: Sampler) -> None:
    flow = golden.flow()
    rows, columns = flow.grid(golden.noise)
    deep_block = rows * columns * len(flow.blocks[-1].attn_blocks)
    assert golden.guidances()
    for name, guidance in golden.guidances().items():
        after_top = x = torch.empty(0)
        for step in flow.inverse_steps(
            golden.noise, golden.drawn, guidance=guidance, unconditional=golden.unconditional, sampler=sampler
        ):
            x = step.partial()
            if step.done == deep_block and not len(after_top):
                after_top = x
        assert relative_error(x, golden.expected[name]) < TOLERANCE, name
        for expected in golden.outputs(f"{name}.after_top").values():
            assert relative_error(after_top, expected) < TOLERANCE, name


def test_score_matches_golden(golden: Golden) -> None:
    x = golden.x.clone().requires_grad_()
    (score,) = torch.autograd.grad(golden.flow()(x, golden.condition).log_prob.sum(), x)
    ((name, expected),) = golden.outputs("denoise.sigma").items()
    sigma = float(name.removeprefix("denoise.sigma"))
    assert relative_error(golden.x + sigma**2 * score, expected) < TOLERANCE


# Properties of all configurations


@st.composite
def starflow_configs(draw: st.DrawFn, conditional: bool | None) -> StarFlowConfig:
    has_text = draw(st.booleans()) if conditional is None else conditional
    head_dim = 20 if has_text else 4
    blocks = draw(st.integers(1, 3))
    patch_size = draw(st.sampled_from([1, 2]))
    return StarFlowConfig(
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


@st.composite
def tarflow_configs(draw: st.DrawFn, conditional: bool | None) -> TarFlowConfig:
    has_classes = draw(st.booleans()) if conditional is None else conditional
    patch_size = draw(st.sampled_from([1, 2]))
    return TarFlowConfig(
        in_channels=draw(st.integers(1, 2)),
        img_size=draw(st.integers(2, 3)) * patch_size,
        patch_size=patch_size,
        channels=4 * draw(st.integers(1, 2)),
        num_blocks=draw(st.integers(1, 3)),
        layers_per_block=draw(st.integers(1, 2)),
        num_classes=draw(st.integers(2, 4)) if has_classes else 0,
        nvp=draw(st.booleans()),
        head_dim=4,
        expansion=2,
    )


def starflow_guidances() -> st.SearchStrategy[Guidance]:
    return st.builds(StarFlowGuidance, st.sampled_from([0.5, 3.0]))


def tarflow_guidances() -> st.SearchStrategy[Guidance]:
    temperatures = st.sampled_from([1.0, 0.7, 1.5])
    return st.builds(TarFlowGuidance, st.sampled_from([0.5, 1.5]), st.sampled_from(GUIDED), st.booleans(), temperatures)


def labels(classes: int, batch: int) -> st.SearchStrategy[Tensor | None]:
    """Labels that are all of classes, all of none, or some of each; or none at all."""
    some = st.lists(st.integers(-2, classes - 1), min_size=batch, max_size=batch)
    return st.none() | some.map(torch.tensor)


@st.composite
def cases(draw: st.DrawFn, batch: int = 2, conditional: bool | None = None) -> Case:
    """Random flows of either kind."""
    seed = draw(st.integers(0, 99))
    config = draw(st.one_of(starflow_configs(conditional), tarflow_configs(conditional)))
    flow, p = random_flow(config, seed), config.patch_size
    condition = unconditional = None
    if isinstance(config, StarFlowConfig):
        guidance = draw(starflow_guidances())
        # Learned positions exist for the square grid of the training only.
        grids = [(2, 2), (1, 3), (3, 2), (2, 3), *([(1, 1)] if config.sos else [])]
        rows, columns = draw(st.sampled_from(grids)) if config.rope else (2, 2)
        if config.has_text:
            condition, unconditional = (randn(batch, 3, config.txt_dim, seed=seed + i) for i in (1, 2))
    else:
        guidance, rows, columns = draw(tarflow_guidances()), config.trained_side, config.trained_side
        if config.num_classes:
            condition, unconditional = draw(labels(config.num_classes, batch)), draw(labels(config.num_classes, batch))
    x = randn(batch, config.in_channels, rows * p, columns * p, seed=seed)
    return Case(flow, x, condition, unconditional, guidance)


@settings(max_examples=80)
@given(cases())
def test_inverse_undoes_forward(case: Case) -> None:
    z = case.flow(case.x, case.condition).z
    torch.testing.assert_close(case.flow.inverse(z, case.condition), case.x, rtol=1e-5, atol=1e-5)


@settings(max_examples=40)
@given(cases())
def test_forward_undoes_inverse(case: Case) -> None:
    z = case.flow(case.drawn(guided=False), case.condition).z
    torch.testing.assert_close(z, case.x, rtol=1e-4, atol=1e-4)


@settings(max_examples=50)
@given(cases(batch=1))
def test_log_prob_is_that_of_a_change_of_variables(case: Case) -> None:
    output = case.flow(case.x, case.condition)
    jacobian = torch.autograd.functional.jacobian(lambda x: case.flow(x, case.condition).z, case.x)
    log_det = jacobian.reshape(case.x.numel(), case.x.numel()).double().slogdet().logabsdet
    normal = -0.5 * (output.z.double().square() + math.log(2 * math.pi)).sum()
    torch.testing.assert_close(output.log_prob[0].double(), normal + log_det, rtol=1e-4, atol=1e-3)


SINGLE_TOKEN = [
    StarFlowConfig(in_channels=2, img_size=1, channels=4, num_blocks=2, layers_per_block=(1, 1), head_dim=4, sos=False),
    TarFlowConfig(in_channels=2, img_size=1, patch_size=1, channels=4, num_blocks=2, layers_per_block=1, head_dim=4),
]


@pytest.mark.parametrize("config", SINGLE_TOKEN, ids=["starflow", "tarflow"])
def test_single_token_that_nothing_predicts_passes_unchanged(config: StarFlowConfig | TarFlowConfig) -> None:
    flow, x = random_flow(config), random_data(config)
    torch.testing.assert_close(flow(x).z * flow.prior_std.flatten()[..., None, None], x)
    torch.testing.assert_close(flow.inverse(flow(x).z), x)


@settings(max_examples=30)
@given(cases())
def test_log_prob_map_sums_to_log_prob(case: Case) -> None:
    output = case.flow(case.x, case.condition)
    assert output.log_prob_map.shape == (len(case.x), *case.flow.grid(case.x))
    torch.testing.assert_close(output.log_prob_map.sum((1, 2)), output.log_prob)


@settings(max_examples=40)
@given(cases())
def test_jacobi_gives_the_sequential_result(case: Case) -> None:
    jacobi = Jacobi(tolerance=1e-7)
    for guided in (False, case.condition is not None or isinstance(case.guidance, TarFlowGuidance)):
        exact = case.drawn(guided=guided)
        assert relative_error(case.drawn(guided=guided, sampler=jacobi), exact) < TOLERANCE


@settings(max_examples=40)
@given(cases(), st.data())
def test_block_is_causal_in_its_order(case: Case, data: st.DataObject) -> None:
    flow, config, grid = case.flow, case.flow.config, case.flow.grid(case.x)
    block = data.draw(st.sampled_from(list(flow.blocks)))
    given = flow.checked_condition(case.condition, len(case.x), "condition") if block.is_conditioned else None

    def run(tokens: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = block(block.reorder(tokens), given, flow.rotary(block, grid, given))
        return block.reorder(z), block.reorder(log_det)

    tokens = patchify(case.x, config)
    t = data.draw(st.integers(0, tokens.shape[1] - 1))
    changed = tokens.clone()
    changed[:, t] += 1
    (z, log_det), (other_z, other_log_det) = run(tokens), run(changed)

    earlier, later = slice(None, t), slice(t + 1, None)
    if is_reversed(config, block.shape.index):
        earlier, later = later, earlier
    assert torch.equal(z[:, earlier], other_z[:, earlier])
    assert torch.equal(log_det[:, earlier], other_log_det[:, earlier])
    # A token's own map does not depend on it, so that the log-determinant is a plain sum.
    assert torch.equal(log_det[:, t], other_log_det[:, t])
    assert (z[:, t] != other_z[:, t]).any()
    if block.shape.scale == "none":
        assert not log_det.any()
        assert (z != other_z).any(-1)[:, later].all()
    else:
        assert (log_det[:, later] != other_log_det[:, later]).all()


def is_reversed(config: AnyFlowConfig, block: int) -> bool:
    """Whether a block runs over the tokens in reverse, by what the papers say."""
    if isinstance(config, StarFlowConfig) and config.seq_order == "L2R":
        return block % 2 == 0
    return block % 2 == 1


@settings(max_examples=30)
@given(cases(conditional=True))
def test_condition_reaches_the_blocks_that_see_it_and_no_others(case: Case) -> None:
    config = case.flow.config
    condition, other = case.condition, case.condition
    if isinstance(config, TarFlowConfig):
        condition = torch.zeros(len(case.x), dtype=torch.int64) if condition is None else condition
        other = condition.clamp(min=-1).add(2) % (config.num_classes + 1) - 1  # the next label
    elif condition is not None:
        other = condition + 1
    before, after = case.flow.transform(case.x, condition), case.flow.transform(case.x, other)
    for i, (block, a, b) in enumerate(zip(case.flow.blocks, before, after, strict=True)):
        is_changed = not torch.equal(a.tokens, b.tokens)
        sees_it = config.sees_text(i) if isinstance(config, StarFlowConfig) else True
        assert block.is_conditioned == sees_it
        assert is_changed == sees_it
        if is_changed:
            break  # all that follows depends on the condition by way of the tokens


# Batches, dtypes and guidance


@pytest.mark.parametrize("guided", [False, True])
def test_image_does_not_depend_on_its_batch(case: Case, guided: bool) -> None:
    together = case.drawn(guided=guided)
    for i in range(3):
        alone = case.part(i, i + 1).drawn(guided=guided)
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-5)


def test_likelihood_does_not_depend_on_the_batch(case: Case) -> None:
    parts = [case.part(i, i + 1) for i in range(3)]
    alone = torch.cat([case.flow(part.x, part.condition).log_prob for part in parts])
    torch.testing.assert_close(alone, case.flow(case.x, case.condition).log_prob)


def test_guidance_of_zero_ignores_the_unconditional_condition(case: Case) -> None:
    given_anyway = case.flow.inverse(case.x, case.condition, guidance=0.0, unconditional=case.unconditional)
    assert torch.equal(given_anyway, case.drawn(guided=False))


def test_guidance_changes_the_image(case: Case) -> None:
    assert relative_error(case.drawn(), case.drawn(guided=False)) > 0.01


def test_number_stands_for_guidance_of_the_flows_own_kind(case: Case) -> None:
    by_number = case.flow.inverse(case.x, case.condition, guidance=2.0, unconditional=case.unconditional)
    assert torch.equal(by_number, case.drawn())


def test_one_unconditional_condition_serves_the_whole_batch(case: Case) -> None:
    assert case.unconditional is not None
    one = case.unconditional[:1]
    repeated = dataclasses.replace(case, unconditional=torch.cat([one] * 3))
    assert torch.equal(dataclasses.replace(case, unconditional=one).drawn(), repeated.drawn())


def test_inputs_of_any_floating_dtype_are_taken(case: Case) -> None:
    output = case.flow(case.x.double(), case.condition)
    assert output.z.dtype == output.log_prob.dtype == torch.float32
    torch.testing.assert_close(output.log_prob, case.flow(case.x, case.condition).log_prob)


def test_reduced_precision_keeps_densities_in_float32(case: Case) -> None:
    reduced = copy.deepcopy(case.flow).to(torch.bfloat16)
    output = reduced(case.x, case.condition)
    assert output.z.dtype == output.log_prob.dtype == output.log_prob_map.dtype == torch.float32
    assert relative_error(output.z, case.flow(case.x, case.condition).z) < 0.05
    x = reduced.inverse(output.z, case.condition)
    assert x.dtype == torch.float32
    assert relative_error(x, case.x) < 0.05


def test_inputs_are_left_as_they_are(case: Case) -> None:
    inputs = [part for part in (case.x, case.condition, case.unconditional) if part is not None]
    before = [part.clone() for part in inputs]
    case.drawn()
    case.flow(case.x, case.condition)
    assert all(torch.equal(part, copy) for part, copy in zip(inputs, before, strict=True))


def test_drawn_data_may_be_differentiated(case: Case) -> None:
    x = case.drawn().requires_grad_()
    (score,) = torch.autograd.grad(case.flow(x, case.condition).log_prob.sum(), x)
    assert score.isfinite().all()
    assert score.any()


# Progress


def test_progress_rises_to_its_total(case: Case) -> None:
    steps = list(case.flow.inverse_steps(case.x, case.condition))
    done = [step.done for step in steps]
    layers = sum(len(block.attn_blocks) for block in case.flow.blocks)
    assert done == sorted(set(done))
    assert {step.total for step in steps} == {16 * layers} == {done[-1]}


def test_progress_is_called_with_every_step(case: Case) -> None:
    seen: list[int] = []
    x = case.flow.inverse(case.x, case.condition, progress=lambda step: seen.append(step.done))
    assert seen == [step.done for step in case.flow.inverse_steps(case.x, case.condition)]
    assert x.shape == case.x.shape


def test_what_progress_raises_ends_the_sampling(case: Case) -> None:
    class Cancelled(Exception):
        pass

    def cancel(_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        case.flow.inverse(case.x, case.condition, progress=cancel)


# What is refused


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 8, 8), (0, 3, 8, 8), (2, 3, 8, 8, 1)])
def test_data_of_a_wrong_shape_are_refused(case: Case, shape: tuple[int, ...]) -> None:
    channels = case.flow.config.in_channels
    shape = tuple(channels if size == 3 else size for size in shape)
    message = rf"{case.flow.data.capitalize()} have shape \({', '.join(map(str, shape))}\).*\(B, {channels}, H, W\)"
    with pytest.raises(ValueError, match=message):
        case.flow(torch.zeros(shape), case.condition)
    with pytest.raises(ValueError, match=message):
        case.flow.inverse(torch.zeros(shape), case.condition)


@pytest.mark.parametrize("size", [(5, 4), (4, 3), (0, 4)])
@pytest.mark.parametrize("kind", TINIES)
def test_sizes_that_do_not_divide_are_refused(kind: str, size: tuple[int, int]) -> None:
    config = dataclasses.replace(TINIES[kind], patch_size=2)
    with pytest.raises(ValueError, match=rf"{size[0]}.{size[1]}; height and width must be positive multiples of 2"):
        random_flow(config)(randn(2, config.in_channels, *size), random_condition(config))


@pytest.mark.parametrize("size", [(4, 6), (2, 8)])
@pytest.mark.parametrize("config", [dataclasses.replace(TINIES["starflow"], rope=False), TINIES["tarflow"]])
def test_learned_positions_are_for_the_trained_grid_only(
    config: StarFlowConfig | TarFlowConfig, size: tuple[int, int]
) -> None:
    flow, side = random_flow(config), config.img_size
    assert flow.has_fixed_size
    message = rf"{size[0]}.{size[1]}; this flow has learned positions for {side}.{side} only"
    with pytest.raises(ValueError, match=message):
        flow(randn(2, config.in_channels, *size), random_condition(config))


@pytest.mark.parametrize("guidance", [-1.0, math.nan, math.inf])
def test_guidance_out_of_range_is_refused(case: Case, guidance: float) -> None:
    with pytest.raises(ValueError, match=f"guidance is {guidance}"):
        case.flow.inverse(case.x, case.condition, guidance=guidance, unconditional=case.unconditional)


def test_states_are_those_of_each_layer_of_the_last_block(case: Case) -> None:
    flow, block = case.flow, case.flow.blocks[-1]
    expected: list[Tensor] = []
    hooks = [layer.register_forward_hook(lambda *given: expected.append(given[2])) for layer in block.attn_blocks]
    states: list[Tensor] = []
    plain = flow(case.x, case.condition)
    del expected[:]
    output = flow(case.x, case.condition, states=states)
    for hook in hooks:
        hook.remove()
    T = math.prod(flow.grid(case.x)) - block.free_tokens
    assert len(states) == len(block.attn_blocks)
    assert all(state.shape[1] == T for state in states)
    assert all(torch.equal(state, one[:, -T:]) for state, one in zip(states, expected, strict=True))
    assert torch.equal(output.z, plain.z)
