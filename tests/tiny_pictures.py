"""A few coloured shapes, a configuration that is trained on them in a moment, and a language model for free."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recipes.config import Config
from recipes.pictures.held_out import HeldOut
from recipes.pictures.picture import Picture, as_line

SIDE = 16
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220), "purple": (140, 40, 200)}
SHAPES = ("heart", "apple", "car", "thing")
STYLES = {"emoji": "emoji", "flat icon": "icon"}
HELD_OUT = HeldOut(
    names=frozenset({"purple thing"}),
    styles={"red heart": frozenset({"flat icon"})},
    colours={"apple": frozenset({"blue"})},
    pictures=frozenset({"emoji:red car", "flat icon:green heart"}),
)


def write_pictures(folder: Path) -> None:
    """Coloured shapes on white, in the files that `recipes.pictures.prepare` writes."""
    folder.mkdir(parents=True)
    rows, images, alphas = [], [], []
    for style, group in STYLES.items():
        for colour, rgb in COLOURS.items():
            for number, shape in enumerate(SHAPES):
                alpha = np.zeros((SIDE, SIDE), np.uint8)
                alpha[2 + number : -2 - number, 2 : (SIDE if group == "icon" else SIDE - 2 - 2 * number)] = 255
                image = np.where(alpha[..., None] == 255, np.array(rgb, np.uint8), np.uint8(255))
                name = shape if shape == "apple" and colour == "red" else f"{colour} {shape}"
                hue = 0.0 if name == "apple" else None
                rows.append(
                    Picture(
                        f"{style}:{name}",
                        style,
                        style,
                        group,
                        name,
                        "MIT",
                        name,
                        keywords=(shape,),
                        colour=colour,
                        hue=hue,
                    )
                )
                images.append(image)
                alphas.append(alpha)
    np.save(folder / "images.npy", np.stack(images))
    np.save(folder / "alpha.npy", np.stack(alphas))
    (folder / "subjects.jsonl").write_text("".join(f"{as_line(row)}\n" for row in rows))
    HELD_OUT.save(folder / "held_out.json")


def sentence_embeddings(texts: Sequence[str]) -> Tensor:
    """Random numbers (N, 384) that depend on nothing but the text."""
    seeds = (int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts)
    found = torch.stack([torch.randn(384, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    return torch.nn.functional.normalize(found, dim=-1)


def tiny_config(folder: Path) -> Config:
    schedule = {"batch_size": 4, "pictures": 16, "learning_rate": 1e-3, "ema_decay": 0.9, "seed": 0}
    return Config(
        data={
            "folder": str(folder),
            "models": str(folder / "models"),
            "image_size": SIDE,
            "held_out": str(folder / "held_out.json"),
        },
        autoencoder={
            "block_out_channels": [8, 8],
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "latent_noise": 0.2,
            "kl_weight": 1e-5,
            **schedule,
        },
        decoder={"latent_noise": 0.2, **schedule},
        text_encoder={
            **{"meaning_numbers": 8, "d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 16},
            **{"num_layers": 1, "max_tokens": 6},
        },
        flow={
            "model": "starflow-mini",
            **{"patch_size": 2, "channels": 40, "layers_per_block": [1, 1], "head_dim": 20, "soft_clip": 6},
            **{"noise_std": 0.2, "dropped_captions": 0.1, "unknown_words": 0.05, "pool": 10, "fresh": 2},
            **{"warmup_pictures": 8, "weight_decay": 0.01},
            **schedule,
        },
        sampling={"guidance": 1.0, "denoise": True},
        codec={"photographs": 0.0, **schedule},
        judge={"image_size": 8, "widths": [8, 8], "space": 8, "noise": 0.2, **schedule},
        tarflow={"drawing": _tarflow(0.1, schedule), "likelihood": _tarflow(0.0, schedule)},
    )


def _tarflow(noise_std: float, schedule: dict[str, Any]) -> dict[str, Any]:
    return {
        **{"image_size": 8, "patch_size": 2, "channels": 64, "num_blocks": 2, "layers_per_block": 1},
        **{"noise_std": noise_std, "dropped_classes": 0.1, "recoloured": 0.3},
        **{"only_classes": noise_std > 0, "balanced": noise_std > 0},
        "sampling": {"guidance": 1.0, "denoise": noise_std > 0},
        **schedule,
    }
