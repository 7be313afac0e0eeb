"""Pictures come back bit by bit, of every kind and size, under every setting of the machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from sfl_pictures import drawn, noisy
from threadpoolctl import threadpool_info

from starflow_core.compression import Codec, CodecError
from starflow_core.compression import codec as codecs
from starflow_core.compression.codec import planes_of
from starflow_core.compression.coding import decode, encode
from starflow_core.compression.container import Storage, from_bytes, to_bytes
from starflow_core.images import open_unchanged
from starflow_core.weights.model_folder import load

codec = Codec()
CHOSEN = np.show_config(mode="dicts")["SIMD Extensions"]["found"]  # instructions beyond those that NumPy always uses


def transparent() -> Image.Image:
    """Colours stand beneath what cannot be seen."""
    picture = drawn(40, 24)
    alpha = Image.new("L", picture.size)
    alpha.paste(200, (5, 5, 20, 15))
    picture.putalpha(alpha)
    return picture


def palette() -> Image.Image:
    return drawn(20, 20).quantize(5)


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "one pixel": lambda: Image.new("RGB", (1, 1), (1, 2, 3)),
    "one row": lambda: drawn(37, 1),
    "one column": lambda: drawn(1, 37),
    "several tiles": lambda: drawn(300, 270),
    "noise": lambda: noisy(24, 17),
    "one colour": lambda: Image.new("RGB", (300, 20), (255, 0, 128)),
    "grey": lambda: drawn(33, 21).convert("L"),
    "grey with alpha": lambda: transparent().convert("LA"),
    "alpha": transparent,
    "black and white": lambda: drawn(33, 21).convert("1"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture_comes_back(name: str) -> None:
    picture = PICTURES[name]()
    back = codec.decompress(codec.compress(picture))
    wanted = picture.convert("L") if picture.mode == "1" else picture
    assert (back.mode, back.size) == (wanted.mode, wanted.size)
    assert back.tobytes() == wanted.tobytes()


def test_palettes_become_colours() -> None:
    assert codec.decompress(codec.compress(palette())).tobytes() == palette().convert("RGB").tobytes()


def test_flow_stores_what_it_knows() -> None:
    (tile,) = from_bytes(codec.compress(drawn(32, 32))).tiles
    assert tile.storage == Storage.FLOW
    assert len(tile.data) < len(codecs._webp(drawn(32, 32)))


def test_several_users_at_once_get_their_pictures_and_leave_threads_as_they_were() -> None:
    before = [pool["num_threads"] for pool in threadpool_info()]
    pictures = [drawn(40 + i, 30) for i in range(4)]
    with ThreadPoolExecutor(4) as users:
        files = list(users.map(Codec().compress, pictures))
        back = list(users.map(Codec().decompress, files))
    assert [picture.tobytes() for picture in back] == [picture.tobytes() for picture in pictures]
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_noise_is_stored_plainly_where_that_is_smaller() -> None:
    """The flow cannot know noise, but the file is hardly longer than the pixels."""
    picture = noisy(64, 64)
    assert len(codec.compress(picture)) < 1.05 * 3 * 64 * 64 + 100


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "CMYK", "YCbCr", "LAB", "HSV"])
def test_what_would_lose_something_is_refused(mode: str) -> None:
    with pytest.raises(CodecError, match=f"mode {mode}"):
        codec.compress(Image.new(mode, (4, 4)))


def test_16_bit_file_is_refused(tmp_path) -> None:
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(CodecError, match="8 bits"):
        codec.compress(open_unchanged(tmp_path / "deep.png"))


def test_picture_without_pixels_is_refused() -> None:
    with pytest.raises(CodecError, match="no pixels"):
        codec.compress(Image.new("RGB", (0, 4)))


def test_tile_that_would_not_come_back_is_stored_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments):
        return [255 - tile for tile in decode(*arguments)]

    monkeypatch.setattr(codecs, "decode", wrong)
    data = codec.compress(drawn(40, 40))
    monkeypatch.undo()
    assert [tile.storage for tile in from_bytes(data).tiles] == [Storage.WEBP]
    assert codec.decompress(data).tobytes() == drawn(40, 40).tobytes()


def test_progress_reaches_the_end_and_can_end_the_work() -> None:
    seen: list[tuple[int, int]] = []
    data = codec.compress(drawn(40, 30), on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)
    assert len(seen) > 4
    seen.clear()
    codec.decompress(data, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1200, 1200)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codec.decompress(data, on_progress=stop)


def test_tiles_side_by_side_are_those_one_by_one() -> None:
    """Batches of other sizes multiply matrices in another order."""
    tiles = [np.asarray(drawn(width, height)) for width, height in ((31, 20), (8, 40), (40, 8))]
    parts = [encode(tile, codec.network, False) for tile in tiles]
    together = decode(parts, [tile.shape[:2] for tile in tiles], codec.network, False, lambda pixels: None)
    for part, tile, found in zip(parts, tiles, together, strict=True):
        alone = decode([part], [tile.shape[:2]], codec.network, False, lambda pixels: None)[0]
        assert np.array_equal(found, tile)
        assert np.array_equal(alone, tile)


def test_network_is_exact_in_any_order_of_summation() -> None:
    """Float64 with permuted inputs and reversed sums gives the same numbers as float32."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (50, len(codec.network.layers[0][0]))).astype(np.float32)
    h = x.astype(np.float64)
    for weights, bias in codec.network.layers[:-1]:
        order = rng.permutation(h.shape[1])
        h = np.clip(np.floor((h[:, order] @ weights[order].astype(np.float64) + bias) / 512), 0, 255)
    weights, bias = codec.network.layers[-1]
    out = (h @ weights.astype(np.float64) + bias) / 2**15
    assert np.array_equal(codec.network(x).reshape(50, -1), out)


