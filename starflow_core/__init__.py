"""STARFlow and TarFlow in Python: images by normalizing flows, with exact likelihoods and an exact inverse.

    import starflow_core

    pipeline = starflow_core.load()
    pipeline.generate("a red heart", seed=1)[0].save("heart.png")
    pipeline.score(image, "a red heart").bits_per_dim

Names are imported at their first use: importing the package is quick and does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codecs.autoencoder import Autoencoder as Autoencoder
    from .codecs.autoencoder import AutoencoderConfig as AutoencoderConfig
    from .codecs.classes import Classes as Classes
    from .codecs.prompt_warning import PromptWarning as PromptWarning
    from .codecs.text_encoder import TextEncoder as TextEncoder
    from .codecs.video_autoencoder import VideoAutoencoder as VideoAutoencoder
    from .codecs.video_config import VideoAutoencoderConfig as VideoAutoencoderConfig
    from .compression import Codec as Codec
    from .compression import CodecError as CodecError
    from .compression.lossy import LossyCodec as LossyCodec
    from .editing.ascent import Ascent as Ascent
    from .editing.canvas import grown as grown
    from .editing.inpainting import Fill as Fill
    from .editing.morph import Morph as Morph
    from .editing.settings import Filling as Filling
    from .flow.config import FlowConfig as FlowConfig
    from .flow.config import StarFlowConfig as StarFlowConfig
    from .flow.config import TarFlowConfig as TarFlowConfig
    from .flow.flow import FlowOutput as FlowOutput
    from .flow.guidance import StarFlowGuidance as StarFlowGuidance
    from .flow.guidance import TarFlowGuidance as TarFlowGuidance
    from .flow.starflow import StarFlow as StarFlow
    from .flow.tarflow import TarFlow as TarFlow
    from .insight.anomaly import Anomaly as Anomaly
    from .insight.calibration import Calibration as Calibration
    from .insight.confidence import Confidence as Confidence
    from .insight.known_pictures import measure_reference as measure_reference
    from .insight.likelihood import Likelihood as Likelihood
    from .insight.match import Match as Match
    from .insight.ratio import LikelihoodRatio as LikelihoodRatio
    from .insight.reference import Reference as Reference
    from .pipeline import Pipeline as Pipeline
    from .recover.reproduce import Reproduction as Reproduction
    from .recover.reproduce import reproduce as reproduce
    from .samplers import Jacobi as Jacobi
    from .samplers import Progress as Progress
    from .samplers import Sequential as Sequential
    from .sampling import Sampling as Sampling
    from .weights.fetch import fetch as fetch
    from .weights.model_folder import load as load
    from .weights.model_folder import save as save

__version__ = "0.2.0"

_HOMES = {
    "Anomaly": "insight.anomaly",
    "Ascent": "editing.ascent",
    "Autoencoder": "codecs.autoencoder",
    "AutoencoderConfig": "codecs.autoencoder",
    "Calibration": "insight.calibration",
    "Classes": "codecs.classes",
    "Codec": "compression",
    "CodecError": "compression",
    "LossyCodec": "compression.lossy",
    "Confidence": "insight.confidence",
    "Fill": "editing.inpainting",
    "Filling": "editing.settings",
    "FlowConfig": "flow.config",
    "StarFlowConfig": "flow.config",
    "FlowOutput": "flow.flow",
    "Jacobi": "samplers",
    "Likelihood": "insight.likelihood",
    "LikelihoodRatio": "insight.ratio",
    "Match": "insight.match",
    "Morph": "editing.morph",
    "Pipeline": "pipeline",
    "Progress": "samplers",
    "PromptWarning": "codecs.prompt_warning",
    "Reference": "insight.reference",
    "Reproduction": "recover.reproduce",
    "Sequential": "samplers",
    "Sampling": "sampling",
    "StarFlow": "flow.starflow",
    "StarFlowGuidance": "flow.guidance",
    "TarFlow": "flow.tarflow",
    "TarFlowConfig": "flow.config",
    "TarFlowGuidance": "flow.guidance",
    "TextEncoder": "codecs.text_encoder",
    "VideoAutoencoder": "codecs.video_autoencoder",
    "VideoAutoencoderConfig": "codecs.video_config",
    "fetch": "weights.fetch",
    "grown": "editing.canvas",
    "load": "weights.model_folder",
    "measure_reference": "insight.known_pictures",
    "reproduce": "recover.reproduce",
    "save": "weights.model_folder",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
