"""`starflow match`: which of some prompts explains a picture."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from .files import save_map
from .options import load_model, new_command
from .pictures import add_picture_options, checked_map_file, each_picture
from .sizes import Fitted

if TYPE_CHECKING:
    from ..insight.match import Match


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "match", _match, "say which of some prompts explains a picture")
    command.add_argument(
        "--prompt",
        "--class",
        dest="prompts",
        action="append",
        required=True,
        metavar="PROMPT",
        help="what a picture may show; give it again for each",
    )
    add_picture_options(command, "write where the likeliest prompt explains the picture")


def _match(options: argparse.Namespace) -> int:
    from ..insight.heatmap import heatmap

    map_file = checked_map_file(options)
    pipeline = load_model(options)
    pipeline.matched_conditions(options.prompts)  # an error that concerns every picture is reported once

    def matched(path: str, picture: Fitted) -> None:
        found = pipeline.match(picture.image, options.prompts, draws=options.draws, seed=options.seed)
        print(_as_json(path, found) if options.json else _as_lines(path, picture, found))
        if map_file:
            best = found.maps[int(found.scores.argmax())]
            save_map(best, heatmap(best, picture.image.size), map_file)

    return each_picture(pipeline, options.images, matched)


def _as_lines(path: str, picture: Fitted, match: Match) -> str:
    """The prompts, the likeliest first."""
    order = match.scores.argsort(descending=True).tolist()
    lines = [f"{path}:{f' ({picture.change})' if picture.change else ''}"]
    for place in order:
        error = match.standard_errors[place]
        nats = f"{match.scores[place]:+.1f}{'' if error.isnan() else f' ± {error:.1f}'} nats"
        lines.append(f"  {match.posterior[place]:7.1%}  {nats:>20}  {match.prompts[place]}")
    return "\n".join(lines)


def _as_json(path: str, match: Match) -> str:
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
