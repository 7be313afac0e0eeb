"""The precision of each part of a model: the dtype of its computation, and the format of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

from ..flow.precision import bfloat16_is_faster
from ..quantization import NAMES
from ..quantization.formats import checked_format

Precision = torch.dtype | str
PARTS = ("flow", "text_encoder", "autoencoder")
# Formats of the text encoder beside those of the flow. Its features would suffer from 4 bits, and it is in memory only
# while prompts are read.
BESIDE = {"int4": "int8"}


class Kept(NamedTuple):
    """How a part is kept and computed.

    Attributes:
        dtype: of the computation, and of all weights that are not of the format.
        weight_format: of the weights of large layers; None for plain ones.
    """

    dtype: torch.dtype
    weight_format: str | None = None


def chosen_precisions(
    asked: Precision | Mapping[str, Precision] | None, suits: torch.dtype, device: torch.device, *, dequantized: bool
) -> dict[str, Kept]:
    """The precision of each part.

    Args:
        asked: of the flow and the text encoder, or of each part by name; None for what suits them.
        suits: the dtype that suits the flow's size and device.
        device: of the computation.
        dequantized: it is a flow of 8-bit pictures, whose steps bfloat16 blurs.

    Raises:
        ValueError: a part or a format is unknown, or nothing computes in a dtype.
    """
    parts: dict[str, Precision] = {}
    if isinstance(asked, Mapping):
        if unknown := sorted(asked.keys() - set(PARTS)):
            raise ValueError(f"dtype names {', '.join(unknown)}; the parts are {', '.join(PARTS)}.")
        parts = dict(asked)
    elif asked is not None:
        parts = {"flow": asked, "text_encoder": BESIDE.get(str(asked), asked)}
    if isinstance(parts.get("autoencoder"), str):
        raise ValueError("The autoencoder has no formats of few bits; give it a dtype, such as torch.bfloat16.")
    quick = torch.bfloat16 if bfloat16_is_faster(device.type) and not dequantized else torch.float32
    default: dict[str, torch.dtype] = {"flow": suits, "text_encoder": suits, "autoencoder": torch.float32}
    return {part: _kept(parts.get(part, default[part]), quick) for part in PARTS}


def _kept(asked: Precision, quick: torch.dtype) -> Kept:
    if isinstance(asked, torch.dtype):
        if not asked.is_floating_point or asked.itemsize < 2:
            raise ValueError(
                f"Nothing computes in {asked}; for weights of few bits, dtype is one of {', '.join(NAMES)}."
            )
        return Kept(asked)
    checked_format(asked)
    return Kept(quick, asked)
