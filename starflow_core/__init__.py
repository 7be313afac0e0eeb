"""STARFlow and TarFlow in Python: images by normalizing flows, with exact likelihoods and an exact inverse.

    import starflow_core

    pipeline = starflow_core.load()
    pipeline.generate("a red heart", seed=1)[0].save("heart.png")
    pipeline.score(image, "a red heart").bits_per_dim

Names are imported when they are first used, so that importing the package is quick and imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .autoencoder import Autoencoder as Autoencoder
    from .autoencoder import AutoencoderConfig as AutoencoderConfig
    from .classes import Classes as Classes
    from .config import FlowConfig as FlowConfig
    from .config import TarFlowConfig as TarFlowConfig
    from .flow import FlowOutput as FlowOutput
    from .guidance import StarFlowGuidance as StarFlowGuidance
    from .guidance import TarFlowGuidance as TarFlowGuidance
    from .likelihood import Likelihood as Likelihood
    from .model_folder import load as load
    from .pipeline import Pipeline as Pipeline
    from .samplers import Jacobi as Jacobi
    from .samplers import Progress as Progress
    from .samplers import Sequential as Sequential
    from .sampling import Sampling as Sampling
    from .starflow import StarFlow as StarFlow
    from .tarflow import TarFlow as TarFlow
    from .text_encoder import TextEncoder as TextEncoder
    from .weights.fetch import fetch as fetch

__version__ = "0.1.0"

_HOMES = {
    "Autoencoder": "autoencoder",
    "AutoencoderConfig": "autoencoder",
    "Classes": "classes",
    "FlowConfig": "config",
    "FlowOutput": "flow",
    "Jacobi": "samplers",
    "Likelihood": "likelihood",
    "Pipeline": "pipeline",
    "Progress": "samplers",
    "Sequential": "samplers",
    "Sampling": "sampling",
    "StarFlow": "starflow",
    "StarFlowGuidance": "guidance",
    "TarFlow": "tarflow",
    "TarFlowConfig": "config",
    "TarFlowGuidance": "guidance",
    "TextEncoder": "text_encoder",
    "fetch": "weights.fetch",
    "load": "model_folder",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
