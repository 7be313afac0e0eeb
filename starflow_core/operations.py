"""Device and dtype of a computation: set by the caller who loads a model, never read from a weight.

Weights may be on another device or of another dtype than the computation: a host that shares a device's memory moves
them at will, and stores them in a small dtype. These layers cast their weights to the device and dtype of their
input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class Linear(nn.Linear):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:  # whose initial values cost time, and are none
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x), _cast(self.bias, x))


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, _cast(self.weight, x), _cast(self.bias, x), self.eps)


class GroupNorm(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, _cast(self.weight, x), _cast(self.bias, x), self.eps)


class Conv2d(nn.Conv2d):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.to(x), _cast(self.bias, x))


class Conv3d(nn.Conv3d):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.to(x), _cast(self.bias, x))


class Embedding(nn.Embedding):
    """Of the device of the ids, in the dtype that the weights are stored in."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:  # where normal numbers take half a second of imports
            super().reset_parameters()

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight.to(ids.device), self.padding_idx)


def rebuilt(model: Module, operations: Any) -> Module:
    """A model of another library, with its plain linear layers and embeddings replaced by those of a namespace of
    operations; they keep their parameters.
    """
    replaced: dict[nn.Module, nn.Module] = {}  # of one that stands in two places, one
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                new = operations.Linear(child.in_features, child.out_features, child.bias is not None, device="meta")
            elif type(child) is nn.Embedding:
                new = operations.Embedding(child.num_embeddings, child.embedding_dim, child.padding_idx, device="meta")
            else:
                continue
            new = replaced.setdefault(child, new.requires_grad_(child.weight.requires_grad))
            new.load_state_dict(child.state_dict(keep_vars=True), assign=True)
            setattr(parent, name, new.train(child.training))
    return model


def _cast(weight: Tensor | None, x: Tensor) -> Tensor | None:
    return None if weight is None else weight.to(x)


class Computing(nn.Module):
    """A module with an explicit device and dtype of its computation.

    Attributes:
        device, dtype: of the computation. `to` and its kin set them as they move and convert the weights; a host that
            keeps weights elsewhere, or in another dtype, sets them separately.

    Args:
        device: as torch takes it for new tensors; None for its default.
        dtype: as torch takes it for new tensors; None for its default.
    """

    def __init__(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.computes_like(torch.empty(0, device=device, dtype=dtype))

    def computes_like(self, tensor: Tensor) -> None:
        """Compute on a tensor's device and in its dtype."""
        self.device, self.dtype = tensor.device, tensor.dtype

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        applied = super()._apply(fn, recurse)
        self.computes_like(fn(torch.empty(0, device=self.device, dtype=self.dtype)))
        return applied
