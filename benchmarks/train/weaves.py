"""Pictures of a woven cloth, in colours, and three defects that neither its colours nor its sharpness give away.

The cloth is a 2/2 twill of threads of three colours in a fixed order. What varies from picture to picture is normal:
where the pattern starts, how light each thread and each side of the picture is, and the grain. In the bent cloth,
threads stray from straight lines, too, so that no two tiles are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 128  # pixels
PITCH = 4  # pixels a thread
ORDER = (0, 1, 0, 2)  # the colours of the threads, by their places in COLOURS
COLOURS = np.array([(196, 188, 170), (150, 60, 52), (58, 84, 120)], float)
TWILL = 4  # threads a step of the weave
STRETCH = 10  # threads that a defect reaches over
BENT = 3.0  # pixels that threads of the bent cloth stray from straight lines, at most
LENGTH = 16  # pixels along which they do so
MARGIN = 1  # threads between a defect and the picture's edge


@dataclass(frozen=True)
class Cloth:
    """A cloth, thread by thread.

    Attributes:
        warp, weft: (N,), the colour of each thread.
        is_warp: (N, N), whether the warp is on top where two threads cross, by the weft's and the warp's place.
    """

    warp: np.ndarray
    weft: np.ndarray
    is_warp: np.ndarray


def normal(rng: np.random.Generator, stray: float = 0.0) -> Image.Image:
    """A picture of a cloth without a defect."""
    return _picture(_cloth(), rng, stray)


def missing_thread(rng: np.random.Generator, stray: float = 0.0) -> Image.Image:
    """One thread of the warp is missing over a stretch, so that the weft lies on top all along it."""
    cloth = _cloth()
    row, column = _place(rng)
    is_warp = cloth.is_warp.copy()
    is_warp[row : row + STRETCH, column] = False
    return _picture(Cloth(cloth.warp, cloth.weft, is_warp), rng, stray)


def shifted_pattern(rng: np.random.Generator, stray: float = 0.0) -> Image.Image:
    """In a square of the cloth, the weave is half a step off; in it, all is as it should be."""
    cloth = _cloth()
    row, column = _place(rng)
    is_warp = cloth.is_warp.copy()
    is_warp[row : row + STRETCH, column : column + STRETCH] ^= True
    return _picture(Cloth(cloth.warp, cloth.weft, is_warp), rng, stray)


def wrong_colour(rng: np.random.Generator, stray: float = 0.0) -> Image.Image:
    """Two neighbours in the weft have changed places: every colour is there as often as it should be."""
    cloth = _cloth()
    row, _ = _place(rng)
    weft = cloth.weft.copy()
    weft[[row, row + 1]] = weft[[row + 1, row]]
    return _picture(Cloth(cloth.warp, weft, cloth.is_warp), rng, stray)


DEFECTS = {"a missing thread": missing_thread, "a shifted pattern": shifted_pattern, "a wrong colour": wrong_colour}


def _threads() -> int:
    """More threads than a picture shows, so that the pattern may start anywhere."""
    return SIDE // PITCH + len(ORDER)


def _cloth() -> Cloth:
    threads = np.arange(_threads())
    colours = np.array(ORDER)[threads % len(ORDER)]
    return Cloth(colours, colours, (threads[:, None] + threads[None, :]) % TWILL < TWILL // 2)


def _place(rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a defect's first thread, in threads; it is within the picture wherever the pattern starts."""
    first = len(ORDER) + MARGIN  # the pattern may start up to len(ORDER) threads before the picture
    row, column = rng.integers(first, SIDE // PITCH - STRETCH - MARGIN + 1, 2)
    return int(row), int(column)


def _picture(cloth: Cloth, rng: np.random.Generator, stray: float) -> Image.Image:
    """A photograph of a cloth: each thread is round, and as light as it happens to be; light falls from some side.

    Args:
        cloth: to show.
        rng: of all that varies.
        stray: by how many pixels threads stray from straight lines, at most; 0 for straight ones.
    """
    top, left = rng.integers(0, len(ORDER) * PITCH, 2)
    middles = np.arange(SIDE) + 0.5  # of pixels
    y, x = np.meshgrid(middles + top, middles + left, indexing="ij")
    if stray:
        y, x = ((place + _field(stray, rng)).clip(0, PITCH * _threads() - 0.5) for place in (y, x))
    row, column = (y // PITCH).astype(int), (x // PITCH).astype(int)
    is_warp = cloth.is_warp[row, column]
    lightness = 1 + 0.08 * rng.standard_normal((2, _threads()))
    shade = np.where(is_warp, lightness[0][column] * _round(x), lightness[1][row] * _round(y))
    colour = COLOURS[np.where(is_warp, cloth.warp[column], cloth.weft[row])]
    slope_y, slope_x = 0.1 * rng.standard_normal(2)
    ramp = np.linspace(-1, 1, SIDE)
    light = 1 + slope_y * ramp[:, None] + slope_x * ramp[None, :]
    grain = 1 + rng.uniform(0.02, 0.08) * rng.standard_normal((SIDE, SIDE))
    pixels = colour * (shade * light * grain)[..., None]
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _field(stray: float, rng: np.random.Generator) -> np.ndarray:
    """How far each place strays (S, S), in pixels: smooth, and at most `stray`."""
    coarse = rng.uniform(-stray, stray, (SIDE // LENGTH + 1, SIDE // LENGTH + 1))
    smooth = Image.fromarray(coarse.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(smooth).clip(-stray, stray)


def _round(places: np.ndarray) -> np.ndarray:
    """How light a round thread is across its width, given places in pixels."""
    return 0.75 + 0.25 * np.cos((places / PITCH % 1 - 0.5) * np.pi)
