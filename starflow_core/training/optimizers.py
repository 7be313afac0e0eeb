"""The optimizers of a training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def optimizers(model: nn.Module, hidden_weights: Iterable[Tensor], weight_decay: float) -> list[Optimizer]:
    """Muon (arXiv 2502.16982) for matrices between hidden states, if there are any, and AdamW for all other parameters.

    Muon's updates are scaled to the size of AdamW's, so both take the same learning rate; the caller sets it.

    Args:
        model: to train.
        hidden_weights: some of its parameters, each a matrix.
        weight_decay: of all parameters.

    Raises:
        ValueError: a hidden weight is not a matrix.
        RuntimeError: there are hidden weights, and this version of torch is older than 2.9, which brings Muon.
    """
    hidden = list(hidden_weights)
    own = {id(weight) for weight in hidden}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    found: list[Optimizer] = [torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True)]
    if hidden:
        if not hasattr(torch.optim, "Muon"):
            raise RuntimeError("This training needs torch 2.9 or newer; `pip install --upgrade torch` brings it.")
        found.append(torch.optim.Muon(hidden, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"))
    return found
