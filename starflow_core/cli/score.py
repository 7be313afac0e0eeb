"""`starflow score`: likelihoods of pictures."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from .files import save_map
from .inputs import add_input_options, asked_pictures
from .options import new_command
from .pictures import Work, add_noise_options, add_table_options, checked_map_file, do, one_line
from .sizes import change

if TYPE_CHECKING:
    from pathlib import Path

    from ..insight.likelihood import Likelihood
    from ..insight.measure import Picture

BELOW_ZERO = "below 0, as a density can be above 1"


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "score", _score, "print the likelihood of pictures")
    add_input_options(command)
    command.add_argument("--prompt", "--class", dest="prompt", help="what the pictures show")
    add_noise_options(command, "write the map of log-likelihoods")
    add_table_options(command)


def _score(options: argparse.Namespace) -> int:
    from ..insight.measures import ScoreMeasure

    asked = asked_pictures(options)
    map_file = checked_map_file(options, asked)
    measure = partial(ScoreMeasure, prompt=options.prompt, draws=options.draws, seed=options.seed)
    keep = partial(_save_map, map_file) if map_file else None
    return do(Work(asked, measure, _as_line, partial(_as_json, options), keep), options)


def _save_map(file: Path, _: int, picture: Picture, likelihood: Likelihood) -> None:
    from ..insight.heatmap import heatmap

    save_map(likelihood.map, heatmap(likelihood.map, picture.image.size), file)


def _as_line(path: str, picture: Picture, likelihood: Likelihood) -> str:
    """The likelihood in words where the model has a reference, with the numbers after it."""
    error = f" ± {likelihood.standard_error:.1f}" if len(likelihood.draws) > 1 else ""
    why = f" ({BELOW_ZERO})" if likelihood.bits_per_dim < 0 else ""
    numbers = f"{likelihood.bits_per_dim:.4f} bits/dim{why}, log-likelihood {likelihood.log_prob:.1f}{error} nats"
    words = f"{likelihood.standing}; {numbers}" if likelihood.standing else numbers
    changed = change(picture.size, picture.image.size, picture.is_cut)
    return f"{one_line(path)}: {words}{f' ({changed})' if changed else ''}"


def _as_json(options: argparse.Namespace, path: str, picture: Picture, likelihood: Likelihood) -> str:
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
