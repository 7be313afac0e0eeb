"""The codec's training, and what it writes: whole numbers that say the same as the trained network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sfl_pictures import drawn as shapes
from sfl_pictures import noisy
from tiny_pictures import tiny_config, write_pictures

from recipes import codec, export_codec
from recipes.codec_network import Network, log_prob
from starflow_core.compression import Codec, CodecError
from starflow_core.compression.coding import bits
from starflow_core.compression.context import anchors, contexts, framed, inputs
from starflow_core.compression.network import load


@pytest.fixture
def config(tmp_path):
    write_pictures(tmp_path / "data")
    return tiny_config(tmp_path / "data")


@pytest.fixture
def network() -> Network:
    """Random, so that all parameters of the mixture differ, and wide: no value is out of its reach."""
    torch.manual_seed(0)
    made = Network()
    torch.nn.init.normal_(made.out.weight, std=0.02)
    torch.nn.init.normal_(made.out.bias, std=0.1)
    with torch.no_grad():
        made.out.bias.view(-1, 10)[:, 4:7] += 2.5
    return made


def test_training_lowers_bits_and_goes_on(config) -> None:
    before = codec.train(config)
    config.codec.update(pictures=240, learning_rate=3e-3, log_pictures=80)
    after = codec.train(config)
    log = (config.folder / "codec.csv").read_text().splitlines()
    assert len(log) > 2
    batch = codec.drawn([np.asarray(shapes(16, 16))], np.random.default_rng(0))
    assert float(codec.bits(after, *batch).detach()) < float(codec.bits(before, *batch).detach())


def test_export_says_what_to_run_first(config) -> None:
    with pytest.raises(SystemExit, match=r"recipes\.codec"):
        export_codec.trained(config)


@pytest.mark.parametrize("picture", [shapes(24, 18), noisy(12, 12)], ids=["drawn", "noise"])
def test_whole_numbers_say_what_the_trained_network_says(network: Network, picture, tmp_path) -> None:
    export_codec.export(network, tmp_path / "tiny.safetensors")
    tile = np.asarray(picture)
    row, column = (axis.ravel() for axis in np.mgrid[: tile.shape[0], : tile.shape[1]])
    context = contexts(framed(tile[None]), np.zeros(len(row), int), row, column)
    x, anchor, pixels = (
        torch.from_numpy(np.asarray(part)).float() for part in (inputs(context), anchors(context), tile[row, column])
    )
    with torch.no_grad():
        wanted = -float(log_prob(network(x), anchor, pixels).sum()) / math.log(2)
    found = bits(tile, load(tmp_path / "tiny.safetensors"), is_grey=False)
    assert found == pytest.approx(wanted, rel=0.01)


def test_network_whose_sums_may_not_be_exact_is_refused(network: Network, tmp_path) -> None:
    with torch.no_grad():
        network.hidden[1].weight.add_(1.0)
    with pytest.raises(CodecError, match="layer 1"):
        export_codec.export(network, tmp_path / "large.safetensors")


def test_damaged_weights_are_refused(tmp_path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(CodecError, match="Install starflow again"):
        Codec(tmp_path / "cut.safetensors")
    with pytest.raises(CodecError, match="Install starflow again"):
        Codec(tmp_path / "none.safetensors")
