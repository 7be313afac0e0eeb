"""`starflow confidence`: how sure a model is of pictures, and where."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import save_map
from .options import add_model_options, load_model, new_command
from .pictures import listed, map_files
from .sizes import Fitted, fitted

if TYPE_CHECKING:
    from ..insight.confidence import Confidence
    from ..pipeline import Pipeline


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "confidence", _confidence, "say how sure a model is of pictures, and where")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file, or a folder of them")
    command.add_argument("--prompt", "--class", dest="prompt", help="what the pictures show")
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    command.add_argument("--json", action="store_true", help="print JSON, one object per line")
    command.add_argument(
        "--map-dir", metavar="DIR", help="write a map for each picture into this folder; the brighter, the surer"
    )
    add_model_options(command)


def _confidence(options: argparse.Namespace) -> int:
    from ..flow.noise import check_seed
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    pictures = listed(options.images)
    maps = map_files(pictures, Path(options.map_dir)) if options.map_dir else [None] * len(pictures)
    pipeline = load_model(options)
    pipeline.scored_condition(options.prompt)  # an error that concerns every picture is reported once
    done = [_is_told(path, pipeline, options, file) for (path, _), file in zip(pictures, maps, strict=True)]
    return 0 if all(done) else 1


def _is_told(path: str, pipeline: Pipeline, options: argparse.Namespace, map_file: Path | None) -> bool:
    """Print how sure the model is of a picture, or why that cannot be said; return whether it can."""
    from ..insight.confidence import bounds
    from ..insight.heatmap import heatmap

    try:
        picture = fitted(pipeline, path)
        found = pipeline.confidence(picture.image, options.prompt, draws=options.draws, seed=options.seed)
    except ValueError as error:
        told = str(error)
        print(f"starflow: {told if path in told else f'{path}: {told}'}", file=sys.stderr, flush=True)
        return False
    limits = bounds(pipeline.flow)
    print(_as_json(path, options, found) if options.json else _as_line(path, picture, found, limits), flush=True)
    if map_file:
        map_file.parent.mkdir(parents=True, exist_ok=True)
        save_map(found.map, heatmap(found.map, picture.image.size, limits), map_file)
    return True


def _as_line(path: str, picture: Fitted, found: Confidence, limits: tuple[float, float]) -> str:
    expected, unknown, noise = (math.exp(-value) for value in (found.score, *limits))
    told = f"expects to be {expected:.2g} off, of {noise:.2g} (all but noise known) to {unknown:.2g} (nothing known)"
    change = f" ({picture.change})" if picture.change else ""
    return f"{path}: confidence {found.score:.3f}; {told}{change}"


def _as_json(path: str, options: argparse.Namespace, found: Confidence) -> str:
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
