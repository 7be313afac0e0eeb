"""What all layers of quantised weights share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = "weight_scale"


class QuantizedLinear(nn.Module, ABC):
    """y = x Ŵᵀ + b, where small numbers and scales stand for the weight Ŵ (out, in).

    It computes on the device and in the dtype of its input, as all layers of the core do. The scales keep their own
    dtype, whatever dtype the model is brought to: rounded scales would shift whole rows.

    Args:
        in_features: numbers of an input.
        out_features: numbers of an output.
        bias: whether there is a bias b (out,).
        device: of the tensors.
        dtype: of the bias.
    """

    weight: Tensor
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        for name, (shape, kind) in self.stored(out_features, in_features).items():
            self.register_buffer(name, torch.empty(shape, device=device, dtype=kind))
        zeros = torch.zeros(out_features, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", None if zeros is None else nn.Parameter(zeros, requires_grad=False))

    @staticmethod
    @abstractmethod
    def stored(out_features: int, in_features: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Names, shapes and dtypes of the tensors that stand for a weight."""

    @staticmethod
    @abstractmethod
    def takes(in_features: int) -> bool:
        """Whether rows of this length can be stored."""

    @staticmethod
    @abstractmethod
    def quantize(weight: Tensor) -> dict[str, Tensor]:
        """The tensors of `stored` for a weight (out, in) of finite numbers."""

    @abstractmethod
    def dequantized(self, like: Tensor) -> Tensor:
        """Ŵ on a tensor's device and in its dtype."""

    @abstractmethod
    def fused(self, x: Tensor) -> Tensor | None:
        """x Ŵᵀ (rows, out) of x (rows, in) without Ŵ in memory; None where Ŵ is faster, or there is no such way."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        y = None
        if x.numel() and not (x.requires_grad and torch.is_grad_enabled()):  # the fused ways have no gradient
            y = self.fused(x.reshape(-1, self.in_features))
        if y is None:
            return F.linear(x, self.dequantized(x), _cast(self.bias, x))
        y = y.view(*x.shape[:-1], self.out_features)
        bias = _cast(self.bias, x)
        return y if bias is None else y + bias

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        own = {name: buffer.dtype for name, buffer in self.named_buffers() if buffer.is_floating_point()}
        before = {name: getattr(self, name) for name in own}
        applied = super()._apply(fn, recurse)
        for name, dtype in own.items():
            moved = getattr(self, name)
            if moved.dtype != dtype:
                setattr(self, name, before[name].to(moved.device))
        return applied

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def _cast(bias: Tensor | None, x: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(x)
