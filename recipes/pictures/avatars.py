"""Descriptions of avatars in words, from the parts that DiceBear assembled them from."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from typing import Any

LONG = re.compile(
    r"long|wavybob|curlybob|straight|braids|bunhair|frobun|bangs|pixie|full$|ponytail|bobcut|bobbangs|curlybun|"
    r"pigtails|extralong|roundbob|buns?\d?$|fluffy|shoulder|medium|hijab|bantu|sidecomed|bob",
    re.IGNORECASE,
)
# Patterns in the names of parts, by the words that people use; the first match counts.
CUTS = {
    "bald": r"bald|mrclean|nohair|balndess|slaughter|mrt$",
    "mohawk": r"mohawk",
    "afro": r"afro",
    "curly": r"curl|twists|dreads",
    "bun": r"bun",
    "braids": r"braids|cornrows|bantu",
    "pigtails": r"pigtails",
    "ponytail": r"ponytail",
    "spiky": r"spiky|dannyphantom",
    "shaved": r"shaved|buzzcut|fade",
    "long": r"long|full$|pixie|wavybob",
    "short": r"short|classic|plain|flattop|elvis|stylish|pomp|fonze",
}
HATS = {"turban": r"turban", "beanie": r"beanie", "hat": r"hathip|cap$", "hijab": r"hijab", "bear hood": r"^bear$"}
MOODS = {
    "happy": r"happy|smile|laugh|lol|grin|cheery|kawaii|hopeful|cute|driven",
    "sad": r"sad|frown|tired|solemn|concerned$",
    "angry": r"angry|rage",
    "surprised": r"surprise|agape|awe|fear|wide|starstruck",
    "winking": r"wink",
    "sleeping": r"sleep",
    "confused": r"confused|nervous|suspicious",
}
ADVENTURERS_SUNGLASSES = "variant01"
HAIR_PARTS = ("hair", "head", "rearHair")
FACE_PARTS = ("mood", "face", "mouth", "eyes")
EYEWEAR_PARTS = ("glasses", "accessories", "eyes")
BEARD_PARTS = ("facialHair", "mustache", "beard", "features", "accessories")
CLOTHES_COLOURS = ("clothesColor", "clothingColor", "shirtColor", "bodyColor")
WITHOUT_HAIR_COLOUR = ("open-peeps",)  # styles that draw hair in ink, whatever colour the parts name


def attributes(style: str, parts: Mapping[str, Any]) -> dict[str, str]:
    """Return an avatar's person, hair, hair_colour, hat, eyewear, beard, mood, clothes and mask, if it has them."""
    found: dict[str, str] = {}
    hair = [str(parts[part]) for part in HAIR_PARTS if part in parts]
    found["hat"] = _first(HATS, hair)
    found["hair"] = "" if found["hat"] else _first(CUTS, reversed(hair))
    if hair and not found["hat"] and found["hair"] != "bald" and style not in WITHOUT_HAIR_COLOUR:
        found["hair_colour"] = hair_colour(str(parts.get("hairColor", "")))
    if any(str(cut).startswith("gray") for cut in hair):
        found["hair_colour"] = "grey"
    found["eyewear"] = _eyewear(parts)
    found["beard"] = _beard(parts)
    found["mood"] = _first(MOODS, (str(parts[part]) for part in FACE_PARTS if part in parts))
    found["clothes"] = next((colour(str(parts[part])) for part in CLOTHES_COLOURS if part in parts), "")
    found["mask"] = "face mask" if "mask" in parts or parts.get("accessories") == "faceMask" else ""
    found["person"] = _person(found, hair)
    return {name: value for name, value in found.items() if value}


def name(attributes: Mapping[str, str]) -> str:
    """Return the name of an avatar, from its person, hair, hat, eyewear, beard and mask."""
    words = hair(attributes)
    worn = [attributes[part] for part in ("hat", "eyewear", "beard", "mask") if part in attributes]
    having = [words, *(_with_article(thing) for thing in worn)] if words else [_with_article(thing) for thing in worn]
    person = f"bald {attributes['person']}" if attributes.get("hair") == "bald" else attributes["person"]
    return f"{person} with {joined(having)}" if having else person


