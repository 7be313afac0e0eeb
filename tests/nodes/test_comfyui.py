"""The nodes in a real ComfyUI: set COMFYUI_DIR to a checkout, and COMFYUI_PYTHON to a Python that runs it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_graphs import drawing, node, picture, sampler, saved
from comfyui_server import HOUR, ComfyUI, Graph, runnable
from hub_server import Hub, stalled
from PIL import Image
from published import published_files

from nodes.catalogue import NODES
from starflow_core.recover.reproduce import reproduce
from starflow_core.weights.model_folder import EMBEDDED, load

pytestmark = [
    pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout"),
    pytest.mark.timeout(HOUR),
]
WORKFLOWS = sorted((Path(__file__).parent.parent / "data" / "workflows").glob("*.json"))
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with ComfyUI(tmp_path_factory.mktemp("comfyui"), "--preview-method", "auto") as server:
        yield server


# The start


def test_pack_starts_without_errors(comfy: ComfyUI) -> None:
    log = comfy.log.read_text()
    assert re.search(r"seconds: .*custom_nodes/starflow", log), log[-3000:]
    assert "STARFlow" not in log
    assert not re.search(r"IMPORT FAILED.*starflow", log)


def test_every_node_is_known_with_its_help(comfy: ComfyUI) -> None:
    known = comfy.get("/object_info")
    for declared in NODES:
        info = known[declared.id]
        assert info["display_name"] == declared.title
        assert info["category"] == f"STARFlow/{declared.category}"
        given = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        assert set(given) == {each.name for each in declared.inputs}
        assert all(options[1].get("tooltip") for options in given.values())
    seed = known["STARFlowSampler"]["input"]["optional"]["seed"][1]
    assert (seed["max"], seed["control_after_generate"]) == (2**64 - 1, True)


# Pictures


@pytest.mark.parametrize(("model", "text"), [("starflow-mini", "red heart"), ("tarflow-mini", "cat")])
def test_picture_is_the_command_lines(comfy: ComfyUI, model: str, text: str) -> None:
    found = picture(comfy, comfy.run(drawing(model, text)), "6")
    expected = load(model, device="cpu").generate(text, seed=7)[0]
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


def test_native_nodes_take_and_make_the_latents(comfy: ComfyUI) -> None:
    graph = drawing() | {
        "10": node("VAEDecode", samples=["4", 0], vae=["1", 2]),
        "11": node("SaveImage", images=["10", 0], filename_prefix="native"),
        "12": node("VAEEncode", pixels=["10", 0], vae=["1", 2]),
        "13": node("LatentBlend", samples1=["12", 0], samples2=["4", 0], blend_factor=0.5),
        "14": node(
            "VAEDecodeTiled",
            samples=["13", 0],
            vae=["1", 2],
            tile_size=512,
            overlap=64,
            temporal_size=64,
            temporal_overlap=8,
        ),
        "15": node("SaveImage", images=["14", 0], filename_prefix="blended"),
    }
    run = comfy.run(graph)
    own, native = picture(comfy, run, "6"), picture(comfy, run, "11")
    assert np.abs(own.astype(int) - native).max() <= 1
    assert np.abs(own.astype(int) - picture(comfy, run, "15")).mean() < 10


def test_compressed_picture_comes_back_bit_by_bit(comfy: ComfyUI) -> None:
    graph = drawing(seed=17, batch_size=2) | {
        "10": node("STARFlowCompress", image=["5", 0], filename_prefix="kept/heart %width%"),
        "11": node("STARFlowDecompress", file=["10", 0]),
        "12": node("SaveImage", images=["11", 0], filename_prefix="back"),
    }
    run = comfy.run(graph)
    first, second = run.outputs["10"]["text"]
    assert first.startswith("kept/heart 64_00001_.sfl: ")
    assert second.startswith("kept/heart 64_00002_.sfl: ")
    for before, after in zip(run.outputs["6"]["images"], run.outputs["12"]["images"], strict=True):
        then, back = (Image.open(io.BytesIO(comfy.view(file))) for file in (before, after))
        assert then.tobytes() == back.tobytes()
    read = {
        "20": node("STARFlowDecompress", file="kept/heart 64_00002_.sfl"),
        "21": node("MaskToImage", mask=["20", 1]),
    }
    read |= {"22": node("PreviewImage", images=["20", 0]), "23": node("PreviewImage", images=["21", 0])}
    assert comfy.run(read).status == "execution_success"
    assert comfy.run(read).executed == []
    for name in ("../../main.py", "../kept.sfl", "/etc/passwd.sfl"):
        refused = comfy.run({**read, "20": node("STARFlowDecompress", file=name)})
        assert refused.status == "execution_error"
        assert "is refused" in refused.error or "is no .sfl file" in refused.error


def test_picture_compressed_with_a_model_comes_back_nearly(comfy: ComfyUI) -> None:
    graph = drawing(seed=18) | {
        "9": node("STARFlowLoader", model="starflow-mini-128", dtype="float32"),
        "10": node("STARFlowCompress", image=["5", 0], filename_prefix="near", model=["9", 0], iterations=2),
        "11": node("STARFlowDecompress", file=["10", 0], model=["9", 0]),
        "12": node("SaveImage", images=["11", 0], filename_prefix="near"),
    }
    run = comfy.run(graph)
    before, after = picture(comfy, run, "6").astype(int), picture(comfy, run, "12")
    assert 0 < np.square(before - after).mean() < 1000
    alone = comfy.run(
        {"20": node("STARFlowDecompress", file="near_00001_.sfl"), "21": node("PreviewImage", images=["20", 0])}
    )
    assert alone.status == "execution_error"
    assert "starflow-mini-128" in alone.error


def test_same_seed_gives_the_same_picture_and_a_second_run_executes_nothing(comfy: ComfyUI) -> None:
    first = comfy.run(drawing(seed=21))
    again = comfy.run(drawing(seed=21))
    assert again.executed == []
    other = comfy.run(drawing(seed=22))
    back = comfy.run(drawing(seed=21))
    assert "4" in other.executed
    assert (picture(comfy, first, "6") == picture(comfy, back, "6")).all()
    assert (picture(comfy, first, "6") != picture(comfy, other, "6")).any()


def test_saved_picture_carries_its_workflow(comfy: ComfyUI) -> None:
    run = comfy.run(drawing(seed=31))
    saved = Image.open(io.BytesIO(comfy.view(run.outputs["6"]["images"][0])))
    assert json.loads(saved.info["prompt"])["4"]["inputs"]["seed"] == 31


def test_saved_picture_says_how_it_was_drawn_beside_its_workflow(comfy: ComfyUI, tmp_path: Path) -> None:
    graph = drawing(seed=61, batch_size=2)
    run = comfy.run(graph, pnginfo={"workflow": {"nodes": []}})
    for number, file in enumerate(run.outputs["6"]["images"]):
        path = tmp_path / f"{number}.png"
        path.write_bytes(comfy.view(file))
        info = Image.open(path).info
        assert json.loads(info["prompt"])["4"]["inputs"]["seed"] == 61
        assert json.loads(info["workflow"]) == {"nodes": []}
        found = reproduce(path)
        assert (found.origin.prompt, found.origin.seed) == ("red heart", 61)
        assert found.largest <= 1
        assert not [remark for remark in found.remarks if "weights" in remark]


def test_picture_goes_to_noise_and_back(comfy: ComfyUI) -> None:
    graph = drawing(seed=41) | {
        "10": node("STARFlowEncode", model=["1", 0], image=["5", 0]),
        "11": node("STARFlowInvert", model=["1", 0], latent=["10", 0], conditioning=["2", 0]),
        "12": sampler(model=["1", 0], positive=["2", 0], noise=["11", 0], guidance=0.0, sampler="sequential"),
        "13": node("STARFlowDecode", model=["1", 0], latent=["12", 0]),
        "14": node("SaveImage", images=["13", 0], filename_prefix="back"),
        "15": node("STARFlowDecode", model=["1", 0], latent=["10", 0]),
        "16": node("SaveImage", images=["15", 0], filename_prefix="there"),
    }
    run = comfy.run(graph)
    assert np.abs(picture(comfy, run, "14").astype(int) - picture(comfy, run, "16")).max() <= 1


def test_likelihood_is_shown_with_its_map(comfy: ComfyUI) -> None:
    graph = drawing(seed=51) | {
        "10": node("STARFlowLikelihood", model=["1", 0], image=["5", 0], conditioning=["2", 0], draws=2, seed=3),
    }
    [shown] = comfy.run(graph).outputs["10"]["starflow_likelihood"]
    expected = load("starflow-mini", device="cpu")
    drawn = expected.generate("red heart", seed=51)[0]
    assert shown["log_prob"] == pytest.approx(expected.score(drawn, "red heart", draws=2, seed=3).log_prob, abs=1)
    assert np.shape(shown["map"]) == (8, 8)
    assert Image.open(io.BytesIO(comfy.view(shown["image"]))).size == (64, 64)


# While it draws


def test_progress_and_previews_arrive(comfy: ComfyUI) -> None:
    run = comfy.run(drawing(seed=61, sampler="sequential", batch_size=16))
    steps = [(done, total) for number, done, total in run.progress if number == "4"]
    assert len(steps) > 5  # at most ten a second come, however fast the machine is
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    assert run.previews > 0


def test_words_that_are_not_understood_are_named_below_their_node(comfy: ComfyUI) -> None:
    graph = drawing("starflow-mini", "red heart and xyzzy")
    (encoder,) = (number for number, each in graph.items() if each["inputs"].get("text") == "red heart and xyzzy")
    told = "Not understood in “red heart and xyzzy”: “xyzzy”."
    assert comfy.run(graph).remarks == {encoder: told}
    assert told in comfy.log.read_text()


def test_interrupt_ends_the_drawing_and_the_next_one_works(comfy: ComfyUI) -> None:
    asked = False

    def interrupt(done: int, total: int) -> None:
        nonlocal asked
        if not asked and done > total // 10:
            asked = True
            comfy.interrupt()

    run = comfy.run(drawing(seed=71, sampler="sequential", batch_size=64), interrupt)
    assert run.status == "execution_interrupted"
    assert run.progress[-1][1] < run.progress[-1][2]
    assert picture(comfy, comfy.run(drawing(seed=72)), "6").shape == (64, 64, 3)


# What does not fit


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"2": node("STARFlowClassLabel", model=["1", 0], name="cat")}, "STARFlow Text Encode"),
        (
            {
                "5": node("STARFlowDecode", model=["1", 0], latent=["9", 0]),
                "9": node("EmptyLatentImage", width=64, height=64, batch_size=1),
            },
            "STARFlow Encode",
        ),
    ],
    ids=["class", "latent"],
)
def test_wrong_connections_are_node_errors_and_the_server_lives_on(comfy: ComfyUI, change: Graph, told: str) -> None:
    run = comfy.run(drawing(seed=81) | change)
    assert run.status == "execution_error"
    assert told in run.error
    assert comfy.run(drawing(seed=82)).status == "execution_success"


def test_values_out_of_range_are_rejected(comfy: ComfyUI) -> None:
    run = comfy.run(drawing(batch_size=0))
    assert run.status == "rejected"
    assert "batch_size" in run.error


# Memory


def test_memory_stays_flat_and_models_do_not_add_up(comfy: ComfyUI) -> None:
    comfy.run(drawing(seed=100))
    comfy.run(drawing("tarflow-mini", "cat", seed=100))
    before = comfy.memory()
    for seed in range(101, 121):
        assert comfy.run(drawing(seed=seed)).status == "execution_success"
    for seed in range(101, 105):
        comfy.run(drawing("tarflow-mini", "cat", seed=seed))
    assert comfy.memory() - before < 60 * MEGABYTE


def test_unloaded_models_give_their_memory_back(comfy: ComfyUI) -> None:
    comfy.run(drawing(seed=130))
    loaded = comfy.memory()
    comfy.post("/free", {"unload_models": True, "free_memory": True})
    for width in (8, 16):  # ComfyUI lets go of models after a prompt, and surely before the prompt after that
        comfy.run({"1": node("EmptyImage", width=width, height=8, batch_size=1, color=0), "2": saved("1")})
    assert comfy.memory() <= loaded - 20 * MEGABYTE
    assert comfy.run(drawing(seed=131)).status == "execution_success"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_example_graph_runs_to_its_picture(comfy: ComfyUI, path: Path) -> None:
    comfy.add_input(comfy.checkout / "input" / "example.png")
    run = comfy.run(runnable(json.loads(path.read_text())))
    assert run.status == "execution_success", run.error
    assert any("images" in output or "starflow_likelihood" in output for output in run.outputs.values())


# Models that are not there yet


def test_loader_fetches_a_model_when_its_licence_is_accepted(tmp_path: Path) -> None:
    hub = Hub()
    hub.files = published_files(tmp_path)
    hub.small = {name for name in hub.files if name.endswith(".json")}
    own = {"HF_ENDPOINT": hub.address, "STARFLOW_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf")}
    with ComfyUI(tmp_path / "comfyui", environment=own) as server:
        assert "starflow-3b" in server.get("/object_info")["STARFlowLoader"]["input"]["optional"]["model"][1]["options"]
        graph = drawing("starflow-3b", guidance=0.0, denoise="off")
        refused = server.run(graph)
        assert refused.status == "execution_error"
        assert "research use only" in refused.error
        assert "accept_licence of this node" in refused.error
        assert not hub.requests
        graph["1"]["inputs"]["accept_licence"] = True
        hub.faults["diffusion_pytorch_model.safetensors"] = [stalled]
        cancelled = server.run(graph, lambda done, total: server.interrupt())
        assert cancelled.status == "execution_interrupted"
        assert not (server.folder / "models" / "starflow" / "starflow-3b").exists()
        run = server.run(graph)
        assert run.status == "execution_success", run.error
        assert [step for step in run.progress if step[0] == "1"]
        assert (server.folder / "models" / "starflow" / "starflow-3b" / "config.json").is_file()
        hub.close()
        assert server.run(drawing("starflow-3b", guidance=0.0, denoise="off", seed=2)).status == "execution_success"


def test_models_are_found_in_every_folder_without_a_restart(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(EMBEDDED / "tarflow-mini", elsewhere / "first")
    paths = tmp_path / "paths.yaml"
    paths.write_text(f"mine:\n  base_path: {tmp_path}\n  starflow: elsewhere\n")
    with ComfyUI(tmp_path / "comfyui", "--extra-model-paths-config", str(paths)) as server:
        shutil.copytree(EMBEDDED / "tarflow-mini", server.folder / "models" / "starflow" / "second")
        names = server.get("/object_info/STARFlowLoader")["STARFlowLoader"]["input"]["optional"]["model"][1]["options"]
        assert {"first", "second"} < set(names)
        for name in ("first", "second"):
            graph = drawing("tarflow-mini", "cat")
            graph["1"]["inputs"]["model"] = name
            assert server.run(graph).status == "execution_success"


# ComfyUI's own flags


@pytest.mark.parametrize(
    "flag", ["--fp16-unet", "--bf16-unet", "--force-fp16", "--force-fp32", "--bf16-vae", "--bf16-text-enc"]
)
def test_pictures_come_in_every_precision(tmp_path: Path, flag: str) -> None:
    with ComfyUI(tmp_path / "comfyui", flag) as server:
        found = picture(server, server.run(drawing()), "6").astype(int)
    expected = np.asarray(load("starflow-mini", device="cpu").generate("red heart", seed=7)[0])
    assert np.abs(found - expected).mean() < 8  # of 255: the same heart


# From inside


def run_inside(*flags: str) -> dict[str, Any]:
    """What `inside_comfyui.py` finds, with ComfyUI's flags."""
    script = Path(__file__).parent.parent / "inside_comfyui.py"
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), str(script), *flags]
    finished = subprocess.run(command, cwd=os.environ["COMFYUI_DIR"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def inside() -> dict[str, Any]:
    return run_inside()


def test_nothing_of_a_model_lives_on_when_it_is_unloaded(inside: dict[str, Any]) -> None:
    assert inside["alive"] == []


WORKS = (
    *("TextEncode", "Encode", "Decode", "Invert", "Likelihood", "Sampler", "VAEEncode", "VAEDecode"),
    *("Match", "PickLikeliest", "Confidence", "AnomalyFit", "AnomalyScore"),
)


@pytest.mark.parametrize("work", ["Loader", *WORKS, *(f"{work} layer" for work in WORKS)])
def test_every_node_ends_at_its_next_layer_when_it_is_cancelled(inside: dict[str, Any], work: str) -> None:
    assert inside["after cancelling"][work] == [0, 0]


def test_parts_are_where_comfyui_wants_them(inside: dict[str, Any]) -> None:
    """Here "meta" stands for a GPU."""
    assert inside["parts"] == {
        "flow": ["torch.float32", "meta", "cpu"],
        "autoencoder": ["torch.float32", "meta", "cpu"],
        "text encoder": ["torch.float32", "cpu", "cpu"],
    }


def test_flags_of_autoencoder_and_text_encoder_are_heeded() -> None:
    found = run_inside("--cpu-vae", "--bf16-vae", "--fp16-text-enc")["parts"]
    assert found["flow"] == ["torch.float32", "meta", "cpu"]
    assert found["autoencoder"] == ["torch.bfloat16", "cpu", "cpu"]
    assert found["text encoder"] == ["torch.float16", "cpu", "cpu"]
