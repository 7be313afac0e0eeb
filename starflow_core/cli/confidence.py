"""`starflow confidence`: how sure a model is of pictures, and where."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import save_map
from .inputs import add_input_options, asked_pictures
from .options import HAS_LEARNT_A_DISTRIBUTION, new_command
from .pictures import Work, add_table_options, do, map_files, one_line
from .sizes import change

if TYPE_CHECKING:
    from ..insight.confidence import Confidence
    from ..insight.measure import Picture


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "confidence", _confidence, "say how sure a model is of pictures, and where")
    add_input_options(command)
    command.add_argument("--prompt", "--class", dest="prompt", help="what the pictures show")
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    command.add_argument(
        "--map-dir", metavar="DIR", help="write a map for each picture into this folder; the brighter, the surer"
    )
    add_table_options(command, model=HAS_LEARNT_A_DISTRIBUTION)


def _confidence(options: argparse.Namespace) -> int:
    from ..flow.noise import check_seed
    from ..insight.measures import ConfidenceMeasure
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    folder = Path(options.map_dir) if options.map_dir else None
    asked = asked_pictures(options, leave_out=[folder] if folder else [])
    keep = partial(_save_map, map_files(asked, folder)) if folder else None
    measure = partial(ConfidenceMeasure, prompt=options.prompt, draws=options.draws, seed=options.seed)
    return do(Work(asked, measure, _as_line, partial(_as_json, options), keep), options)


def _save_map(files: Sequence[Path], number: int, picture: Picture, found: Confidence) -> None:
    """Write the map as a picture of the picture's own size, or of the square that was looked at."""
    from ..insight.heatmap import heatmap

    files[number].parent.mkdir(parents=True, exist_ok=True)
    size = picture.image.size if picture.is_cut else picture.size
    save_map(found.map, heatmap(found.map, size, found.bounds), files[number])


def _as_line(path: str, picture: Picture, found: Confidence) -> str:
    expected, unknown, noise = (math.exp(-value) for value in (found.score, *found.bounds))
    told = f"expects to be {expected:.2g} off, of {noise:.2g} (all but noise known) to {unknown:.2g} (nothing known)"
    changed = change(picture.size, picture.image.size, picture.is_cut)
    return f"{one_line(path)}: confidence {found.score:.3f}; {told}{f' ({changed})' if changed else ''}"


def _as_json(options: argparse.Namespace, path: str, _: Picture, found: Confidence) -> str:
    return json.dumps(
        {
            "image": path,
            "prompt": options.prompt,
            "confidence": found.score,
            "expected_error": math.exp(-found.score),
            "draws": options.draws,
            "map": found.map.tolist(),
        }
    )
