"""Editing nodes with masks and latents as ComfyUI's own nodes make them: in a real ComfyUI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from comfyui_graphs import drawing, node, picture, sampler, saved
from comfyui_server import HOUR, ComfyUI, Graph
from PIL import Image

pytestmark = [
    pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout"),
    pytest.mark.timeout(HOUR),
]


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with ComfyUI(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


def inpainted(**inputs: Any) -> Graph:
    """A fill at "20", saved by "21"."""
    own = {"seed": 3, "count": 1, "rounds": 1, "steps": 2, "temperature": 0.3, "guidance": 0.0, "feather": -1}
    return {
        "20": node("STARFlowInpaint", model=["1", 0], positive=["2", 0], **own | inputs),
        "21": saved("20", "filled"),
    }


def test_picture_that_was_erased_in_the_mask_editor(comfy: ComfyUI) -> None:
    """The editor saves the mask as the picture's transparency, and Load Image gives both."""
    rng = np.random.default_rng(0)
    pixels = np.dstack([rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.full((64, 64), 255, np.uint8)])
    pixels[16:40, 24:48, 3] = 0
    Image.fromarray(pixels).save(comfy.folder / "input" / "erased.png")
    loaded = {"10": node("LoadImage", image="erased.png")}
    parts = {number: drawing()[number] for number in ("1", "2")}
    found = picture(comfy, comfy.run(parts | loaded | inpainted(image=["10", 0], mask=["10", 1])), "21")
    kept = pixels[..., 3] > 0
    assert (found[kept] == pixels[kept][:, :3]).all()
    assert (found[~kept] != pixels[~kept][:, :3]).any()


def masked() -> Graph:
    """A drawn latent with a mask, at "13"."""
    return drawing(seed=5) | {
        "10": node("SolidMask", value=1.0, width=24, height=16),
        "11": node("SolidMask", value=0.0, width=64, height=64),
        "12": node("MaskComposite", destination=["11", 0], source=["10", 0], x=8, y=8, operation="add"),
        "13": node("SetLatentNoiseMask", samples=["4", 0], mask=["12", 0]),
    }


def test_latent_with_set_latent_noise_mask(comfy: ComfyUI) -> None:
    graph = masked() | {
        "30": node("VAEDecode", samples=["20", 1], vae=["1", 2]),
        "31": saved("30", "decoded"),
    }
    run = comfy.run(graph | inpainted(latent=["13", 0]))
    shown, decoded = (picture(comfy, run, number).astype(int) for number in ("21", "31"))
    assert abs(shown - decoded).max() <= 1  # native VAE Decode rounds otherwise
    assert (picture(comfy, run, "21") != picture(comfy, run, "6")).any()


def test_sampler_draws_into_a_masked_latent(comfy: ComfyUI) -> None:
    graph = masked() | {
        "40": sampler(model=["1", 0], positive=["2", 0], latent=["13", 0], strength=0.5),
        "41": node("STARFlowDecode", model=["1", 0], latent=["40", 0]),
        "42": saved("41"),
    }
    run = comfy.run(graph)
    apart = np.abs(picture(comfy, run, "42").astype(int) - picture(comfy, run, "6"))
    # The autoencoder's norms let a hole into all of the picture, but hardly.
    assert apart[8:24, 8:32].mean() > 5 * apart[40:].mean()


def test_ascent_makes_a_picture_likelier(comfy: ComfyUI) -> None:
    graph = drawing(seed=5) | {
        "50": node("STARFlowAscent", model=["1", 0], latent=["4", 0], strength=1.0, steps=2, goal="likelihood", seed=0),
        "51": node("STARFlowLikelihood", model=["1", 0], latent=["4", 0], draws=8, seed=9),
        "52": node("STARFlowLikelihood", model=["1", 0], latent=["50", 1], draws=8, seed=9),
    }
    run = comfy.run(graph)
    assert run.status == "execution_success", run.error
    before, after = (run.outputs[number]["starflow_likelihood"][0]["log_prob"] for number in ("51", "52"))
    assert after > before


def test_picture_padded_for_outpainting(comfy: ComfyUI) -> None:
    pad = node("ImagePadForOutpaint", image=["5", 0], left=0, top=0, right=64, bottom=0, feathering=0)
    run = comfy.run(drawing(seed=5) | {"10": pad} | inpainted(image=["10", 0], mask=["10", 1]))
    found, before = picture(comfy, run, "21"), picture(comfy, run, "6")
    assert found.shape == (64, 128, 3)
    assert (found[:, :64] == before).all()


def test_picture_without_a_mask_is_told(comfy: ComfyUI) -> None:
    """Load Image gives an empty mask of a size of its own where nothing was painted."""
    Image.new("RGB", (80, 48)).save(comfy.folder / "input" / "plain.png")
    parts = {number: drawing()[number] for number in ("1", "2")}
    loaded = {"10": node("LoadImage", image="plain.png")}
    run = comfy.run(parts | loaded | inpainted(image=["10", 0], mask=["10", 1]))
    assert run.status == "execution_error"
    assert "black everywhere" in run.error
