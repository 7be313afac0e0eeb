"""The models that benchmarks run on, with inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from starflow_core.flow.config import AnyFlowConfig, StarFlowConfig, TarFlowConfig
from starflow_core.flow.flow import Flow
from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tarflow import TarFlow
from starflow_core.samplers.calibration import count_iterations
from starflow_core.weights.model_folder import load

RANDOM_14M = StarFlowConfig(
    in_channels=4,
    img_size=16,
    channels=256,
    num_blocks=6,
    layers_per_block=(2, 2, 2, 2, 2, 8),
    txt_size=32,
    txt_dim=256,
    soft_clip=4.0,
)
# The size of the published model of 256×256 pictures of animals.
AFHQ_256 = TarFlowConfig(
    in_channels=3, img_size=256, patch_size=8, channels=768, num_blocks=8, layers_per_block=8, num_classes=3
)
# PyTorch's default weights make tokens depend on each other less than those of a trained flow do.
OUTPUT_GAIN = 1.25
# Without a final norm they depend on each other more, through scales that let the data explode from block to block.
# These, of all outputs' means and scales, keep the data near unit size. Blocks then need 4 iterations, the last many.
SCALE_GAIN, WEAK_GAIN, STRONG_GAIN = 0.1, 0.7, 2.0
PROMPTS = ("red heart", "smiling face", "dog face", "pizza", "rocket", "sunflower", "blue car", "cat")
CLASSES = ("cat", "face", "heart", "fruit", "flower", "clock", "person", "sign")


@dataclass(frozen=True)
class Subject:
    """A flow with what it samples from: noise (B, C, H, W) and conditions, as the flow takes them.

    `iterations` gives what is known of the model for `Jacobi`, or measures it.
    """

    flow: Flow
    noise: Tensor
    condition: Tensor | None
    unconditional: Tensor | None
    guidance: float
    iterations: Callable[[], tuple[int, ...] | None]


def embedded(name: str, typical: tuple[str, ...]) -> Callable[[int], Subject]:
    """An embedded model in float32 on the CPU, with real prompts or classes, at its own guidance and temperature."""

    def make(batch: int) -> Subject:
        pipeline = load(name, device="cpu")
        condition = pipeline.condition([typical[i % len(typical)] for i in range(batch)])
        assert condition is not None
        nothing = pipeline.condition([""])
        assert nothing is not None
        return Subject(
            pipeline.flow,
            pipeline.defaults.temperature * _noise(pipeline.flow.config, batch),
            condition,
            nothing.expand_as(condition),
            pipeline.defaults.guidance,
            lambda: pipeline.defaults.iterations,
        )

    return make


def random_14m(batch: int) -> Subject:
    """A random STARFlow of 14 M parameters on 256 tokens and 32 text tokens."""
    torch.manual_seed(0)
    flow = _scaled(StarFlow(RANDOM_14M), [OUTPUT_GAIN] * RANDOM_14M.num_blocks)
    for block in flow.blocks:
        assert block.sos_embed is not None
        nn.init.normal_(block.sos_embed)
    shape = (RANDOM_14M.txt_size, RANDOM_14M.txt_dim)
    text = seeded_noise(shape, 1_000, batch)
    unconditional = seeded_noise(shape, 2_000, 1).expand_as(text)
    return Subject(flow, _noise(RANDOM_14M, batch), text, unconditional, 3.0, lambda: None)


def random_afhq(batch: int) -> Subject:
    """A random TarFlow of 463 M parameters on 1,024 tokens, its iterations measured on another noise.

    As in trained ones, the tokens of the block that is inverted first depend on each other much more than the others'.
    """
    torch.manual_seed(0)
    gains = [WEAK_GAIN] * (AFHQ_256.num_blocks - 1) + [STRONG_GAIN]
    flow = _scaled(TarFlow(AFHQ_256), gains, SCALE_GAIN)
    for block in flow.blocks:
        assert block.pos_embed is not None
        assert block.class_embed is not None
        nn.init.normal_(block.pos_embed, std=0.5)
        nn.init.normal_(block.class_embed, std=0.5)
    labels = torch.arange(batch) % AFHQ_256.num_classes
    return Subject(
        flow,
        _noise(AFHQ_256, batch),
        labels,
        None,
        0.0,
        lambda: count_iterations(flow, seeded_noise((3, 256, 256), 1_000, 1), labels[:1]),
    )


def _scaled(flow: Flow, gains: Sequence[float], scale_gain: float | None = None) -> Flow:
    """The flow with each block's output times a gain; `scale_gain` is another one for the outputs that are scales."""
    flow.eval().requires_grad_(False)
    for block, gain in zip(flow.blocks, gains, strict=True):
        outputs = torch.full_like(block.proj_out.bias, gain)
        if scale_gain is not None:
            outputs[: len(outputs) // 2] = scale_gain
        block.proj_out.weight.mul_(outputs[:, None])
        block.proj_out.bias.mul_(outputs)
    return flow


def _noise(config: AnyFlowConfig, batch: int) -> Tensor:
    return seeded_noise((config.in_channels, config.img_size, config.img_size), 0, batch)


SUBJECTS = {
    "starflow-mini": embedded("starflow-mini", PROMPTS),
    "random 14 M": random_14m,
    "tarflow-mini": embedded("tarflow-mini", CLASSES),
    "random AFHQ-256": random_afhq,
}
