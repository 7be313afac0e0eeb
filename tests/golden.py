"""The golden files: random weights, inputs and the outputs that a flow must reproduce."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from starflow_core.config import FlowConfig
from starflow_core.flow import StarFlow

DATA = Path(__file__).parent / "data"
STARFLOWS = sorted(path.stem for path in DATA.glob("starflow_*.safetensors"))


@dataclass(frozen=True)
class Golden:
    """One golden file.

    Attributes:
        config: of the flow.
        weights: its state dict.
        x: latents (B, C, H, W), the input on the way to noise.
        noise: (B, C, H, W), the input on the way to latents.
        text: features (B, L, txt_dim) of the prompts.
        unconditional: features (B, L, txt_dim) of the empty prompt.
        expected: every output by its name in the file.
    """

    config: FlowConfig
    weights: dict[str, Tensor]
    x: Tensor
    noise: Tensor
    text: Tensor
    unconditional: Tensor
    expected: dict[str, Tensor]

    def flow(self) -> StarFlow:
        return StarFlow.from_state_dict(self.config, self.weights)


@functools.cache
def load_golden(name: str) -> Golden:
    with safe_open(DATA / f"{name}.safetensors", "pt") as file:
        config = FlowConfig.from_dict(json.loads(file.metadata()["config"]))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
    weights = {key.removeprefix("model."): tensors.pop(key) for key in list(tensors) if key.startswith("model.")}
    text, unconditional = tensors.pop("text").chunk(2)
    return Golden(config, weights, tensors.pop("x"), tensors.pop("noise"), text, unconditional, tensors)


def published_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a published checkpoint."""
    shapes = json.loads((DATA / f"{name}.keys.json").read_text())
    return {key: tuple(shape) for key, shape in shapes.items()}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual.double() - expected.double()).norm() / expected.double().norm())
