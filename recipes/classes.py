"""The classes of the class-conditional model: groups of emoji that people have a word for."""

from __future__ import annotations

from .subjects import Subject

# Beginnings of Unicode's emoji groups by class; the first that fits counts, and what fits nowhere is a thing.
GROUPS = {
    "cat": ("cat-face",),
    "face": ("face-",),
    "animal": ("animal-mammal", "animal-reptile", "animal-amphibian", "monkey-face"),
    "bird": ("animal-bird",),
    "fish": ("animal-marine",),
    "insect": ("animal-bug",),
    "flower": ("plant-flower",),
    "plant": ("plant-other",),
    "fruit": ("food-fruit",),
    "vegetable": ("food-vegetable",),
    "food": ("food-prepared", "food-asian"),
    "sweet": ("food-sweet",),
    "drink": ("drink", "dishware"),
    "person": ("person", "family", "body-parts"),
    "hand": ("hand",),
    "heart": ("heart",),
    "clothes": ("clothing",),
    "building": ("place-", "hotel"),
    "vehicle": ("transport-ground",),
    "boat": ("transport-water",),
    "plane": ("transport-air",),
    "sky": ("sky & weather",),
    "clock": ("time",),
    "sport": ("sport", "game", "award-medal"),
    "music": ("music", "sound"),
    "arrow": ("arrow",),
    "shape": ("geometric",),
    "sign": (
        *("alphanum", "av-symbol", "currency", "gender", "keycap", "math", "other-symbol", "punctuation"),
        *("religion", "transport-sign", "warning", "zodiac", "emotion"),
    ),
    "thing": ("",),
}
NAMES = tuple(GROUPS)


def label(subject: Subject) -> int:
    """The class of a picture, as a place in `NAMES`."""
    if subject.group == "animal-mammal" and "cat" in subject.name.split():
        return NAMES.index("cat")
    return next(i for i, groups in enumerate(GROUPS.values()) if subject.group.startswith(groups))
