"""Conversion of pictures to tensors for the networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from starflow_core.training.loop import device


def as_tensor(images: np.ndarray) -> Tensor:
    """Pictures (N, H, W, 3) uint8 → (N, 3, H, W) in [−1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().to(device()) / 127.5 - 1
