"""The pictures and captions that the embedded model learns: `python -m training.data`.

Noto Emoji pictures (Apache-2.0) come from the npm package `emoji-datasource-google`, keywords from `emojilib` (MIT);
flags and skin tones are left out. The npm command fetches both.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .config import Config, load_config

LEFT_OUT = ("Flags", "Component")
# Hues that people name, in degrees.
COLOURS = {"red": 0, "orange": 28, "yellow": 48, "green": 120, "blue": 215, "purple": 275, "pink": 330}
# Pictures of many hues have no dominant one: their mean hue, as a vector on the circle, is shorter than this.
MIN_CONCENTRATION = 0.5
MIN_COLOURFULNESS = 0.04  # mean saturation × value over the picture below which it counts as grey
VARIATION_SELECTOR = "\ufe0f"


@dataclass(frozen=True)
class Subject:
    """A picture's words: its name, further keywords, the emoji character itself, and the group that it belongs to."""

    name: str
    keywords: tuple[str, ...]
    character: str
    image: str
    group: str

    @property
    def is_held_out_at(self) -> float:
        """A number in [0, 1) that depends on nothing but the name."""
        return int(hashlib.sha256(self.name.encode()).hexdigest()[:8], 16) / 2**32

    def caption(self, rng: random.Random) -> str:
        """A caption in one of the ways that people write prompts."""
        style = rng.random()
        if style < 0.6 or not self.keywords:
            return self.name
        if style < 0.7:
            return self.character
        words = [self.name, *rng.sample(self.keywords, min(len(self.keywords), rng.randint(1, 3)))]
        if style < 0.8:
            rng.shuffle(words)
        elif style < 0.85:
            words = words[1:]
        return " ".join(words)


@dataclass(frozen=True)
class Dataset:
    """Pictures (N, H, W, 3) uint8 on white, with a subject each."""

    subjects: list[Subject]
    images: np.ndarray

    def split(self, held_out: float) -> tuple[Dataset, Dataset]:
        """The pictures to train on, and those never trained on."""
        rest = np.array([subject.is_held_out_at >= held_out for subject in self.subjects])
        return self.where(rest), self.where(~rest)

    def where(self, chosen: np.ndarray) -> Dataset:
        """The pictures for which `chosen` (N,) is true."""
        return Dataset([s for s, kept in zip(self.subjects, chosen, strict=True) if kept], self.images[chosen])


def prepare(config: Config) -> None:
    """Fetch both packages and write `images.npy` and `subjects.json` into the data folder."""
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    pictures, words = (_npm_package(config.data[name], folder) for name in ("images", "keywords"))
    keywords = json.loads((words / "dist" / "emoji-en-US.json").read_text())
    subjects, images = [], []
    for entry in json.loads((pictures / "emoji.json").read_text()):
        if entry["category"] in LEFT_OUT or not entry["has_img_google"]:
            continue
        subjects.append(_subject(entry, keywords))
        images.append(_on_white(pictures / "img" / "google" / "64" / entry["image"], config.data["image_size"]))
    np.save(folder / "images.npy", np.stack(images))
    rows = [vars(subject) for subject in subjects]
    (folder / "subjects.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    print(f"{len(subjects)} pictures in {folder}")


def load(config: Config) -> Dataset:
    """What `prepare` wrote."""
    if not (config.folder / "images.npy").exists():
        raise SystemExit("There are no pictures yet; run `python -m training.data` first.")
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


def dominant_hue(image: np.ndarray) -> float | None:
    """The hue of most of a picture's colour (H, W, 3), in degrees; None where it is grey or many-coloured."""
    hue, saturation, value = np.moveaxis(
        np.asarray(Image.fromarray(image).convert("HSV"), dtype=np.float64) / 256, -1, 0
    )
    weight = saturation * value
    if weight.mean() < MIN_COLOURFULNESS:
        return None
    mean = (weight * np.exp(2j * np.pi * hue)).sum() / weight.sum()
    return float(np.degrees(np.angle(mean)) % 360) if abs(mean) >= MIN_CONCENTRATION else None


def recoloured(image: np.ndarray, colour: str) -> np.ndarray:
    """The picture (H, W, 3) with all hues turned so that the dominant one becomes a named colour's.

    Raises:
        ValueError: the picture has no dominant hue.
    """
    dominant = dominant_hue(image)
    if dominant is None:
        raise ValueError("A picture without a dominant hue cannot be recoloured.")
    turn = round((COLOURS[colour] - dominant) / 360 * 256)
    hue, saturation, value = Image.fromarray(image).convert("HSV").split()
    turned = Image.fromarray(np.asarray(hue) + np.uint8(turn % 256))  # wraps around, as hues do
    return np.asarray(Image.merge("HSV", (turned, saturation, value)).convert("RGB"))


def _npm_package(name: str, folder: Path) -> Path:
    """The folder of an npm package, fetched and unpacked where it is not there yet."""
    target = folder / name.replace("/", "-")
    if not target.exists():
        packed = subprocess.run(
            ["npm", "pack", "--silent", name], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.split()[-1]
        unpacked = target.with_suffix(".part")
        with tarfile.open(folder / packed) as archive:
            archive.extractall(unpacked, filter="data")
        shutil.move(unpacked / "package", target)
        shutil.rmtree(unpacked)
        (folder / packed).unlink()
    return target


def _subject(entry: dict[str, Any], keywords: dict[str, list[str]]) -> Subject:
    character = "".join(chr(int(code, 16)) for code in entry["unified"].split("-"))
    words = keywords.get(character) or keywords.get(character.replace(VARIATION_SELECTOR, "")) or []
    words = [word.replace("_", " ") for word in words if any(letter.isalpha() for letter in word)]
    own = entry["name"] or entry["short_name"]
    candidates = [*words, own.lower(), *(name.replace("_", " ") for name in entry["short_names"])]
    name, *rest = dict.fromkeys(candidate.lower() for candidate in candidates)
    return Subject(name, tuple(rest), character, entry["image"], entry["subcategory"])


def _on_white(path: Path, size: int) -> np.ndarray:
    picture = Image.open(path).convert("RGBA").resize((size, size), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


if __name__ == "__main__":
    prepare(load_config())
