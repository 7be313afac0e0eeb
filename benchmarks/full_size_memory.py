"""Memory of the published model's size, by format of its weights: `python -m benchmarks.full_size --memory`.

Each part runs in a process of its own, with random numbers of the format: the text encoder reads a prompt, and the flow
draws the first tokens of a guided picture after its largest cache was filled. What is computed is
`starflow_core.memory.sampling_memory` with the weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from starflow_core import operations as casting
from starflow_core.codecs.t5 import T5Config, T5Encoder
from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.predictor import Predictor
from starflow_core.flow.starflow import StarFlow
from starflow_core.memory import sampling_memory
from starflow_core.quantization.formats import layers_to_quantize
from starflow_core.samplers import Sequential
from starflow_core.weights.precision import BESIDE
from starflow_core.weights.published import STARFLOW_3B

from .memory import peak_memory

FORMATS = ("bfloat16", "int8", "int4")
STEPS = 3
GUIDANCE = 3.6


class Filled(Sequential):
    """Token by token for a few steps, with every byte of the cache written before."""

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        cache, shape = predictor.cache, predictor.block.shape
        rest, heads = cache.capacity - cache.length, shape.width // shape.head_dim
        for layer in range(shape.layers):
            cache.append(layer, torch.zeros(1, 1, 1, 1, 1).expand(predictor.rows, 2, heads, rest, shape.head_dim))
        steps = super().invert(predictor, z)
        for _ in range(STEPS):
            _, x = next(steps)
        yield z.shape[1], x


def of_format(model: nn.Module, name: str) -> nn.Module:
    """A model on the meta device as one of random weights in bfloat16, its large layers in a format."""
    kinds = {} if name == "bfloat16" else layers_to_quantize(model, name)
    for layer, kind in kinds.items():
        plain, (parent, _, own) = model.get_submodule(layer), layer.rpartition(".")
        assert isinstance(plain, nn.Linear)
        new = kind(plain.in_features, plain.out_features, plain.bias is not None, device="meta")
        setattr(model.get_submodule(parent), own, new)
    made = {name: _random(tensor) for name, tensor in model.state_dict().items()}
    model.load_state_dict(made, assign=True)
    return model.eval().requires_grad_(False)


def _random(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return torch.randint(0, 100, tensor.shape, dtype=tensor.dtype)
    if tensor.dtype == torch.float32 and tensor.ndim > 1:
        return torch.empty(tensor.shape, dtype=torch.bfloat16).normal_(std=0.01)
    return torch.full(tensor.shape, 1e-4, dtype=tensor.dtype if tensor.dtype == torch.float16 else torch.float32)


def held(model: nn.Module) -> int:
    """Bytes of a model's weights."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


@torch.inference_mode()
def flow(name: str) -> int:
    """The bytes that are computed for a guided drawing, its weights among them, after it has begun."""
    with torch.device("meta"):
        plain = StarFlow(STARFLOW_3B, casting)
    made = of_format(plain, name)
    assert isinstance(made, StarFlow)
    made.computes_like(torch.empty(0, dtype=torch.bfloat16))
    text = seeded_noise((STARFLOW_3B.txt_size, STARFLOW_3B.txt_dim), 1_000, 1)
    guidance, sampler = made.guide(GUIDANCE), Filled()
    z = seeded_noise((4, 32, 32), 0, 1)
    made.inverse(z, text, guidance=guidance, unconditional=text, sampler=sampler)
    return held(made) + sampling_memory(made, 1, made.grid(z), text, guidance=guidance, sampler=sampler)


@torch.inference_mode()
def text_encoder(name: str) -> int:
    """The bytes of its weights, after it has read a prompt."""
    from .full_size import FLAN_T5_XL

    with torch.device("meta"):
        plain = T5Encoder(T5Config.from_dict({**FLAN_T5_XL, "feed_forward_proj": "gated-gelu"}))
    made = of_format(plain, BESIDE.get(name, name))
    made(torch.ones(1, STARFLOW_3B.txt_size, dtype=torch.int64), torch.ones(1, STARFLOW_3B.txt_size, dtype=torch.int64))
    return held(made)


PARTS = {"flow": flow, "text encoder": text_encoder}


def lines() -> Iterator[str]:
    """The table, a process a row; the memory of a process that has only imported is taken off."""
    yield "| part | weights | peak memory, measured | computed |"
    yield "| --- | --- | --- | --- |"
    for name in FORMATS:
        for part in PARTS:
            command = [sys.executable, "-m", "benchmarks.full_size_memory", part, name]
            before, peak, said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            own = BESIDE.get(name, name) if part == "text encoder" else name
            yield f"| {part} | {own} | {(peak - before) / 1e9:.2f} GB + {before / 1e9:.2f} GB | {said / 1e9:.2f} GB |"


if __name__ == "__main__":
    start = peak_memory()
    computed = PARTS[sys.argv[1]](sys.argv[2])
    print(json.dumps([start, peak_memory(), computed]))
