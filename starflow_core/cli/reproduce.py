"""`starflow reproduce`: pictures drawn again from what their files say."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, save_picture
from .inputs import Asked, add_input_options, asked_pictures
from .names import Target, picture_target
from .options import add_model_options, load_model, new_command
from .progress import progress_bar, say

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import Pipeline
    from ..png_text import Origin
    from ..recover.reproduce import Reproduction

NOT_THE_SAME = 1  # exit status


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "reproduce", _reproduce, "draw pictures again from what their files say")
    add_input_options(command)
    command.add_argument("-o", "--output", metavar="FILE", help="write what was drawn: .png, or a folder/")
    command.add_argument(
        "--check", action="store_true", help="fail where a picture does not come out identical; others are skipped"
    )
    command.add_argument("--json", action="store_true", help="print a JSON object a line")
    add_model_options(command, dtype="by default that of the file", model=None)


def _reproduce(options: argparse.Namespace) -> int:
    asked = asked_pictures(options)
    targets = _targets(options, asked)
    models = Models(options)
    found: dict[str, int] = {"identical": 0, "different": 0, "not drawn by a flow": 0, "not drawn again": 0}
    for one, target in zip(asked, targets, strict=True):
        found[_one(one, target, models, options)] += 1
    if len(asked) > 1:
        say(", ".join(f"{number} {what}" for what, number in found.items() if number), sys.stderr)
    if options.check:
        return NOT_THE_SAME if found["different"] or found["not drawn again"] or not found["identical"] else 0
    return 0 if found["identical"] + found["different"] else NOT_THE_SAME


def _targets(options: argparse.Namespace, asked: list[Asked]) -> list[Target | None]:
    """Where to write each picture.

    Raises:
        ValueError: one file is given for several pictures, or a file cannot be written.
    """
    if options.output is None:
        return [None] * len(asked)
    targets = [picture_target(options.output, f"{Path(one.path).stem}-again") for one in asked]
    if len(asked) > 1 and targets[0].is_asked_for:
        raise ValueError(f"{options.output} is one file for {len(asked)} pictures; give a folder, with / at its end.")
    check_writable(targets[0])
    return list(targets)


def _one(asked: Asked, target: Target | None, models: Models, options: argparse.Namespace) -> str:
    """Draw a picture again, and say how far off it is; return what it counts as."""
    from ..recover.origin import NoOrigin
    from ..recover.reproduce import reproduced

    try:
        if asked.error:
            raise ValueError(asked.error)
        with progress_bar("drawing") as progress:
            again = reproduced(asked.path, models.of, progress, kept=models.kept)
        _say(asked.path, again, options)
        if target:
            say(str(save_picture(again.image, target, again.origin)))
    except NoOrigin as error:
        say(f"starflow: {error}", sys.stderr)
        return "not drawn by a flow"
    except ValueError as error:
        told = str(error)
        say(f"starflow: {told if asked.path in told else f'{asked.path}: {told}'}", sys.stderr)
        return "not drawn again"
    return "identical" if again.is_identical else "different"


def _say(path: str, again: Reproduction, options: argparse.Namespace) -> None:
    if options.json:
        told = {"image": path, "identical": again.is_identical, "largest": again.largest, "mean": again.mean}
        decibels = None if again.is_identical else again.psnr
        say(json.dumps(told | {"psnr": decibels, "remarks": again.remarks}, ensure_ascii=False))
        return
    say(f"{path}: {again.in_words}")
    for remark in again.remarks:
        say(f"  {remark}")


class Models:
    """The models that files name, each read once; or the one that the options name.

    Attributes:
        kept: the last batch, see `reproduced`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._read: dict[tuple[Any, ...], Pipeline] = {}
        self.kept: dict[str, Tensor] = {}

    def of(self, origin: Origin) -> Pipeline:
        """The model of a picture.

        Raises:
            ValueError: it is not on this machine.
        """
        from ..recover.reproduce import model_of

        options, told = self._options, origin.settings
        key = (options.model or told["model"], options.dtype or str(told.get("dtype")), str(told.get("device")))
        if key not in self._read:
            if options.model:
                self._read[key] = load_model(options)
            else:
                self._read[key] = model_of(origin, device=options.device, dtype=options.dtype)
        return self._read[key]