def hair(attributes: Mapping[str, str]) -> str:
    """The hair in words, "short red hair"; "" if none is visible."""
    cut, shade = attributes.get("hair", ""), attributes.get("hair_colour", "")
    if cut == "bald" or not (cut or shade):
        return ""
    if cut in ("mohawk", "afro", "bun", "ponytail"):
        return f"{_with_article(f'{shade} {cut}'.strip())}"
    if cut in ("braids", "pigtails"):
        return f"{shade} {cut}".strip()
    return f"{cut} {shade} hair".strip().replace("  ", " ")


def joined(things: list[str]) -> str:
    """Things in a row: "a, b and c"."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def hair_colour(code: str) -> str:
    """Return the word for hair of a colour #rrggbb; "" if the text is no colour."""
    said = colour(code)
    if not said:
        return ""
    red, green, blue = _rgb(code)
    hue, _, value = colorsys.rgb_to_hsv(red, green, blue)
    if said in ("yellow", "beige") or (said in ("orange", "brown") and 0.085 < hue < 0.17 and value > 0.68):
        return "blond"
    return {"orange": "red"}.get(said, said)


def colour(code: str) -> str:
    """Return the name of a colour #rrggbb; "" if the text is no colour."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", code):
        return ""
    hue, saturation, value = colorsys.rgb_to_hsv(*_rgb(code))
    if value < 0.3:
        return "black"
    if saturation < 0.14:
        return "white" if value > 0.88 else "grey"
    degrees = hue * 360
    if degrees < 50 and saturation < 0.35 and value > 0.8:
        return "beige" if degrees > 15 else "pink"
    if (14 if saturation > 0.75 else 0) <= degrees < 50 and value < 0.72:
        return "brown"
    if degrees > 255 and value < 0.6:
        return "purple"
    limits = (
        (12, "red"),
        (40, "orange"),
        (70, "yellow"),
        (165, "green"),
        (255, "blue"),
        (295, "purple"),
        (350, "pink"),
    )
    said = next((word for limit, word in limits if degrees < limit), "red")
    return "pink" if said == "red" and saturation < 0.6 and value > 0.85 else said


def _person(found: Mapping[str, str], hair: list[str]) -> str:
    if found["beard"]:
        return "man"
    if any(LONG.search(cut) for cut in hair):
        return "woman"
    return "man" if found["hair"] in ("bald", "short", "shaved", "mohawk", "spiky") else "person"


def _eyewear(parts: Mapping[str, Any]) -> str:
    worn = [str(parts[part]) for part in EYEWEAR_PARTS if part in parts]
    if any("sunglasses" in thing for thing in worn) or parts.get("glasses") == ADVENTURERS_SUNGLASSES:
        return "sunglasses"
    return "glasses" if "glasses" in parts or any("glasses" in thing for thing in worn) else ""


def _beard(parts: Mapping[str, Any]) -> str:
    grown = [str(parts[part]).lower() for part in BEARD_PARTS if part in parts]
    kinds = " ".join(thing for thing in grown if _is_of_a_beard(thing))
    if not kinds:
        return ""
    return "moustache" if re.search(r"m[ou]+stache|walrus|horshoe|freddy|pencilthin$", kinds) else "beard"


def _is_of_a_beard(thing: str) -> bool:
    return bool(
        re.search(r"stache|beard|scruff|walrus|goatee|chin|full|shadow|soulpatch|pyramid|horshoe|freddy|pencil", thing)
        or thing == "default"
    )


def _first(words: Mapping[str, str], parts: Any) -> str:
    """Return the first word whose pattern occurs in the name of a part; the parts are searched in order."""
    for part in parts:
        for word, pattern in words.items():
            if re.search(pattern, part, re.IGNORECASE):
                return word
    return ""


def _with_article(thing: str) -> str:
    if thing.endswith("s") or thing == "":
        return thing
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def _rgb(code: str) -> tuple[float, float, float]:
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue
