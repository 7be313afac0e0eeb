from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from golden import published_shapes
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tiny import TINY_TARFLOW, randn, random_flow
from torch import Tensor

from starflow_core.cli import main as cli
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tarflow import TarFlow
from starflow_core.weights import conversion
from starflow_core.weights import tensors as tensor_files
from starflow_core.weights.conversion import convert_file
from starflow_core.weights.model_folder import load
from starflow_core.weights.published import published_config, tarflow_config

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


# Large files, in shards


def sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "SHARD", 20_000)


def test_flow_in_shards_is_the_flow_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth")
    convert_file(file, tmp_path / "one")
    sharded(monkeypatch)
    convert_file(file, tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 5
    one, shards = (load(tmp_path / name, device="cpu").flow.state_dict() for name in ("one", "shards"))
    assert one.keys() == shards.keys()
    assert all(torch.equal(one[name], shards[name]) for name in one)


def test_interrupted_conversion_goes_on_with_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth")
    sharded(monkeypatch)
    done = 0

    def interrupt(count: int) -> None:
        nonlocal done
        done += 1
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversion.convert(file, tmp_path / "flow", report=interrupt)
    written: list[str] = []
    save = conversion.save_tensors

    def counted(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        written.append(path.name)
        save(tensors, path, metadata)

    monkeypatch.setattr(conversion, "save_tensors", counted)
    conversion.convert(file, tmp_path / "flow")
    shards = list((tmp_path / "flow").glob("*.safetensors"))
    assert len(written) == len(shards) - 3
    assert not list((tmp_path / "flow").glob(".*"))


def test_shards_of_another_file_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sharded(monkeypatch)
    first, second = tiny(narrow(TINY_TARFLOW)), tiny(narrow(TINY_TARFLOW))
    with torch.no_grad():
        second.blocks[0].proj_in.weight.add_(1)

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversion.convert(publish(first, tmp_path / "first.pth"), tmp_path / "flow", report=interrupt)
    convert_file(publish(second, tmp_path / "second.pth"), tmp_path / "whole", dtype=torch.float32)
    conversion.convert(tmp_path / "second.pth", tmp_path / "flow", dtype=torch.float32)
    for path in (tmp_path / "flow").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth")

    def full(*args: object, **how: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(tensor_files, "save_file", full)
    with pytest.raises(OSError, match="is the disk full"):
        convert_file(file, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("number", "told"), [(1e5, "too large for torch.float16"), (float("nan"), "NaN or infinity")])
def test_numbers_that_would_be_lost_are_told(tmp_path: Path, number: float, told: str) -> None:
    flow = tiny(narrow(TINY_TARFLOW))
    with torch.no_grad():
        flow.blocks[1].proj_in.weight[0, 0] = number
    with pytest.raises(ValueError, match=rf"blocks\.1\.proj_in\.weight holds .*{told}"):
        convert_file(publish(flow, tmp_path / "model.pth"), tmp_path / "model", dtype=torch.float16)
    assert not (tmp_path / "model").exists()


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    tensors = tiny(narrow(TINY_TARFLOW)).state_dict() | {"blocks.0.proj_in.bias": torch.ones(128, dtype=torch.int64)}
    torch.save(tensors, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"floating-point: blocks\.0\.proj_in\.bias"):
        convert_file(tmp_path / "model.pth", tmp_path / "model")


def named(config: TarFlowConfig, noise: str, suffix: str = "pth") -> str:
    """The name that the authors give a file."""
    sizes = (config.patch_size, config.channels, config.num_blocks, config.layers_per_block)
    return f"imagenet_model_{'_'.join(map(str, sizes))}_{noise}.{suffix}"


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("afhq_model_8_768_8_8_0.07.pth", 0.07),
        ("imagenet_model_4_1024_8_8_0.15.pth", 0.15),
        ("imagenet64_model_2_768_8_8_0.05.pth", 0.05),
        ("imagenet_model_2_768_8_8_0.05.pth", 0.05),
        ("imagenet_model_4_1024_8_8_0.05.pth", 0.05),
        ("imagenet_model_4_1024_8_8_0.0.pth", 0.0),
        ("imagenet_model_4_1024_8_8_1.safetensors", 1.0),
    ],
)
def test_noise_stands_in_the_names_of_published_files(name: str, noise: float) -> None:
    patch, channels = (int(part) for part in name.split("model_")[1].split("_")[:2])
    config = TarFlowConfig(3, 8 * patch, patch, channels, num_blocks=8, layers_per_block=8)
    with torch.device("meta"):
        tensors = TarFlow(config).state_dict()
    found, told = published_config(tensors, None, name)
    assert found.noise_std == noise
    assert told == f"noise std {noise:g}, as the file's name says"
    assert published_config(tensors, 0.2, name)[0].noise_std == 0.2  # what is given counts more


def test_converted_model_has_the_noise_of_its_name(tmp_path: Path) -> None:
    config = narrow(TINY_TARFLOW)
    converted = convert_file(publish(tiny(config), tmp_path / named(config, "0.05")), tmp_path / "model")
    assert converted.config.noise_std == load(tmp_path / "model", device="cpu").flow.config.noise_std == 0.05


@pytest.mark.parametrize("name", ["model.pth", "afhq_model_8_768_8_8_0.15.pth", "model_0.15.pth"])
def test_name_of_another_model_is_not_believed_and_said(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / name)
    assert cli.main(["convert", str(file), str(tmp_path / "model")]) == 0
    assert "noise std 0.07, that of tarflow-afhq256" in capsys.readouterr().out
    assert load(tmp_path / "model", device="cpu").flow.config.noise_std == 0.07


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_any_precision_and_format_is_converted(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    flow = tiny(narrow(TINY_TARFLOW))
    tensors = {f"module.{name}": tensor.to(dtype) for name, tensor in flow.state_dict().items()}
    file = tmp_path / f"m.{kind}"
    save_file(tensors, file) if kind == "safetensors" else torch.save(tensors, file)
    converted = convert_file(file, tmp_path / "model", dtype=torch.float32)
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(stored[name], tensor.to(dtype).float()) for name, tensor in flow.state_dict().items())
    told = f"converted from {str(dtype).removeprefix('torch.')} to float32"
    assert (told in converted.changes) == (dtype != torch.float32)


def test_format_is_told_by_the_bytes_and_not_the_name(tmp_path: Path) -> None:
    flow = tiny(narrow(TINY_TARFLOW))
    save_file(dict(flow.state_dict()), tmp_path / "a.pth")
    torch.save(flow.state_dict(), tmp_path / "b.safetensors")
    assert convert_file(tmp_path / "a.pth", tmp_path / "model").parameters > 0
    with pytest.raises(ValueError, match="rename it"):
        convert_file(tmp_path / "b.safetensors", tmp_path / "other")


def refused(tmp_path: Path) -> Path:
    """A file whose fault shows in the middle of the work."""
    flow = tiny(narrow(TINY_TARFLOW))
    with torch.no_grad():
        flow.blocks[2].proj_out.weight[0, 0] = torch.nan
    return publish(flow, tmp_path / "model.pth")


def test_refused_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sharded(monkeypatch)
    with pytest.raises(ValueError, match=r"blocks\.2\.proj_out\.weight holds NaN"):
        convert_file(refused(tmp_path), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


def test_interrupted_conversion_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sharded(monkeypatch)

    def interrupt(*args: object, **how: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tensor_files, "save_file", interrupt)
    file = publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth")
    with pytest.raises(KeyboardInterrupt):
        convert_file(file, tmp_path / "model")
    monkeypatch.undo()
    convert_file(file, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.pth"]


def test_folder_of_another_in_the_place_of_the_work_is_left(tmp_path: Path) -> None:
    (tmp_path / "model.part").mkdir()
    (tmp_path / "model.part" / "model-1.safetensors").write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"model\.part, which is needed for the work, is there already"):
        convert_file(publish(tiny(narrow(TINY_TARFLOW)), tmp_path / "model.pth"), tmp_path / "model")
    assert (tmp_path / "model.part" / "model-1.safetensors").read_bytes() == b"precious"


def test_small_starflow_in_the_published_format_is_converted(tmp_path: Path) -> None:
    config = StarFlowConfig(4, 4, 64, 2, (1, 2), txt_size=128, txt_dim=16, soft_clip=4.0)
    flow = StarFlow(config)
    tensors = {f"module.{name}": tensor for name, tensor in flow.state_dict().items()}
    tensors |= {"module.var": torch.ones(16, 4), "module.blocks.0.attn_mask": torch.ones(8, 8)}
    tensors |= {"module.feat_rope.freqs_cos": torch.ones(8, 4)}
    torch.save(tensors, tmp_path / "model.pth")
    converted = convert_file(tmp_path / "model.pth", tmp_path / "model", dtype=torch.float32)
    assert converted.config == config
    with safe_open(tmp_path / "model" / "model.safetensors", framework="pt") as stored:
        assert set(stored.keys()) == set(flow.state_dict())
        assert torch.equal(stored.get_tensor("blocks.1.proj_txt.weight"), flow.blocks[1].proj_txt.weight)


def test_command_converts_one_of_several_sets_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (random_flow(narrow(TINY_TARFLOW), seed=seed) for seed in (0, 1))
    torch.save({"model": one.state_dict(), "ema": other.double().state_dict(), "step": 3}, tmp_path / "flow.pth")
    options = ["--noise-std", "0.1", "--dtype", "float32"]
    command = ["convert", str(tmp_path / "flow.pth"), str(tmp_path / "model"), *options]
    assert cli.main(command) == 1
    assert "several sets of weights: ema, model; say which with --key" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    assert cli.main([*command, "--key", "ema"]) == 0
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert torch.equal(stored["blocks.0.proj_in.weight"], other.float().state_dict()["blocks.0.proj_in.weight"])
