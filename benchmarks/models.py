"""The models that benchmarks run on, with inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from starflow_core.config import FlowConfig
from starflow_core.flow import StarFlow
from starflow_core.model_folder import load
from starflow_core.noise import seeded_noise

RANDOM_14M = FlowConfig(
    in_channels=4,
    img_size=16,
    channels=256,
    num_blocks=6,
    layers_per_block=(2, 2, 2, 2, 2, 8),
    txt_size=32,
    txt_dim=256,
    soft_clip=4.0,
)
# PyTorch's default weights make tokens depend on each other less than those of a trained flow do.
OUTPUT_GAIN = 1.25
PROMPTS = ("red heart", "smiling face", "dog face", "pizza", "rocket", "sunflower", "blue car", "cat")


@dataclass(frozen=True)
class Subject:
    """A flow with what it samples from: noise (B, C, H, W), text and unconditional text (B, L, txt_dim).

    `iterations` is what is known of the model for `Jacobi`.
    """

    flow: StarFlow
    noise: Tensor
    text: Tensor
    unconditional: Tensor
    iterations: tuple[int, ...] | None


def embedded(batch: int) -> Subject:
    """The embedded model in float32 on the CPU, with real prompts."""
    pipeline = load(device="cpu")
    assert pipeline.text_encoder is not None
    text = pipeline.text_encoder.encode([PROMPTS[i % len(PROMPTS)] for i in range(batch)])
    unconditional = pipeline.text_encoder.encode([""]).expand_as(text)
    return Subject(
        pipeline.flow, _noise(pipeline.flow.config, batch), text, unconditional, pipeline.defaults.iterations
    )


def random_14m(batch: int) -> Subject:
    """A random flow of 14 M parameters on 256 tokens and 32 text tokens."""
    torch.manual_seed(0)
    flow = StarFlow(RANDOM_14M).eval().requires_grad_(False)
    for block in flow.blocks:
        assert block.sos_embed is not None
        nn.init.normal_(block.sos_embed)
        block.proj_out.weight.mul_(OUTPUT_GAIN)
        block.proj_out.bias.mul_(OUTPUT_GAIN)
    shape = (RANDOM_14M.txt_size, RANDOM_14M.txt_dim)
    text = seeded_noise(shape, 1_000, batch)
    unconditional = seeded_noise(shape, 2_000, 1).expand_as(text)
    return Subject(flow, _noise(RANDOM_14M, batch), text, unconditional, iterations=None)


def _noise(config: FlowConfig, batch: int) -> Tensor:
    return seeded_noise((config.in_channels, config.img_size, config.img_size), 0, batch)


SUBJECTS = {"starflow-mini": embedded, "random 14 M": random_14m}
