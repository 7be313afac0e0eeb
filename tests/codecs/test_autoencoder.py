from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from golden import relative_error
from tiny import randn
from torch import Tensor

from starflow_core.codecs.autoencoder import LEGACY_NAMES, Autoencoder, AutoencoderConfig

PUBLISHED = AutoencoderConfig()
SMALL = AutoencoderConfig(block_out_channels=(8, 16, 16), layers_per_block=1, norm_num_groups=4)
WITHOUT_QUANT = AutoencoderConfig((8, 16), 1, latent_channels=16, norm_num_groups=4, use_quant_conv=False)


def reference(config: AutoencoderConfig) -> Any:
    """diffusers' autoencoder, random in all it has."""
    torch.manual_seed(0)
    autoencoder = AutoencoderKL.from_config(config.to_dict())
    with torch.no_grad():
        for name, parameter in autoencoder.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            if "to_q" in name or "to_k" in name:
                parameter.mul_(4)  # attention that is far from uniform
    return autoencoder.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small() -> Autoencoder:
    return Autoencoder.from_state_dict(SMALL, reference(SMALL).state_dict())


def image(height: int, width: int) -> Tensor:
    return randn(1, 3, height, width).clamp(-1, 1)


@pytest.mark.parametrize("config", [PUBLISHED, SMALL, WITHOUT_QUANT], ids=["published", "small", "without quant"])
def test_equal_to_diffusers(config: AutoencoderConfig) -> None:
    theirs = reference(config)
    ours = Autoencoder.from_state_dict(config, theirs.state_dict())
    pixels = image(64, 48)
    posterior = theirs.encode(pixels).latent_dist
    mean, log_variance = ours.moments(pixels)
    assert relative_error(mean, posterior.mean) < 1e-4
    assert relative_error(log_variance, posterior.logvar) < 1e-4

    latents = ours.encode(pixels)
    assert relative_error(latents, posterior.mean * config.scaling_factor) < 1e-4
    assert relative_error(ours.decode(latents), theirs.decode(posterior.mean).sample) < 1e-4


def test_published_shape_has_eight_pixels_a_latent() -> None:
    assert PUBLISHED.factor == 8
    assert SMALL.factor == 4


def test_legacy_attention_names_load(small: Autoencoder) -> None:
    legacy = {modern: old for old, modern in LEGACY_NAMES.items()}
    assert set(legacy.values()) == {"query", "key", "value", "proj_attn"}

    def old_name(name: str) -> str:
        for modern, old in legacy.items():
            name = name.replace(f".{modern}.", f".{old}.")
        return name

    weights = {old_name(name): tensor for name, tensor in small.state_dict().items()}
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in weights
    loaded = Autoencoder.from_state_dict(SMALL, weights)
    assert torch.equal(loaded.encode(image(16, 16)), small.encode(image(16, 16)))


def test_missing_and_unexpected_tensors_are_named(small: Autoencoder) -> None:
    weights = dict(small.state_dict())
    weights["encoder.extra"] = weights.pop("decoder.conv_in.bias")
    with pytest.raises(
        ValueError, match=r"this autoencoder.*missing: decoder\.conv_in\.bias.*unexpected: encoder\.extra"
    ):
        Autoencoder.from_state_dict(SMALL, weights)


def test_config_round_trip() -> None:
    for config in (PUBLISHED, SMALL, WITHOUT_QUANT):
        assert AutoencoderConfig.from_dict(config.to_dict()) == config


def test_diffusers_own_config_is_read() -> None:
    assert AutoencoderConfig.from_dict(dict(reference(SMALL).config)) == SMALL


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"_class_name": "VQModel"}, "VQModel; only AutoencoderKL"),
        ({"shift_factor": 0.1}, "shift_factor"),
        ({"act_fn": "relu"}, "act_fn"),
        ({"block_out_channels": 128}, "wrong type"),
        ({"block_out_channels": []}, r"block_out_channels \[\]"),
        ({"block_out_channels": [128, 100]}, r"block_out_channels \[128, 100\].*32 groups"),
        ({"norm_num_groups": 0}, "norm_num_groups"),
        ({"layers_per_block": "2"}, "wrong type"),
        ({"scaling_factor": "big"}, "wrong type"),
        ({"scaling_factor": 0}, "scaling_factor is 0"),
        ({"scaling_factor": float("nan")}, "scaling_factor is nan"),
    ],
)
def test_wrong_configurations_are_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoencoderConfig.from_dict(PUBLISHED.to_dict() | entries)


@pytest.mark.parametrize("size", [(16, 18), (15, 16), (0, 16), (2, 2)])
def test_encode_refuses_sides_that_are_no_multiple(small: Autoencoder, size: tuple[int, int]) -> None:
    height, width = size
    with pytest.raises(ValueError, match=rf"{width}.{height} pixels; .* multiples of 4"):
        small.encode(torch.zeros(1, 3, height, width))


def test_latents_within_a_tile_are_decoded_whole(small: Autoencoder) -> None:
    latents = randn(1, 4, 8, 6)
    assert torch.equal(small.decode(latents, tile=8), small.decode(latents, tile=None))


def test_tiled_decoding_is_close_to_whole_decoding(small: Autoencoder) -> None:
    """Close only: a tile does not see the statistics and the attention of the whole, nor anything beyond its edges."""
    latents = randn(2, 4, 24, 40)
    whole, tiled = small.decode(latents, tile=None), small.decode(latents, tile=20)
    assert tiled.shape == whole.shape == (2, 3, 96, 160)
    assert relative_error(tiled, whole) < 0.2
    assert not torch.equal(tiled, whole)
    # The middle of a tile is nearer to the whole than its edges would be: tiles that do not fade are worse.
    cut = torch.cat([small.decode(part, tile=None) for part in latents.split(20, dim=3)], dim=3)
    seam = slice(20 * 4 - 4, 20 * 4 + 4)
    assert relative_error(tiled[..., seam], whole[..., seam]) < relative_error(cut[..., seam], whole[..., seam])


def test_reduced_precision_gives_float32() -> None:
    theirs = reference(SMALL)
    exact = Autoencoder.from_state_dict(SMALL, theirs.state_dict())
    reduced = Autoencoder.from_state_dict(SMALL, theirs.state_dict(), dtype=torch.bfloat16)
    latents, pixels = reduced.encode(image(16, 16)), reduced.decode(randn(1, 4, 6, 6))
    assert latents.dtype == pixels.dtype == torch.float32
    assert relative_error(latents, exact.encode(image(16, 16))) < 0.05
    assert relative_error(pixels, exact.decode(randn(1, 4, 6, 6))) < 0.05
