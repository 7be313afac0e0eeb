"""The pictures and words that the embedded models learn: `python -m recipes.data`.

Emoji pictures come from the npm packages that `config.toml` names, keywords from `emojilib` (MIT); NOTICE lists their
licences. Flags and skin tones are left out.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import tarfile
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .config import Config, arguments
from .held_out import HeldOut
from .subjects import Subject

LEFT_OUT = ("Flags", "Component")
VARIATION_SELECTOR = "\ufe0f"
REGISTRY = "https://registry.npmjs.org"
NEEDED = re.compile(r"\.json$|/64/[^/]+\.png$|LICENSE")  # of a package's files
TIMEOUT = 60  # seconds without an answer


@dataclass(frozen=True)
class Dataset:
    """Pictures (N, H, W, 3) uint8 on white, with a subject each."""

    subjects: list[Subject]
    images: np.ndarray

    def split(self, held_out: HeldOut) -> tuple[Dataset, Dataset]:
        """The pictures to train on, and those never trained on."""
        rest = np.array([subject.name not in held_out.subjects for subject in self.subjects])
        return self.where(rest), self.where(~rest)

    def of_styles(self, styles: Collection[str]) -> Dataset:
        """The pictures in some of the styles."""
        return self.where(np.array([subject.style in styles for subject in self.subjects]))

    def where(self, chosen: np.ndarray) -> Dataset:
        """The pictures for which `chosen` (N,) is true."""
        return Dataset([s for s, kept in zip(self.subjects, chosen, strict=True) if kept], self.images[chosen])


def prepare(config: Config) -> None:
    """Fetch all packages and write `images.npy` and `subjects.json` into the data folder."""
    folder, size = config.folder, config.data["image_size"]
    folder.mkdir(parents=True, exist_ok=True)
    words = _npm_package(config.data["keywords"], folder)
    keywords = json.loads((words / "dist" / "emoji-en-US.json").read_text())
    subjects, images = [], []
    for style, picture_set in config.data["sets"].items():
        package, kind = _npm_package(picture_set["package"], folder), picture_set["kind"]
        for entry in _drawn(package, kind, config.data.get("groups")):
            subjects.append(_subject(entry, keywords, style))
            images.append(_on_white(package / "img" / kind / "64" / entry["image"], size))
    np.save(folder / "images.npy", np.stack(images))
    rows = [vars(subject) for subject in subjects]
    (folder / "subjects.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    print(f"{len(subjects)} pictures in {folder}")


def load(config: Config) -> Dataset:
    """What `prepare` wrote."""
    if not (config.folder / "images.npy").exists():
        raise SystemExit("There are no pictures yet; run `python -m recipes.data` first.")
    rows = json.loads((config.folder / "subjects.json").read_text())
    subjects = [Subject(**(row | {"keywords": tuple(row["keywords"])})) for row in rows]
    return Dataset(subjects, np.load(config.folder / "images.npy"))


def moved(image: np.ndarray, rng: random.Random) -> np.ndarray:
    """The picture (H, W, 3) shifted by up to a twentieth of its side and scaled by up to a tenth, on white."""
    side = image.shape[0]
    scaled, shift = round(side * rng.uniform(0.9, 1.06)), side // 20
    left, top = ((side - scaled) // 2 + rng.randint(-shift, shift) for _ in range(2))
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(Image.fromarray(image).resize((scaled, scaled), Image.Resampling.BICUBIC), (left, top))
    return np.asarray(canvas)


def _drawn(package: Path, kind: str, groups: Collection[str] | None) -> Iterator[dict[str, Any]]:
    """The entries of some groups that a set has a picture of, without those left out."""
    for entry in json.loads((package / "emoji.json").read_text()):
        wanted = groups is None or entry["subcategory"] in groups
        if wanted and entry["category"] not in LEFT_OUT and entry[f"has_img_{kind}"]:
            yield entry


def _npm_package(name: str, folder: Path) -> Path:
    """The folder of what is needed of an npm package, `name@version`, fetched where it is not there yet."""
    target = folder / name
    if not target.exists():
        package, version = name.split("@")
        address = f"{REGISTRY}/{package}/-/{package}-{version}.tgz"
        part = folder / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        print(f"fetching {address}")
        with (
            urllib.request.urlopen(address, timeout=TIMEOUT) as reply,
            tarfile.open(fileobj=reply, mode="r|gz") as archive,
        ):
            archive.extractall(part, (entry for entry in archive if NEEDED.search(entry.name)), filter="data")
        (part / "package").rename(target)
        part.rmdir()
    return target


def _subject(entry: dict[str, Any], keywords: dict[str, list[str]], style: str) -> Subject:
    character = "".join(chr(int(code, 16)) for code in entry["unified"].split("-"))
    words = keywords.get(character) or keywords.get(character.replace(VARIATION_SELECTOR, "")) or []
    words = [word.replace("_", " ") for word in words if any(letter.isalpha() for letter in word)]
    own = entry["name"] or entry["short_name"]
    candidates = [*words, own.lower(), *(name.replace("_", " ") for name in entry["short_names"])]
    name, *rest = dict.fromkeys(candidate.lower().strip() for candidate in candidates)
    return Subject(name, tuple(rest), character, entry["image"], entry["subcategory"], style)


def _on_white(path: Path, size: int) -> np.ndarray:
    picture = Image.open(path).convert("RGBA").resize((size, size), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


if __name__ == "__main__":
    prepare(arguments(__doc__).config)
