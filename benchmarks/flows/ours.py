"""The flows of this project: a TarFlow, and the codec's flow of one block."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from recipes.codec import drawn
from recipes.codec_network import Network, log_prob
from starflow_core.compression.context import anchors, contexts, framed, inputs
from starflow_core.flow.config import TarFlowConfig
from starflow_core.flow.tarflow import TarFlow

from .contender import CHANNELS, SIDE, Contender, Continuous

PIXELS = 128  # of a picture, in training: those of a plain ground are rarer, and weigh more
SHAPE = TarFlowConfig(
    in_channels=CHANNELS, img_size=SIDE, patch_size=4, channels=96, num_blocks=4, layers_per_block=2, num_classes=0,
    nvp=True, head_dim=48, expansion=4, noise_std=0.0,
)  # fmt: skip


class SmallTarFlow(Continuous):
    """A TarFlow (Zhai et al., arXiv 2412.06329) of four blocks."""

    def __init__(self, config: TarFlowConfig = SHAPE) -> None:
        super().__init__()
        self.flow = TarFlow(config)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow(x).log_prob


class OneBlock(Contender):
    """The flow of the lossless codec: exact for 8-bit pictures, so that it needs no noise."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()
        self._rng = np.random.default_rng(0)

    def bits_per_dim(self, pictures: np.ndarray) -> Tensor:
        """Of some pixels of each picture in training, and of all otherwise."""
        if not self.training:
            return self._of_all(pictures)
        x, anchor, value, weight = drawn(list(pictures), self._rng, PIXELS)
        nats = -log_prob(self.network(x), anchor, value) * weight
        return nats.unflatten(0, (len(pictures), PIXELS)).sum(1) / weight.unflatten(0, (-1, PIXELS)).sum(1) / _NATS

    def _of_all(self, pictures: np.ndarray) -> Tensor:
        picture, row, column = (axis.ravel() for axis in np.indices(pictures.shape[:3]))
        context = contexts(framed(pictures), picture, row, column)
        x, anchor, value = (
            torch.from_numpy(part).float() for part in (inputs(context), anchors(context), pictures.reshape(-1, 3))
        )
        nats = -log_prob(self.network(x), anchor, value)
        return nats.unflatten(0, (len(pictures), -1)).mean(1) / _NATS


_NATS = CHANNELS * math.log(2)
