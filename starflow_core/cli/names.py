"""File names of drawn pictures."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = (".png", ".jpg", ".jpeg", ".webp")  # of pictures that can be written
LONGEST_STEM = 60  # characters
LONGEST_STEM_BYTES = 180  # in UTF-8; file systems take 255, and a seed, a number and a suffix follow
# Unicode's categories of emoji, of their skin tones, and of those that are newer than this Python.
SYMBOLS = ("So", "Sk", "Cn", "Co")


@dataclass(frozen=True)
class Target:
    """A file to write.

    Attributes:
        path: of the file.
        is_asked_for: by this name, so that a file that is there is written over; otherwise the next free name is
            taken, and folders are made.
    """

    path: Path
    is_asked_for: bool


def picture_targets(
    output: str | None, output_dir: str | None, prompts: Sequence[str], seeds: Sequence[int]
) -> dict[tuple[str, int], list[Target]]:
    """The files of pictures by prompt and seed; several where a prompt is asked for more than once.

    Args:
        output: a file's name, which gets the number of the prompt and the seed where there are several; or a folder.
        output_dir: a folder; both None for the working directory.
        prompts: what to draw.
        seeds: each prompt is drawn with all of them.

    Raises:
        ValueError: the file is of a kind that cannot be written.
    """
    folder = output_folder(output, output_dir)
    targets: dict[tuple[str, int], list[Target]] = {}
    for number, prompt in enumerate(prompts, 1):
        for seed in seeds:
            if folder is not None:
                target = Target(folder / f"{file_stem(prompt, seed)}.png", is_asked_for=False)
            else:
                parts = [str(number)] * (len(prompts) > 1) + [str(seed)] * (len(seeds) > 1)
                path = output_path(output or "")
                target = Target(path.with_name("-".join([path.stem, *parts]) + path.suffix), is_asked_for=True)
            targets.setdefault((prompt, seed), []).append(target)
    return targets


def picture_target(output: str, stem: str) -> Target:
    """The file of a single picture, of a name of its own where the output is a folder.

    Raises:
        ValueError: the file is of a kind that cannot be written.
    """
    folder = output_folder(output, None)
    if folder is None:
        return Target(output_path(output), is_asked_for=True)
    return Target(folder / f"{stem}.png", is_asked_for=False)


def output_path(name: str, kinds: Sequence[str] = KINDS) -> Path:
    """The path of a file to write, of a kind that can be.

    Raises:
        ValueError: it is of another kind.
    """
    path = Path(name)
    if path.suffix.lower() not in kinds:
        raise ValueError(f"{path} does not end with {' or '.join(kinds)}, which is all that can be written.")
    return path


def file_stem(prompt: str, seed: int) -> str:
    """The name of a picture's file without suffix, from its prompt and seed; an emoji gives its Unicode name."""
    words = "".join(f" {_name(sign)} " if _is_symbol(sign) else sign for sign in prompt)
    slug = re.sub(r"[^\w]+", "-", words.lower())[:LONGEST_STEM]
    slug = slug.encode()[:LONGEST_STEM_BYTES].decode("utf-8", "ignore").strip("-")
    return f"{slug or 'picture'}-{seed}"


def output_folder(output: str | None, output_dir: str | None, kinds: Sequence[str] = KINDS) -> Path | None:
    """The folder for files under default names; None where the output is a file, of one of the kinds."""
    if output_dir is not None:
        return Path(output_dir)
    if output is None:
        return Path()
    ends_like_one = output.endswith(("/", os.sep))
    is_one = bool(output) and Path(output).suffix.lower() not in kinds and Path(output).is_dir()
    return Path(output) if ends_like_one or is_one else None


def _is_symbol(sign: str) -> bool:
    return not sign.isascii() and unicodedata.category(sign) in SYMBOLS


def _name(sign: str) -> str:
    return unicodedata.name(sign, f"u{ord(sign):x}")
