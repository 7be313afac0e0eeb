"""Decoded pictures, and random views of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from own_pictures import write_picture, write_pictures
from PIL import Image

from starflow_core.images import grey, to_images, to_tensor
from starflow_core.training import pictures
from starflow_core.training.pictures import Framing, Pictures


def read(folder: Path, framing: Framing) -> Pictures:
    failures: list[str] = []
    found = Pictures.read(sorted(folder.iterdir()), framing, failures.append)
    assert not failures
    return found


def test_scaled_pictures_are_their_middle_square(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3, size=(16, 32))
    found = read(tmp_path, Framing(8))
    expected = Image.open(tmp_path / "01.png").crop((8, 0, 24, 16)).resize((8, 8), Image.Resampling.LANCZOS)
    view = found.view(1, random.Random(0))
    assert (view == np.asarray(expected)).all()
    assert torch.equal(found.whole([1])[0], to_tensor(expected))


def test_crops_have_the_pictures_own_resolution(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2, size=(16, 32))
    found, rng = read(tmp_path, Framing(8, crop=True)), random.Random(0)
    whole = np.asarray(Image.open(tmp_path / "00.png"))
    windows = np.lib.stride_tricks.sliding_window_view(whole, (8, 8, 3)).reshape(-1, 8, 8, 3)
    seen = [found.view(0, rng) for _ in range(20)]
    assert all((windows == view).all((1, 2, 3)).any() for view in seen)
    assert len({view.tobytes() for view in seen}) > 10
    assert found.numbers == 2 * 16 * 32 * 3


def test_small_pictures_are_scaled_up_to_a_crop(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1, size=(4, 6))
    assert read(tmp_path, Framing(8, crop=True)).view(0, random.Random(0)).shape == (8, 8, 3)


def test_half_of_the_views_are_mirrored(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    found, rng = read(tmp_path, Framing(8, mirror=True)), random.Random(0)
    plain = found.whole([0])
    mirrored = [bool(torch.equal(found.views([0], rng), plain.flip(-1))) for _ in range(40)]
    assert 10 < sum(mirrored) < 30


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3, grey=True)
    found = read(tmp_path, Framing(8))
    assert found.channels == 1
    assert found.views([0, 2], random.Random(0)).shape == (2, 1, 8, 8)
    write_picture(tmp_path / "99.png")
    assert read(tmp_path, Framing(8)).channels == 3


def test_grey_is_that_of_pillow() -> None:
    colours = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (image,) = to_images(colours)
    torch.testing.assert_close(to_tensor(image, 1)[None], grey(colours), atol=0.01, rtol=0)
    assert (np.asarray(to_images(to_tensor(image, 1)[None])[0]) == np.asarray(image.convert("L").convert("RGB"))).all()


def test_pictures_beyond_the_memory_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path, 4, grey=True)
    before = read(tmp_path, Framing(8, crop=True))
    monkeypatch.setattr(pictures, "IN_MEMORY", 2 * 20 * 24 * 3)
    after = read(tmp_path, Framing(8, crop=True))
    assert [pixels is None for pixels in after._decoded] == [False, False, True, True]
    assert torch.equal(before.views(range(4), random.Random(0)), after.views(range(4), random.Random(0)))


def test_held_out_pictures_do_not_depend_on_names_and_order(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", 20)
    for seed in range(20):
        write_picture(tmp_path / "b" / f"{99 - seed}.png", seed)
    first, second = read(tmp_path / "a", Framing(8)), read(tmp_path / "b", Framing(8))
    trained, held_out = first.split(0.2, 100)
    assert (len(trained), len(held_out)) == (16, 4)
    assert sorted(trained + held_out) == list(range(20))
    assert {first.digests[i] for i in held_out} == {second.digests[i] for i in second.split(0.2, 100)[1]}


def test_copies_of_a_picture_are_held_out_together(tmp_path: Path) -> None:
    for number in range(20):
        write_picture(tmp_path / f"{number:02}.png", number // 4)
    found = read(tmp_path, Framing(8))
    trained, held_out = found.split(0.1, 100)
    assert len(held_out) == 4
    assert not {found.digests[i] for i in held_out} & {found.digests[i] for i in trained}
