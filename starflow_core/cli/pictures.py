"""What commands that measure pictures share: options, tables, and going on past what cannot be measured."""

from __future__ import annotations

import argparse
import itertools
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from .files import check_writable
from .inputs import Asked
from .names import Target, output_path
from .options import DRAWS_WELL, add_model_options, load_model
from .progress import say
from .tables import KINDS, Table, claimed_table

if TYPE_CHECKING:
    from ..insight.many import Measured
    from ..insight.measure import Measure, Picture
    from ..pipeline import Pipeline

T = TypeVar("T")
Rows: TypeAlias = Callable[[Sequence[tuple[int, Asked]]], Iterator[list[dict[str, Any]]]]
"""From numbered pictures to batches of their rows, in any order."""
Form: TypeAlias = "Callable[[str, Picture, T], str]"
"""A result as text, from the path, the picture and the result."""

MAP_KINDS = (".png", ".npy")


def add_table_options(command: argparse.ArgumentParser, model: str | None = DRAWS_WELL) -> None:
    """JSON or a table, the model, which is `model` by default, and other machines."""
    command.add_argument("--json", action="store_true", help="print JSON, one object per line")
    command.add_argument(
        "-o", "--output", metavar="FILE", help=f"write a table, {', '.join(KINDS)}, instead of printing lines"
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with a table that is there")
    again.add_argument("--overwrite", action="store_true", help="write over a table that is there")
    add_model_options(command, model=model)
    command.add_argument("--ray", action="store_true", help="compute on the workers of Ray; needs --output")
    command.add_argument("--ray-address", metavar="ADDRESS", help="of a Ray cluster; by default RAY_ADDRESS, or here")
    command.add_argument("--workers", type=int, metavar="N", help="of Ray; by default one for each GPU, or CPU")


def add_noise_options(command: argparse.ArgumentParser, map_help: str) -> None:
    """Noise draws, and a map."""
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    command.add_argument("--map", metavar="FILE", help=f"{map_help}, .png or .npy")


def checked_map_file(options: argparse.Namespace, asked: Sequence[Asked]) -> Path | None:
    """Check the options of `add_noise_options`; return the file of the map, None if there is to be none.

    Raises:
        ValueError: an option is out of range, or the map cannot be written.
    """
    from ..flow.noise import check_seed
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    if not options.map:
        return None
    if len(asked) > 1:
        raise ValueError("--map takes a single picture; give one, or leave --map away.")
    path = output_path(options.map, MAP_KINDS)
    check_writable(Target(path, is_asked_for=True))
    return path


def map_files(asked: Sequence[Asked], folder: Path) -> list[Path]:
    """Where the map of each picture goes.

    Raises:
        ValueError: two pictures have the same name.
    """
    name, times = Counter(picture.name for picture in asked).most_common(1)[0]
    if times > 1:
        raise ValueError(f"Two of the pictures are named {name}, and so would their maps be; score one of them alone.")
    return [folder / f"{picture.name}.png" for picture in asked]


@dataclass(frozen=True)
class Work(Generic[T]):
    """What a command does with pictures.

    Attributes:
        asked: the pictures.
        measure: makes what is measured, from the model.
        line: a result for people.
        json: a result as a JSON object.
        keep: called with the number of each picture that has a result, the picture and the result; it writes maps.
    """

    asked: Sequence[Asked]
    measure: Callable[[Pipeline], Measure[T]]
    line: Form[T]
    json: Form[T]
    keep: Callable[[int, Picture, T], None] | None = None


def do(work: Work[T], options: argparse.Namespace) -> int:
    """Measure pictures; print them, or write a table. Say what is wrong with a picture, and go on.

    Returns:
        the exit status: 1 if something was wrong with any, 0 otherwise.

    Raises:
        ValueError: something is wrong with the options, the model or the table.
    """
    if not options.ray and (options.workers is not None or options.ray_address):
        raise ValueError("--workers and --ray-address are for Ray; give --ray as well.")
    if not options.output:
        for name in ("resume", "overwrite", "ray"):
            if getattr(options, name):
                raise ValueError(f"--{name} is for tables; give --output FILE as well.")
        return _print_all(work, work.measure(load_model(options)), options.json)
    with claimed_table(options.output, resume=options.resume, overwrite=options.overwrite) as path:
        if not options.ray:
            measure = work.measure(load_model(options))
            return _write_all(work, measure, partial(_rows, work, measure, options.json), path, options.resume)
        if work.keep or options.json:
            raise ValueError("--ray writes a table alone; leave --json and maps away.")
        from .on_ray import on_ray

        with on_ray(work.measure, options) as (measure, rows):
            return _write_all(work, measure, rows, path, options.resume)


def _print_all(work: Work[T], measure: Measure[T], as_json: bool) -> int:
    """Print the result of each picture; return the exit status."""
    failed = 0
    with _bar(len(work.asked)) as bar:
        for batch in _measured(measure, work.asked):
            for number, found in batch:
                failed += not _is_told(work, number, found, work.json if as_json else work.line)
                bar.update()
    return _ended(failed, len(work.asked))


def _write_all(work: Work[T], measure: Measure[T], rows: Rows, path: Path, resume: bool) -> int:
    """Write a row for each picture that the table lacks; return the exit status."""
    from ..insight.measure import in_table

    names: dict[str, int] = {}
    for number, asked in enumerate(work.asked):
        names.setdefault(in_table(asked.path), number)
    table = Table(path, measure, resume=resume, again=names)
    waiting = [number for name, number in names.items() if name not in table.done]
    before, failed, is_whole = table.total, 0, False
    try:
        with _bar(len(names), len(names) - len(waiting)) as bar:
            for some in rows([(number, work.asked[number]) for number in waiting]):
                table.append(some)
                for row in some:
                    if row["error"] is not None:
                        failed += 1
                        _say_wrong(row["image"] or "", row["error"])
                bar.update(len(some))
        is_whole = True
    except KeyboardInterrupt:
        say(f"starflow: {path} has {table.total} pictures; --resume goes on.", sys.stderr)
        raise
    finally:
        table.close(is_whole=is_whole)
    print(f"{path}: {_counted(table.total)}{f', {before} of them from before' if before else ''}.")
    return _ended(failed, len(names))


def _rows(
    work: Work[T], measure: Measure[T], as_json: bool, numbered: Sequence[tuple[int, Asked]]
) -> Iterator[list[dict[str, Any]]]:
    """The rows of pictures, computed here, batch by batch."""
    for batch in _measured(measure, [asked for _, asked in numbered]):
        for place, found in batch:
            if found.error is None:
                _is_told(work, numbered[place][0], found, work.json if as_json else None)
        yield [measure.row(found.name, found.picture, found.result, found.error) for _, found in batch]


def _measured(measure: Measure[T], asked: Sequence[Asked]) -> Iterator[list[tuple[int, Measured[T]]]]:
    """Batches of what is found of pictures, each with its number."""
    from ..insight.many import Source, measured

    places = itertools.count()
    sources = [Source(one.path, ValueError(one.error) if one.error else one.path) for one in asked]
    for batch in measured(measure, sources):
        yield [(next(places), found) for found in batch]


def _is_told(work: Work[T], number: int, found: Measured[T], form: Form[T] | None) -> bool:
    """Print a result and keep its map, or say what is wrong; return whether there is a result."""
    if found.picture is None or found.result is None:
        _say_wrong(found.name, str(found.error))
        return False
    if form:
        say(form(found.name, found.picture, found.result))
        sys.stdout.flush()
    if work.keep:
        work.keep(number, found.picture, found.result)
    return True


def _say_wrong(path: str, error: str) -> None:
    """Say in a line what is wrong with a picture."""
    say(f"starflow: {one_line(error if path in error else f'{path}: {error}')}", sys.stderr)


def _ended(failed: int, asked: int) -> int:
    """Say how many pictures failed, where there are several; return the exit status."""
    if failed and asked > 1:
        print(f"starflow: {failed} of {_counted(asked)} could not be measured.", file=sys.stderr)
    return 1 if failed else 0


def _counted(number: int) -> str:
    return f"{number} picture{'s' * (number != 1)}"


def _bar(total: int, done: int = 0) -> Any:
    """A progress bar over pictures; none where there is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, initial=done, disable=None, leave=False, unit="picture")


def one_line(text: str) -> str:
    r"""A text with its control characters as escapes, such as `\n`: names of files may hold any."""
    return "".join(
        sign.encode("unicode_escape").decode() if unicodedata.category(sign) == "Cc" else sign for sign in text
    )
