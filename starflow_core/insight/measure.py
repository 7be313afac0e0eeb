"""Something that is measured of many pictures, and what the rows of a table of it hold."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from PIL import Image

from ..images import as_rgb, decode_image, open_image
from ..pipeline import Pipeline
from .evaluation import fingerprint

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Picture(NamedTuple):
    """A picture that has been read.

    Attributes:
        image: RGB, upright, at the size that the model looks at.
        size: width and height of the picture in its file, upright, in pixels.
        is_cut: whether the model looks at the middle square alone.
    """

    image: Image.Image
    size: tuple[int, int]
    is_cut: bool


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: of the column.
        kind: `str`, `int`, `float` or `bool`; any value may be missing.
        is_list: whether a value is a list of this kind.
        parts: what the entries of a list are of, the same in every row; empty where rows need no such names.
    """

    name: str
    kind: type
    is_list: bool = False
    parts: tuple[str, ...] = ()


IMAGE, ERROR = Column("image", str), Column("error", str)
MODEL = (Column("model", str), Column("weights", str), Column("dtype", str))


class Measure(ABC, Generic[T]):
    """What is measured of pictures; a result T for each.

    Args:
        pipeline: the model.
        settings: all that a result depends on, beside the picture and the model; every row repeats them.

    Attributes:
        name: the command that measures this.
        values: the columns that a picture's result fills.
        asked: the columns of the settings.
    """

    name: ClassVar[str]
    values: tuple[Column, ...]
    asked: tuple[Column, ...]

    def __init__(self, pipeline: Pipeline, settings: dict[str, Any]) -> None:
        self.pipeline = pipeline
        self.settings = settings | {
            "model": pipeline.name,
            "weights": "+".join(
                fingerprint(part) for part in (pipeline.flow, pipeline.autoencoder) if part is not None
            ),
            "dtype": str(pipeline.flow.dtype).removeprefix("torch."),
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of a table: the picture, why it could not be measured, its result, and the settings."""
        return (IMAGE, ERROR, *self.values, *self.asked, *MODEL)

    @property
    @abstractmethod
    def at_once(self) -> int:
        """The number of pictures to measure together."""

    def read(self, source: str | bytes, name: str) -> Picture:
        """Read a picture.

        Args:
            source: the path of its file, or the bytes of the file.
            name: of the picture, for error messages.

        Raises:
            ValueError: it cannot be read, or is too long and narrow.
        """
        image = open_image(source, name) if isinstance(source, str) else decode_image(source, name or "This file")
        return self.fitted(as_rgb(image))

    def fitted(self, image: Image.Image) -> Picture:
        """A picture, RGB, at the size that the model looks at.

        Raises:
            ValueError: it is too long and narrow.
        """
        is_cut = self.pipeline.flow.has_fixed_size and image.width != image.height
        return Picture(self.pipeline.fit(image), image.size, is_cut)

    @abstractmethod
    def measure(self, pictures: Sequence[Picture]) -> list[T]:
        """The results of pictures, in order.

        Raises:
            ValueError: numbers overflow for one of the pictures.
        """

    @abstractmethod
    def told(self, picture: Picture, result: T) -> dict[str, Any]:
        """The values of a picture's row, by the names of `values`."""

    def row(self, name: str, picture: Picture | None, result: T | None, error: str | None) -> dict[str, Any]:
        """A picture's row, by the names of `columns`; without a result its values are None."""
        told = dict.fromkeys((column.name for column in self.values), None)
        if picture is not None and result is not None:
            told = self.told(picture, result)
        return {"image": in_table(name) or None, "error": error and in_table(error), **told, **self.settings}

    def for_workers(self) -> Self:
        """A copy that needs no text encoder, which is large: the prompts are encoded already."""
        copied = copy.copy(self)
        copied.pipeline = without_text(self.pipeline)
        return copied

    def to(self, device: str) -> None:
        """Move the model to a device."""
        move(self.pipeline, device)


def without_text(pipeline: Pipeline) -> Pipeline:
    """A copy of a model that shares all parts but has no text encoder."""
    copied = copy.copy(pipeline)
    copied.text_encoder = None
    return copied


def move(pipeline: Pipeline, device: str) -> None:
    """Move a model's flow and autoencoder to a device."""
    for part in (pipeline.flow, pipeline.autoencoder):
        if part is not None:
            part.to(device)


def in_table(text: str) -> str:
    r"""A file's name, or another text, as a table holds it: bytes that are no UTF-8 as escapes, such as `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()
