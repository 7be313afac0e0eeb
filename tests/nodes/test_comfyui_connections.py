"""What goes through ComfyUI's own nodes to and from this pack's works, or is refused by name: in a real ComfyUI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from comfyui_graphs import drawing, node, picture, sampler, saved
from comfyui_server import HOUR, ComfyUI, Graph
from safetensors import safe_open

from starflow_core.weights.model_folder import load

pytestmark = [
    pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout"),
    pytest.mark.timeout(HOUR),
]
# Of Stable Diffusion 3's latents: 16 channels, 8 pixels a side, as starflow-mini's.
TAESD3 = """
import sys
folder, sys.argv = sys.argv[1], ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
from safetensors.torch import save_file
from comfy.taesd.taesd import Decoder, Encoder
for name, part in (("encoder", Encoder(16)), ("decoder", Decoder(16))):
    save_file(part.state_dict(), f"{folder}/taesd3_{name}.safetensors")
"""


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with ComfyUI(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


def inverted(**sampled: Any) -> Graph:
    """A drawing, and its noise at "11"."""
    return drawing(seed=5) | {
        "10": node("STARFlowEncode", model=["1", 0], image=["5", 0]),
        "11": node("STARFlowInvert", model=["1", 0], latent=["10", 0], conditioning=["2", 0]),
        **sampled,
    }


def back(noise: list[Any], number: str = "20") -> Graph:
    """A drawing from noise, saved by the node of the number after `number`'s."""
    after = [str(int(number) + i) for i in range(3)]
    return {
        after[0]: sampler(model=["1", 0], positive=["2", 0], noise=noise, guidance=0.0),
        after[1]: node("STARFlowDecode", model=["1", 0], latent=[after[0], 0]),
        after[2]: saved(after[1]),
    }


def refused(comfy: ComfyUI, graph: Graph, told: str) -> None:
    run = comfy.run(graph)
    assert run.status == "execution_error", run.status
    assert told in run.error


# Noise


def test_noise_survives_a_file(comfy: ComfyUI) -> None:
    run = comfy.run(
        inverted(**{"12": node("SaveLatent", samples=["11", 0], filename_prefix="noise")}) | back(["11", 0])
    )
    expected = picture(comfy, run, "22")
    [file] = (comfy.folder / "output").glob("noise*.latent")
    shutil.copy(file, comfy.folder / "input" / "noise.latent")
    loaded = {"12": node("LoadLatent", latent="noise.latent")} | back(["12", 0])
    parts = {number: drawing()[number] for number in ("1", "2")}
    assert (picture(comfy, comfy.run(parts | loaded), "22") == expected).all()


def test_noise_survives_choosing_repeating_and_turning(comfy: ComfyUI) -> None:
    graph = inverted(
        **{
            "12": node("RepeatLatentBatch", samples=["11", 0], amount=3),
            "13": node("LatentFromBatch", samples=["12", 0], batch_index=1, length=1),
            "14": node("LatentFlip", samples=["13", 0], flip_method="x-axis: vertically"),
            "15": node("LatentFlip", samples=["14", 0], flip_method="x-axis: vertically"),
        }
    )
    run = comfy.run(graph | back(["11", 0]) | back(["15", 0], "30"))
    assert (picture(comfy, run, "22") == picture(comfy, run, "32")).all()


@pytest.mark.parametrize(
    "mix",
    [
        node("LatentBlend", samples1=["11", 0], samples2=["12", 0], blend_factor=0.5),
        node("LatentInterpolate", samples1=["11", 0], samples2=["12", 0], ratio=0.5),
        node("LatentMultiply", samples=["11", 0], multiplier=0.7),
        node("LatentUpscaleBy", samples=["11", 0], upscale_method="bilinear", scale_by=2.0),
    ],
    ids=lambda mix: mix["class_type"],
)
def test_mixed_noise_is_refused_by_name(comfy: ComfyUI, mix: dict[str, Any]) -> None:
    other = node("STARFlowInvert", model=["1", 0], latent=["4", 0], conditioning=["3", 0])
    refused(comfy, inverted(**{"12": other, "13": mix}) | back(["13", 0]), "changed after STARFlow Invert")


