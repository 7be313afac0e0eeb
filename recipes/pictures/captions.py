"""Captions as people may type them, composed in many ways from the description of a picture."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import avatars, colours
from .picture import Picture

# Shares of the ways to name a subject; the other captions use its name.
BY_NAME_AND_KEYWORDS, BY_KEYWORDS, BY_PART_OF_NAME = 0.15, 0.1, 0.08
STYLED, COLOURED, FRAMED, ARTICLE, PLURAL = 0.4, 0.25, 0.12, 0.35, 0.04
SPOKEN_STYLES = {
    "emoji": ("emoji",),
    "3d": ("3d", "3d emoji", "3d render"),
    "flat icon": ("flat icon", "icon"),
    "line icon": ("line icon", "icon"),
    "glyph": ("icon", "silhouette", "symbol"),
    "clip art": ("clip art", "clipart", "drawing"),
    "avatar": ("avatar", "portrait"),
}
FRAMES = ("picture of {}", "a picture of {}", "an image of {}", "image of {}", "drawing of {}", "a drawing of {}")
TOGETHER = ("{} and {}", "{} and {}", "{} next to {}", "{} beside {}", "{} with {}")
GROUNDS = (" on a {} background", " on a {} background", " on {}", ", {} background")
ONE_THING = re.compile(r"[a-z]{3,}( [a-z]{3,})?")  # names that mostly have a plural
VOWELS = "aeiou"


@dataclass(frozen=True)
class Shown:
    """A picture as it is shown, with the colour and the background that it was given; None where it keeps its own."""

    picture: Picture
    colour: str | None = None
    paper: str | None = None


def caption(shown: Shown, rng: random.Random, unsaid: frozenset[str] = frozenset()) -> str:
    """Return a caption, written as people write prompts.

    It names a given background always, and a given colour too, except that it may leave out black for a glyph.

    Args:
        shown: the picture as it is shown.
        rng: the generator of the choices.
        unsaid: the held-out names, which neither keywords nor parts of a name may form.
    """
    words = _styled(_coloured(_called(shown.picture, rng, unsaid), shown, rng), shown.picture, rng)
    return _spelt(f"{_framed(words, rng)}{_background(shown.paper, rng)}", rng)


def pair(left: Shown, right: Shown, paper: str | None, rng: random.Random) -> str:
    """Return a caption for two subjects side by side; it calls each by its name."""
    one, two = (_coloured(shown.picture.name, shown, rng) for shown in (left, right))
    if rng.random() < 0.7:
        one, two = with_article(one), with_article(two)
    words = rng.choice(TOGETHER).format(one, two)
    if left.picture.style == right.picture.style and rng.random() < STYLED / 2:
        words = f"{words} {rng.choice(SPOKEN_STYLES[left.picture.style])}"
    return _spelt(f"{words}{_background(paper, rng)}", rng)


def fixed_words() -> list[str]:
    """Return the words of captions that do not come from their subjects."""
    frames = [frame.format("") for frame in (*FRAMES, *GROUNDS)] + [frame.format("", "") for frame in TOGETHER]
    return [*frames, *(style for spoken in SPOKEN_STYLES.values() for style in spoken), *colours.PAPERS, *colours.INKS]


def with_article(words: str) -> str:
    """Put "a" or "an" before words that name one thing; leave other words unchanged."""
    thing = re.split(r" (?:with|of|in|on|from)\b", words, maxsplit=1)[0].rstrip(",")
    last = thing.split()[-1] if thing else words
    if last.endswith("s") and not last.endswith(("ss", "us", "is")):
        return words
    return f"{'an' if words[0] in VOWELS else 'a'} {words}"


def plural(words: str) -> str:
    """Return the plural of words that name one thing."""
    if words.endswith(("s", "x", "ch", "sh")):
        return words if words.endswith("s") and not words.endswith("ss") else f"{words}es"
    if words.endswith("y") and words[-2:-1] not in VOWELS:
        return f"{words[:-1]}ies"
    return f"{words}s"


def _called(picture: Picture, rng: random.Random, unsaid: frozenset[str]) -> str:
    if picture.attributes:
        return _described(picture.attributes, rng)
    own = set(picture.name.split())
    keywords = [word for word in picture.keywords if word not in unsaid and own.isdisjoint(word.split())]
    way = rng.random()
    if keywords and way < BY_NAME_AND_KEYWORDS:
        words = [picture.name, *rng.sample(keywords, min(len(keywords), rng.randint(1, 2)))]
        rng.shuffle(words)
        return " ".join(words)
    way -= BY_NAME_AND_KEYWORDS
    if keywords and way < BY_KEYWORDS:
        said = " ".join(rng.sample(keywords, min(len(keywords), rng.randint(1, 3))))
        return picture.name if said in unsaid else said
    way -= BY_KEYWORDS
    parts = picture.name.split()
    if len(parts) > 2 and way < BY_PART_OF_NAME:
        parts.pop(rng.randrange(len(parts)))
        said = " ".join(parts)
        return picture.name if said in unsaid else said
    if ONE_THING.fullmatch(picture.name) and rng.random() < PLURAL:
        return plural(picture.name)
    return picture.name


def _described(attributes: Mapping[str, str], rng: random.Random) -> str:
    """Describe some attributes of an avatar: "happy woman with long red hair and glasses in blue"."""
    person = attributes["person"] if rng.random() < 0.8 else rng.choice(("person", "face"))
    if attributes.get("hair") == "bald" and rng.random() < 0.8:
        person = f"bald {person}"
    if "mood" in attributes and rng.random() < 0.4:
        person = f"{attributes['mood']} {person}"
    having = [avatars.hair(attributes)] if avatars.hair(attributes) and rng.random() < 0.75 else []
    worn = [attributes[part] for part in ("hat", "eyewear", "beard", "mask") if part in attributes]
    having.extend(thing if thing.endswith("s") else with_article(thing) for thing in worn if rng.random() < 0.8)
    words = f"{person} with {avatars.joined(having)}" if having else person
    if "clothes" in attributes and rng.random() < 0.25:
        words = (
            f"{words} in {attributes['clothes']}" if rng.random() < 0.5 else f"{words}, {attributes['clothes']} shirt"
        )
    return words


def _coloured(words: str, shown: Shown, rng: random.Random) -> str:
    colour = shown.colour
    if colour == "black" and rng.random() < 0.5:  # people expect a glyph to be black
        return words
    if colour is None and shown.picture.colour is not None and rng.random() < COLOURED and not shown.picture.attributes:
        colour = shown.picture.colour
    if colour is None or colour in words.split():
        return words
    return f"{words} in {colour}" if rng.random() < 0.1 else f"{colour} {words}"


def _styled(words: str, picture: Picture, rng: random.Random) -> str:
    if rng.random() >= STYLED:
        return words
    style = rng.choice(SPOKEN_STYLES[picture.style])
    way = rng.random()
    if style.startswith("3d"):
        return f"3d {words}" if way < 0.5 else f"{words}, 3d" if way < 0.7 else f"{words} {style}"
    if way < 0.6:
        return f"{words} {style}"
    return f"{style} of {with_article(words)}" if way < 0.8 else f"{words}, {style} style"


def _framed(words: str, rng: random.Random) -> str:
    way = rng.random()
    if way < ARTICLE:
        return with_article(words)
    if way < ARTICLE + FRAMED:
        return rng.choice(FRAMES).format(with_article(words) if rng.random() < 0.8 else words)
    return words


def _background(paper: str | None, rng: random.Random) -> str:
    if paper is None:
        return ""
    return rng.choice(
        (f" on a {paper} background", f" on {paper}", f" on a {paper} background", f", {paper} background")
    )


def _spelt(words: str, rng: random.Random) -> str:
    """Replace "grey" by the American spelling "gray" in half of the captions."""
    return re.sub(r"\bgrey\b", "gray", words) if rng.random() < 0.5 else words
