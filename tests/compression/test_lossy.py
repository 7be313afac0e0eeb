"""The codec with loss: files say exactly what was written, cost what the flow says, and are refused when damaged."""

from __future__ import annotations

import hashlib
import random
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from sfl_pictures import drawn, noisy
from torch import Tensor

import starflow_core
from starflow_core.compression import Codec, CodecError
from starflow_core.compression.envelope import MOST_PIXELS, Kind, closed, kind_of
from starflow_core.compression.lossy import LossyCodec
from starflow_core.compression.lossy.archive import from_bytes, step_size, to_bytes
from starflow_core.compression.lossy.coarse import MARGIN, chosen_shift, coarse
from starflow_core.compression.lossy.codec import _Progress
from starflow_core.compression.lossy.coding import LARGEST, Decoder, Encoder
from starflow_core.compression.lossy.normal import HIGHEST, LOWEST, NORMAL, SCALES, probabilities
from starflow_core.compression.lossy.quality import settings
from starflow_core.compression.lossy.tiles import from_tokens, joined, split, to_tokens
from starflow_core.flow.block import Affine
from starflow_core.flow.predictor import Predictor


@pytest.fixture(scope="module")
def codec() -> LossyCodec:
    return LossyCodec(starflow_core.load("starflow-mini-128", device="cpu"))


@pytest.fixture(scope="module")
def small_file(codec: LossyCodec) -> bytes:
    return codec.compress(drawn(128, 128), iterations=0)


def error(first: Image.Image, second: Image.Image) -> float:
    """Mean square error in square grey levels."""
    difference = np.asarray(first.convert("RGB"), float) - np.asarray(second.convert("RGB"), float)
    return float((difference**2).mean())


def test_picture_comes_back_nearly(codec: LossyCodec, small_file: bytes) -> None:
    back = codec.decompress(small_file)
    assert (back.mode, back.size) == ("RGB", (128, 128))
    assert error(drawn(128, 128), back) < 200
    assert len(small_file) < len(Codec().compress(drawn(128, 128))) * 2
    assert kind_of(small_file) == Kind.LOSSY


def test_better_quality_is_larger_and_nearer(codec: LossyCodec) -> None:
    files = [codec.compress(drawn(100, 90), quality=quality, iterations=0) for quality in (0, 50, 100)]
    sizes = [len(file) for file in files]
    errors = [error(drawn(100, 90), codec.decompress(file)) for file in files]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert sizes[0] < 0.6 * sizes[2]


def test_search_spends_bits_where_they_help(codec: LossyCodec) -> None:
    _, weight = settings(50)
    picture = drawn(128, 128)
    files = [codec.compress(picture, iterations=count) for count in (0, 10)]
    before, after = (8 * len(file) + weight * 128 * 128 * error(picture, codec.decompress(file)) for file in files)
    assert after < 0.95 * before


def test_stream_costs_what_the_flow_says(codec: LossyCodec, small_file: bytes) -> None:
    archive = from_bytes(small_file)
    step = step_size(archive.step)
    indices = codec._indices(archive.data, 1, step, _Progress(lambda done, total: None, 1))
    bits = float(codec._prior.bits(indices.float() * step, step))
    assert bits / 8 < len(archive.data) < 1.05 * bits / 8 + 8


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_modes_and_sizes(codec: LossyCodec, mode: str) -> None:
    picture = drawn(150, 40)
    if mode.endswith("A"):
        picture = picture.convert(mode)
        picture.putalpha(drawn(150, 40).getchannel("R"))
    picture = picture.convert(mode)
    back = codec.decompress(codec.compress(picture, iterations=0))
    assert back.mode == (mode if mode != "P" else "RGB")
    assert back.size == (150, 40)
    if mode.endswith("A"):
        assert back.getchannel("A").tobytes() == picture.getchannel("A").tobytes()


def test_picture_of_one_pixel(codec: LossyCodec) -> None:
    back = codec.decompress(codec.compress(Image.new("RGB", (1, 1), "white"), iterations=1))
    assert back.size == (1, 1)


def test_what_lies_beneath_transparency_does_not_count(codec: LossyCodec) -> None:
    hidden, plain = noisy(128, 128), Image.new("RGB", (128, 128), "white")
    hidden.putalpha(0)
    plain.putalpha(0)
    assert codec.compress(hidden, iterations=0) == codec.compress(plain, iterations=0)


