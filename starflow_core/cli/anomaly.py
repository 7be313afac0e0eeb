"""`starflow anomaly fit` and `starflow anomaly score`: odd ones out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, save_map
from .inputs import add_input_options, asked_pictures
from .names import Target, output_path
from .options import HAS_LEARNT_A_DISTRIBUTION, add_model_options, load_model, new_command
from .pictures import Work, add_table_options, do, map_files, one_line
from .progress import picture_bar

if TYPE_CHECKING:
    from ..insight.measure import Picture
    from ..insight.measures import AnomalyMeasure
    from ..insight.oddity import Oddity
    from ..insight.scorers import Scorer
    from ..pipeline import Pipeline

FILE_KINDS = (".safetensors",)
MAP_RANGE = (0.0, 6.0)  # standard deviations, from the first to the last colour of a map


def add(commands: Any) -> None:
    """Add the command with its two parts."""
    purpose = "find odd pictures among others"
    parts = commands.add_parser("anomaly", help=purpose, description=f"{purpose.capitalize()}.")
    parts = parts.add_subparsers(required=True, metavar="fit|score")

    fit = new_command(parts, "fit", _fit, "learn what is normal from a folder of pictures")
    fit.add_argument("folder", metavar="FOLDER", help="normal pictures, and folders of them; better hundreds than tens")
    fit.add_argument("-o", "--output", required=True, metavar="FILE", help="of what is learnt, .safetensors")
    fit.add_argument("--prompt", "--class", dest="prompt", default="", help="what all of the pictures show")
    fit.add_argument("--draws", type=int, default=2, help="number of noise draws to average over")
    fit.add_argument("--seed", type=int, default=0, help="of the noise draws")
    fit.add_argument(
        "--tiled",
        action=argparse.BooleanOptionalAction,
        help="look at pictures at their own resolution, tile by tile; by default where they are large",
    )
    fit.add_argument(
        "--false-positive-rate", type=float, default=0.05, metavar="RATE", help="share of normal pictures to call odd"
    )
    fit.add_argument(
        "--calibrate",
        metavar="FOLDER",
        help="other normal pictures, which p-values are taken from; best unseen ones",
    )
    fit.add_argument(
        "--broader",
        metavar="MODEL",
        help="score by the ratio of the likelihoods under --model and under this broader model",
    )
    add_model_options(fit, model=HAS_LEARNT_A_DISTRIBUTION)

    score = new_command(parts, "score", _score, "say how odd pictures are")
    score.add_argument("scorer", metavar="FILE", help="from `starflow anomaly fit`")
    score.add_argument("--broader", metavar="MODEL", help="of a ratio; by default that of the name in FILE")
    add_input_options(score)
    score.add_argument("--map-dir", metavar="DIR", help="write a map of where for each picture into this folder")
    add_table_options(score, model=None)


def _fit(options: argparse.Namespace) -> int:
    from ..insight.anomaly import Anomaly
    from ..insight.oddity import Settings
    from ..insight.ratio import LikelihoodRatio

    if options.broader and options.calibrate:
        raise ValueError("A ratio of likelihoods takes no --calibrate; leave it or --broader away.")
    Settings(options.prompt, options.draws, options.seed, bool(options.tiled), options.false_positive_rate)
    file = output_path(options.output, FILE_KINDS)
    check_writable(Target(file, is_asked_for=True))
    failures: list[str] = []
    how = {name: getattr(options, name) for name in ("prompt", "draws", "seed", "tiled", "false_positive_rate")}
    model = load_model(options)
    broader = _broader(options, options.broader) if options.broader else None
    scorer: Scorer
    with picture_bar() as report:
        how |= {"failed": failures.append, "on_progress": report}
        if broader is None:
            scorer = Anomaly.fit(model, options.folder, calibrate=options.calibrate, **how)
        else:
            scorer = LikelihoodRatio.fit(model, broader, options.folder, **how)
    for failure in failures:
        print(f"starflow: {failure}", file=sys.stderr)
    scorer.save(file)
    looked = "tile by tile" if scorer.settings.tiled else "scaled to the model's size"
    what = "normal pictures to calibrate" if options.calibrate else "normal pictures"
    print(f"{file}: {len(scorer.calibration)} {what}, looked at {looked}.")
    return 0


def _score(options: argparse.Namespace) -> int:
    from ..insight.scorer_file import model_of

    folder = Path(options.map_dir) if options.map_dir else None
    asked = asked_pictures(options, leave_out=[folder] if folder else [])
    options.model = options.model or model_of(Path(options.scorer))
    keep = partial(_save_map, map_files(asked, folder)) if folder else None
    return do(Work(asked, partial(_measure, options), _as_line, _as_json, keep), options)


def _measure(options: argparse.Namespace, pipeline: Pipeline) -> AnomalyMeasure:
    from ..insight.measures import AnomalyMeasure
    from ..insight.scorer_file import RATIO_FORMAT, format_of, model_of
    from ..insight.scorers import load_scorer

    file, name = Path(options.scorer), options.broader
    if name is None and format_of(file) == RATIO_FORMAT:
        name = model_of(file, "broader")
    return AnomalyMeasure(load_scorer(file, pipeline, _broader(options, name) if name else None))


def _broader(options: argparse.Namespace, name: str) -> Pipeline:
    """A broader model, where and as the model is."""
    return load_model(argparse.Namespace(**{**vars(options), "model": name}))


def _save_map(files: Sequence[Path], number: int, picture: Picture, found: Oddity) -> None:
    """Write the map as a picture of the picture's own size."""
    from ..insight.heatmap import heatmap

    files[number].parent.mkdir(parents=True, exist_ok=True)
    save_map(found.map, heatmap(found.map, picture.size, MAP_RANGE), files[number])


def _as_line(path: str, _: Picture, found: Oddity) -> str:
    by = f" by its {max(found.parts, key=found.parts.__getitem__)}" if found.parts else ""
    told = f"{'odd' if found.is_odd else 'normal'}, score {found.score:.2f}{by}, p = {found.p_value:.3g}"
    return f"{one_line(path)}: {told}"


def _as_json(path: str, _: Picture, found: Oddity) -> str:
    parts = {"parts": found.parts} if found.parts else {}
    told = {"image": path, "score": found.score, "p_value": found.p_value, "is_odd": found.is_odd}
    return json.dumps(told | parts)
