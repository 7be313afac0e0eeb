"""Published TarFlow checkpoints: their configuration read off the tensors, and their conversion to a model folder."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .classes import Classes
from .config import TarFlowConfig
from .model_folder import save
from .pipeline import Pipeline
from .state_dict import published_state_dict
from .tarflow import TarFlow
from .text_encoder import first_line

COLOURS = 3
LAYER = re.compile(r"blocks\.(\d+)\.attn_blocks\.(\d+)\.")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a published `.pth` file, mapped into memory and not copied; nothing else in it is unpickled.

    Raises:
        ValueError: there is no such file, it is damaged, or it holds anything but tensors by name.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a file of tensors: {first_line(error)}") from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds other things than tensors by name; a state dict is needed.")
    return published_state_dict(content)


def tarflow_config(state_dict: Mapping[str, Tensor], noise_std: float) -> TarFlowConfig:
    """The configuration of a published TarFlow, all of which but the noise shows in its tensors.

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


def convert_tarflow(
    file: Path,
    folder: Path,
    *,
    noise_std: float = 0.07,
    classes: Sequence[str] = (),
    dtype: torch.dtype = torch.bfloat16,
) -> Pipeline:
    """Write a published TarFlow checkpoint as a model folder, and return its pipeline.

    Args:
        file: the `.pth` file.
        folder: to write; must be empty or not exist.
        noise_std: of the Gaussian noise that it was trained with, which stands in the names of published files; 0 for
            uniform dequantisation noise.
        classes: their names; numbers by default.
        dtype: of the weights on disk.

    Raises:
        ValueError: the file is not a TarFlow, the folder is not empty, or the names do not fit.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty; choose another folder.")
    weights = read_checkpoint(file)
    config = tarflow_config(weights, noise_std)
    flow = TarFlow.from_state_dict(config, weights)
    names = tuple(classes) or tuple(str(label) for label in range(config.num_classes))
    pipeline = Pipeline(flow, None, None, name=folder.name, classes=Classes(names) if names else None)
    save(pipeline, folder, dtype=dtype)
    return pipeline
