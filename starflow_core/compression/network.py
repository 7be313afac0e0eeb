"""The codec's network in whole numbers: the same result on every machine, in any order of summation.

All inputs, weights and activations are whole numbers, and no sum exceeds 2²⁴ (checked when the weights are read). Thus
float32 products are exact: batch, threads, BLAS and fused instructions cannot change a bit.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as numpy_load

from .context import ANCHORS
from .errors import CodecError

HIDDEN = 256
WEIGHT_BITS = 9  # weights are multiples of 2⁻⁹
ACTIVATION_BITS = 6  # activations are multiples of 2⁻⁶
LARGEST_ACTIVATION = 255
OUTPUTS = 10 * ANCHORS  # per component: weight, three drifts, three scales, three slopes
DRIFT = 8.0  # grey levels a unit of output
OCTAVES = 2.0  # of the scale, a unit of output
SCALE_RANGE = (-5.0, 7.5)  # octaves; a scale of 1 is one grey level
SCALE_STEPS = 16  # an octave
STEPS = 32  # of the tables of exp and the logistic function, a unit
EXP_END = 512
LOGISTIC_END = 640
LARGEST_INPUT = 128
EXACT = 2**24  # float32 holds all whole numbers up to here
WEIGHTS = Path(__file__).with_name("codec-mini.safetensors")


@dataclass(frozen=True)
class Tables:
    """Functions that machines compute differently, as numbers that are stored with the weights.

    Attributes:
        exp: e^(−i/32).
        logistic: the logistic function at (i − 640)/32.
        inverse_scale: 2^−(i/16 − 5).
    """

    exp: np.ndarray
    logistic: np.ndarray
    inverse_scale: np.ndarray

    @functools.cached_property
    def logistic_step(self) -> np.ndarray:
        """From each entry of `logistic` to the next."""
        return np.append(np.diff(self.logistic), 0.0)


@dataclass(frozen=True)
class Network:
    """Three hidden layers, and one that gives the parameters of the mixture.

    Attributes:
        name: of the model, as files name it.
        fingerprint: 4 bytes of the hash of the weights.
        layers: weights (inputs, outputs) and biases (outputs,) as float32 that holds whole numbers.
    """

    name: str
    fingerprint: bytes
    layers: Sequence[tuple[np.ndarray, np.ndarray]]
    tables: Tables

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Whole numbers (P, 303) in [−128, 127] → parameters (P, 8, 10) float64, multiples of 2⁻¹⁵."""
        for weights, bias in self.layers[:-1]:
            x = np.clip(np.floor((x @ weights + bias) * np.float32(2**-WEIGHT_BITS)), 0, LARGEST_ACTIVATION)
        weights, bias = self.layers[-1]
        out = (x @ weights + bias).astype(np.float64) * 2.0 ** -(WEIGHT_BITS + ACTIVATION_BITS)
        return np.asarray(out.reshape(len(x), ANCHORS, OUTPUTS // ANCHORS))


@functools.cache
def load(path: Path = WEIGHTS) -> Network:
    """Read a network.

    Raises:
        CodecError: the file is missing or is no such network, or its sums may not be exact.
    """
    try:
        data = path.read_bytes()
        held = numpy_load(data)
        layers = [(held[f"{i}.weight"].astype(np.float32), held[f"{i}.bias"].astype(np.float32)) for i in range(4)]
        tables = Tables(held["exp"], held["logistic"], held["inverse_scale"])
    except (OSError, KeyError, SafetensorError) as error:
        raise CodecError(f"{path} is no network of the codec: {error}. Install starflow again.") from None
    for i, (weights, bias) in enumerate(layers):
        largest = LARGEST_ACTIVATION if i else LARGEST_INPUT
        if np.max(np.abs(weights.astype(np.int64)).sum(0) * largest + np.abs(bias.astype(np.int64))) >= EXACT:
            raise CodecError(f"The sums of layer {i} of {path} may exceed what float32 holds exactly.")
    return Network(path.stem, hashlib.sha256(data).digest()[:4], layers, tables)


def make_tables() -> Tables:
    """Compute the tables; only what writes the weights does so."""
    logistic = 1 / (1 + np.exp(-np.arange(-LOGISTIC_END, LOGISTIC_END + 1) / STEPS))
    octaves = np.arange((SCALE_RANGE[1] - SCALE_RANGE[0]) * SCALE_STEPS + 1) / SCALE_STEPS + SCALE_RANGE[0]
    return Tables(np.exp(-np.arange(EXP_END + 1) / STEPS), logistic, 2.0**-octaves)
