"""The golden files: random weights, inputs and the outputs that a flow must reproduce."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.guidance import Guidance, Guided, StarFlowGuidance, TarFlowGuidance
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tarflow import TarFlow

DATA = Path(__file__).parent / "data"
STARFLOWS = sorted(path.stem for path in DATA.glob("starflow_*.safetensors"))
TARFLOWS = sorted(path.stem for path in DATA.glob("tarflow_*.safetensors"))
GOLDEN = STARFLOWS + TARFLOWS
REVERSE = {
    "starflow": re.compile(r"reverse\.cfg(?P<strength>[\d.]+)"),
    "tarflow": re.compile(r"reverse\.g(?P<strength>[\d.]+)\.(?P<what>a|b|ab)\.(?P<growth>const|annealed)"),
}


@dataclass(frozen=True)
class Golden:
    """One golden file, laid out the same way for both kinds of flow.

    Attributes:
        kind: "starflow" or "tarflow".
        config: of the flow.
        weights: its state dict.
        x: data (B, C, H, W), the input on the way to noise.
        condition: of x: text features (B, L, txt_dim), labels (B,), or None.
        noise: (B, C, H, W), the input on the way to data.
        drawn: the condition of what is drawn from the noise.
        unconditional: features (B, L, txt_dim) of the empty prompt; None for a TarFlow.
        expected: every output by its name in the file, tokens as (B, C, H, W) under their name without `_tokens`.
    """

    kind: str
    config: StarFlowConfig | TarFlowConfig
    weights: dict[str, Tensor]
    x: Tensor
    condition: Tensor | None
    noise: Tensor
    drawn: Tensor | None
    unconditional: Tensor | None
    expected: dict[str, Tensor]

    def flow(self) -> StarFlow | TarFlow:
        if isinstance(self.config, StarFlowConfig):
            return StarFlow.from_state_dict(self.config, self.weights)
        return TarFlow.from_state_dict(self.config, self.weights)

    def outputs(self, start: str) -> dict[str, Tensor]:
        """The expected outputs whose names start so."""
        return {name: output for name, output in self.expected.items() if name.startswith(start)}

    def guidances(self) -> dict[str, Guidance]:
        """The guidance of each expected output of the way from noise to data."""
        matches = {name: REVERSE[self.kind].fullmatch(name) for name in self.expected}
        return {name: _guidance(**match.groupdict()) for name, match in matches.items() if match}


@functools.cache
def load_golden(name: str) -> Golden:
    with safe_open(DATA / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
    weights = {key.removeprefix("model."): tensors.pop(key) for key in list(tensors) if key.startswith("model.")}
    kind, names, x = metadata["kind"], json.loads(metadata["config"]), tensors.pop("x")
    if kind == "starflow":
        text, empty = tensors.pop("text").chunk(2)
        config = StarFlowConfig.from_dict(names)
        return Golden(kind, config, weights, x, text, tensors.pop("noise"), text, empty, tensors)
    labels, drawn = tensors.pop("labels", None), tensors.pop("sample.labels", None)
    side, p = names["img_size"], names["patch_size"]
    tensors = {
        key.replace("_tokens", ""): F.fold(tensor.mT, (side, side), p, stride=p) if "_tokens" in key else tensor
        for key, tensor in tensors.items()
    }
    return Golden(kind, TarFlowConfig.from_dict(names), weights, x, labels, tensors.pop("noise"), drawn, None, tensors)


def _guidance(strength: str, what: str | None = None, growth: str | None = None) -> Guidance:
    if what is None:
        return StarFlowGuidance(float(strength))
    return TarFlowGuidance(float(strength), cast(Guided, what), growth == "annealed")


def published_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a published checkpoint."""
    shapes = json.loads((DATA / f"{name}.keys.json").read_text())
    return {key: tuple(shape) for key, shape in shapes.items()}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual.double() - expected.double()).norm() / expected.double().norm())
