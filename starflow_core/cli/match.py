"""`starflow match`: which of some prompts explains a picture."""

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

    from ..insight.match import Match
    from ..insight.measure import Picture


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "match", _match, "say which of some prompts explains a picture")
    add_input_options(command)
    command.add_argument(
        "--prompt",
        "--class",
        dest="prompts",
        action="append",
        required=True,
        metavar="PROMPT",
        help="what a picture may show; give it again for each",
    )
    add_noise_options(command, "write where the likeliest prompt explains the picture")
    add_table_options(command)


def _match(options: argparse.Namespace) -> int:
    from ..insight.measures import MatchMeasure

    asked = asked_pictures(options)
    map_file = checked_map_file(options, asked)
    measure = partial(MatchMeasure, prompts=options.prompts, draws=options.draws, seed=options.seed)
    keep = partial(_save_map, map_file) if map_file else None
    return do(Work(asked, measure, _as_lines, _as_json, keep), options)


def _save_map(file: Path, _: int, picture: Picture, match: Match) -> None:
    from ..insight.heatmap import heatmap

    best = match.maps[int(match.scores.argmax())]
    save_map(best, heatmap(best, picture.image.size), file)


def _as_lines(path: str, picture: Picture, match: Match) -> str:
    """The prompts, the likeliest first."""
    order = match.scores.argsort(descending=True).tolist()
    changed = change(picture.size, picture.image.size, picture.is_cut)
    lines = [f"{one_line(path)}:{f' ({changed})' if changed else ''}"]
    for place in order:
        error = match.standard_errors[place]
        nats = f"{match.scores[place]:+.1f}{'' if error.isnan() else f' ± {error:.1f}'} nats"
        lines.append(f"  {match.posterior[place]:7.1%}  {nats:>20}  {match.prompts[place]}")
    return "\n".join(lines)


def _as_json(path: str, picture: Picture, match: Match) -> str:
    errors = [None if error != error else error for error in match.standard_errors.tolist()]
    return json.dumps(
        {
            "image": path,
            "best": match.best,
            "prompts": match.prompts,
            "scores": match.scores.tolist(),
            "standard_errors": errors,
            "posterior": match.posterior.tolist(),
            "maps": match.maps.tolist(),
        }
    )
