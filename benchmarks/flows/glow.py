"""Glow (Kingma and Dhariwal, arXiv 1807.03039), as the package normflows builds it."""

from __future__ import annotations

from torch import Tensor

from .contender import CHANNELS, SIDE, Continuous

LEVELS, STEPS, HIDDEN = 3, 8, 64


class Glow(Continuous):
    """Three levels of eight steps.

    Raises:
        SystemExit: normflows is not installed.
    """

    def __init__(self, levels: int = LEVELS, steps: int = STEPS, hidden: int = HIDDEN) -> None:
        super().__init__()
        try:
            import normflows
        except ImportError:
            raise SystemExit("Glow needs normflows: pip install --no-deps normflows.") from None
        bases, flows, merges = [], [], []
        for level in range(levels):  # from the smallest pictures up, as the package wants them
            channels = CHANNELS * 2 ** (levels + 1 - level)
            blocks = [normflows.flows.GlowBlock(channels, hidden) for _ in range(steps)]
            flows.append([*blocks, normflows.flows.Squeeze()])
            side = SIDE // 2 ** (levels - level)
            shape = (channels, side, side)
            if level:
                merges.append(normflows.flows.Merge())
                shape = (channels // 2, side, side)
            bases.append(normflows.distributions.DiagGaussian(shape))
        self.flow = normflows.MultiscaleFlow(bases, flows, merges, class_cond=False)

    def log_prob(self, x: Tensor) -> Tensor:
        total: Tensor = self.flow.log_prob(x, None)
        return total
