"""The command `starflow`: its parser and its error handling."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .. import __version__
from . import (
    anomaly,
    ascend,
    bpd,
    compress,
    confidence,
    convert,
    decompress,
    fetch,
    generate,
    info,
    inpaint,
    match,
    merge,
    models,
    morph,
    reconstruct,
    reference,
    reproduce,
    restyle,
    score,
    train,
    vary,
)
from .remarks import remarks_told
from .streams import printable

COMMANDS = (
    generate,
    inpaint,
    vary,
    restyle,
    morph,
    ascend,
    score,
    match,
    anomaly,
    confidence,
    reconstruct,
    reproduce,
    bpd,
    compress,
    decompress,
    reference,
    train,
    merge,
    fetch,
    models,
    convert,
    info,
)  # in the order of `starflow --help`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 1 for an error, 2 for wrong usage, 130 when cancelled."""
    with printable(sys.stdout), printable(sys.stderr), remarks_told():
        return _run(_parsed(arguments))


def _run(options: argparse.Namespace) -> int:
    try:
        status: int = options.run(options) or 0
    except ValueError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except MemoryError:
        return _failed("There is not enough memory; try a smaller size or count.")
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        return _failed("There is not enough memory; try a smaller size or count.")
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return 130
    return status


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options. Pictures may stand after options, too, which argparse does not allow for any number of them."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(options, "images") or any(one.startswith("-") for one in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.images += rest
    return options


def _failed(message: str) -> int:
    print(f"starflow: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="starflow", description="Pictures by a normalizing flow, and their likelihoods."
    )
    parser.add_argument("--version", action="version", version=f"starflow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
