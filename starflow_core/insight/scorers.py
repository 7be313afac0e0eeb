"""Scorers of odd pictures of any kind, from their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from ..pipeline import Pipeline
from ..weights.model_folder import load
from . import scorer_file
from .anomaly import Anomaly
from .ratio import LikelihoodRatio
from .scorer_file import RATIO_FORMAT

Scorer: TypeAlias = "Anomaly | LikelihoodRatio"


def load_scorer(
    file: os.PathLike[str] | str, pipeline: Pipeline, broader: str | os.PathLike[str] | Pipeline | None = None
) -> Scorer:
    """Load a scorer from its file, whichever kind it is.

    Args:
        file: of the scorer.
        pipeline: the model that it was fitted with.
        broader: the broader model of a `LikelihoodRatio`, a name, a folder or a pipeline; by default that of the name
            in the file.

    Raises:
        ValueError: the file is not one of a scorer, or was fitted with other models or other weights; or a broader
            model is given, and the scorer has none.
    """
    if scorer_file.format_of(Path(file)) != RATIO_FORMAT:
        if broader is not None:
            raise ValueError(f"{file} was fitted without a broader model; leave it away.")
        return Anomaly.load(file, pipeline)
    if not isinstance(broader, Pipeline):
        name = broader or scorer_file.model_of(Path(file), "broader")
        broader = load(os.fspath(name), device=pipeline.flow.device)
    return LikelihoodRatio.load(file, pipeline, broader)
