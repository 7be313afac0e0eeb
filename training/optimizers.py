"""What moves the weights: AdamW, and for the matrices of transformers Muon where the settings ask for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.95)


def build(model: nn.Module, settings: dict[str, Any]) -> list[torch.optim.Optimizer]:
    """The optimizers of all weights of a model.

    Args:
        model: to be trained; what it names as `matrices()` is what Muon is for.
        settings: `learning_rate`, and where they are not to be the default, `weight_decay` and `muon`, which says
            whether to use it. Its steps are scaled to the size of AdamW's, so that one learning rate serves both.
    """
    rate, decay = settings["learning_rate"], settings.get("weight_decay", 0.0)
    matrices = list(model.matrices()) if settings.get("muon") else []  # type: ignore[operator]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=rate, betas=BETAS, weight_decay=decay, fused=True)
    ]
    if matrices:
        optimizers.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers
