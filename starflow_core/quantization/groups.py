"""4-bit weights with a scale and an offset for each group of a row: ŵ = s·q + o, with q from 0 to 15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .layer import SCALE, QuantizedLinear

OFFSET = "weight_offset"
GROUP = 64  # weights of a row that share a scale
LARGEST = 15
# Shares of a group's range that are tried: with a narrower one all weights but the extreme ones are closer.
RANGES = (1.0, 0.9, 0.8)
FITS = 4  # alternations between the nearest q, and the s and o of least squares
# Rows of x, by its dtype, up to which torch's kernel for CPUs is faster than a product with Ŵ; measured.
KERNEL_ROWS = {torch.bfloat16: 128, torch.float32: 2}
FLOAT16 = torch.finfo(torch.float16)
KERNEL_OUT = 16  # the kernel takes multiples of it as `out_features`


class Int4Linear(QuantizedLinear):
    """Two neighbours of a row share a byte: the first in the lower half."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._packed: tuple[Tensor, Tensor] | None = None  # the weight in the order of the CPU's kernel

    @staticmethod
    def stored(out_features: int, in_features: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        groups = (out_features, in_features // GROUP)
        return {
            "weight": ((out_features, in_features // 2), torch.uint8),
            SCALE: (groups, torch.float16),
            OFFSET: (groups, torch.float16),
        }

    @staticmethod
    def takes(in_features: int) -> bool:
        return in_features > 0 and in_features % GROUP == 0

    @staticmethod
    def quantize(weight: Tensor) -> dict[str, Tensor]:
        """The least squared error of a few ranges, each improved by alternating least squares."""
        groups = weight.float().unflatten(1, (-1, GROUP))
        low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
        best_error = torch.full_like(low, torch.inf)
        best_scale, best_offset = torch.ones_like(low), low
        for share in RANGES:
            middle, half = (low + high) / 2, share * (high - low) / 2
            scale, offset = _divisor(_storable(2 * half / LARGEST)), _storable(middle - half)
            for fit in range(FITS + 1):
                codes = _nearest(groups, scale, offset)
                error = (codes * scale + offset - groups).square().sum(-1, keepdim=True)
                better = error < best_error
                best_error = torch.where(better, error, best_error)
                best_scale, best_offset = (
                    torch.where(better, scale, best_scale),
                    torch.where(better, offset, best_offset),
                )
                if fit < FITS:
                    scale, offset = _least_squares(groups, codes)
        codes = _nearest(groups, best_scale, best_offset).flatten(1).to(torch.uint8)
        return {
            "weight": codes[:, ::2] | codes[:, 1::2] << 4,
            SCALE: best_scale[..., 0].half(),
            OFFSET: best_offset[..., 0].half(),
        }

    def dequantized(self, like: Tensor) -> Tensor:
        scale, offset = (self.get_buffer(name).to(like.device).float() for name in (SCALE, OFFSET))
        codes = self._codes().to(like.device).unflatten(1, (-1, GROUP))
        return torch.addcmul(offset[..., None], codes, scale[..., None]).flatten(1).to(like.dtype)

    def fused(self, x: Tensor) -> Tensor | None:
        is_here = x.device.type == self.weight.device.type == "cpu"
        if not is_here or len(x) > KERNEL_ROWS.get(x.dtype, 0) or self.out_features % KERNEL_OUT:
            return None
        weight, scales = self._for_kernel(x.dtype)
        y: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(x.contiguous(), weight, GROUP, scales)
        return y

    def packed_bytes(self, dtype: torch.dtype) -> int:
        """Bytes of the second copy of the weight that the CPU's kernel takes, in the dtype of a computation."""
        return self.weight.nbytes + 2 * self.get_buffer(SCALE).numel() * dtype.itemsize

    def _codes(self) -> Tensor:
        """q (out, in), uint8."""
        return torch.stack([self.weight & LARGEST, self.weight >> 4], -1).flatten(1)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _for_kernel(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The weight in the order of the CPU's kernel, whose zero is the code 8, and its scales and zeros."""
        if self._packed is None or self._packed[1].dtype != dtype:
            scale, offset = (self.get_buffer(name).float() for name in (SCALE, OFFSET))
            scales = torch.stack([scale, offset + (LARGEST + 1) // 2 * scale], -1).transpose(0, 1)
            packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(self._codes().int(), 1)
            self._packed = packed, scales.contiguous().to(dtype)
        return self._packed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self._packed = None
        return super()._apply(fn, recurse)


def _nearest(groups: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    return ((groups - offset) / scale).round().clamp(0, LARGEST)


def _least_squares(groups: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and the offset of least squared error for given codes."""
    mean, middle = codes.mean(-1, keepdim=True), groups.mean(-1, keepdim=True)
    spread = (codes - mean).square().sum(-1, keepdim=True)
    scale = ((codes - mean) * (groups - middle)).sum(-1, keepdim=True) / spread.clamp(min=1e-6)
    scale = _divisor(_storable(scale))
    return scale, _storable(middle - scale * mean)


def _storable(numbers: Tensor) -> Tensor:
    """Rounded to float16, as they are stored."""
    return numbers.clamp(-FLOAT16.max, FLOAT16.max).half().float()


def _divisor(scale: Tensor) -> Tensor:
    """A storable scale that is not zero."""
    return torch.where(scale == 0, torch.full_like(scale, FLOAT16.tiny), scale)
