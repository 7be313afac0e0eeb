"""The configuration of published checkpoints, inferred from their tensors."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

from torch import Tensor

from ..flow.config import StarFlowConfig, TarFlowConfig

COLOURS = 3
# The published model of 3.9 billion parameters.
STARFLOW_3B = StarFlowConfig(
    in_channels=4,
    img_size=32,
    channels=3072,
    num_blocks=6,
    layers_per_block=(2, 2, 2, 2, 2, 24),
    txt_size=128,
    txt_dim=2048,
    soft_clip=4.0,
    noise_std=0.3,
)
AFHQ_NOISE = 0.07
# Files are named by patch size, width, blocks, layers a block and noise: afhq_model_8_768_8_8_0.07.pth
TARFLOW_NAME = re.compile(r"_(\d+)_(\d+)_(\d+)_(\d+)_(\d+(?:\.\d+)?)\.(?:pth|pt|safetensors)$")
LAYER = re.compile(r"blocks\.(\d+)\.attn_blocks\.(\d+)\.")


def tarflow_config(state_dict: Mapping[str, Tensor], noise_std: float) -> TarFlowConfig:
    """The configuration of a published TarFlow; its tensors show all of it but the noise.

    Raises:
        ValueError: these are not the tensors of a TarFlow of square RGB pictures.
    """
    try:
        positions, token_dim = state_dict["var"].shape
        width = state_dict["blocks.0.proj_in.weight"].shape[0]
        outputs = state_dict["blocks.0.proj_out.weight"].shape[0]
    except (KeyError, ValueError):
        raise ValueError("These are not the weights of a TarFlow: var, proj_in or proj_out are missing.") from None
    patch, side = math.isqrt(token_dim // COLOURS), math.isqrt(positions)
    layers = [match.groups() for name in state_dict if (match := LAYER.match(name))]
    if COLOURS * patch**2 != token_dim or side**2 != positions or not layers:
        raise ValueError(
            f"These are not the weights of a TarFlow of square RGB pictures: var is {positions}×{token_dim}."
        )
    classes = state_dict.get("blocks.0.class_embed")
    hidden = state_dict.get("blocks.0.attn_blocks.0.mlp.main.0.weight")
    return TarFlowConfig(
        in_channels=COLOURS,
        img_size=side * patch,
        patch_size=patch,
        channels=width,
        num_blocks=1 + max(int(block) for block, _ in layers),
        layers_per_block=1 + max(int(layer) for _, layer in layers),
        num_classes=0 if classes is None else classes.shape[0],
        nvp=outputs == 2 * token_dim,
        expansion=4 if hidden is None else hidden.shape[0] // width,
        noise_std=noise_std,
    )


def starflow_config(state_dict: Mapping[str, Tensor], noise_std: float) -> StarFlowConfig:
    """The configuration of a published STARFlow for pictures; its tensors show sizes and counts.

    The rest (64 wide heads, rotary positions, a soft clip of 4, 128 tokens of text) is that of the
    published model of 3.9 billion parameters.

    Raises:
        ValueError: these are not the tensors of a STARFlow.
    """
    layers = [match.groups() for name in state_dict if (match := LAYER.match(name))]
    try:
        width, token_dim = state_dict["blocks.0.proj_in.weight"].shape
        last = max(int(block) for block, _ in layers)
        text = state_dict[f"blocks.{last}.proj_txt.weight"]
        positions = state_dict["var"].shape[0] if "var" in state_dict else STARFLOW_3B.img_size**2
    except (KeyError, ValueError):
        raise ValueError("These are not the weights of a STARFlow: proj_in or proj_txt are missing.") from None
    counts = [1 + max(int(layer) for block, layer in layers if int(block) == i) for i in range(last + 1)]
    return dataclasses.replace(
        STARFLOW_3B,
        in_channels=token_dim,
        img_size=math.isqrt(positions),
        channels=width,
        num_blocks=last + 1,
        layers_per_block=tuple(counts),
        txt_dim=text.shape[1],
        noise_std=noise_std,
    )


def published_config(
    state_dict: Mapping[str, Tensor], noise_std: float | None = None, file_name: str = ""
) -> tuple[StarFlowConfig | TarFlowConfig, str]:
    """The configuration of either kind, and the source of its noise, in words.

    Args:
        state_dict: the tensors.
        noise_std: of the Gaussian noise in training. Where None, that in the name of the file, if it is the name of a
            published TarFlow and fits the tensors; else that of the models of the table, 0.3 or 0.07.
        file_name: such as `imagenet_model_4_1024_8_8_0.05.pth`.

    Raises:
        ValueError: the tensors are of neither kind.
    """
    if "blocks.0.sos_embed" in state_dict:
        std, source = _first_known((noise_std, "as given"), (STARFLOW_3B.noise_std, "that of starflow-3b"))
        return starflow_config(state_dict, std), f"noise std {std:g}, {source}"
    std, source = _first_known(
        (noise_std, "as given"),
        (_noise_in_name(file_name, tarflow_config(state_dict, AFHQ_NOISE)), "as the file's name says"),
        (AFHQ_NOISE, "that of tarflow-afhq256, since the file's name does not say; give it with --noise-std"),
    )
    return tarflow_config(state_dict, std), f"noise std {std:g}, {source}"


def _noise_in_name(file_name: str, config: TarFlowConfig) -> float | None:
    """The noise in the name of a published TarFlow, where patch, width, blocks and layers in it are the tensors'."""
    match = TARFLOW_NAME.search(file_name)
    if match is None:
        return None
    *sizes, noise = match.groups()
    in_tensors = (config.patch_size, config.channels, config.num_blocks, config.layers_per_block)
    return float(noise) if tuple(map(int, sizes)) == in_tensors else None


def _first_known(*candidates: tuple[float | None, str]) -> tuple[float, str]:
    return next((value, source) for value, source in candidates if value is not None)
