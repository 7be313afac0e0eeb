"""8-bit weights with a scale for each row: Ŵ = s ⊙ Q."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layer import SCALE, QuantizedLinear

# Rows of x, by its dtype, up to which torch's kernel for CPUs is faster than a product with Q in that dtype; measured.
KERNEL_ROWS = {torch.bfloat16: 32, torch.float32: 2}


class RowScaledLinear(QuantizedLinear):
    """A subclass says which numbers Q are kept.

    Attributes:
        kept: their dtype.
        largest: the largest of them, which the largest weight of each row becomes.
    """

    kept: torch.dtype
    largest: float

    @classmethod
    def stored(cls, out_features: int, in_features: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        return {"weight": ((out_features, in_features), cls.kept), SCALE: ((out_features,), torch.float32)}

    @classmethod
    def takes(cls, in_features: int) -> bool:
        return in_features > 0

    @classmethod
    def quantize(cls, weight: Tensor) -> dict[str, Tensor]:
        weight = weight.float()
        scale = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / cls.largest
        return {"weight": cls.rounded(weight / scale[:, None]), SCALE: scale}

    @classmethod
    def rounded(cls, numbers: Tensor) -> Tensor:
        """Numbers within ± `largest`, as they are kept."""
        return numbers.to(cls.kept)

    def dequantized(self, like: Tensor) -> Tensor:
        return (self.weight.to(like.device).float() * self.get_buffer(SCALE).to(like.device)[:, None]).to(like.dtype)

    def fused(self, x: Tensor) -> Tensor | None:
        """s ⊙ (x Qᵀ): bfloat16 and float32 hold Q exactly, and to convert Q takes less time than to scale it."""
        if x.dtype == torch.float16:  # in which large products would overflow
            return None
        y = F.linear(x, self.weight.to(x))
        return (y.float() * self.get_buffer(SCALE).to(x.device)).to(x.dtype)


class Int8Linear(RowScaledLinear):
    """Q of whole numbers from −127 to 127."""

    kept, largest = torch.int8, 127.0

    @classmethod
    def rounded(cls, numbers: Tensor) -> Tensor:
        return numbers.round().to(cls.kept)

    def fused(self, x: Tensor) -> Tensor | None:
        is_here = x.device.type == self.weight.device.type == "cpu"
        if not is_here or len(x) > KERNEL_ROWS.get(x.dtype, 0):
            return super().fused(x)
        scale = self.get_buffer(SCALE).to(x.dtype)
        y: Tensor = torch.ops.aten._weight_int8pack_mm(x.contiguous(), self.weight, scale)
        return y


class Float8Linear(RowScaledLinear):
    """Q of floating-point numbers of 8 bits, with 4 bits of exponent and 3 of mantissa, up to ±448."""

    kept, largest = torch.float8_e4m3fn, 448.0
