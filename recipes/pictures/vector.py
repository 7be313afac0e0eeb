"""SVG texts as images: the part of the plane to draw, and its drawing by resvg."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import resvg_py
from PIL import Image

ROOT = re.compile(r"<(?:\w+:)?svg\b[^>]*>", re.DOTALL)
FRAME = re.compile(r"""\s(width|height|viewBox|preserveAspectRatio)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
LENGTH = re.compile(r"^\s*([\d.]+)\s*(px|pt|mm|cm|in)?\s*$")
# User units per unit of length: 90 per inch, as in the editors that wrote such files.
UNITS = {None: 1.0, "px": 1.0, "pt": 1.25, "mm": 90 / 25.4, "cm": 90 / 2.54, "in": 90.0}
FAINT = 8  # alpha up to which a pixel counts as empty
MAX_TOUCHING = 2  # visible pixels, at most, on an edge that does not cut the drawing
FULL = 0.95  # share of each edge that a picture covers if it fills its page
WIDER = 1.0  # how far beyond its page a drawing is searched for, in pages
SKETCH = 64  # pixels of the longer side of the small image in which the drawing is located

Box = tuple[float, float, float, float]  # left, top, width, height


class NotDrawn(ValueError):
    """A drawing cannot be made into a picture."""


@dataclass(frozen=True)
class Vector:
    """An SVG text, split at the root's tag, without the attributes that frame the drawing."""

    before: str
    root: str  # the root's tag without its frame
    after: str
    page: Box

    @classmethod
    def parse(cls, svg: str) -> Vector:
        """Parse an SVG text.

        Raises:
            NotDrawn: it has no root, or the root does not say how large the page is.
        """
        found = ROOT.search(svg)
        if found is None:
            raise NotDrawn("It has no <svg>.")
        frame = {name: one or other for name, one, other in FRAME.findall(found.group(0))}
        return cls(svg[: found.start()], FRAME.sub("", found.group(0)), svg[found.end() :], _page(frame))

    def drawn(self, view: Box, pixels: int) -> Image.Image:
        """Draw a part of the plane as an RGBA image whose longer side is `pixels` long."""
        scale = pixels / max(view[2:])
        width, height = (max(1, round(length * scale)) for length in view[2:])
        frame = f' viewBox="{" ".join(f"{number:g}" for number in view)}" width="{width}" height="{height}"'
        name = re.match(r"<(?:\w+:)?svg", self.root)
        assert name is not None  # matches of ROOT begin so
        return draw(f"{self.before}{name.group(0)}{frame}{self.root[name.end() :]}{self.after}", width)


def draw(svg: str, width: int) -> Image.Image:
    """Draw an SVG text with resvg, as an RGBA image of a width in pixels.

    Raises:
        NotDrawn: resvg does not accept the text.
    """
    try:
        drawn = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, width=width)
        return Image.open(io.BytesIO(bytes(drawn))).convert("RGBA")
    except (ValueError, RuntimeError, OSError, SyntaxError) as error:
        raise NotDrawn(f"resvg does not draw it: {error}") from error


def whole(svg: str, pixels: int) -> Image.Image:
    """Draw a whole drawing without its empty borders, also what lies beyond its page.

    The longer side of the image is about `pixels` long.

    Raises:
        NotDrawn: the drawing is empty, broken, or runs far off its page.
    """
    vector = Vector.parse(svg)
    view = vector.page
    sketch = vector.drawn(view, SKETCH)
    if _is_cut(sketch):
        left, top, width, height = view
        view = (left - WIDER * width, top - WIDER * height, (1 + 2 * WIDER) * width, (1 + 2 * WIDER) * height)
        sketch = vector.drawn(view, SKETCH)
        if _is_cut(sketch):
            raise NotDrawn("It runs off its page.")
    image = vector.drawn(_around(bounds(sketch), view), pixels)
    return image.crop(bounds(image))


def bounds(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the box around the visible pixels.

    Raises:
        NotDrawn: there are no visible pixels.
    """
    box = _seen(image).getbbox()
    if box is None:
        raise NotDrawn("It is empty.")
    return box


def _around(box: tuple[int, int, int, int], view: Box) -> Box:
    """Return the part of the plane that a box in a sketch shows, with one more pixel of the sketch on each side."""
    scale = max(view[2:]) / SKETCH
    left, top, right, bottom = box
    return (
        view[0] + (left - 1) * scale,
        view[1] + (top - 1) * scale,
        (right - left + 2) * scale,
        (bottom - top + 2) * scale,
    )


def _is_cut(image: Image.Image) -> bool:
    """Whether a drawing continues beyond the edges: it touches an edge, but does not fill all edges."""
    seen = _seen(image)
    width, height = seen.size
    strips = (
        seen.crop((0, 0, width, 1)),
        seen.crop((0, height - 1, width, height)),
        seen.crop((0, 0, 1, height)),
        seen.crop((width - 1, 0, width, height)),
    )
    covered = [sum(strip.histogram()[1:]) for strip in strips]
    lengths = [max(strip.size) for strip in strips]
    full = all(count >= FULL * length for count, length in zip(covered, lengths, strict=True))
    return max(covered) > MAX_TOUCHING and not full


def _seen(image: Image.Image) -> Image.Image:
    return image.getchannel("A").point(lambda alpha: 255 * (alpha > FAINT))


def _page(frame: dict[str, str]) -> Box:
    numbers = re.split(r"[\s,]+", frame.get("viewBox", "").strip())
    if len(numbers) == 4:
        left, top, width, height = map(float, numbers)
    else:
        left, top, width, height = 0.0, 0.0, *(_length(frame.get(name, "")) for name in ("width", "height"))
    if not (width > 0 and height > 0):
        raise NotDrawn("It does not say how large it is.")
    return left, top, width, height


def _length(text: str) -> float:
    found = LENGTH.match(text)
    return float(found.group(1)) * UNITS[found.group(2)] if found else 0.0
