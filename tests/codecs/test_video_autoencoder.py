from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
import torch
from golden import DATA, published_shapes, relative_error
from safetensors import safe_open
from tiny import randn
from torch import Tensor

from starflow_core.codecs.video_autoencoder import VideoAutoencoder
from starflow_core.codecs.video_config import VideoAutoencoderConfig, diffusers_name
from starflow_core.codecs.video_layers import Carried

TOLERANCE = 1e-4
# One residual layer a stage, and time halved in other stages than the published ones.
OTHER = VideoAutoencoderConfig(5, 6, num_res_blocks=1, temperal_downsample=(True, False, True), temporal_scale=1.0)


class Golden(NamedTuple):
    autoencoder: VideoAutoencoder
    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]


@pytest.fixture(scope="module")
def golden() -> Golden:
    with safe_open(DATA / "wanvae_tiny.safetensors", "pt") as file:
        config = VideoAutoencoderConfig.from_dict(json.loads(file.metadata()["config"]))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
    weights = {key.removeprefix("model."): tensors.pop(key) for key in list(tensors) if key.startswith("model.")}
    return Golden(VideoAutoencoder.from_state_dict(config, weights), weights, tensors)


@pytest.fixture(scope="module")
def reference() -> Any:
    """diffusers' autoencoder of `OTHER`, random in all it has."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: no autoencoder to compare with")
    torch.manual_seed(0)
    theirs = diffusers.AutoencoderKLWan(
        base_dim=5,
        decoder_base_dim=6,
        z_dim=48,
        num_res_blocks=1,
        temperal_downsample=[True, False, True],
        is_residual=True,
        patch_size=2,
        in_channels=12,
        out_channels=12,
        scale_factor_spatial=16,
    )
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        theirs.decoder.conv_out.weight.mul_(0.02)  # theirs clamps to [−1, 1]
        theirs.decoder.conv_out.bias.mul_(0.02)
    return theirs.eval().requires_grad_(False)


def test_encoding_matches_golden(golden: Golden) -> None:
    ours, expected = golden.autoencoder, golden.tensors
    mean, log_variance = ours.moments(expected["video"])
    assert relative_error(mean, expected["encode.mean"]) < TOLERANCE
    assert relative_error(log_variance, expected["encode.log_var"]) < TOLERANCE
    assert relative_error(ours.encode(expected["video"]), expected["encode.latents"]) < TOLERANCE
    sample = ours.encode(expected["video"], noise=expected["encode.epsilon"])
    assert relative_error(sample, expected["encode.sample"]) < TOLERANCE
    assert relative_error(ours.encode(expected["image"]), expected["encode.image.latents"]) < TOLERANCE


def test_decoding_matches_golden(golden: Golden) -> None:
    ours, expected = golden.autoencoder, golden.tensors
    assert relative_error(ours.decode(expected["latents"]), expected["decode.video"]) < TOLERANCE
    assert relative_error(ours.decode(expected["latents"][:, :2]), expected["decode.first2"]) < TOLERANCE
    assert relative_error(ours.decode(expected["image.latents"]), expected["decode.image"]) < TOLERANCE
    chunks = list(ours.decode_frames(expected["latents"]))
    assert [chunk.shape[1] for chunk in chunks] == expected["decode.chunk_frames"].tolist()
    assert relative_error(torch.cat(chunks, dim=1), expected["decode.chunks"]) < TOLERANCE


def test_golden_normalisation_is_ours(golden: Golden) -> None:
    config = golden.autoencoder.config
    torch.testing.assert_close(torch.tensor(config.mean), golden.tensors["mean"].float())
    torch.testing.assert_close(torch.tensor(config.std), golden.tensors["std"].float())


def test_published_tensors_are_those_of_the_default_configuration() -> None:
    published = published_shapes("wan22_vae")
    meta = {name: torch.empty(shape, device="meta") for name, shape in published.items()}
    ours = VideoAutoencoder.from_state_dict(VideoAutoencoderConfig(), meta)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 704_688_668
    assert (ours.config.factor, ours.config.frames) == (16, 4)


def test_names_are_diffusers_ones_and_stay_so() -> None:
    table = json.loads((DATA / "wan22_vae.diffusers_names.json").read_text())
    assert len(table) == 196
    for original, name in table.items():
        assert diffusers_name(original) == diffusers_name(name) == name


def test_both_spellings_load(golden: Golden) -> None:
    renamed = golden.autoencoder.state_dict()
    assert renamed.keys() != golden.weights.keys()
    again = VideoAutoencoder.from_state_dict(golden.autoencoder.config, renamed)
    latents = golden.tensors["latents"]
    assert torch.equal(again.decode(latents), golden.autoencoder.decode(latents))


def test_equal_to_diffusers(reference: Any) -> None:
    ours = VideoAutoencoder.from_state_dict(OTHER, reference.state_dict())
    video, z = randn(1, 9, 3, 48, 32).clamp(-1, 1), randn(1, 3, 48, 3, 2)
    posterior = reference.encode(video.transpose(1, 2)).latent_dist
    mean, log_variance = ours.moments(video)
    assert relative_error(mean.transpose(1, 2), posterior.mean) < TOLERANCE
    assert relative_error(log_variance.transpose(1, 2).clamp(-30, 20), posterior.logvar) < TOLERANCE
    raw = z * torch.tensor(OTHER.std)[:, None, None] + torch.tensor(OTHER.mean)[:, None, None]
    theirs = reference.decode(raw.transpose(1, 2)).sample.transpose(1, 2)
    assert float(theirs.abs().max()) < 1
    assert relative_error(ours.decode(z), theirs) < TOLERANCE


def test_diffusers_own_config_is_read(reference: Any) -> None:
    read = VideoAutoencoderConfig.from_dict(
        dict(reference.config) | {"latents_mean": OTHER.mean, "latents_std": OTHER.std}
    )
    assert read == VideoAutoencoderConfig(5, 6, num_res_blocks=1, temperal_downsample=(True, False, True))


def test_latents_do_not_depend_on_later_frames(golden: Golden) -> None:
    video = golden.tensors["video"]
    start = golden.autoencoder.encode(video[:, :5])
    torch.testing.assert_close(start, golden.autoencoder.encode(video)[:, :2])


def test_what_is_carried_does_not_grow(golden: Golden) -> None:
    decoder, carried = golden.autoencoder.decoder, Carried()
    sizes = []
    for _ in range(4):
        decoder(randn(1, 48, 1, 2, 1), carried)
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in carried.values()))
    assert sizes[0] == sizes[1] == sizes[3] > 0


def test_reduced_precision_gives_float32(golden: Golden) -> None:
    reduced = VideoAutoencoder.from_state_dict(golden.autoencoder.config, golden.weights, dtype=torch.bfloat16)
    latents, video = reduced.encode(golden.tensors["video"]), reduced.decode(golden.tensors["latents"])
    assert latents.dtype == video.dtype == torch.float32
    assert relative_error(video, golden.tensors["decode.video"]) < 0.05


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 7, 3, 32, 16), "7 frames; .* multiple of 4 and one more. Keep the first 5"),
        ((1, 5, 3, 32, 20), "20×32 pixels; .* multiples of 16"),
        ((1, 5, 4, 32, 16), r"must be \(B, n, 3, H, W\)"),
    ],
)
def test_videos_that_do_not_fit_are_refused(golden: Golden, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        golden.autoencoder.encode(torch.zeros(shape))


def test_latents_and_noise_that_do_not_fit_are_refused(golden: Golden) -> None:
    with pytest.raises(ValueError, match=r"must be \(B, T, 48, h, w\)"):
        golden.autoencoder.decode(torch.zeros(1, 2, 4, 2, 2))
    with pytest.raises(ValueError, match="noise has shape"):
        golden.autoencoder.encode(golden.tensors["video"], noise=torch.zeros(1))


def test_missing_and_unexpected_tensors_are_named(golden: Golden) -> None:
    weights = dict(golden.weights)
    weights["extra"] = weights.pop("conv1.bias")
    with pytest.raises(ValueError, match=r"this video autoencoder.*missing: quant_conv\.bias.*unexpected: extra"):
        VideoAutoencoder.from_state_dict(golden.autoencoder.config, weights)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"_class_name": "AutoencoderKL"}, "_class_name is 'AutoencoderKL'"),
        ({"is_residual": False}, "is_residual is False"),
        ({"dim": 0}, "dim is 0"),
        ({"temperal_downsample": [True]}, "temperal_downsample has 1 entries"),
        ({"z_dim": 16}, "mean and std must have 16 numbers"),
        ({"temporal_scale": 0.0}, "temporal_scale is 0.0"),
        ({"dim_mult": 4}, "wrong type"),
    ],
)
def test_wrong_configurations_are_refused(names: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoAutoencoderConfig.from_dict(names)
