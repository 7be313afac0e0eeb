"""`starflow score`: likelihoods of pictures."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from .files import save_map
from .options import load_model, new_command
from .pictures import add_picture_options, checked_map_file, each_picture
from .sizes import Fitted

if TYPE_CHECKING:
    from ..insight.likelihood import Likelihood

BELOW_ZERO = "below 0, as a density can be above 1"


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "score", _score, "print the likelihood of pictures")
    command.add_argument("--prompt", "--class", dest="prompt", help="what the pictures show")
    add_picture_options(command, "write the map of log-likelihoods")


def _score(options: argparse.Namespace) -> int:
    from ..insight.heatmap import heatmap

    map_file = checked_map_file(options)
    pipeline = load_model(options)
    pipeline.scored_condition(options.prompt)  # an error that concerns every picture is reported once

    def scored(path: str, picture: Fitted) -> None:
        likelihood = pipeline.score(picture.image, options.prompt, draws=options.draws, seed=options.seed)
        print(_as_json(path, options, picture, likelihood) if options.json else _as_line(path, picture, likelihood))
        if map_file:
            save_map(likelihood.map, heatmap(likelihood.map, picture.image.size), map_file)

    return each_picture(pipeline, options.images, scored)


def _as_line(path: str, picture: Fitted, likelihood: Likelihood) -> str:
    """The likelihood in words where the model has a reference, with the numbers after it."""
    error = f" ± {likelihood.standard_error:.1f}" if len(likelihood.draws) > 1 else ""
    why = f" ({BELOW_ZERO})" if likelihood.bits_per_dim < 0 else ""
    numbers = f"{likelihood.bits_per_dim:.4f} bits/dim{why}, log-likelihood {likelihood.log_prob:.1f}{error} nats"
    words = f"{likelihood.standing}; {numbers}" if likelihood.standing else numbers
    return f"{path}: {words}{f' ({picture.change})' if picture.change else ''}"


def _as_json(path: str, options: argparse.Namespace, picture: Fitted, likelihood: Likelihood) -> str:
    return json.dumps(
        {
            "image": path,
            "size": picture.size,
            "scored_size": picture.image.size,
            "prompt": options.prompt,
            "log_prob": likelihood.log_prob,
            "standard_error": likelihood.standard_error if len(likelihood.draws) > 1 else None,
            "bits_per_dim": likelihood.bits_per_dim,
            "draws": options.draws,
            "in_words": str(likelihood.standing) if likelihood.standing else None,
            "share_below": likelihood.standing.share if likelihood.standing else None,
            "map": likelihood.map.tolist(),
        }
    )
