"""What people may write to get a picture: captions made of a subject's words, in many ways."""

from __future__ import annotations

import random

from .subjects import Subject

FRAMES = ("a {}", "an {}", "the {}", "a picture of a {}", "an image of {}", "{} emoji", "an emoji of a {}", "some {}")
FRAMED = 0.25
# Shares of the ways to name a subject; the rest are by its name.
BY_CHARACTER, BY_PART_OF_NAME, BY_NAME_AND_KEYWORDS, BY_KEYWORDS = 0.12, 0.12, 0.2, 0.06
WORDS = ("style",)  # that captions may hold beside those of subjects and frames


def caption(subject: Subject, rng: random.Random, colour: str | None = None, style: str | None = None) -> str:
    """A caption in one of the ways that people write prompts.

    Args:
        subject: what the picture shows.
        rng: of the choices.
        colour: a colour that the picture was given, which is always named.
        style: a style, which is named half of the time.
    """
    words = _naming(subject, rng)
    if colour is not None:
        words = f"{words} {colour}" if rng.random() < 0.2 else f"{colour} {words}"
    if rng.random() < FRAMED:
        words = rng.choice(FRAMES).format(words)
    if style is not None and rng.random() < 0.5:
        words = f"{words} {style} style" if rng.random() < 0.5 else f"{style} {words}"
    return words


def _naming(subject: Subject, rng: random.Random) -> str:
    ways = (_character, _part_of_name, _name_and_keywords, _keywords, _name)
    shares = [BY_CHARACTER, BY_PART_OF_NAME, BY_NAME_AND_KEYWORDS, BY_KEYWORDS]
    return rng.choices(ways, [*shares, 1 - sum(shares)])[0](subject, rng)


def _name(subject: Subject, rng: random.Random) -> str:
    return subject.name


def _character(subject: Subject, rng: random.Random) -> str:
    return subject.character


def _part_of_name(subject: Subject, rng: random.Random) -> str:
    """All words of the name but one, in any order."""
    words = subject.name.split()
    return " ".join(rng.sample(words, max(1, len(words) - 1)))


def _name_and_keywords(subject: Subject, rng: random.Random) -> str:
    words = [subject.name, *_some(subject.keywords, rng)]
    rng.shuffle(words)
    return " ".join(words)


def _keywords(subject: Subject, rng: random.Random) -> str:
    return " ".join(_some(subject.keywords, rng)) or subject.name


def _some(keywords: tuple[str, ...], rng: random.Random) -> list[str]:
    return rng.sample(keywords, min(len(keywords), rng.randint(1, 3)))
