"""Where and in what dtype things are computed is what is said, wherever and however the weights are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from second_device import DEVICE, SecondDevice, There
from tiny import TINY, TINY_TARFLOW, randn, random_condition, random_data, random_flow
from torch import Tensor, nn

import starflow_core.flow.predictor
from starflow_core.codecs.autoencoder import Autoencoder, AutoencoderConfig
from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.flow import Flow
from starflow_core.insight.likelihood import denoise, score
from starflow_core.samplers import Jacobi
from starflow_core.weights.model_folder import EMBEDDED

# With one block that sees the condition, and one that need not.
CONFIGS: dict[str, StarFlowConfig | TarFlowConfig] = {
    "starflow": dataclasses.replace(TINY, num_blocks=2, layers_per_block=(1, 1)),
    "tarflow": dataclasses.replace(TINY_TARFLOW, num_blocks=2),
}
KINDS = list(CONFIGS)
SMALL = AutoencoderConfig(block_out_channels=(8, 16), layers_per_block=1, latent_channels=2, norm_num_groups=4)
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def second() -> Iterator[None]:
    with SecondDevice():
        yield


def move(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Put another tensor in the place of a parameter or a buffer."""
    owner, _, leaf = name.rpartition(".")
    kept = module.get_submodule(owner)
    if leaf in kept._buffers:
        kept._buffers[leaf] = tensor
    else:
        kept._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)


