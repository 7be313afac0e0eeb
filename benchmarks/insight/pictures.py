"""Normal pictures, which the model was not trained on, and odd ones of many kinds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from recipes.pictures.drawing import Drawing
from recipes.pictures.rasterise import on_white, rasterised
from recipes.pictures.readers import iconify

# The names of photographs in scikit-image.
PHOTOGRAPHS = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "hubble_deep_field",
    "retina",
    "immunohistochemistry",
)
NO_COUNTRIES = ("flag-in-hole",)

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Called with a normal picture (S, S, 3), uint8; returns an odd one."""


def noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, picture.shape, dtype=np.uint8)


def flat(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fill the picture with its mean colour."""
    return np.broadcast_to(picture.mean((0, 1)), picture.shape).astype(np.uint8)


def blurred(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur with a Gaussian whose standard deviation is a 32nd of the side, four pixels of 128."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(len(picture) / 32)))


def shuffled(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put the sixteen squares of the picture in a random order."""
    side = len(picture) // 4
    squares = [picture[i : i + side, j : j + side] for i in range(0, 4 * side, side) for j in range(0, 4 * side, side)]
    order = rng.permutation(16).reshape(4, 4)
    return np.concatenate([np.concatenate([squares[k] for k in row], 1) for row in order])


def inverted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 255 - picture


def gradient(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a gradient from one random colour to another, at a random angle."""
    y, x = np.mgrid[: len(picture), : len(picture)] / len(picture) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    share = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2) + 0.5
    first, last = rng.integers(0, 256, (2, 3))
    return (first + (last - first) * share[..., None]).clip(0, 255).astype(np.uint8)


def scratched(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw six straight lines of a random colour on the picture, a 64th of the side wide."""
    y, x = np.mgrid[: len(picture), : len(picture)] / len(picture)
    picture = picture.copy()
    colour = rng.integers(0, 256, 3)
    for _ in range(6):
        angle, at = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8, 2)
        across = np.abs((x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle))
        along = np.abs((y - at[1]) * np.cos(angle) - (x - at[0]) * np.sin(angle))
        picture[(across < 1 / 128) & (along < rng.uniform(0.1, 0.3))] = colour
    return picture


def upside_down(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return picture[::-1].copy()


def pasted(picture: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paste a square from the middle of another picture at a random place; it is a third of the side wide."""
    side = len(picture) // 3
    top, left = rng.integers(0, len(picture) - side, 2)
    middle = (len(picture) - side) // 2
    picture = picture.copy()
    picture[top : top + side, left : left + side] = other[middle : middle + side, middle : middle + side]
    return picture


CHANGES: tuple[Change, ...] = (noise, flat, blurred, shuffled, inverted, gradient, scratched, upside_down)


def odd(
    normal: np.ndarray, count: int, packages: dict[str, Path], avatars: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each kind of odd picture, and pictures (count, S, S, 3) of it.

    Args:
        normal: (N, S, S, 3) uint8, pictures from which odd ones are made.
        count: the number of pictures of each kind.
        packages: the folders of the packages that contain flags.
        avatars: (n, S, S, 3) uint8, with n at least `count`. None of the normal pictures is one. A model of all sets
            was trained on them, as on other avatars, so to it they are odd beside normal pictures alone.
    """
    rng = np.random.default_rng(0)
    chosen, others = normal[:count], np.roll(normal, count // 2 + 1, axis=0)[:count]
    for change in CHANGES:
        yield change.__name__.replace("_", " "), np.stack([change(one, rng) for one in chosen])
    yield "pasted", np.stack([pasted(*pair, rng) for pair in zip(chosen, others, strict=True)])
    side = normal.shape[1]
    yield "flags", _flags(packages, side, count)
    yield "photographs", _photographs(side, count, rng)
    yield "digits", _digits(side, count)
    yield "avatars", avatars[:count]


def _flags(packages: dict[str, Path], side: int, count: int) -> np.ndarray:
    """Flags of countries, from a set of emoji; the model was trained on the rest of the set."""
    content = json.loads((packages["iconify"] / "json" / "twemoji.json").read_text())
    names = [name for name in content["icons"] if name.startswith("flag-") and name not in NO_COUNTRIES]
    drawings = [Drawing(name, name, iconify.svg(content, content["icons"][name])) for name in names[:count]]
    return np.stack([on_white(rasterised(drawing, side)) for drawing in drawings])


def _photographs(side: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random squares of photographs, scaled; a square's side is between half and all of the shorter side."""
    import skimage.data  # with the extra `benchmarks` only
    import sklearn.datasets

    wholes = [*sklearn.datasets.load_sample_images().images]
    wholes += [getattr(skimage.data, name)()[..., :3] for name in PHOTOGRAPHS]
    found = []
    for number in range(count):
        whole = wholes[number % len(wholes)]
        shorter = min(whole.shape[:2])
        cut = int(rng.uniform(0.5, 1) * shorter)
        top, left = (int(rng.integers(0, length - cut + 1)) for length in whole.shape[:2])
        square = Image.fromarray(np.ascontiguousarray(whole[top : top + cut, left : left + cut]))
        found.append(np.asarray(square.resize((side, side), Image.Resampling.LANCZOS)))
    return np.stack(found)


def _digits(side: int, count: int) -> np.ndarray:
    """Handwritten digits, dark on white."""
    import sklearn.datasets

    grey = 255 - (sklearn.datasets.load_digits().images[:count] * 255 / 16).astype(np.uint8)
    large = [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC).convert("RGB") for one in grey]
    return np.stack([np.asarray(one) for one in large])
