"""Videos in the flow: the golden files, given frames, windows, the learned denoiser, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from golden import DATA, published_shapes, relative_error
from golden_video import VIDEO_FLOWS, GoldenVideo, load_video
from tiny import TINY, randn, random_flow

from starflow_core.codecs.video_caption import latent_frames, video_caption, video_size
from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.denoiser import visible
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tokens import unpatchify
from starflow_core.flow.video import denoised_chunks, segments
from starflow_core.insight.video_denoising import denoise_video
from starflow_core.samplers import Jacobi, Sampler, Sequential

TOLERANCE = 1e-4
VIDEO = dataclasses.replace(TINY, temporal_causal=1, shallow_block_local=True)
PUBLISHED_7B: dict[str, Any] = {
    **{"channel_size": 48, "img_size": 40, "patch_size": 1, "pt_seq_len": 32, "channels": 3072},
    **{"top_block_channels": 4096, "num_blocks": 6, "layers_per_block": [2, 2, 2, 2, 2, 24], "rope": 1, "sos": 1},
    **{"txt_size": 256, "txt_dim": 2048, "cond_top_only": 1, "use_softplus": 1, "use_final_norm": 1, "soft_clip": 4},
    **{"seq_order": "L2R", "temporal_causal": 2, "shallow_block_local": 1, "learnable_self_denoiser": 1},
    **{"conditional_denoiser": 1, "denoiser_window": 10, "noise_std": 0.5},
    **{"fps_cond": 1, "cond_noise_level": 1, "mix_aspect": 1},
}


@pytest.fixture(params=VIDEO_FLOWS)
def golden(request: pytest.FixtureRequest) -> GoldenVideo:
    return load_video(request.param)


def test_golden_files_are_there() -> None:
    assert len(VIDEO_FLOWS) == 4
    assert sum(len(load_video(name).drawn()) for name in VIDEO_FLOWS) == 23


def test_likelihood_matches_golden(golden: GoldenVideo) -> None:
    for start in ("", "image."):
        if f"{start}x" in golden.tensors:
            output = golden.flow(golden.tensors[f"{start}x"], golden.text)
            assert relative_error(output.z, golden.tensors[f"{start}forward.z"]) < TOLERANCE
            assert relative_error(output.log_prob, golden.tensors[f"{start}forward.loglik"]) < TOLERANCE
            assert relative_error(output.log_prob_map, golden.tensors[f"{start}forward.loglik_map"]) < TOLERANCE


def test_every_block_matches_golden(golden: GoldenVideo) -> None:
    flow, x = golden.flow, golden.tensors["x"]
    outputs = list(flow.transform(x, golden.text))
    assert len(outputs) == sum(name.startswith("forward.block_output") for name in golden.tensors)
    for i, output in enumerate(outputs):
        tokens = unpatchify(output.tokens, flow.grid(x), flow.config)
        assert relative_error(tokens, golden.tensors[f"forward.block_output.{i}"]) < TOLERANCE
        assert relative_error(output.log_det.sum(1), golden.tensors[f"forward.logdet_sum.{i}"]) < TOLERANCE


@pytest.mark.parametrize("sampler", [Sequential(), Jacobi(tolerance=1e-7)], ids=["sequential", "jacobi"])
def test_inverse_matches_golden(golden: GoldenVideo, sampler: Sampler) -> None:
    assert golden.drawn()
    for name, (noise, options, expected) in golden.drawn().items():
        x = golden.flow.inverse(noise, golden.text, sampler=sampler, **options)
        assert relative_error(x, expected) < TOLERANCE, name


def test_denoising_matches_golden(golden: GoldenVideo) -> None:
    sigma = golden.flow.config.noise_std
    names = [name for name in golden.tensors if "denoise." in name]
    assert names
    for name in names:
        start, _, kind = name.partition("denoise.")
        window = int(kind.partition(".window")[2]) if ".window" in kind else None
        learned = kind.startswith("learned")
        assert learned or kind.startswith(f"sigma{sigma}")
        x = denoise_video(golden.flow, golden.tensors[f"{start}x"], golden.text, learned=learned, window=window)
        assert relative_error(x, golden.tensors[name]) < TOLERANCE, name


def test_denoiser_sees_what_the_golden_mask_says(golden: GoldenVideo) -> None:
    if "denoiser.mask" not in golden.tensors:
        assert golden.flow.learnable_self_denoiser is None
        return
    config = golden.flow.config
    L = golden.text.shape[1] if config.conditional_denoiser else 0
    expected = golden.tensors["denoiser.mask"].bool()
    mask = torch.zeros_like(expected)
    for of, seen in visible(config, golden.flow.grid(golden.tensors["x"]), L):
        for part in seen:
            mask[of, part] = True
    assert torch.equal(mask, expected)


def test_picture_is_a_video_of_one_frame(golden: GoldenVideo) -> None:
    picture = golden.tensors["x"][:, 0]
    one, two = golden.flow(picture, golden.text), golden.flow(picture[:, None], golden.text)
    assert torch.equal(one.z, two.z[:, 0])
    assert torch.equal(one.log_prob_map, two.log_prob_map[:, 0])


def test_7b_configuration_has_the_published_tensors() -> None:
    published = published_shapes("starflow-v_7B")
    config = StarFlowConfig.from_dict(PUBLISHED_7B)
    flow = StarFlow.from_state_dict(config, {k: torch.empty(s, device="meta") for k, s in published.items()})
    dropped = published.keys() - flow.state_dict().keys()
    assert len(dropped) == 9
    assert sum(parameter.numel() for parameter in flow.parameters()) == 6_890_096_528


def test_inverse_undoes_forward_on_videos() -> None:
    for config in (VIDEO, dataclasses.replace(VIDEO, sos=False), dataclasses.replace(TINY, patch_size=2)):
        flow, x, text = random_flow(config), randn(2, 3, 2, 4, 2), randn(2, 3, 5, seed=1)
        torch.testing.assert_close(flow.inverse(flow(x, text).z, text), x, rtol=1e-4, atol=1e-4)


def test_frames_do_not_depend_on_later_ones() -> None:
    flow, x, text = random_flow(VIDEO), randn(1, 3, 2, 2, 3), randn(1, 3, 5, seed=1)
    later = x.clone()
    later[:, 2] += 1
    before, after = flow(x, text).z, flow(later, text).z
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_given_frames_come_back_exactly_and_progress_ends_whole() -> None:
    flow, x, text = random_flow(VIDEO), randn(2, 3, 2, 2, 3), randn(2, 3, 5, seed=1)
    steps = list(flow.inverse_steps(randn(2, 3, 2, 2, 3, seed=3), text, given=x[:, :2]))
    assert torch.equal(steps[-1].partial()[:, :2], x[:, :2])
    assert steps[-1].done == steps[-1].total == 6 * sum(VIDEO.layers_per_block)
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_segments_cover_a_video_once() -> None:
    assert list(segments(5, 1, None, None)) == [(0, 1, 5)]
    assert list(segments(9, 0, 4, 3)) == [(0, 0, 4), *((i - 3, i, i + 1) for i in range(4, 9))]
    assert list(segments(41, 1, 21, 16)) == [(0, 1, 21), (5, 21, 26), (10, 26, 31), (15, 31, 36), (20, 36, 41)]


def test_chunks_of_denoising_are_the_published_ones() -> None:
    assert list(denoised_chunks(43, 21, 10)) == [(0, 0, 21), (11, 21, 32), (22, 32, 43)]
    assert list(denoised_chunks(5, None, 10)) == [(0, 0, 5)]
    with pytest.raises(ValueError, match="must exceed the 10 frames"):
        list(denoised_chunks(30, 10, 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"given": torch.zeros(1, 3, 2, 2, 3)}, "3 frames of a video of 3; give at most 2"),
        ({"given": torch.zeros(1, 1, 2, 3, 3)}, r"given has shape .*\(1 or 2, g, 2, 2, 3\)"),
        ({"window": 1}, "window is 1"),
        ({"window": 2, "context": 2}, "context is 2; it must be from 1 to 1"),
    ],
)
def test_impossible_frames_and_windows_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_flow(VIDEO).inverse(randn(2, 3, 2, 2, 3), randn(2, 3, 5), **options)


def test_flows_that_do_not_keep_frames_take_no_given_ones_and_no_windows() -> None:
    flow, z, text = random_flow(TINY), randn(2, 3, 2, 2, 3), randn(2, 3, 5)
    with pytest.raises(ValueError, match="temporal_causal is 0"):
        flow.inverse(z, text, given=z[:, :1])
    with pytest.raises(ValueError, match="Windows are for videos"):
        flow.inverse(z, text, window=2)


def test_flow_without_text_takes_no_videos() -> None:
    with pytest.raises(ValueError, match=r"this flow takes \(B, 2, H, W\)\.$"):
        random_flow(dataclasses.replace(TINY, txt_size=0))(randn(1, 3, 2, 4, 4))


@pytest.mark.parametrize(
    "names",
    [
        {"temporal_causal": 1, "seq_order": "R2L"},
        {"temporal_causal": -1},
        {"shallow_block_local": True, "cond_top_only": False},
        {"conditional_denoiser": True, "txt_size": 0},
        {"denoiser_window": 2, "temporal_causal": 4},
        {"learnable_self_denoiser": True, "rope": False},
    ],
)
def test_impossible_configurations_are_refused(names: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(names))):
        dataclasses.replace(TINY, **names)


def test_captions_are_the_published_ones() -> None:
    cases = json.loads((DATA / "starflowv_captions.json").read_text())
    assert cases
    for case in cases:
        text = case.pop("text")
        assert video_caption(**case) == text


def test_sizes_are_the_published_ones() -> None:
    sizes = json.loads((DATA / "starflowv_sizes.json").read_text())
    for side, ratios in sizes["side"].items():
        for ratio, size in ratios.items():
            assert video_size(ratio, int(side)) == (size["width"], size["height"])
    for frames, expected in sizes["frames"].items():
        assert latent_frames(int(frames)) == expected["latents"]
    with pytest.raises(ValueError, match="two positive whole numbers"):
        video_size("wide")
    with pytest.raises(ValueError, match="frames is 0"):
        latent_frames(0)