def arrangements(module: nn.Module) -> Iterator[None]:
    """The module with ever more of its weights on the second device, then with each of them left behind alone."""
    weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    names = list(weights)

    def arrange(there: set[str]) -> None:
        for name, tensor in weights.items():
            move(module, name, There(tensor) if name in there else tensor)

    for budget in range(0, len(names) + 1, max(1, len(names) // 5)):
        arrange(set(names[:budget]))
        yield
    for name in names:
        arrange(set(names) - {name})
        yield
    arrange(set())


def drawn(flow: Flow, kind: str) -> list[Tensor]:
    """What a flow computes, in both directions; drawn in one iteration, whose result has not converged."""
    config, z = CONFIGS[kind], random_data(CONFIGS[kind])
    condition, other = random_condition(config), random_condition(config, 1, seed=5)
    forward = flow(z, condition)
    sampler = Jacobi(max_iterations=1, drafts=False)
    guided = flow.inverse(z, condition, guidance=1.5, unconditional=other, sampler=sampler)
    return [forward.z, forward.log_prob_map, guided]


@pytest.mark.parametrize("kind", KINDS)
def test_flow_computes_where_it_is_told(kind: str, second: None) -> None:
    flow = random_flow(CONFIGS[kind])
    expected = drawn(flow, kind)
    flow.device = DEVICE
    for _ in arrangements(flow):
        results = drawn(flow, kind)
        assert all(isinstance(result, There) for result in results)
        torch.testing.assert_close([result.cpu() for result in results], expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_and_its_gradient_come_from_where_the_flow_computes(kind: str, second: None) -> None:
    flow, x, condition = random_flow(CONFIGS[kind]), random_data(CONFIGS[kind]), random_condition(CONFIGS[kind])
    map, denoised = score(flow, x[0], condition[:1], draws=1).map, denoise(flow, x, condition, noise_std=0.1)
    flow.device = DEVICE
    torch.testing.assert_close(score(flow, x[0], condition[:1], draws=1).map, map, **CLOSE)
    torch.testing.assert_close(denoise(flow, x, condition, noise_std=0.1), denoised, **CLOSE)
    torch.testing.assert_close(denoise(flow, There(x), condition, noise_std=0.1).cpu(), denoised, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_drafts_are_made_where_the_flow_computes(kind: str, second: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    flow, z, condition = random_flow(CONFIGS[kind]), random_data(CONFIGS[kind]), random_condition(CONFIGS[kind])
    expected = flow.inverse(z, condition, sampler=Jacobi(tolerance=1e-3))
    flow.device = DEVICE
    result = flow.inverse(z, condition, sampler=Jacobi(tolerance=1e-3))
    assert isinstance(result, There)
    torch.testing.assert_close(result.cpu(), expected, rtol=1e-2, atol=1e-2)


def test_layers_that_do_not_cast_are_noticed(second: None) -> None:
    """So that the tests above can fail."""
    flow = random_flow(TINY, operations=nn)
    flow.device = DEVICE
    with pytest.raises(AssertionError, match="two devices"):
        flow(random_data(TINY), random_condition(TINY))


def test_autoencoder_computes_where_it_is_told(second: None) -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(SMALL).eval().requires_grad_(False)
    pixels, latents = randn(1, 3, 16, 24), randn(1, 2, 8, 12)

    def computed() -> list[Tensor]:
        return [autoencoder.encode(pixels), autoencoder.decode(latents)]

    expected = computed()
    autoencoder.device = DEVICE
    for _ in arrangements(autoencoder):
        results = computed()
        assert all(isinstance(result, There) for result in results)
        torch.testing.assert_close([result.cpu() for result in results], expected, **CLOSE)
    tiled = autoencoder.decode(latents, tile=8).cpu()
    autoencoder.device = torch.device("cpu")
    torch.testing.assert_close(tiled, autoencoder.decode(latents, tile=8), **CLOSE)


def test_text_encoder_computes_where_it_is_told(second: None) -> None:
    """What another library built casts its linear layers and embeddings; the rest is small, and must lie there."""
    folder = EMBEDDED / "starflow-mini"
    encoder = TextEncoder.from_folders(
        folder / "text_encoder", folder / "tokenizer", tokens=8, device="cpu", dtype=torch.float32
    )
    expected = encoder.encode(["a red heart", ""])
    casting = [
        f"{name}.weight" for name, part in encoder.model.named_modules() if isinstance(part, (nn.Linear, nn.Embedding))
    ]
    for name, tensor in encoder.model.state_dict().items():
        if name not in casting:
            move(encoder.model, name, There(tensor))
    encoder.device = DEVICE
    for name in [None, *casting]:
        if name is not None:
            weight = encoder.model.get_parameter(name).detach()
            move(encoder.model, name, There(weight) if not isinstance(weight, There) else weight)
        encoder._remembered.clear()
        features = encoder.encode(["a red heart", ""])
        assert isinstance(features, There)
        torch.testing.assert_close(features.cpu(), expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_moving_a_flow_moves_where_it_computes(kind: str, second: None) -> None:
    flow, z, condition = random_flow(CONFIGS[kind]), random_data(CONFIGS[kind]), random_condition(CONFIGS[kind])
    expected = flow.inverse(z, condition)
    nn.Sequential(flow).to(DEVICE)  # whoever holds it may move it
    assert flow.device == DEVICE
    assert all(isinstance(weight, There) for weight in flow.state_dict().values())
    torch.testing.assert_close(flow.inverse(z, condition).cpu(), expected, **CLOSE)
    assert flow.to("cpu").device == torch.device("cpu")


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float8_e4m3fn], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_stored_in_a_small_dtype_compute_in_a_large_one(kind: str, stored: torch.dtype) -> None:
    rounded, flow = random_flow(CONFIGS[kind]), random_flow(CONFIGS[kind])
    for name, tensor in flow.state_dict().items():
        move(rounded, name, tensor.to(stored).float())
        move(flow, name, tensor.to(stored))
    torch.testing.assert_close(drawn(flow, kind), drawn(rounded, kind), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stored_in_a_large_dtype_compute_in_a_small_one(kind: str) -> None:
    small, flow = random_flow(CONFIGS[kind]).to(torch.bfloat16), random_flow(CONFIGS[kind]).to(torch.bfloat16).float()
    flow.dtype = torch.bfloat16
    assert small.dtype == torch.bfloat16
    torch.testing.assert_close(drawn(flow, kind), drawn(small, kind), **CLOSE)


def test_autoencoder_stored_small_computes_in_what_it_is_told() -> None:
    torch.manual_seed(0)
    rounded = Autoencoder(SMALL).eval().requires_grad_(False).to(torch.bfloat16).float()
    stored = Autoencoder.from_state_dict(SMALL, {name: w.bfloat16() for name, w in rounded.state_dict().items()})
    assert stored.dtype == torch.bfloat16
    stored.dtype = torch.float32
    latents, pixels = randn(1, 2, 8, 12), randn(1, 3, 16, 24)
    torch.testing.assert_close(stored.decode(latents), rounded.decode(latents), **CLOSE)
    torch.testing.assert_close(stored.encode(pixels), rounded.encode(pixels), **CLOSE)


def test_flow_computes_as_the_widest_of_its_weights_by_default() -> None:
    weights = {
        name: w if "proj_out" in name else w.to(torch.float8_e4m3fn)
        for name, w in random_flow(TINY).state_dict().items()
    }
    flow = type(random_flow(TINY)).from_state_dict(TINY, weights)
    assert (flow.device, flow.dtype) == (torch.device("cpu"), torch.float32)
    assert flow.blocks[0].proj_in.weight.dtype == torch.float8_e4m3fn
    assert torch.isfinite(flow(random_data(TINY), random_condition(TINY)).z).all()
