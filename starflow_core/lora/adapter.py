"""A LoRA: low-rank changes of a flow's matrices (arXiv 2106.09685), and its file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..weights.tensors import save_tensors

FILE = "lora.safetensors"  # in the folder of a training
PART = "flow"  # whose modules the names in a file begin with
PREFIXES = ("base_model.model.", f"{PART}.")  # that are taken off names in files, those of peft's first
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
ENDS = (DOWN, UP)
MOST_RANK = 1024


@dataclass(frozen=True)
class Lora:
    """Changes ΔW = (α/r)·B·A of some matrices W.

    Attributes:
        down: A (r, in) of each matrix, by the name of its layer.
        up: B (out, r) of the same.
        alpha: α.
        base: name of the model that it was trained on; "" where unknown.
        weights: identifies that model's weights, as `insight.reference.identity` does; "" where unknown.

    Raises:
        ValueError: matrices do not belong together.
    """

    down: Mapping[str, Tensor]
    up: Mapping[str, Tensor]
    alpha: float
    base: str = ""
    weights: str = ""

    def __post_init__(self) -> None:
        if not self.down or self.down.keys() != self.up.keys():
            raise ValueError("it must hold lora_A and lora_B of one layer at least, and both of each")
        ranks = {tensor.shape[0] for tensor in self.down.values() if tensor.ndim == 2}
        ranks |= {tensor.shape[1] for tensor in self.up.values() if tensor.ndim == 2}
        if len(ranks) != 1 or any(tensor.ndim != 2 for tensor in (*self.down.values(), *self.up.values())):
            raise ValueError("its matrices must all have one rank")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError("its alpha must be a positive number")

    @property
    def rank(self) -> int:
        """r, of all matrices."""
        return next(iter(self.down.values())).shape[0]

    def change(self, layer: str) -> Tensor:
        """ΔW (out, in) of a layer, float32."""
        return self.alpha / self.rank * (self.up[layer].float() @ self.down[layer].float())

    def save(self, file: os.PathLike[str] | str) -> None:
        """Write a safetensors file as peft and diffusers name its tensors, with rank and alpha in its metadata.

        Raises:
            OSError: it cannot be written; a file of the same name is unchanged.
        """
        tensors = {f"{PART}.{name}{DOWN}": tensor.contiguous() for name, tensor in self.down.items()}
        tensors |= {f"{PART}.{name}{UP}": tensor.contiguous() for name, tensor in self.up.items()}
        told = {"format": "pt", "rank": str(self.rank), "alpha": f"{self.alpha:g}"}
        save_tensors(tensors, Path(file), {**told, "base": self.base, "weights": self.weights})

    @classmethod
    def load(cls, file: os.PathLike[str] | str) -> Lora:
        """Read a LoRA from its file, or from the folder of its training.

        Raises:
            ValueError: there is no such file, or it is no LoRA.
        """
        path = Path(file) / FILE if Path(file).is_dir() else Path(file)
        try:
            with safe_open(path, "pt") as opened:
                told = opened.metadata() or {}
                tensors = {_name(name): opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise ValueError(f"There is no LoRA {file}.") from None
        except (SafetensorError, OSError):
            raise ValueError(f"{path} is no LoRA, or it is damaged: it is no safetensors file.") from None
        parts = {end: {name.removesuffix(end): t for name, t in tensors.items() if name.endswith(end)} for end in ENDS}
        try:
            if len(tensors) != sum(map(len, parts.values())):
                raise ValueError("it holds other tensors than lora_A and lora_B")
            if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
                raise ValueError("it holds numbers that are not finite")
            rank = next((tensor.shape[0] for tensor in parts[DOWN].values()), 1)
            alpha = float(told.get("alpha", rank))
            return cls(parts[DOWN], parts[UP], alpha, told.get("base", ""), told.get("weights", ""))
        except ValueError as error:
            raise ValueError(f"{path} is no LoRA that can be used: {error}.") from None


def _name(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def zero_change(layers: Mapping[str, Tensor], rank: int, generator: torch.Generator | None = None) -> Lora:
    """A LoRA that changes nothing yet: A random, B zero.

    Args:
        layers: the matrices (out, in) to change, by name.
        rank: r; α is the same.
        generator: of A.
    """
    down = {
        name: torch.randn(rank, weight.shape[1], generator=generator) / math.sqrt(weight.shape[1])
        for name, weight in layers.items()
    }
    return Lora(down, {name: torch.zeros(weight.shape[0], rank) for name, weight in layers.items()}, float(rank))
