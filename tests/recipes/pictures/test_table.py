"""The table of the sets, NOTICE, and what packages say of themselves, held together."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.pictures import licences
from recipes.pictures.captions import SPOKEN_STYLES
from recipes.pictures.table import packages, sets

ROOT = Path(__file__).parents[3]
PERMISSIVE = {"Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-3.0", "CC0-1.0", "public domain"}
# Share-alike, trademarks, the GPL, and styles of avatars with terms of their own.
FORBIDDEN = re.compile(
    r"openmoji|emojione-v1|logos|simple-icons|token|crypto|flag|papirus|gcompris|tux|avataaars|bottts"
)


def test_every_set_has_a_package_a_reader_and_a_style_that_captions_can_say():
    for picture_set in sets().values():
        assert picture_set.package in packages()
        assert (ROOT / "recipes/pictures/readers" / f"{picture_set.reader}.py").exists()
        assert picture_set.style in SPOKEN_STYLES
        assert picture_set.weight > 0


def test_every_package_is_pinned_by_version_and_hash():
    for package in packages().values():
        assert re.fullmatch(r"[\w.:+-]+", package.version)
        length = {"npm": r"sha512-[A-Za-z0-9+/]{86}==", "deb": r"sha256-[0-9a-f]{64}"}[package.kind]
        assert re.fullmatch(length, package.hash)


def test_only_permissive_licences_and_no_forbidden_set():
    for picture_set in sets().values():
        assert picture_set.licence in PERMISSIVE
        assert not FORBIDDEN.search(picture_set.key)


def test_streamlines_colour_sets_give_at_most_three_thousand_pictures():
    caps = [s.cap or 10_000 for s in sets().values() if s.key.startswith("streamline") and s.key.endswith("color")]
    assert len(caps) == 9
    assert sum(caps) <= 3000


def test_notice_names_every_set_as_the_table_does():
    assert licences.notice() in (ROOT / "NOTICE").read_text()


def test_notice_says_author_licence_and_package_of_a_set():
    said = licences.notice()
    by_attribution = said.partition("Creative Commons Attribution 4.0")[2].partition("- under")[0]
    assert "Twitter Emoji, by Twitter (https://github.com/jdecked/twemoji), by way of @iconify/json" in by_attribution
    assert "Open Peeps, by Pablo Stanley" not in by_attribution


def test_the_card_has_a_row_a_set_with_its_count():
    rows = licences.card({"twemoji": 1611}).splitlines()
    assert len(rows) == 2 + len(sets())
    (row,) = (row for row in rows if "Twitter Emoji" in row)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "[Twitter Emoji](https://github.com/jdecked/twemoji)",
        "Twitter",
        "CC-BY-4.0",
        "emoji",
        f"@iconify/json {packages()['iconify'].version}",
        "1,611",
    ]


@pytest.fixture
def iconify(tmp_path: Path) -> Path:
    row = {"name": "Twitter Emoji", "author": {"name": "Twitter"}, "license": {"spdx": "CC-BY-4.0"}}
    (tmp_path / "collections.json").write_text(json.dumps({"twemoji": row}))
    return tmp_path


def test_a_package_that_says_the_same_passes(iconify: Path):
    licences.check(sets()["twemoji"], iconify)


@pytest.mark.parametrize("field", ["licence", "author", "title"])
def test_a_package_that_says_something_else_is_refused(iconify: Path, field: str):
    ours = sets()["twemoji"]
    ours = {
        "licence": replace(ours, licence="ours"),
        "author": replace(ours, author="ours"),
        "title": replace(ours, title="ours"),
    }[field]
    with pytest.raises(licences.LicenceError, match=rf"\[twemoji\].*{field} 'ours'"):
        licences.check(ours, iconify)


@pytest.mark.parametrize(
    ("stated", "text", "key", "passes"),
    [
        ("(MIT AND CC-BY-4.0)", "", "micah", True),
        ("MIT", "License: CC0 1.0", "open-peeps", True),
        ("MIT", "", "micah", False),
        ("(MIT AND CC-BY-4.0)", "", "open-peeps", False),
    ],
)
def test_avatars_licences_are_read_from_their_packages(tmp_path: Path, stated: str, text: str, key: str, passes: bool):
    (tmp_path / "package.json").write_text(json.dumps({"license": stated}))
    (tmp_path / "LICENSE").write_text(text)
    if passes:
        licences.check(sets()[key], tmp_path)
    else:
        with pytest.raises(licences.LicenceError):
            licences.check(sets()[key], tmp_path)