@pytest.mark.parametrize(
    "decode",
    [
        node("VAEDecode", samples=["11", 0], vae=["1", 2]),
        node(
            "VAEDecodeTiled",
            **{"samples": ["11", 0], "vae": ["1", 2], "tile_size": 512, "overlap": 64},
            **{"temporal_size": 64, "temporal_overlap": 8},
        ),
        node("STARFlowDecode", model=["1", 0], latent=["11", 0]),
    ],
    ids=lambda decode: decode["class_type"],
)
def test_noise_is_decoded_to_no_picture(comfy: ComfyUI, decode: dict[str, Any]) -> None:
    refused(comfy, inverted(**{"12": decode, "13": saved("12")}), "This latent is noise, made by STARFlow Invert")


# What a flow cannot heed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (node("ConditioningSetArea", width=64, height=64, x=0, y=0, strength=1.0), "Conditioning (Set Area)"),
        (node("ConditioningSetAreaStrength", strength=0.5), "ConditioningSetAreaStrength"),
        (node("ConditioningSetTimestepRange", start=0.0, end=0.5), "ConditioningSetTimestepRange"),
        (node("ConditioningSetMask", mask=["8", 0], strength=1.0, set_cond_area="default"), "Conditioning (Set Mask)"),
    ],
    ids=lambda change: change["class_type"] if isinstance(change, dict) else "",
)
def test_settings_of_a_conditioning_are_refused_by_name(comfy: ComfyUI, change: dict[str, Any], told: str) -> None:
    change = {**change, "inputs": {**change["inputs"], "conditioning": ["2", 0]}}
    mask = node("SolidMask", value=1.0, width=64, height=64)
    graph = drawing(seed=6) | {"7": change, "8": mask}
    graph["4"]["inputs"]["positive"] = ["7", 0]
    refused(comfy, graph, f"went through {told}, which a flow cannot heed")


def test_mask_of_a_latent_is_refused_by_name(comfy: ComfyUI) -> None:
    graph = inverted(
        **{
            "12": node("SolidMask", value=1.0, width=64, height=64),
            "13": node("SetLatentNoiseMask", samples=["10", 0], mask=["12", 0]),
            "14": node("STARFlowInvert", model=["1", 0], latent=["13", 0], conditioning=["2", 0]),
        }
    )
    refused(comfy, graph | back(["14", 0]), "has a mask, of Set Latent Noise Mask")


def test_inpainting_encoder_gives_a_latent_that_decodes(comfy: ComfyUI) -> None:
    graph = drawing(seed=6) | {
        "12": node("SolidMask", value=0.0, width=64, height=64),
        "13": node("VAEEncodeForInpaint", pixels=["5", 0], vae=["1", 2], mask=["12", 0], grow_mask_by=0),
        "14": node("STARFlowDecode", model=["1", 0], latent=["13", 0]),
        "15": saved("14"),
    }
    run = comfy.run(graph)
    assert np.abs(picture(comfy, run, "15").astype(int) - picture(comfy, run, "6")).mean() < 10


def test_weights_of_words_are_refused_by_name(comfy: ComfyUI) -> None:
    graph = drawing(seed=6)
    graph["2"]["inputs"]["text"] = "(red:1.5) heart"
    refused(comfy, graph, "gives words a weight, (red:1.5)")


@pytest.mark.parametrize("name", ["STARFlowDecode", "STARFlowInvert", "STARFlowLikelihood"])
def test_latents_of_another_autoencoder_are_refused_by_name(comfy: ComfyUI, name: str) -> None:
    folder = comfy.folder / "models" / "vae_approx"
    folder.mkdir(exist_ok=True)
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    subprocess.run([python, "-c", TAESD3, str(folder)], cwd=comfy.checkout, check=True)
    graph = drawing(seed=6) | {
        "10": node("VAELoader", vae_name="taesd3"),
        "11": node("VAEEncode", pixels=["5", 0], vae=["10", 0]),
        "12": node("LatentFlip", samples=["11", 0], flip_method="x-axis: vertically"),
        "13": node(name, model=["1", 0], latent=["12", 0]),
    }
    if name == "STARFlowDecode":
        graph["14"] = saved("13")
    if name == "STARFlowInvert":
        graph |= back(["13", 0])
    refused(comfy, graph, "This latent comes from VAEEncode, which works with another model's autoencoder")


def test_empty_latent_is_refused_by_name(comfy: ComfyUI) -> None:
    graph = drawing(seed=6) | {
        "9": node("EmptySD3LatentImage", width=64, height=64, batch_size=1),
        "5": node("STARFlowDecode", model=["1", 0], latent=["9", 0]),
    }
    refused(comfy, graph, "STARFlow Sampler needs no empty latent")