def test_predictions_that_differ_in_their_last_bits_decode_the_same(
    codec: LossyCodec, small_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's float32 errors are some 1e-6; these are ten times as large."""
    predict, generator = Predictor.predict, torch.Generator().manual_seed(0)

    def disturbed(self: Predictor, contexts: Tensor) -> Affine:
        mean, scale = predict(self, contexts)
        return Affine(
            mean + 1e-5 * scale * torch.randn(mean.shape, generator=generator),
            scale * (1 + 1e-5 * torch.randn(scale.shape, generator=generator)),
        )

    expected = codec.decompress(small_file)
    monkeypatch.setattr(Predictor, "predict", disturbed)
    assert codec.decompress(small_file).tobytes() == expected.tobytes()


def test_threads_and_tiles_side_by_side_do_not_change_the_file(codec: LossyCodec) -> None:
    threads = torch.get_num_threads()
    files = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            files.append(codec.compress(noisy(128, 256), iterations=0))
            codec.decompress(files[-1])
    finally:
        torch.set_num_threads(threads)
    torch.set_num_threads(1)
    try:
        assert codec.decompress(files[1]).size == (128, 256)
    finally:
        torch.set_num_threads(threads)


def test_default_dtype_and_inference_mode_do_not_matter(codec: LossyCodec, small_file: bytes) -> None:
    with torch.inference_mode():
        assert codec.compress(drawn(128, 128), iterations=0) == small_file
        codec.compress(drawn(128, 128), iterations=1)
    torch.set_default_dtype(torch.float64)
    try:
        assert codec.compress(drawn(128, 128), iterations=0) == small_file
    finally:
        torch.set_default_dtype(torch.float32)


def test_progress_reaches_the_end_and_can_end_the_work(codec: LossyCodec) -> None:
    seen: list[tuple[int, int]] = []
    codec.compress(drawn(30, 30), iterations=2, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codec.compress(drawn(30, 30), iterations=2, on_progress=stop)


@pytest.mark.parametrize(("quality", "iterations"), [(-1, 0), (101, 0), (float("nan"), 0), (50, -1), (50, 10**9)])
def test_settings_out_of_range_are_refused(codec: LossyCodec, quality: float, iterations: int) -> None:
    with pytest.raises(CodecError, match="must be from"):
        codec.compress(drawn(8, 8), quality=quality, iterations=iterations)


def test_damaged_files_are_refused(codec: LossyCodec, small_file: bytes) -> None:
    rng = random.Random(0)
    body = small_file[3:-4]
    expected, refused = codec.decompress(small_file).tobytes(), []
    for _ in range(40):
        damaged = bytearray(body)
        for _ in range(rng.choice([1, 1, 3])):
            place = rng.randrange(len(damaged))
            match rng.randrange(3):
                case 0:
                    damaged[place] ^= 1 << rng.randrange(8)
                case 1:
                    del damaged[place : place + 3]
                case 2:
                    damaged[place:place] = rng.randbytes(2)
        data = resummed(b"SFL" + bytes(damaged))
        try:
            found = codec.decompress(data)
        except CodecError as error:
            refused.append(str(error))
        else:
            same = found.mode == "RGB" and found.tobytes() == expected
            assert same or size_only(data, small_file)
    assert len(refused) > 30
    assert all(message.endswith(".") for message in refused)


def size_only(data: bytes, original: bytes) -> bool:
    """Whether a file differs in what its checksum does not see: the mode and the size of the picture in its tiles."""
    first, second = from_bytes(data), from_bytes(original)
    return first.data == second.data and first.step == second.step


def resummed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def test_truncated_files_are_refused(codec: LossyCodec, small_file: bytes) -> None:
    for length in range(0, len(small_file), 7):
        with pytest.raises(CodecError):
            codec.decompress(small_file[:length])


def test_each_codec_refuses_the_files_of_the_other(codec: LossyCodec, small_file: bytes) -> None:
    with pytest.raises(CodecError, match="with loss"):
        Codec().decompress(small_file)
    with pytest.raises(CodecError, match="without loss"):
        codec.decompress(Codec().compress(drawn(8, 8)))


def test_file_that_claims_more_than_it_can_hold_is_refused_at_once(codec: LossyCodec, small_file: bytes) -> None:
    side = int(MOST_PIXELS**0.5)
    archive = from_bytes(small_file)
    content = bytes([1]) + archive.fingerprint + bytes([archive.step]) + archive.checksum + archive.data
    with pytest.raises(CodecError, match="shorter than its picture"):
        codec.decompress(closed(Kind.LOSSY, "RGB", (side, side), content))


def test_file_of_another_model_is_refused(codec: LossyCodec, small_file: bytes) -> None:
    other = to_bytes(from_bytes(small_file).__class__(**{**vars(from_bytes(small_file)), "fingerprint": b"abcd"}))
    with pytest.raises(CodecError, match=r"61626364.*Load the model that made it"):
        codec.decompress(other)


def test_models_that_cannot_compress_are_refused() -> None:
    with pytest.raises(CodecError, match="takes a STARFlow"):
        LossyCodec(starflow_core.load("tarflow-mini", device="cpu"))
    with pytest.raises(CodecError, match="float32"):
        LossyCodec(starflow_core.load("starflow-mini", device="cpu", dtype=torch.bfloat16))
    with pytest.raises(CodecError, match="float32"):
        LossyCodec(starflow_core.load("starflow-mini", device="cpu", dtype="int8"))


def test_other_model_has_tiles_of_its_own_size() -> None:
    codec = LossyCodec(starflow_core.load("starflow-mini", device="cpu"))
    data = codec.compress(drawn(70, 64), iterations=0)
    assert from_bytes(data).model == "starflow-mini"
    assert codec.decompress(data).size == (70, 64)


def test_tokens_and_latents_are_one_another(codec: LossyCodec) -> None:
    latents = torch.randn(16, 32, 16, generator=torch.Generator().manual_seed(0))
    tiles = split(latents, 16)
    assert torch.equal(joined(tiles, 1), latents)
    tokens = to_tokens(codec._flow, tiles)
    assert torch.allclose(from_tokens(codec._flow, tokens, (8, 8)), tiles, atol=1e-3)


def test_table_of_the_distribution_is_pinned() -> None:
    """Files depend on these numbers: another table needs another version of the format."""
    assert hashlib.blake2b(NORMAL.tobytes() + SCALES.tobytes(), digest_size=4).hexdigest() == "e3c9d3f0"


def test_probabilities_are_those_of_the_normal_distribution() -> None:
    levels, centres = np.array([LOWEST, 0, 5, HIGHEST]), np.array([3, -7, 40, 1])
    scales = torch.from_numpy(SCALES[levels - LOWEST])
    means = torch.from_numpy(centres / 4) * scales
    base = torch.floor(means + 0.5)[:, None] + torch.arange(-24, 25)
    normal = torch.distributions.Normal(means[:, None], scales[:, None])
    expected = normal.cdf(base + 0.5) - normal.cdf(base - 0.5)
    found = probabilities(levels, centres)[:, :-1]
    assert np.allclose(found, expected.numpy(), atol=2e-5)


def test_numbers_near_each_other_are_rounded_alike() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        mean, scale = rng.normal(0, 3, 64), np.exp(rng.normal(0, 1, 64))
        shift = chosen_shift(mean, scale)
        first = coarse(mean, scale, shift)
        if first.margin < MARGIN:
            continue
        second = coarse(mean * (1 + 1e-6) + 1e-7, scale * (1 - 1e-6), shift)
        assert np.array_equal(first.levels, second.levels)
        assert np.array_equal(first.centres, second.centres)


def test_numbers_that_the_flow_does_not_expect_are_coded_too() -> None:
    mean, scale = np.array([0.0, 3.3, -900.0, 1e9]), np.array([1e-9, 1.0, 50.0, 1.0])
    indices = np.array([LARGEST - 1, -LARGEST, -900, 7])
    encoder = Encoder()
    encoder.token(indices, mean, scale)
    encoder.token(indices[::-1].copy(), mean, scale)
    decoder = Decoder(encoder.data())
    assert decoder.token(mean, scale).tolist() == indices.tolist()
    assert decoder.token(mean, scale).tolist() == indices[::-1].tolist()


def test_package_has_the_codec() -> None:
    assert starflow_core.LossyCodec is LossyCodec
