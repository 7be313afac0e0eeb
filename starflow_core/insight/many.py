"""Many pictures measured batch by batch, past those that are broken; the next ones are read meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from .measure import Measure, Picture
from .reading import read_ahead

T = TypeVar("T")


class Source(NamedTuple):
    """A picture to measure.

    Attributes:
        name: of the picture, for messages.
        content: the path of its file, or the bytes of the file; an error where it is known that there is no picture.
    """

    name: str
    content: str | bytes | ValueError


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What has been found of a picture: it and a result, or an error that concerns it alone.

    Attributes:
        name: of the picture.
        picture: None if it could not be read.
        result: None if there is an error.
        error: what is wrong, in a sentence; None for a result.
    """

    name: str
    picture: Picture | None
    result: T | None
    error: str | None


def measured(measure: Measure[T], sources: Sequence[Source]) -> Iterator[list[Measured[T]]]:
    """Yield batches of what has been found, in the order of the sources; each number is that of the picture alone, up
    to rounding.
    """
    size = measure.at_once
    batches = [sources[first : first + size] for first in range(0, len(sources), size)]

    def read(source: Source) -> Picture | ValueError:
        try:
            if isinstance(source.content, ValueError):
                return source.content
            return measure.read(source.content, source.name)
        except ValueError as error:
            return error

    for batch, pictures in zip(batches, read_ahead(read, batches), strict=True):
        yield measured_together(measure, [source.name for source in batch], pictures)


def measured_together(
    measure: Measure[T], names: Sequence[str], pictures: Sequence[Picture | ValueError]
) -> list[Measured[T]]:
    """What is found of pictures that have been read, or of why they could not be."""
    found: list[T | ValueError] = _each(measure, [one for one in pictures if not isinstance(one, ValueError)])
    results = iter(found)
    return [
        _one(name, picture, picture if isinstance(picture, ValueError) else next(results))
        for name, picture in zip(names, pictures, strict=True)
    ]


def _each(measure: Measure[T], pictures: list[Picture]) -> list[T | ValueError]:
    """The result of each picture, or its error; measured alone where an error may be that of another."""
    try:
        return [*measure.measure(pictures)] if pictures else []
    except ValueError as error:
        return [error] if len(pictures) == 1 else [one for picture in pictures for one in _each(measure, [picture])]


def _one(name: str, picture: Picture | ValueError, result: Any) -> Measured[Any]:
    is_broken = isinstance(result, ValueError)
    read = None if isinstance(picture, ValueError) else picture
    return Measured(name, read, None if is_broken else result, str(result) if is_broken else None)
