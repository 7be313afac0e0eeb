"""Files that are no published checkpoints, by accident or on purpose: refused before anything in them runs."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from starflow_core.weights import archive, old_format
from starflow_core.weights.archive import check_archive, read_checkpoint

RAN: list[str] = []


class Hostile:
    """Something that runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return RAN.append, ("code of a checkpoint",)


class Shell:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("echo code of a checkpoint",)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save({"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bool)}, tmp_path / "m.pth")
    return tmp_path / "m.pth"


def rewritten(file: Path, changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with other entries; None takes one out."""
    with zipfile.ZipFile(file) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    root = next(iter(entries)).partition("/")[0]
    entries |= {name.replace("ROOT", root): content for name, content in changes.items() if content is not None}
    for name, content in changes.items():
        if content is None:
            del entries[name.replace("ROOT", root)]
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return file


def test_tensors_are_read_as_they_are(file: Path) -> None:
    tensors = read_checkpoint(file)
    assert torch.equal(tensors["a.weight"], torch.arange(6.0).reshape(2, 3))
    assert tensors["b"].dtype == torch.bool


def test_tensors_of_a_module_are_read(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 3)
    torch.save(OrderedDict(module.state_dict(), extra=torch.nn.Parameter(torch.ones(2))), tmp_path / "m.pth")
    assert set(read_checkpoint(tmp_path / "m.pth")) == {"weight", "bias", "extra"}


def test_tensors_are_mapped_and_not_copied(tmp_path: Path) -> None:
    torch.save({"big": torch.zeros(1000, 1000)}, tmp_path / "m.pth")
    storage = read_checkpoint(tmp_path / "m.pth")["big"].untyped_storage()
    assert storage.is_shared() or storage.filename is not None or not storage.resizable()


@pytest.mark.parametrize("content", [{"var": Hostile()}, {"var": Shell()}, Hostile()])
def test_code_is_refused_and_does_not_run(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(ValueError, match=r"would run .*refused, and nothing was run"):
        read_checkpoint(tmp_path / "m.pth")
    assert not RAN


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_in_any_pickle_is_refused(file: Path, protocol: int) -> None:
    rewritten(file, {"ROOT/data.pkl": pickle.dumps({"a": Shell()}, protocol)})
    with pytest.raises(ValueError, match="refused"):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [[1, 2], {"var": "text"}, {"var": {"a": 1}}, {"var": 1}, {1: 2}])
def test_anything_but_tensors_by_name_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(ValueError, match="a state dict is needed"):
        read_checkpoint(tmp_path / "m.pth")


def test_bare_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path / "m.pth")
    assert not RAN


def old(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_file_of_the_old_format_is_read(tmp_path: Path) -> None:
    tensors = read_checkpoint(old(tmp_path / "m.pth", {"a": torch.arange(3.0).double(), "b": torch.ones(2, 2)}))
    assert torch.equal(tensors["a"], torch.arange(3.0).double())
    assert torch.equal(tensors["b"], torch.ones(2, 2))


@pytest.mark.parametrize("hostile", [Hostile(), Shell()])
def test_code_in_a_file_of_the_old_format_is_refused_and_does_not_run(tmp_path: Path, hostile: object) -> None:
    with pytest.raises(ValueError, match="is refused, and nothing was run"):
        read_checkpoint(old(tmp_path / "m.pth", {"a": torch.ones(2), "b": hostile}))
    assert not RAN


def test_code_in_any_pickle_of_the_old_format_is_refused(tmp_path: Path) -> None:
    whole = old(tmp_path / "m.pth", {"a": torch.ones(2)}).read_bytes()
    code = pickle.dumps(Hostile(), protocol=2)
    ends = [place + 1 for place in range(len(whole)) if whole[place : place + 3] == b".\x80\x02"]
    assert len(ends) == old_format.PICKLES - 1
    for end in ends:
        (tmp_path / "m.pth").write_bytes(whole[:end] + code + whole[end:])
        with pytest.raises(ValueError, match="is refused, and nothing was run"):
            read_checkpoint(tmp_path / "m.pth")
    assert not RAN


def test_truncated_file_of_the_old_format_is_refused(tmp_path: Path) -> None:
    whole = old(tmp_path / "m.pth", {"a": torch.ones(200)}).read_bytes()
    for size in (len(old_format.START), 60, 250, len(whole) - 400, len(whole) - 1):
        (tmp_path / "m.pth").write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"damaged pickle|cannot be read"):
            read_checkpoint(tmp_path / "m.pth")


SETS = {"model": {"a": torch.ones(2)}, "ema": {"model.a": torch.zeros(2)}, "epoch": 3, "optimizer": {"state": {0: 1}}}


def test_one_of_several_sets_of_weights_is_chosen(tmp_path: Path) -> None:
    torch.save(SETS, tmp_path / "m.pth")
    assert torch.equal(read_checkpoint(tmp_path / "m.pth", "ema")["a"], torch.zeros(2))
    with pytest.raises(ValueError, match=r"several sets of weights: ema, model; say which with --key"):
        read_checkpoint(tmp_path / "m.pth")
    with pytest.raises(ValueError, match=r"no weights called 'epoch'; there are: ema, model\."):
        read_checkpoint(tmp_path / "m.pth", "epoch")


def test_the_only_set_of_weights_needs_no_key(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.a": torch.ones(2)}, "epoch": 3}, tmp_path / "m.pth")
    assert torch.equal(read_checkpoint(tmp_path / "m.pth")["a"], torch.ones(2))


def test_a_key_of_a_file_with_one_set_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="leave the key out"):
        read_checkpoint(tmp_path / "m.safetensors", "ema")


@pytest.mark.parametrize(
    ("content", "suffix", "told"),
    [
        (b"PK\x03\x04 and so on", "pth", "it is cut short or damaged; fetch it again"),
        (b"\x80\x02}q\x00.", "pth", "it is a pickle of other things; save its state dict"),
        (b"GGUF\x03\0\0\0\0\0\0", "pth", "neither of the .pth nor of the .safetensors format"),
        (b"", "pth", "neither of the .pth nor of the .safetensors format"),
        (b"\xff\xff\xff\0\0\0\0\0{", "safetensors", "it is cut short or damaged; fetch it again"),
    ],
)
def test_other_files_are_told_by_what_they_are(tmp_path: Path, content: bytes, suffix: str, told: str) -> None:
    (tmp_path / f"m.{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a file of tensors") as caught:
        read_checkpoint(tmp_path / f"m.{suffix}")
    assert told in str(caught.value)


def test_safetensors_are_read_as_what_they_are(tmp_path: Path) -> None:
    save_file({"module.a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.float64)}, tmp_path / "m.safetensors")
    tensors = read_checkpoint(tmp_path / "m.safetensors")
    assert torch.equal(tensors["a"], torch.arange(6.0))
    assert tensors["b"].dtype == torch.float64
    whole = (tmp_path / "m.safetensors").read_bytes()
    for size in (20, len(whole) - 1):
        (tmp_path / "m.safetensors").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="cut short or damaged"):
            read_checkpoint(tmp_path / "m.safetensors")


@pytest.mark.parametrize("size", [0, 10, 500, -1])
def test_truncated_file_is_refused(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file"):
        read_checkpoint(tmp_path / "m.pth")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path)


def test_compressed_archive_is_refused(file: Path) -> None:
    """A small file that would unpack to a huge one."""
    rewritten(file, {"ROOT/data/7": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1_000_000
    with pytest.raises(ValueError, match="compressed"):
        read_checkpoint(file)


def test_entries_that_share_their_bytes_are_refused(file: Path) -> None:
    rewritten(file, {"ROOT/data/7": bytes(100_000)})
    content = bytearray(file.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    directory = int.from_bytes(content[end + 16 : end + 20], "little")
    last = content.rindex(b"PK\x01\x02")
    again = bytes(content[last:end]) * 50  # fifty more names for the same bytes
    count = int.from_bytes(content[end + 10 : end + 12], "little") + 50
    tail = bytearray(content[end:])
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = (end - directory + len(again)).to_bytes(4, "little")
    file.write_bytes(bytes(content[:end]) + again + bytes(tail))
    with pytest.raises(ValueError, match=r"refused|cannot be read"):
        check_archive(file)


@pytest.mark.parametrize(
    "name", ["ROOT/../evil", "/etc/evil", "ROOT/code/evil.py", "ROOT/data/../../evil", "other/data.pkl", "ROOT\\x"]
)
def test_other_entries_are_refused(file: Path, name: str) -> None:
    with pytest.raises(ValueError, match="refused"):
        check_archive(rewritten(file, {name: b"x"}))


def test_pickle_without_end_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_PICKLE", 1000)
    with pytest.raises(ValueError, match="over 0 MiB"):
        check_archive(rewritten(file, {"ROOT/data.pkl": b"x" * 2000}))


def test_deep_nesting_is_refused(file: Path) -> None:
    deep = b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"."
    with pytest.raises(ValueError, match="things within things"):
        check_archive(rewritten(file, {"ROOT/data.pkl": deep}))


def test_archive_without_a_pickle_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        check_archive(rewritten(file, {"ROOT/data.pkl": None}))


def test_archive_without_the_numbers_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(rewritten(file, {"ROOT/data/0": None}))


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(1).expand(10_000, 10_000), torch.ones(3, 4).t(), torch.ones(1).expand(2**20, 2**20)],
    ids=["repeated", "transposed", "a terabyte"],
)
def test_tensor_with_more_numbers_than_the_file_is_refused(tmp_path: Path, tensor: Tensor) -> None:
    torch.save({"huge": tensor}, tmp_path / "m.pth")
    with pytest.raises(ValueError, match=r"huge take more numbers|cannot be read"):
        read_checkpoint(tmp_path / "m.pth")


def test_damaged_pickle_is_told(file: Path) -> None:
    with zipfile.ZipFile(file) as source:
        name = next(name for name in source.namelist() if name.endswith("data.pkl"))
        content = source.read(name)
    with pytest.raises(ValueError, match="pickle"):
        check_archive(rewritten(file, {"ROOT/data.pkl": content[: len(content) // 2]}))


def test_noise_is_refused_without_another_error(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for i in range(200):
        noise = torch.randint(0, 256, (i * 10,), generator=generator, dtype=torch.uint8).numpy().tobytes()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            target.writestr("archive/data.pkl", b"\x80\x02" + noise)
        (tmp_path / "m.pth").write_bytes(buffer.getvalue())
        with pytest.raises(ValueError, match="m\\.pth"):
            read_checkpoint(tmp_path / "m.pth")
