"""`starflow bpd`: bits per dimension of the pictures in a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable
from .names import Target
from .options import add_model_options, load_model, new_command

if TYPE_CHECKING:
    from ..insight.evaluation import Entry, Protocol, Table
    from ..pipeline import Pipeline


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "bpd", _bpd, "measure bits per dimension of the 8-bit pictures in a folder")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="with pictures, and folders of them")
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="CSV file, one line per picture; continued if it exists"
    )
    command.add_argument("--draws", type=int, default=1, help="importance draws per picture")
    command.add_argument("--seed", type=int, default=0, help="of the dequantisation noise")
    command.add_argument("--resize", action="store_true", help="crop and scale pictures of other sizes")
    label = command.add_mutually_exclusive_group()
    label.add_argument("--class", dest="label", default="", metavar="NAME", help="of all pictures")
    label.add_argument(
        "--class-from-folder", action="store_true", help="take each picture's class from the name of its folder"
    )
    add_model_options(command, "float32 by default")


def _bpd(options: argparse.Namespace) -> None:
    from ..flow.noise import check_seed
    from ..insight.evaluation import Protocol, Table, fingerprint, mean_and_error, pictures_in
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    files = pictures_in(options.folder)
    pipeline = load_model(options, "float32")
    protocol = Protocol(
        f"{pipeline.name} {fingerprint(pipeline.flow)}", options.draws, options.seed, bool(options.resize)
    )
    if options.output:
        check_writable(Target(options.output, is_asked_for=True))
    table = Table(options.output, protocol)
    failures = _measure(pipeline, _wanted(options, files, table), protocol, table, len(files))
    for failure in failures:
        print(f"starflow: {failure}", file=sys.stderr)
    if not table.measurements:
        raise ValueError("No picture could be measured.")
    mean, error = mean_and_error([measurement.bits_per_dim for measurement in table.measurements])
    print(
        f"{len(table.measurements)} pictures: {mean:.4f} ± {error:.4f} bits/dim "
        f"(mean and its standard error, {options.draws} importance draw{'s' if options.draws > 1 else ''} each)"
    )
    if words := _in_words(pipeline, table, options.draws):
        print(words)
    if failures:
        raise ValueError(f"{len(failures)} pictures could not be measured and are not in the mean.")


def _in_words(pipeline: Pipeline, table: Table, draws: int) -> str:
    """How likely the pictures are on average among those of the model's reference; "" where that cannot be said.

    The reference's likelihoods are means of logarithms, which those of several importance draws do not compare with.
    """
    from ..insight.evaluation import mean_and_error
    from ..insight.likelihood import log_prob_of
    from ..insight.reference import Standing

    side, known = pipeline.trained_side, pipeline.reference
    if known is None or draws > 1:
        return ""
    standings = [
        known.standing(
            log_prob_of(measured.bits_per_dim, 3 * side**2, pipeline.flow.levels),
            (side, side),
            described=bool(measured.label),
        )
        for measured in table.measurements
    ]
    found = [standing for standing in standings if standing is not None]
    if len(found) < len(standings):
        return ""
    average, _ = mean_and_error([standing.share for standing in found])
    return f"A picture of them is, on average, {Standing(average, found[0].number, found[0].kind)}."


def _wanted(options: argparse.Namespace, files: list[Path], table: Table) -> list[Entry]:
    """The entries that the table lacks."""
    from ..insight.evaluation import Entry

    measured = {measurement.image for measurement in table.measurements}
    return [
        Entry(path, name, path.parent.name if options.class_from_folder else options.label)
        for path in files
        if (name := path.relative_to(options.folder).as_posix()) not in measured
    ]


def _measure(pipeline: Pipeline, wanted: list[Entry], protocol: Protocol, table: Table, count: int) -> list[str]:
    """Fill the table; return a message for each picture that could not be measured."""
    from tqdm import tqdm

    from ..insight.evaluation import measure

    failures: list[str] = []
    with tqdm(total=count, initial=count - len(wanted), disable=None, leave=False, unit="picture") as bar:
        for measurement in measure(pipeline, wanted, protocol, failures.append):
            table.append([measurement])
            bar.update()
    return failures
