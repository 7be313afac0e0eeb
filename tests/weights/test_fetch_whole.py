"""The whole road, as a user takes it: the command in a process of its own, on a small model in the published format."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import Hub, cut
from PIL import Image
from published import published_files
from tiny import random_flow

from starflow_core.flow.config import TarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.weights import table
from starflow_core.weights.download import download
from starflow_core.weights.model_folder import load
from starflow_core.weights.remote import describe

KILLS = 8


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return published_files(tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(published: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub()
    hub.files = dict(published)
    hub.small = {name for name in published if name.endswith(".json")}
    yield hub
    hub.close()


def environment(hub: Hub, home: Path) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.address, "STARFLOW_HOME": str(home), "HF_HOME": str(home / "huggingface")}
    return os.environ | own | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def starflow(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "starflow_core.cli", *arguments]
    return subprocess.run(command, env=environment(hub, home), capture_output=True, text=True, timeout=120)


def test_command_fetches_converts_and_draws_offline(hub: Hub, tmp_path: Path) -> None:
    home, drawn = tmp_path / "home", tmp_path / "heart.png"
    refused = starflow(hub, home, "fetch", "starflow-3b")
    assert refused.returncode == 1
    assert "research use only" in refused.stderr
    assert "--accept-license" in refused.stderr
    assert not hub.requests

    fetched = starflow(hub, home, "fetch", "starflow-3b", "--accept-license")
    assert fetched.returncode == 0, fetched.stderr
    assert "research use only" in fetched.stderr
    folder = home / "models" / "starflow-3b"
    card = (folder / "README.md").read_text()
    assert "Apple Machine Learning Research Model" in card
    assert "converted from float32 to bfloat16" in card
    hub.close()

    listed = starflow(hub, home, "models").stdout
    assert "starflow-3b          fetched" in listed
    assert "tarflow-afhq256      to fetch" in listed
    arguments = ("--model", "starflow-3b", "--no-denoise", "--guidance", "0", "-o", str(drawn))
    generated = starflow(hub, home, "generate", "red heart", *arguments)
    assert generated.returncode == 0, generated.stderr
    assert drawn.stat().st_size > 100
    removed = starflow(hub, home, "models", "--remove", "starflow-3b")
    assert "free again" in removed.stdout
    assert not folder.exists()


def test_file_that_is_here_already_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    name = "apple/starflow/starflow_3B_t2i_256x256.pth"
    (tmp_path / "mine.pth").write_bytes(hub.files.pop(name))
    given = ("--from", str(tmp_path / "mine.pth"))
    fetched = starflow(hub, tmp_path / "home", "fetch", "starflow-3b", "--accept-license", *given)
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "mine.pth").exists()
    assert (tmp_path / "home" / "models" / "starflow-3b" / "model.safetensors").is_file()


def test_fetch_that_is_killed_at_any_moment_ends_well(hub: Hub, tmp_path: Path) -> None:
    """Killed several times at random moments, in the download and in the conversion; the last one may end."""
    home, rng = tmp_path / "home", random.Random(0)
    command = [sys.executable, "-c", SLOW_FETCH]
    kills = 0
    for _ in range(KILLS):
        process = subprocess.Popen(command, env=environment(hub, home), stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(rng.uniform(0, 0.35))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        folder = home / "models" / "starflow-3b"
        if folder.exists():  # it has its name, so it is complete
            load(folder, device="cpu")
            shutil.rmtree(folder)
    assert kills >= KILLS // 2
    fetched = starflow(hub, home, "fetch", "starflow-3b", "--accept-license")
    assert fetched.returncode == 0, fetched.stderr
    pipeline = load(home / "models" / "starflow-3b", device="cpu")
    torch.manual_seed(0)
    assert isinstance(pipeline.flow, StarFlow)
    weights = StarFlow(pipeline.flow.config).state_dict()
    assert all(torch.equal(pipeline.flow.state_dict()[name], w.bfloat16().float()) for name, w in weights.items())
    assert not list((home / "models").glob("*.part"))


# As the command does it, but with shards of a few kilobytes, and slow enough to be killed half-way.
SLOW_FETCH = """
import time
from starflow_core.weights import conversion, download, fetch
conversion.SHARD = 20_000
download.CHUNK = 1 << 18
def report(progress):
    time.sleep(0.01)
print("begun", flush=True)
fetch.fetch("starflow-3b", accepts=lambda licence: True, report=report)
"""


def test_large_file_survives_twenty_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 MB, cut twenty times by closes and resets in turn: whole, with at most a tenth of it fetched twice."""
    content = random.Random(0).randbytes(1_000_000) * 200
    hub = Hub()
    hub.files = {"plain/large.bin": content}
    hub.faults["large.bin"] = [cut(0.07, reset=bool(i % 2)) for i in range(20)]
    part = table.Part((), table.MIT, address=f"{hub.address}/plain/")
    described = describe(part, table.RemoteFile("large.bin"))
    waited: list[float] = []
    sha256 = download(described, tmp_path / "large.bin", lambda count: None, wait=waited.append)
    assert sha256 == hub.etag("plain/large.bin")
    assert (tmp_path / "large.bin").read_bytes() == content
    assert hub.requests["faults"] == 20
    assert sum(hub.sent.values()) <= 1.1 * len(content)
    hub.close()


def test_model_of_a_thousand_classes_is_fetched_and_draws_one_by_name(hub: Hub, tmp_path: Path) -> None:
    config = TarFlowConfig(3, 16, 4, 64, 2, 1, num_classes=1000, noise_std=0.05)
    torch.save(random_flow(config).state_dict(), tmp_path / "flow.pth")
    file = "encoreus/Transformer_Autoregressive_Flow/imagenet_model_4_1024_8_8_0.05.pth"
    hub.files[file] = (tmp_path / "flow.pth").read_bytes()
    fetched = starflow(hub, tmp_path / "home", "fetch", "tarflow-imagenet64-wide")
    assert fetched.returncode == 0, fetched.stderr
    arguments = ("--model", "tarflow-imagenet64-wide", "--class", "golden retriever", "-o", str(tmp_path / "dog.png"))
    drawn = starflow(hub, tmp_path / "home", "generate", *arguments)
    assert drawn.returncode == 0, drawn.stderr
    assert Image.open(tmp_path / "dog.png").size == (16, 16)
    model = load(tmp_path / "home" / "models" / "tarflow-imagenet64-wide", device="cpu")
    assert model.flow.config.noise_std == 0.05
    assert model.classes is not None
    assert model.classes.encode(["puma", "cougar"]).tolist() == [286, 286]
