"""STARFlow Compress and STARFlow Decompress."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from node_runs import BY_ID, run
from PIL import Image

from nodes import convert
from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core.compression import Codec


class Cancelled(BaseException):
    pass


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(device="cpu", folder=tmp_path)


@pytest.fixture
def pixels() -> np.ndarray:
    """Two smooth pictures (2, H, W, 3) of 8 bits, with all values somewhere."""
    rows, columns = np.mgrid[:16, :24]
    plain = np.stack([rows * 16, columns * 10, rows + columns], axis=-1).astype(np.uint8)
    return np.stack([plain, plain[::-1] ^ 255])


def image_of(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255)


def eight_bits(values: torch.Tensor) -> np.ndarray:
    return (values.numpy() * 255).round().astype(np.uint8)


def test_batch_comes_back_bit_by_bit(host: LocalHost, tmp_path: Path, pixels: np.ndarray) -> None:
    files, bits = run("Compress", host, image=image_of(pixels), filename_prefix="kept/birds")
    assert files == ["kept/birds_00001_.sfl", "kept/birds_00002_.sfl"]
    for one, name, dims in zip(pixels, files, bits, strict=True):
        image, mask = run("Decompress", host, file=name)
        assert (image.shape, mask.shape) == ((1, *one.shape), (1, *one.shape[:2]))
        assert (eight_bits(image[0]) == one).all()
        assert torch.equal(image[0], image_of(one))
        assert not mask.any()
        assert dims == 8 * (tmp_path / name).stat().st_size / one.size
    assert run("Compress", host, image=image_of(pixels[:1]), filename_prefix="kept/birds")[0] == [
        "kept/birds_00003_.sfl"
    ]


def test_every_value_of_eight_bits_comes_back(host: LocalHost) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    alpha = values[..., 0][:, ::-1].copy()
    (name,), _ = run("Compress", host, image=image_of(values), mask=1 - image_of(alpha))
    image, mask = run("Decompress", host, file=name)
    assert (eight_bits(image) == values).all()
    assert (eight_bits(1 - mask) == alpha).all()


def test_alpha_is_that_of_load_image(host: LocalHost, tmp_path: Path, pixels: np.ndarray) -> None:
    alpha = np.zeros(pixels.shape[1:3], np.uint8)
    alpha[4:] = 200
    (name,), _ = run("Compress", host, image=image_of(pixels[:1]), mask=1 - image_of(alpha))
    with_alpha = Codec().decompress((tmp_path / name).read_bytes())
    assert with_alpha.mode == "RGBA"
    assert (np.asarray(with_alpha) == np.dstack([pixels[0], alpha])).all()  # also the colours beneath
    image, mask = run("Decompress", host, file=name)
    assert (eight_bits(image[0]) == pixels[0]).all()
    assert torch.equal(mask[0], 1 - image_of(alpha))


def test_one_mask_is_for_all_and_four_channels_are_taken(host: LocalHost, pixels: np.ndarray) -> None:
    mask = torch.zeros(pixels.shape[1:3])
    mask[:3] = 1
    files, _ = run("Compress", host, image=image_of(pixels), mask=mask)
    assert all(torch.equal(run("Decompress", host, file=name)[1][0], mask) for name in files)
    four = torch.cat([image_of(pixels), 1 - mask.expand(2, -1, -1)[..., None]], -1)
    files, _ = run("Compress", host, image=four)
    assert all(torch.equal(run("Decompress", host, file=name)[1][0], mask) for name in files)


def test_mask_of_load_image_without_alpha_is_no_alpha(host: LocalHost, tmp_path: Path, pixels: np.ndarray) -> None:
    (name,), _ = run("Compress", host, image=image_of(pixels[:1]), mask=torch.zeros(1, 64, 64))
    assert Codec().decompress((tmp_path / name).read_bytes()).mode == "RGB"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_files_of_the_command_are_read(host: LocalHost, tmp_path: Path, pixels: np.ndarray, mode: str) -> None:
    picture = Image.fromarray(pixels[0]).convert(mode)
    (tmp_path / "birds.SFL").write_bytes(Codec().compress(picture))
    image, mask = run("Decompress", host, file="birds.SFL")
    assert torch.equal(image, convert.image([picture.convert("RGB")]))
    assert not mask.any()


def test_values_are_rounded_to_eight_bits(host: LocalHost) -> None:
    (name,), _ = run("Compress", host, image=torch.tensor([-1.0, 0.4999 / 255, 0.5001 / 255, 2.0]).view(1, 2, 2, 1))
    assert eight_bits(run("Decompress", host, file=name)[0])[..., 0].ravel().tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mask": torch.ones(1, 8, 8)}, "This mask has 8×8 pixels, and the pictures 24×16"),
        ({"mask": torch.ones(3, 16, 24)}, "3 masks for 2 pictures"),
        ({"mask": "x"}, r"must be \(B, H, W\)"),
        ({"image": torch.zeros(0, 8, 8, 3)}, "one or more pictures"),
        ({"filename_prefix": ""}, "names no file"),
        ({"filename_prefix": "folder/"}, "names no file"),
        ({"filename_prefix": "../birds"}, "leads out of the output folder"),
        ({"filename_prefix": "a/../../birds"}, "leads out of the output folder"),
        ({"filename_prefix": "/tmp/birds"}, "leads out of the output folder"),
        ({"filename_prefix": "link/birds"}, "leads out of the output folder"),
        ({"filename_prefix": "a\0b"}, "leads out of the output folder"),
        ({"filename_prefix": "x" * 201}, "200 is the most"),
        ({"filename_prefix": "file/birds"}, "cannot be written"),
    ],
)
def test_what_cannot_be_saved_is_told(tmp_path: Path, pixels: np.ndarray, wrong: dict[str, Any], told: str) -> None:
    folder, elsewhere = tmp_path / "output", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    (folder / "file").write_text("")
    with pytest.raises(ValueError, match=told) as error:
        run("Compress", LocalHost(folder=folder), **{"image": image_of(pixels), **wrong})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.sfl"))
    assert not list(elsewhere.iterdir())


def test_files_elsewhere_are_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    folder, secret = tmp_path / "output", tmp_path / "secret.sfl"
    folder.mkdir()
    secret.write_bytes(Codec().compress(Image.fromarray(pixels[0])))
    (folder / "link.sfl").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    host = LocalHost(folder=folder)
    for name in ("../secret.sfl", "a/../../secret.sfl", str(secret), "link.sfl", "up/secret.sfl", "x\0.sfl"):
        with pytest.raises(ValueError, match="is refused: files are read in the output and input folders only"):
            run("Decompress", host, file=name)


def test_link_within_the_folder_is_refused_and_its_target_is_read(host: LocalHost, tmp_path: Path) -> None:
    data = Codec().compress(Image.new("RGB", (3, 2), "red"))
    (tmp_path / "true.sfl").write_bytes(data)
    (tmp_path / "link.sfl").symlink_to(tmp_path / "true.sfl")
    assert run("Decompress", host, file=str(tmp_path / "true.sfl"))[0].shape == (1, 2, 3, 3)
    with pytest.raises(ValueError, match="without links"):
        run("Decompress", host, file="link.sfl")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "No file is named"),
        ("missing.sfl", "There is no file 'missing.sfl' in the output or input folder"),
        ("picture.png", "is no .sfl file"),
        ("folder.sfl", "cannot be read"),
        ("pipe.sfl", "it is no plain file"),
        ("other.sfl", r"This is no \.sfl file"),
        ("short.sfl", "The file is damaged or truncated; fetch it again"),
        ("flipped.sfl", "The file is damaged or truncated; fetch it again"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(
    host: LocalHost, tmp_path: Path, pixels: np.ndarray, name: str, told: str
) -> None:
    data = bytearray(Codec().compress(Image.fromarray(pixels[0])))
    (tmp_path / "short.sfl").write_bytes(data[:-9])
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.sfl").write_bytes(data)
    (tmp_path / "other.sfl").write_bytes(b"GIF89a")
    (tmp_path / "folder.sfl").mkdir()
    os.mkfifo(tmp_path / "pipe.sfl")
    with pytest.raises(ValueError, match=told) as error:
        run("Decompress", host, file=name)
    assert "\n" not in str(error.value)


def test_progress_goes_from_picture_to_picture(tmp_path: Path, pixels: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    host = LocalHost(folder=tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    (name, _), _ = run("Compress", host, image=image_of(pixels), mask=torch.ones(2, 16, 24))
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {2 * 2 * 2 * 16 * 24}
    assert seen[-1][0] == seen[-1][1]
    seen.clear()
    run("Decompress", host, file=name)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_cancelled_work_leaves_no_file(tmp_path: Path, pixels: np.ndarray, last: int) -> None:
    told = 0

    def cancel(done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told == last:
            raise Cancelled

    with pytest.raises(Cancelled):
        run("Compress", LocalHost(folder=tmp_path, on_progress=cancel), image=image_of(pixels))
    assert told == last
    assert not list(tmp_path.iterdir())


def test_cancel_ends_decompression(host: LocalHost, tmp_path: Path, pixels: np.ndarray) -> None:
    (name,), _ = run("Compress", host, image=image_of(pixels[:1]))

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        run("Decompress", LocalHost(folder=tmp_path, on_progress=cancel), file=name)


@pytest.mark.parametrize("call", ["write", "replace"])
def test_full_disk_is_told_and_leaves_nothing(
    host: LocalHost, tmp_path: Path, pixels: np.ndarray, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Any, *_: Any) -> None:
        if call == "write":
            path.touch()  # a part of it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    where, name = (Path, "write_bytes") if call == "write" else (os, "replace")
    monkeypatch.setattr(where, name, full)
    with pytest.raises(ValueError, match=r"^starflow\.sfl cannot be written: No space left on device\.$"):
        run("Compress", host, image=image_of(pixels))
    assert not list(tmp_path.iterdir())


def test_closed_folder_is_told_before_the_work(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    host = LocalHost(folder=tmp_path, on_progress=lambda done, total: told.append(done))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a superuser may write anywhere
    with pytest.raises(ValueError, match=r"^The folder .* cannot be written: it is closed\.$"):
        run("Compress", host, image=image_of(pixels))
    assert not told


def test_shown_is_what_was_written(host: LocalHost, pixels: np.ndarray) -> None:
    shown = BY_ID["STARFlowCompress"](host, image=image_of(pixels[:1]))
    (line,) = map(str, shown.details)
    assert line.startswith("starflow_00001_.sfl: ")
    assert line.endswith("bits per dimension")


@pytest.fixture(scope="module")
def small_model() -> Model:
    return LocalHost(device="cpu").load("starflow-mini-128", "float32", False)[0]


def test_pictures_come_back_nearly_with_a_model(host: LocalHost, pixels: np.ndarray, small_model: Model) -> None:
    files, _ = run("Compress", host, image=image_of(pixels), model=small_model, iterations=1, quality=80)
    assert len(files) == 2
    for one, file in zip(pixels, files, strict=True):
        image, mask = run("Decompress", host, file=file, model=small_model)
        assert image.shape == (1, *one.shape)
        assert not mask.any()
        assert 0 < float((image[0] - image_of(one)).square().mean()) < 0.02


def test_exact_files_need_no_model_and_take_one(host: LocalHost, pixels: np.ndarray, small_model: Model) -> None:
    (file,), _ = run("Compress", host, image=image_of(pixels[:1]))
    image, _ = run("Decompress", host, file=file, model=small_model)
    assert torch.equal(image[0], image_of(pixels[0]))


def test_file_with_loss_names_the_model_that_it_needs(host: LocalHost, pixels: np.ndarray, small_model: Model) -> None:
    (file,), _ = run("Compress", host, image=image_of(pixels[:1]), model=small_model, iterations=0)
    with pytest.raises(ValueError, match=r"'starflow-mini-128'; connect it"):
        run("Decompress", host, file=file)
    other = LocalHost(device="cpu").load("starflow-mini", "float32", False)[0]
    with pytest.raises(ValueError, match="Load the model that made it"):
        run("Decompress", host, file=file, model=other)


def test_model_that_cannot_compress_is_refused_before_a_file_is_written(
    host: LocalHost, tmp_path: Path, pixels: np.ndarray
) -> None:
    tarflow = LocalHost(device="cpu").load("tarflow-mini", "default", False)[0]
    with pytest.raises(ValueError, match="takes a STARFlow"):
        run("Compress", host, image=image_of(pixels[:1]), model=tarflow)
    assert not list(tmp_path.rglob("*.sfl"))


def test_progress_of_several_pictures_with_a_model_reaches_the_end(
    tmp_path: Path, pixels: np.ndarray, small_model: Model
) -> None:
    told: list[tuple[int, int]] = []
    host = LocalHost(folder=tmp_path, on_progress=lambda done, total: told.append((done, total)))
    run("Compress", host, image=image_of(pixels), model=small_model, iterations=1)
    assert told[-1][0] == told[-1][1] == len(told)
