"""Tiny packages become pictures, rows and a split: the whole way, without a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes.pictures import prepare, sheets
from recipes.pictures.options import Options, options
from recipes.pictures.picture import Picture, load

COLOURS = {"cat": "#e08a20", "dog": "#8a5a2a", "heart": "#d02040", "wolf-face": "#777777", "ghost": "#ffffff"}
NAMES = {"cat": "1F431", "dog": "1F436", "heart": "2764-FE0F", "wolf face": "1F43A", "ghost": "1F47B"}
CLIP_ART = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="d" xmlns:rdf="r" width="100pt" height="100pt"><metadata>
<dc:title>{title}</dc:title><rdf:li>{keyword}</rdf:li><rdf:li>unsorted</rdf:li>
<dc:creator><dc:title>Ann Arbor</dc:title></dc:creator></metadata>
<path d="{path}" fill="#2060c0"/></svg>"""


def icon(colour: str, size: int = 24) -> str:
    return f'<circle cx="12" cy="12" r="10" fill="{colour}"/><rect x="6" y="6" width="{size // 4}" height="3"/>'


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages as they are when unpacked, in place of fetched ones."""
    root = tmp_path / "packages"
    _iconify(root / "iconify")
    _emojibase(root / "emojibase")
    _open_clip_art(root / "openclipart/usr/share/openclipart/svg")
    _tango(root / "tango/usr/share/icons/Tango/scalable")
    (root / "fluent-3d/assets").mkdir(parents=True)
    Image.new("RGBA", (64, 64), (10, 160, 90, 255)).save(root / "fluent-3d/assets/1f431.webp", lossless=True)
    monkeypatch.setattr(prepare, "fetch", lambda package, folder: root / package.key)
    return root


def _iconify(folder: Path) -> None:
    (folder / "json").mkdir(parents=True)
    info = {
        "twemoji": ("Twitter Emoji", "Twitter", "CC-BY-4.0"),
        "fxemoji": ("Firefox OS Emoji", "Mozilla", "Apache-2.0"),
        "fluent-color": ("Fluent UI System Color Icons", "Microsoft Corporation", "MIT"),
        "ph": ("Phosphor", "Phosphor Icons", "MIT"),
    }
    rows = {key: {"name": n, "author": {"name": a}, "license": {"spdx": s}} for key, (n, a, s) in info.items()}
    (folder / "collections.json").write_text(json.dumps(rows))
    icons = {name: {"body": icon(colour)} for name, colour in COLOURS.items()}
    icons["ghost"] = {"body": '<circle cx="12" cy="12" r="10" fill="#ffffff"/>'}
    more: dict[str, dict] = {
        "cat-medium-skin-tone": {"body": icon("#aa7733")},
        "flag-italy": {"body": icon("#00aa00")},
        "old-cat": {"body": icon("#112233"), "hidden": True},
        "copy-of-a-cat": {"body": icon("#e08a20")},
        "broken": {"body": "<path d='"},
    }
    chars = {"1f431": "cat", "1f436": "dog", "2764": "heart", "1f47b": "ghost"}
    _set(folder, "twemoji", icons | more, chars=chars, categories={"Flags": ["flag-italy"]})
    joined = {"wolffacedog": {"body": icon("#123456")}, "xqzzy": {"body": icon("#654321")}}
    _set(folder, "fxemoji", joined)
    _set(folder, "fluent-color", {f"camera-{size}": {"body": icon("#3050d0", size)} for size in (16, 24, 48)})
    glyphs = {"boat-fill": {"body": '<rect x="4" y="9" width="9" height="9" fill="currentColor"/>'}}
    _set(folder, "ph", glyphs | {"boat-thin": {"body": icon("#000000")}})


def _set(folder: Path, key: str, icons: dict[str, dict], **more: object) -> None:
    content = {"prefix": key, "icons": icons, "width": 24, "height": 24, **more}
    (folder / "json" / f"{key}.json").write_text(json.dumps(content))


def _emojibase(folder: Path) -> None:
    (folder / "en").mkdir(parents=True)
    rows = [
        {"label": name, "hexcode": code, "tags": ["animal", "pet"], "group": 3}
        | {"skins": [{"label": f"{name}: dark skin tone", "hexcode": f"{code}-1F3FF", "tone": 5}]}
        for name, code in NAMES.items()
    ]
    (folder / "en/data.json").write_text(json.dumps(rows))


def _open_clip_art(folder: Path) -> None:
    drawings = {
        "animals/duck_ann_arbor_01.svg": ("Anatra Gialla", "dog", "M10 10h40v60h-40z"),
        "animals/dog_02.svg": ("Dog (b and w)", "animals", "M-20 10h60v60h-60z"),
        "shapes/stars/star_1.svg": ("Star", "star", "M10 10h70v60h-40z"),
        "unsorted/papera.svg": ("Papera", "unsorted", "M10 10h40v10h-40z"),
    }
    for name, (title, keyword, path) in drawings.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(CLIP_ART.format(title=title, keyword=keyword, path=path))
    (folder / "animals/link.svg").symlink_to(folder / "animals/dog_02.svg")


def _tango(folder: Path) -> None:
    (folder / "apps").mkdir(parents=True)
    body = icon("#30b060")
    (folder / "apps/accessories-calculator.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">{body}</svg>'
    )


def made(tmp_path: Path, *sets: str) -> dict[str, Picture]:
    """What comes of some sets, by id."""
    prepare.prepare(Options(tmp_path / "made", tmp_path / "packages", sets))
    return {row.id: row for row in load(tmp_path / "made").rows}


def test_emoji_come_with_unicodes_names_and_without_flags_tones_copies_and_white_ones(packages: Path, tmp_path: Path):
    rows = made(tmp_path, "twemoji")
    assert set(rows) == {"twemoji:cat", "twemoji:dog", "twemoji:heart", "twemoji:wolf-face"}
    cat = rows["twemoji:cat"]
    assert (cat.name, cat.style, cat.group, cat.licence) == ("cat", "emoji", "emoji", "CC-BY-4.0")
    assert cat.keywords == ("animal", "pet")
    assert cat.colour == "orange"
    assert cat.hue == pytest.approx(33, abs=4)
    assert rows["twemoji:wolf-face"].colour == "grey"
    assert rows["twemoji:wolf-face"].hue is None


def test_pictures_lie_on_white_with_their_alpha_beside(packages: Path, tmp_path: Path):
    made(tmp_path, "twemoji")
    pictures = load(tmp_path / "made")
    assert pictures.images.shape == (4, 128, 128, 3)
    assert pictures.alpha.shape == (4, 128, 128)
    assert (pictures.images[:, 0, 0] == 255).all()
    assert (pictures.alpha[:, 0, 0] == 0).all()
    assert (pictures.alpha[:, 64, 100] == 255).all()
    np.testing.assert_array_equal(pictures.images[0, 64, 100], [0xE0, 0x8A, 0x20])


def test_joined_names_are_split_or_left_out(packages: Path, tmp_path: Path):
    assert {row.name for row in made(tmp_path, "fxemoji").values()} == {"wolf face dog"}


def test_of_each_icon_the_largest_size_and_of_glyphs_the_wanted_weights_are_kept(packages: Path, tmp_path: Path):
    rows = made(tmp_path, "fluent-color", "ph")
    assert {key: row.name for key, row in rows.items()} == {"fluent-color:camera-48": "camera", "ph:boat-fill": "boat"}
    assert rows["ph:boat-fill"].group == "glyph"


def test_clip_art_is_whole_and_named_in_english(packages: Path, tmp_path: Path):
    rows = made(tmp_path, "openclipart")
    assert {key: row.name for key, row in rows.items()} == {
        "openclipart:animals/duck_ann_arbor_01.svg": "dog",  # the keyword, as neither title nor file is English here
        "openclipart:animals/dog_02.svg": "dog",
    }
    whole = load(tmp_path / "made").alpha[list(rows).index("openclipart:animals/dog_02.svg")]
    assert (whole[8:120, 8:120] == 255).all()  # also what lies beyond the page


def test_the_other_readers(packages: Path, tmp_path: Path):
    rows = made(tmp_path, "tango", "fluent-3d")
    assert {key: (row.name, row.style) for key, row in rows.items()} == {
        "tango:accessories-calculator": ("calculator", "clip art"),
        "fluent-3d:1f431": ("cat", "3d"),
    }
    assert rows["fluent-3d:1f431"].background == "full"


def test_sets_that_are_there_are_not_made_again(packages: Path, tmp_path: Path):
    made(tmp_path, "twemoji")
    (packages / "iconify/json/twemoji.json").unlink()
    assert set(made(tmp_path, "twemoji", "tango")) > {"twemoji:cat", "tango:accessories-calculator"}


def test_another_licence_stops_it(packages: Path, tmp_path: Path):
    file = packages / "iconify/collections.json"
    file.write_text(file.read_text().replace("CC-BY-4.0", "CC-BY-SA-4.0"))
    with pytest.raises(ValueError, match=r"\[twemoji\].*'CC-BY-SA-4\.0'"):
        made(tmp_path, "twemoji")


def test_an_unknown_set_is_told(packages: Path, tmp_path: Path):
    with pytest.raises(SystemExit, match="no set twemojis; there are noto, "):
        made(tmp_path, "twemojis")


def test_avatars_are_drawn_by_node(packages: Path, tmp_path: Path):
    if shutil.which("node") is None:
        pytest.skip("needs node")
    core = packages / "dicebear-core"
    core.mkdir()
    (core / "package.json").write_text('{"name": "@dicebear/core", "type": "module", "exports": "./index.js"}')
    (core / "index.js").write_text(
        "export const createAvatar = (style, options) => ({ toJson: () => ({ svg: style.draw(options.seed), "
        "extra: { hair: 'long01', hairColor: '#ab2a18', glasses: 'variant02' } }) });"
    )
    style = packages / "dicebear-adventurer"
    style.mkdir()
    (style / "package.json").write_text(
        '{"name": "@dicebear/adventurer", "type": "module", "exports": "./index.js", "license": "(MIT AND CC-BY-4.0)"}'
    )
    (style / "index.js").write_text(
        "import '@dicebear/core'; export const meta = {}; export const draw = (seed) => { "
        "const n = Number(seed.split('-')[1]); return `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'>"
        "<rect x='${n % 30}' y='${Math.floor(n / 30) * 2}' width='40' height='30' fill='#ab2a18'/></svg>`; };"
    )
    rows = made(tmp_path, "adventurer")
    assert len(rows) > 20
    assert {row.name for row in rows.values()} == {"woman with long red hair and glasses"}
    first = next(iter(rows.values()))
    assert first.attributes == {"person": "woman", "hair": "long", "hair_colour": "red", "eyewear": "glasses"}
    assert first.hue is None


def test_a_sheet_shows_a_set(packages: Path, tmp_path: Path):
    made(tmp_path, "twemoji", "tango")
    sheets.save(load(tmp_path / "made"), tmp_path / "sheets")
    assert sorted(file.name for file in (tmp_path / "sheets").iterdir()) == ["tango.png", "twemoji.png"]


def test_folders_are_chosen_on_the_command_line():
    assert options("", []) == Options(Path("build/training"), Path("build/training/packages"), ())
    chosen = options("", ["--folder", "here", "--packages", "there", "--sets", "noto", "tango"])
    assert chosen == Options(Path("here"), Path("there"), ("noto", "tango"))
