"""Files of weights: what is no number in them, and how they are written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from starflow_core.weights import tensors
from starflow_core.weights.model_folder import EMBEDDED, VAE_WEIGHTS, WEIGHTS, load
from starflow_core.weights.tensors import read_weights, save_tensors

FILES = [WEIGHTS, f"vae/{VAE_WEIGHTS}", f"text_encoder/{WEIGHTS}"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("file", FILES)
def test_damaged_weights_are_named_when_a_folder_is_loaded(tmp_path: Path, file: str, value: float) -> None:
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED / "starflow-mini", folder)
    weights = load_file(folder / file)
    first, second = list(weights)[3:5]
    weights[first].view(-1)[7] = weights[second].view(-1)[0] = value
    save_file(weights, folder / file)
    with pytest.raises(ValueError, match=r"damaged: .* and 1 other tensors hold NaN or infinite numbers") as caught:
        load(folder, device="cpu")
    assert min(first, second) in str(caught.value)
    assert str((folder / file).parent) in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_largest_numbers_of_a_type_are_numbers(tmp_path: Path, dtype: torch.dtype) -> None:
    most = torch.finfo(dtype).max
    kept = {"a": torch.tensor([most, -most] * 1000, dtype=dtype), "empty": torch.zeros(0, dtype=dtype)}
    save_file(kept | {"whole": torch.tensor([2**62]), "mask": torch.tensor([True])}, tmp_path / WEIGHTS)
    assert set(read_weights(tmp_path, WEIGHTS)) == {"a", "empty", "whole", "mask"}


def test_what_would_take_seconds_is_not_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.tensor([float("nan")] * 4)}, tmp_path / WEIGHTS)
    monkeypatch.setattr(tensors, "LOOKED_THROUGH", 15)
    assert read_weights(tmp_path, WEIGHTS)["a"].isnan().all()
    monkeypatch.setattr(tensors, "LOOKED_THROUGH", 16)
    with pytest.raises(ValueError, match="a hold NaN"):
        read_weights(tmp_path, WEIGHTS)


def test_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    save_tensors({"a": torch.arange(3)}, tmp_path / "a.safetensors", {"made": "today"})
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode
    with safe_open(tmp_path / "a.safetensors", "pt") as opened:
        assert opened.metadata() == {"made": "today"}
        assert opened.get_tensor("a").tolist() == [0, 1, 2]


def test_full_disk_leaves_the_file_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.safetensors"
    save_tensors({"a": torch.arange(3)}, file)
    before = file.read_bytes()

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(OSError, match=r"a\.safetensors cannot be written .* is the disk full"):
        save_tensors({"a": torch.arange(4)}, file)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert file.read_bytes() == before
