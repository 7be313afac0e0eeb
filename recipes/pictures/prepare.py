"""All pictures, rasterised and named: `python -m recipes.pictures.prepare`.

Writes `images.npy` (N, 128, 128, 3) on white, `alpha.npy` (N, 128, 128) and `subjects.jsonl` into the folder. Each set
is kept in a file of its own in `sets/`, and is made again only if that file is missing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np

from . import colours, filters, licences, likeness, names, vocabulary
from .drawing import Drawing
from .fetch import fetch
from .options import Options, options
from .picture import CLEAR, Picture, as_line
from .rasterise import SIDE, on_white, rasterised
from .table import PictureSet, packages, sets
from .vector import NotDrawn

ALSO = {"dicebear": ("dicebear-core",)}  # packages that readers need in addition to those of their sets
VARIANTS = ("one", "two", "three", "four", "five", "alt", "flat", "duo", "fill", "filled", "duotone", "line", "theme")
MAX_KEYWORDS = 20
FREE = 0.04  # share of clear pixels above which the background of a picture is clear
MIN_CONTRAST = 6.0  # standard deviation on white, of 255; a picture with less is invisible


def prepare(chosen: Options) -> None:
    """Fetch the packages and make the pictures of the chosen sets."""
    wanted = [s for key, s in sets().items() if not chosen.sets or key in chosen.sets]
    if unknown := set(chosen.sets) - set(sets()):
        raise SystemExit(f"There is no set {', '.join(sorted(unknown))}; there are {', '.join(sets())}.")
    keys = {"emojibase", *(package for s in wanted for package in (s.package, *ALSO.get(s.reader, ())))}
    folders = {key: fetch(packages()[key], chosen.packages) for key in packages() if key in keys}
    kept = chosen.folder / "sets"
    kept.mkdir(parents=True, exist_ok=True)
    for picture_set in wanted:
        if not (kept / f"{picture_set.key}.npy").exists():
            _make(picture_set, folders, kept)
    _join([s.key for s in wanted], chosen.folder)


def _make(picture_set: PictureSet, folders: Mapping[str, Path], kept: Path) -> None:
    """Make the pictures (n, S, S, 4) and rows of one set, and write them to its files."""
    begun = time.perf_counter()
    licences.check(picture_set, folders[picture_set.package])
    read = import_module(f".readers.{picture_set.reader}", __package__).read
    drawings = list(read(picture_set, folders))
    counts = Counter(read=len(drawings))
    drawings = [d for d in drawings if filters.is_wanted(d, picture_set)]
    drawings = filters.capped(filters.largest(drawings) if picture_set.sizes else drawings, picture_set.cap)
    counts["wanted"] = len(drawings)
    rows, pictures = [], []
    for drawing in drawings:
        name = _name(drawing, picture_set, folders)
        try:
            picture = rasterised(drawing)
        except NotDrawn:
            counts["not drawn"] += 1
            continue
        if not name or on_white(picture).std() < MIN_CONTRAST:
            counts["without a name" if not name else "invisible"] += 1
            continue
        rows.append(_row(drawing, name, picture, picture_set))
        pictures.append(picture)
    stack = np.stack(pictures)
    first = likeness.first_of_each(likeness.small(on_white(stack)), [row.name for row in rows])
    counts["repeated"], counts["kept"] = int((~first).sum()), int(first.sum())
    np.save(kept / f"{picture_set.key}.npy", stack[first])
    lines = [as_line(row) for row, is_first in zip(rows, first, strict=True) if is_first]
    (kept / f"{picture_set.key}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    seconds = time.perf_counter() - begun
    (kept / f"{picture_set.key}.json").write_text(json.dumps(counts | {"seconds": round(seconds, 1)}))
    print(f"{picture_set.key}: {dict(counts)}, {len(drawings) / seconds:.0f} a second", flush=True)


def _row(drawing: Drawing, name: str, picture: np.ndarray, picture_set: PictureSet) -> Picture:
    words = [names.cleaned(word) for word in drawing.keywords]
    keywords = tuple(dict.fromkeys(word for word in words if word and word != name))[:MAX_KEYWORDS]
    named = any(word in colours.WORDS for word in name.split())
    free = bool((picture[..., 3] < 8).mean() > FREE)
    return Picture(
        id=f"{picture_set.key}:{drawing.id}",
        set=picture_set.key,
        style=picture_set.style,
        group=picture_set.group,
        name=name,
        licence=picture_set.licence,
        source=drawing.id,
        category=drawing.category,
        keywords=keywords,
        attributes=drawing.attributes,
        colour=colours.named_colour(picture),
        hue=colours.dominant_hue(picture) if picture_set.recolour and not named else None,
        background=CLEAR if free else "full",
    )


def _name(drawing: Drawing, picture_set: PictureSet, folders: Mapping[str, Path]) -> str:
    """Return the name of a picture, in words; "" if it cannot be determined."""
    name = drawing.name if drawing.said else names.cleaned(drawing.name, VARIANTS)
    if picture_set.joined and not drawing.said:
        return names.split(name.replace(" ", ""), vocabulary.counted(folders))
    return name


def _join(keys: list[str], folder: Path) -> None:
    """Join the files of the sets."""
    parts = [np.load(folder / "sets" / f"{key}.npy", mmap_mode="r") for key in keys]
    number = sum(map(len, parts))
    shape = (number, SIDE, SIDE)
    images = np.lib.format.open_memmap(folder / "images.npy.part", "w+", np.uint8, (*shape, 3))
    alpha = np.lib.format.open_memmap(folder / "alpha.npy.part", "w+", np.uint8, shape)
    start = 0
    for part in parts:
        end = start + len(part)
        images[start:end], alpha[start:end] = on_white(part), part[..., 3]
        start = end
    for array, name in ((images, "images.npy"), (alpha, "alpha.npy")):
        array.flush()
        (folder / f"{name}.part").rename(folder / name)
    lines = "".join((folder / "sets" / f"{key}.jsonl").read_text() for key in keys)
    (folder / "subjects.jsonl").write_text(lines)
    print(f"{number} pictures of {len(keys)} sets in {folder}")


if __name__ == "__main__":
    prepare(options(__doc__))
