"""The golden files of video flows: random weights, inputs and outputs. Those of the published, inexact sampling at a
loose tolerance were left away.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple

from golden import DATA
from safetensors import safe_open
from torch import Tensor

from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.starflow import StarFlow

VIDEO_FLOWS = sorted(path.stem for path in DATA.glob("starflowv_*.safetensors"))
DRAWN = re.compile(
    r"(?:(?P<given>given\d)\.|(?P<image>image)\.)?(?:long\.window(?P<window>\d+)\.context(?P<context>\d+)\.)?"
    r"(?P<way>reverse|jacobi)\.cfg(?P<guidance>\d+\.\d+)(?:\.block\d+\.th1e-08)?"
)


class Drawn(NamedTuple):
    """An expected video, what it is drawn from, and how."""

    noise: Tensor
    options: dict[str, Any]
    expected: Tensor


class GoldenVideo(NamedTuple):
    flow: StarFlow
    tensors: dict[str, Tensor]

    @property
    def text(self) -> Tensor:
        return self.tensors["text"].chunk(2)[0]

    def drawn(self) -> dict[str, Drawn]:
        """Every expected result of sampling."""
        found = {}
        for name, expected in self.tensors.items():
            if match := DRAWN.fullmatch(name):
                start = "long." if match["window"] else "image." if match["image"] else ""
                options: dict[str, Any] = {"guidance": float(match["guidance"])}
                options["given"] = self.tensors[match["given"]] if match["given"] else None
                options |= {key: int(match[key]) for key in ("window", "context") if match[key]}
                options["unconditional"] = self.tensors["text"].chunk(2)[1]
                found[name] = Drawn(self.tensors[f"{start}noise"], options, expected)
        return found


@functools.cache
def load_video(name: str) -> GoldenVideo:
    with safe_open(DATA / f"{name}.safetensors", "pt") as file:
        config = StarFlowConfig.from_dict(json.loads(file.metadata()["config"]))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
    weights = {key.removeprefix("model."): tensors.pop(key) for key in list(tensors) if key.startswith("model.")}
    return GoldenVideo(StarFlow.from_state_dict(config, weights), tensors)
