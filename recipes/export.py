"""Write the folders of the embedded models from the last checkpoints: `python -m recipes.export [MODEL …]`."""

from __future__ import annotations

import dataclasses
import filecmp
import json
from pathlib import Path
from typing import Any

import torch

from starflow_core.codecs.autoencoder import Autoencoder
from starflow_core.codecs.classes import Classes
from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tarflow import TarFlow
from starflow_core.pipeline import Pipeline
from starflow_core.sampling import SamplingDefaults
from starflow_core.training.finish import typical_iterations
from starflow_core.training.loop import device
from starflow_core.weights.model_folder import EMBEDDED, VAE_WEIGHTS, embedded_models, read_config, save

from . import autoencoder, classes, data, reference, tarflow, text
from .config import Config, arguments
from .figures import FIGURES, marks
from .flow import CHECKPOINT, TextToLatents, text_encoder

TYPICAL = ("red heart", "smiling face", "dog face", "pizza")


def load(config: Config) -> tuple[TextToLatents, TextEncoder, Autoencoder]:
    """Load the model that takes prompts, with the averaged weights of its last checkpoints."""
    encoder = text_encoder(config, data.load(config))
    model = TextToLatents(config, encoder).to(device())
    model.load_state_dict(_averaged(config.folder / CHECKPOINT, "flow"))
    return model, text.exportable(encoder), autoencoder.load(config)


def starflow_pipeline(config: Config) -> Pipeline:
    """The model that takes prompts."""
    model, encoder, images = load(config)
    defaults = SamplingDefaults(**config.sampling)
    # The flow as it is used, without the layers for mixed precision in training.
    flow = StarFlow.from_state_dict(model.flow.config, model.flow.state_dict())
    return Pipeline(flow, images, encoder, name=config.model, defaults=defaults)


def tarflow_pipeline(config: Config, name: str) -> Pipeline:
    """A model that takes classes."""
    trained = tarflow.build(config.tarflow[name])
    weights = _averaged(tarflow.checkpoint(config, name), "tarflow")
    flow = TarFlow.from_state_dict(trained.config, weights, device=device())
    defaults = SamplingDefaults(**config.tarflow[name]["sampling"])
    return Pipeline(flow, None, None, name=name, defaults=defaults, classes=Classes(classes.NAMES))


def export(pipeline: Pipeline, folder: Path) -> None:
    """Write the model folder; write its card only if there is none yet."""
    typical = pipeline.classes.names if pipeline.classes else TYPICAL
    pipeline.defaults = dataclasses.replace(pipeline.defaults, iterations=typical_iterations(pipeline, typical))
    # A flow of 8-bit pictures distinguishes steps that bfloat16 rounds away.
    save(pipeline, folder, dtype=torch.float16 if pipeline.flow.is_dequantized else torch.bfloat16)
    _share_vae(folder)
    card = folder / "README.md"
    if not card.exists():
        begin, end = marks(FIGURES)
        card.write_text(f"# {pipeline.name}\n\n{begin}\n{end}\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


def _share_vae(folder: Path) -> None:
    """Leave the VAE's weights out where they are those of another embedded model, which the folder then names."""
    own = folder / "vae" / VAE_WEIGHTS
    for name in embedded_models():
        other = EMBEDDED / name / "vae" / VAE_WEIGHTS
        if folder.name != name and own.is_file() and other.is_file() and filecmp.cmp(own, other, shallow=False):
            config = read_config(folder) | {"vae_weights": name}
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
            own.unlink()


def _averaged(checkpoint: Path, command: str) -> dict[str, Any]:
    if not checkpoint.exists():
        raise SystemExit(f"There is no {checkpoint.name} yet; run `python -m recipes.{command}` first.")
    averaged: dict[str, Any] = torch.load(checkpoint, map_location=device(), weights_only=True)["average"]
    return averaged


if __name__ == "__main__":
    given = arguments(__doc__, models=True)
    for name in given.models or [given.config.model, *given.config.tarflow]:
        made = starflow_pipeline(given.config) if name == given.config.model else tarflow_pipeline(given.config, name)
        export(made, given.config.models / name)
        reference.write(given.config, given.config.models / name)
