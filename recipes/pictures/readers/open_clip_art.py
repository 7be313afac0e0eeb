"""The Debian package `openclipart-svg`: SVG files in folders by subject, with titles and keywords in their metadata."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import names, vocabulary
from ..drawing import Drawing
from ..table import PictureSet
from ..words import words

MAX_BYTES = 600_000  # larger files take seconds each
MAX_OF_A_TITLE = 3  # files; a title that more files have is that of a series
TITLE = re.compile(r"<dc:title>([^<]{2,80})</dc:title>")
KEYWORD = re.compile(r"<rdf:li>([^<]{2,40})</rdf:li>")
CREATOR = re.compile(r"<dc:(creator|publisher|rights)>.*?</dc:\1>", re.DOTALL)
SERIES = re.compile(
    r"^(clip ?arts? by [^-]*-|various|etiquette|blueberry|homes)\b|\b(clip ?arts?|icon ?set|svg)\b", re.IGNORECASE
)
EMPTY = words("empty_keywords")
NOT_SAID = re.compile(r"\b(bw|ganson|svg|openclipart|alt\d*)\b")  # in files' names


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """Yield the drawings, except those in skipped folders, large files, and links to other drawings."""
    root = folders[picture_set.package] / "usr/share/openclipart/svg"
    english = vocabulary.counted(folders)
    texts = {file: file.read_text(errors="replace") for file in _files(root, picture_set.skip)}
    titles = Counter(_title(text) for text in texts.values())
    for file, svg in texts.items():
        keywords = _keywords(svg)
        title = _title(svg)
        named = [title, _stem(file.stem, svg)]
        if titles[title] > MAX_OF_A_TITLE:
            named.reverse()
        yield Drawing(
            file.relative_to(root).as_posix(),
            _name(named, keywords, english),
            svg,
            keywords,
            file.parent.relative_to(root).as_posix(),
            cropped=True,
        )


def _files(root: Path, skip: tuple[str, ...]) -> Iterator[Path]:
    for file in sorted(root.rglob("*.svg")):
        folder = f"{file.parent.relative_to(root).as_posix()}/"
        skipped = any(folder.startswith(f"{each}/") for each in skip)
        if not (skipped or file.is_symlink() or file.stat().st_size > MAX_BYTES):
            yield file


def _title(svg: str) -> str:
    found = TITLE.search(CREATOR.sub("", svg))
    return names.cleaned(SERIES.sub(" ", html.unescape(found.group(1)))) if found else ""


def _stem(stem: str, svg: str) -> str:
    """Return a file's name without the creator's name, which may be cut off: `duck` for `duck_liftarn_01`."""
    people = {
        word.lower()
        for part in CREATOR.finditer(svg)
        for word in re.findall(r"\w{3,}", re.sub(r"<[^>]*>", " ", part[0]))
    }
    words = names.cleaned(stem).split()
    while len(words) > 1 and any(person.startswith(words[-1]) for person in people):
        words.pop()
    return names.cleaned(" ".join(words))


def _name(named: list[str], keywords: tuple[str, ...], english: Mapping[str, int]) -> str:
    """Return the first English name, otherwise the first English keyword; "" if there is neither."""
    said = (" ".join(NOT_SAID.sub(" ", name).split()) for name in (*named, *keywords))
    return next((name for name in said if name not in EMPTY and vocabulary.is_english(name, english)), "")


def _keywords(svg: str) -> tuple[str, ...]:
    """Return the keywords without the names of creators, which files mix in, and without words that say nothing."""
    people = _people(svg)
    said = (names.cleaned(html.unescape(word)) for word in KEYWORD.findall(CREATOR.sub("", svg)))
    return tuple(dict.fromkeys(word for word in said if word and word not in people and word not in EMPTY))


def _people(svg: str) -> set[str]:
    """Return the names of the people who made, published or own a drawing."""
    return {" ".join(re.sub(r"<[^>]*>", " ", part[0]).lower().split()) for part in CREATOR.finditer(svg)}
