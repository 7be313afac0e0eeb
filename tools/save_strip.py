"""Make the strip on the demo's first page: `python tools/save_strip.py` writes demo/strip with the embedded model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from demo.strip import FACTS, FOLDER  # noqa: E402
from starflow_core.insight.heatmap import heatmap  # noqa: E402
from starflow_core.pipeline import Pipeline  # noqa: E402
from starflow_core.weights.model_folder import load  # noqa: E402

PROMPT, SEED = "owl", 0
DRAWS = 64  # noise draws that the likelihood is averaged over
OVERLAY = 0.6  # opacity of the heatmap over the picture
MOST = 2.0  # standard deviations of the noise that are shown white, or black below zero
CELL = 8  # pixels of a number of the noise


@torch.no_grad()
def strip(pipeline: Pipeline, prompt: str = PROMPT, seed: int = SEED) -> tuple[dict[str, Image.Image], dict[str, Any]]:
    """The strip's pictures by name, and what is said of them."""
    picture = pipeline.generate(prompt, seed=seed)[0]
    found = pipeline.score(picture, prompt, draws=DRAWS)
    condition = pipeline.condition([prompt])
    x = pipeline.encode(picture)
    z = pipeline.flow(x, condition).z
    back = pipeline.flow.inverse(z, condition)
    pictures = {
        "picture": picture,
        "likelihood": Image.blend(picture, heatmap(found.map, picture.size), OVERLAY),
        "noise": noise_picture(z[0]),
        "back": pipeline.decode(back)[0],
    }
    facts = {
        "model": pipeline.name,
        "prompt": prompt,
        "seed": seed,
        "in_words": str(found.standing),
        "bits_per_dim": round(found.bits_per_dim, 4),
        "numbers": z.numel(),
        "error": float((back - x).norm() / x.norm()),
        "command": f'starflow generate "{prompt}" --seed {seed} -o {prompt.replace(" ", "-")}.png',
    }
    return pictures, facts


def noise_picture(z: torch.Tensor) -> Image.Image:
    """All channels of noise (C, H, W) side by side, in as square a mosaic as they make; a grey cell for each number."""
    rows = max(n for n in range(1, int(len(z) ** 0.5) + 1) if len(z) % n == 0)
    grey = ((z / MOST).clamp(-1, 1) + 1) * 127.5
    mosaic = rearrange(grey, "(a b) h w -> (a h) (b w)", a=rows).round().byte().cpu().numpy()
    picture = Image.fromarray(mosaic)
    return picture.resize((picture.width * CELL, picture.height * CELL), Image.Resampling.NEAREST)


def main() -> None:
    pictures, facts = strip(load(device="cpu", dtype=torch.float32))
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(FOLDER / f"{name}.png", optimize=True)
    FACTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
