"""Writes the trained codec as whole numbers: `python -m recipes.export_codec`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from starflow_core.compression.network import ACTIVATION_BITS, WEIGHT_BITS, WEIGHTS, load, make_tables

from .codec import CHECKPOINT
from .codec_network import Network
from .config import Config, arguments


def export(network: Network, path: Path) -> None:
    """Write the weights of a network, and check that the codec reads them.

    Raises:
        CodecError: a sum may be too large for whole numbers of float32.
    """
    held = {}
    for i, layer in enumerate([*network.hidden, network.out]):
        weights, bias = (p.detach().double().cpu().numpy() for p in (layer.weight, layer.bias))
        half = 0 if layer is network.out else 2 ** (WEIGHT_BITS - 1)  # the codec rounds down
        held[f"{i}.weight"] = np.round(weights.T * 2**WEIGHT_BITS).astype(np.int16)
        held[f"{i}.bias"] = (np.round(bias * 2 ** (WEIGHT_BITS + ACTIVATION_BITS)) + half).astype(np.int32)
    tables = make_tables()
    held |= {"exp": tables.exp, "logistic": tables.logistic, "inverse_scale": tables.inverse_scale}
    save_file({name: np.ascontiguousarray(array) for name, array in held.items()}, path)
    load.cache_clear()
    load(path)


def trained(config: Config) -> Network:
    """Load the averaged weights of the last checkpoint.

    Raises:
        SystemExit: there is none.
    """
    checkpoint = config.folder / CHECKPOINT
    if not checkpoint.exists():
        raise SystemExit(f"There is no {checkpoint.name} yet; run `python -m recipes.codec` first.")
    network = Network()
    network.load_state_dict(torch.load(checkpoint, weights_only=True, map_location="cpu")["average"])
    return network


def main() -> None:
    export(trained(arguments(__doc__).config), WEIGHTS)


if __name__ == "__main__":
    main()
