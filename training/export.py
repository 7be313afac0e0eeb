"""Write the embedded model's folder from the last checkpoints: `python -m training.export [FOLDER]`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch

from starflow_core.autoencoder import Autoencoder
from starflow_core.model_folder import DEFAULT_MODEL, EMBEDDED, save
from starflow_core.noise import seeded_noise
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import count_iterations
from starflow_core.sampling import SamplingDefaults
from starflow_core.text_encoder import TextEncoder

from . import autoencoder, data, text
from .config import Config, load_config
from .flow import CHECKPOINT, TextToLatents
from .loop import device

TYPICAL = ("red heart", "smiling face", "dog face", "pizza")


def load(config: Config) -> tuple[TextToLatents, TextEncoder, Autoencoder]:
    """The averaged weights of the last checkpoints."""
    encoder = text.build(config, data.load(config).subjects)
    model = TextToLatents(config, encoder).to(device())
    path = config.folder / CHECKPOINT
    if not path.exists():
        raise SystemExit("There is no flow yet; run `python -m training.flow` first.")
    model.load_state_dict(torch.load(path, map_location=device(), weights_only=True)["average"])
    return model, encoder, autoencoder.load(config)


def export(config: Config, folder: Path) -> None:
    """Write the model folder, all but its README."""
    model, encoder, images = load(config)
    defaults = SamplingDefaults(**config.sampling)
    pipeline = Pipeline(model.flow, images, encoder, name=folder.name, defaults=defaults)
    pipeline.defaults = dataclasses.replace(defaults, iterations=typical_iterations(pipeline))
    save(pipeline, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


def typical_iterations(pipeline: Pipeline) -> tuple[int, ...]:
    """What `Jacobi` needs in each block at default guidance, for the most demanding of a few prompts."""
    flow, encoder = pipeline.flow, pipeline.text_encoder
    assert encoder is not None
    noise = seeded_noise((flow.config.in_channels, flow.config.img_size, flow.config.img_size), 0, len(TYPICAL))
    return count_iterations(
        flow,
        noise,
        encoder.encode(TYPICAL),
        guidance=pipeline.defaults.guidance,
        unconditional=encoder.encode([""]),
    )


if __name__ == "__main__":
    export(load_config(), Path(sys.argv[1]) if len(sys.argv) > 1 else EMBEDDED / DEFAULT_MODEL)
