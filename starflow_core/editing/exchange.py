"""The plain iteration: a picture's noise, with that of the hole exchanged, is drawn again, and again."""

from __future__ import annotations

import torch
from torch import Tensor

from ..flow.flow import Flow
from ..samplers import ProgressCallback, Sampler


@torch.no_grad()
def exchanged(
    flow: Flow,
    x: Tensor,
    hole: Tensor,
    noise: Tensor,
    condition: Tensor | None,
    *,
    sampler: Sampler,
    progress: ProgressCallback | None = None,
) -> Tensor:
    """One round of the iteration: data whose hole is drawn from a given noise (STARFlow, arXiv 2506.06276).

    It takes the data to noise, replaces the noise of the hole's places, draws the data again, and puts the known places
    back. Blocks of both directions mix all places, so it takes several rounds; where it settles, the data have the
    known places exactly, and the given noise in the hole.

    Args:
        flow: the model.
        x: (1, C, H, W), where to begin, with the noise of training.
        hole: (1, 1, H, W), true where x may change.
        noise: (1, C, H, W), of which the hole's places count.
        condition: (1, …), as for the flow.
        sampler: how the flow is inverted.
        progress: called after every step; an exception that it raises ends the work.
    """
    z = torch.where(hole, noise.to(x), flow(x, condition).z)
    again = flow.inverse(z, condition, sampler=sampler, progress=progress)
    return torch.where(hole, again.to(x), x)