# What comes along wires to fields


@pytest.mark.parametrize(
    ("field", "kind", "value", "told"),
    [
        ("batch_size", "PrimitiveInt", 0, "Batch size is 0, and must be a whole number from 1 to 64"),
        ("seed", "PrimitiveInt", -1, "Seed is -1"),
        ("guidance", "PrimitiveFloat", 1000.0, "Guidance is 1000.0"),
    ],
)
def test_linked_values_are_checked(comfy: ComfyUI, field: str, kind: str, value: float, told: str) -> None:
    graph = drawing(**{field: ["9", 0]}) | {"9": node(kind, value=value)}
    refused(comfy, graph, told)


# Negatives


def test_negative_need_not_be_connected(comfy: ComfyUI) -> None:
    wired = drawing(seed=7, guidance=2.0)
    alone = drawing(seed=7, guidance=2.0)
    del alone["4"]["inputs"]["negative"], alone["3"]
    expected = picture(comfy, comfy.run(wired), "6")
    assert (picture(comfy, comfy.run(alone), "6") == expected).all()


def test_positive_may_be_longer_than_the_negative(comfy: ComfyUI) -> None:
    graph = drawing(seed=8, guidance=2.0)
    graph |= {
        "7": node("STARFlowTextEncode", text_encoder=["1", 1], text="blue"),
        "8": node("ConditioningConcat", conditioning_to=["2", 0], conditioning_from=["7", 0]),
    }
    graph["4"]["inputs"]["positive"] = ["8", 0]
    assert picture(comfy, comfy.run(graph), "6").shape == (64, 64, 3)


# The autoencoder


def test_autoencoder_is_saved(comfy: ComfyUI) -> None:
    loader = drawing()["1"]
    run = comfy.run({"1": loader, "2": node("VAESave", vae=["1", 2], filename_prefix="vae/mini")})
    assert run.status == "execution_success", run.error
    [file] = (comfy.folder / "output" / "vae").glob("mini*.safetensors")
    autoencoder = load("starflow-mini", device="cpu").autoencoder
    assert autoencoder is not None
    with safe_open(file, "pt") as found:
        assert {name: found.get_tensor(name).sum().item() for name in found.keys()} == pytest.approx(  # noqa: SIM118
            {name: tensor.sum().item() for name, tensor in autoencoder.state_dict().items()}
        )


def test_flow_of_pictures_has_no_autoencoder_to_save(comfy: ComfyUI) -> None:
    loader = drawing("tarflow-mini", "cat")["1"]
    refused(comfy, {"1": loader, "2": node("VAESave", vae=["1", 2], filename_prefix="vae/none")}, "has no autoencoder")


# Progress


@pytest.mark.parametrize("name", ["STARFlowLoader", "STARFlowTextEncode", "STARFlowEncode", "STARFlowDecode"])
def test_nodes_show_how_far_they_are(comfy: ComfyUI, name: str) -> None:
    graph = drawing(seed=9, text=f"a heart of {name}", batch_size=3) | {
        "10": node("STARFlowEncode", model=["1", 0], image=["5", 0]),
        "11": node("STARFlowDecode", model=["1", 0], latent=["10", 0]),
        "12": saved("11"),
    }
    comfy.post("/free", {"unload_models": True, "free_memory": True})
    comfy.run({"1": node("EmptyImage", width=8, height=8, batch_size=1, color=0), "2": saved("1")})
    run = comfy.run(graph)
    numbers = {number for number, one in graph.items() if one["class_type"] == name}
    steps = [(done, total) for number, done, total in run.progress if number in numbers]
    assert steps
    assert steps[-1][0] == steps[-1][1]


def test_interrupt_ends_a_likelihood(comfy: ComfyUI) -> None:
    graph = drawing(seed=10, batch_size=16) | {
        "10": node("STARFlowLikelihood", model=["1", 0], image=["5", 0], conditioning=["2", 0], draws=256, seed=0),
    }
    asked = False

    def interrupt(done: int, total: int) -> None:
        nonlocal asked
        if not asked and total == 16 * 256:
            asked = True
            comfy.interrupt()

    run = comfy.run(graph, interrupt)
    assert run.status == "execution_interrupted"
    done = [done for number, done, _ in run.progress if number == "10"]
    assert done[-1] < 16 * 256
    assert comfy.run(drawing(seed=11)).status == "execution_success"
