from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest
import torch
from golden import published_shapes
from tiny import TINY_TARFLOW, randn, random_flow
from torch import Tensor

from starflow_core.config import FlowConfig, TarFlowConfig
from starflow_core.model_folder import load
from starflow_core.tarflow import TarFlow
from starflow_core.weights.archive import read_checkpoint
from starflow_core.weights.fetch import convert_file
from starflow_core.weights.published import starflow_config, tarflow_config

CONFIGS = {
    "classes": TINY_TARFLOW,
    "no classes": dataclasses.replace(TINY_TARFLOW, num_classes=0),
    "volume preserving": dataclasses.replace(TINY_TARFLOW, nvp=False),
}


def publish(flow: TarFlow, path: Path, prefix: str = "") -> Path:
    """A checkpoint as it is published: float32, with the masks that mean nothing."""
    tensors = {prefix + name: tensor for name, tensor in flow.state_dict().items()}
    T = flow.config.trained_side**2
    tensors |= {f"{prefix}blocks.{i}.attn_mask": torch.ones(T, T).tril() for i in range(flow.config.num_blocks)}
    torch.save(tensors, path)
    return path


def tiny(config: TarFlowConfig = TINY_TARFLOW) -> TarFlow:
    flow = random_flow(config)
    assert isinstance(flow, TarFlow)
    return flow


def narrow(config: TarFlowConfig) -> TarFlowConfig:
    """With the head size that the published format implies."""
    return dataclasses.replace(config, channels=128, head_dim=64)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_configuration_shows_in_the_tensors(config: TarFlowConfig) -> None:
    config = narrow(config)
    assert tarflow_config(tiny(config).state_dict(), noise_std=0.07) == config


def test_published_names_give_the_published_configuration() -> None:
    tensors = {name: torch.empty(shape, device="meta") for name, shape in published_shapes("tarflow_afhq256").items()}
    assert tarflow_config(tensors, noise_std=0.07) == TarFlowConfig(
        in_channels=3, img_size=256, patch_size=8, channels=768, num_blocks=8, layers_per_block=8, num_classes=3
    )


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_converted_checkpoint_computes_the_same(tmp_path: Path, config: TarFlowConfig, prefix: str) -> None:
    flow = tiny(narrow(config))
    file = publish(flow, tmp_path / "model.pth", prefix)
    convert_file(file, tmp_path / "model", dtype=torch.float32)
    pipeline = load(tmp_path / "model", device="cpu")
    x = randn(2, 3, 8, 8)
    assert torch.equal(pipeline.flow(x).z, flow(x).z)
    assert pipeline.name == "model"
    assert (pipeline.classes.names if pipeline.classes else ()) == (("0", "1", "2") if config.num_classes else ())


def test_classes_get_their_names(tmp_path: Path) -> None:
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth")
    convert_file(file, tmp_path / "model", classes=["cat", "dog", "wild"])
    pipeline = load(tmp_path / "model", device="cpu")
    assert pipeline.generate("dog", seed=3)[0].size == (8, 8)
    with pytest.raises(ValueError, match="3 classes"):
        convert_file(file, tmp_path / "other", classes=["cat"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.pth"]


def test_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    file = publish(tiny(), tmp_path / "model.pth")
    with pytest.raises(ValueError, match="not empty"):
        convert_file(file, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code of a checkpoint has run')",)


def test_published_names_of_the_starflow_give_its_configuration() -> None:
    shapes = published_shapes("starflow_3B_t2i_256x256")
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    config = starflow_config(tensors, noise_std=0.3)
    assert config == FlowConfig(
        in_channels=4,
        img_size=32,
        channels=3072,
        num_blocks=6,
        layers_per_block=(2, 2, 2, 2, 2, 24),
        txt_size=128,
        txt_dim=2048,
        soft_clip=4.0,
        noise_std=0.3,
    )


@pytest.mark.parametrize("content", [{"var": Hostile()}, [1, 2], {"var": "text"}, {"var": {"a": torch.ones(1)}}])
def test_anything_but_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"model\.pth"):
        read_checkpoint(tmp_path / "model.pth")


def test_bare_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("size", [0, 10, 1000, -1])
def test_truncated_checkpoint_is_refused(tmp_path: Path, size: int) -> None:
    file = publish(tiny(), tmp_path / "model.pth")
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(file)


def test_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize(
    "change",
    [
        {"var": None},
        {"var": torch.ones(16, 10)},
        {"var": torch.ones(15, 12)},
        {"var": torch.ones(16)},
        {"blocks.0.proj_in.weight": None},
        {"blocks.0.proj_out.bias": None},
        {"blocks.3.extra": torch.ones(1)},
    ],
)
def test_other_weights_are_refused(tmp_path: Path, change: dict[str, Tensor | None]) -> None:
    tensors = tiny(narrow(TINY_TARFLOW)).state_dict() | change
    torch.save({name: tensor for name, tensor in tensors.items() if tensor is not None}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match="weights"):
        convert_file(tmp_path / "model.pth", tmp_path / "model")
    assert not (tmp_path / "model").exists()
