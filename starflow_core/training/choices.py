"""What can be asked of a training, and the defaults; without imports, so that the command's help is quick."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("tarflow", "starflow")
CONDITIONS = ("auto", "classes", "captions", "nothing")
SIDES = {"tarflow": 32, "starflow": 128}  # of the squares, in pixels
NOISE = {"tarflow": 0.07, "starflow": 0.2}  # standard deviation
MINUTES = 10.0
DTYPES = ("float32", "bfloat16")  # of the weights of a base that stays


@dataclass(frozen=True)
class Network:
    """The size of a flow.

    Attributes:
        channels: width of the transformers.
        blocks: of the flow.
        layers: of each block of a TarFlow, and of each block but the deep one of a STARFlow.
        deep_layers: of the last block of a STARFlow.
    """

    channels: int
    blocks: int
    layers: int
    deep_layers: int

    def parameters(self, kind: str) -> int:
        """About how many weights a flow of this size has."""
        starflow = (self.blocks - 1) * self.layers + self.deep_layers
        return 12 * self.channels**2 * (self.blocks * self.layers if kind == "tarflow" else starflow)


NETWORKS = {
    "tiny": Network(64, 4, 1, 2),
    "small": Network(128, 4, 2, 4),
    "medium": Network(192, 6, 2, 6),
    "large": Network(256, 8, 3, 8),
    "huge": Network(512, 8, 6, 16),
}