@pytest.mark.parametrize(
    "settings",
    [
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"},
        {"OPENBLAS_CORETYPE": "Prescott"},  # no AVX, no fused instructions
        {"OPENBLAS_CORETYPE": "Haswell"},
        {"NPY_DISABLE_CPU_FEATURES": " ".join(CHOSEN)},
    ],
    ids=lambda settings: "-".join(f"{name}={value}" for name, value in settings.items()),
)
def test_other_threads_and_instructions_make_the_same_file(settings: dict[str, str]) -> None:
    script = (
        "import sys, hashlib; sys.path.insert(0, 'tests'); from sfl_pictures import drawn;"
        "from starflow_core.compression import Codec; codec = Codec(); data = codec.compress(drawn(70, 50));"
        "print(hashlib.sha256(data).hexdigest(), codec.decompress(data).tobytes() == drawn(70, 50).tobytes())"
    )
    told = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", script],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    wanted = hashlib.sha256(codec.compress(drawn(70, 50))).hexdigest()
    assert told.stdout.split() == [wanted, "True"], told.stderr


def test_files_do_not_depend_on_the_default_type_of_torch() -> None:
    """Nothing of torch takes part: neither its types and threads nor its version."""
    before = codec.compress(drawn(30, 30))
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert Codec().compress(drawn(30, 30)) == before
    finally:
        torch.set_default_dtype(torch.float32)


def test_every_pipeline_has_the_codec() -> None:
    pipeline = load("tarflow-mini-8bit", device="cpu")
    picture = drawn(20, 20)
    assert pipeline.codec().decompress(pipeline.codec().compress(picture)).tobytes() == picture.tobytes()


def test_file_of_another_model_is_refused() -> None:
    archive = from_bytes(codec.compress(drawn(20, 20)))
    other = to_bytes(type(archive)(**{**archive.__dict__, "fingerprint": b"abcd"}))
    with pytest.raises(CodecError, match=r"weights 61626364.*Use the release"):
        codec.decompress(other)


def test_planes_are_colours_and_alpha() -> None:
    assert [plane.mode for plane in planes_of(transparent())] == ["RGB", "L"]
    assert [plane.mode for plane in planes_of(transparent().convert("LA"))] == ["L", "L"]
    assert [plane.mode for plane in planes_of(Image.new("L", (2, 2)))] == ["L"]
