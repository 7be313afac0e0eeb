"""`starflow score`: likelihoods of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, save_map
from .names import Target, output_path
from .options import add_model_options, load_model, new_command
from .sizes import Fitted, fitted

if TYPE_CHECKING:
    from ..insight.likelihood import Likelihood
    from ..pipeline import Pipeline

MAP_KINDS = (".png", ".npy")


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "score", _score, "print the likelihood of pictures")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file")
    command.add_argument("--prompt", "--class", dest="prompt", help="what the pictures show")
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    command.add_argument("--map", metavar="FILE", help="write the map of log-likelihoods, .png or .npy")
    command.add_argument("--json", action="store_true", help="print JSON, one object per line")
    add_model_options(command)


def _score(options: argparse.Namespace) -> int:
    from ..flow.noise import check_seed
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    if options.map and len(options.images) > 1:
        raise ValueError("--map takes a single picture; give one, or leave --map away.")
    map_file = output_path(options.map, MAP_KINDS) if options.map else None
    if map_file:
        check_writable(Target(map_file, is_asked_for=True))
    pipeline = load_model(options)
    pipeline.scored_condition(options.prompt)  # an error that concerns every picture is reported once
    scored = [_is_scored(path, options, pipeline, map_file) for path in options.images]
    return 0 if all(scored) else 1


def _is_scored(path: str, options: argparse.Namespace, pipeline: Pipeline, map_file: Path | None) -> bool:
    """Print the score of a picture, or why it has none; return whether it has one."""
    from ..insight.heatmap import heatmap

    try:
        picture = fitted(pipeline, path)
        likelihood = pipeline.score(picture.image, options.prompt, draws=options.draws, seed=options.seed)
    except ValueError as error:
        told = str(error)
        print(f"starflow: {told if path in told else f'{path}: {told}'}", file=sys.stderr, flush=True)
        return False
    print(_as_json(path, options, picture, likelihood) if options.json else _as_line(path, picture, likelihood))
    if map_file:
        save_map(likelihood.map, heatmap(likelihood.map, picture.image.size), map_file)
    return True


def _as_line(path: str, picture: Fitted, likelihood: Likelihood) -> str:
    error = f" ± {likelihood.standard_error:.1f}" if len(likelihood.draws) > 1 else ""
    bits = f"{likelihood.bits_per_dim:.4f} bits/dim, log-likelihood {likelihood.log_prob:.1f}{error} nats"
    return f"{path}: {bits}{f' ({picture.change})' if picture.change else ''}"


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
            "map": likelihood.map.tolist(),
        }
    )
