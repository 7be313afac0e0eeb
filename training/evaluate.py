"""Figures of the embedded model for its card: `python -m training.evaluate`."""

from __future__ import annotations

import numpy as np
import torch

from starflow_core.likelihood import score
from starflow_core.model_folder import load
from starflow_core.pipeline import Pipeline

from . import autoencoder, data
from .config import load_config

PICTURES = 50
DRAWS = 2


@torch.no_grad()
def bits_per_dim(pipeline: Pipeline, dataset: data.Dataset, captioned: bool) -> tuple[float, float]:
    """Bits per dimension of noised latents given the pictures' names, or nothing: mean and standard error."""
    assert pipeline.text_encoder is not None
    assert pipeline.autoencoder is not None
    latents = pipeline.autoencoder.encode(autoencoder.as_tensor(dataset.images).to(pipeline.autoencoder.device))
    text = pipeline.text_encoder.encode([subject.name if captioned else "" for subject in dataset.subjects])
    pairs = zip(latents, text, strict=True)
    values = np.array([score(pipeline.flow, x, prompt[None], draws=DRAWS).bits_per_dim for x, prompt in pairs])
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def main() -> None:
    config, pipeline = load_config(), load()
    assert pipeline.autoencoder is not None
    training, held_out = data.load(config).split(config.data["held_out"])
    chosen = np.zeros(len(training.subjects), dtype=bool)
    chosen[np.random.default_rng(0).choice(len(chosen), PICTURES, replace=False)] = True
    for name, dataset in (("training", training.where(chosen)), ("held-out", held_out)):
        psnr = autoencoder.psnr(pipeline.autoencoder, autoencoder.as_tensor(dataset.images))
        print(f"{len(dataset.subjects)} {name} pictures")
        print(f"  autoencoder: {psnr:.1f} dB PSNR")
        for captioned in (True, False):
            mean, error = bits_per_dim(pipeline, dataset, captioned)
            print(f"  flow, {'given the name' if captioned else 'unconditional'}: {mean:.3f} ± {error:.3f} bits/dim")


if __name__ == "__main__":
    main()
