"""What is held out is never drawn; what is drawn is what its caption says."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes.pictures import captions, colours, held_out
from recipes.pictures.captions import Shown
from recipes.pictures.held_out import HeldOut, choose, split
from recipes.pictures.layer import Layer
from recipes.pictures.picture import Picture, Pictures, as_line, load
from recipes.pictures.samples import Samples, Settings, may_be_mirrored

WORDS = ["cat", "dog", "tree", "house", "ball", "lamp", "ship", "star", "frog", "moon", "fork", "bell"]
STYLES = {"emoji": "emoji", "3d": "3d", "clip art": "clip art", "glyph": "glyph"}


def pictures(number: int = 240) -> Pictures:
    """Names in several styles, each a rectangle of its own on clear."""
    rng = np.random.default_rng(0)
    rows, images, alphas = [], [], []
    for place in range(number):
        style = list(STYLES)[place % len(STYLES)]
        name = f"{WORDS[place // 4 % len(WORDS)]} {'abcdefgh'[place // 48]}x"
        alpha, image = np.zeros((32, 32), np.uint8), np.full((32, 32, 3), 255, np.uint8)
        left, top, width, height = rng.integers(2, 12, 4)
        alpha[top : top + height + 8, left : left + width + 8] = 255
        image[alpha > 0] = (0, 0, 0) if style == "glyph" else (200, 40, 40)
        image[::3, ::3][alpha[::3, ::3] > 0] = rng.integers(0, 120)
        rows.append(
            Picture(
                id=f"set:{place}",
                set="set",
                style=style,
                group=STYLES[style],
                name=name,
                licence="CC0-1.0",
                source=str(place),
                keywords=(f"{name} alike", *(f"{word} ax" for word in WORDS)),
                colour=None if style == "glyph" else "red",
                hue=None if style == "glyph" else 0.0,
            )
        )
        images.append(image)
        alphas.append(alpha)
    return Pictures(rows, np.stack(images), np.stack(alphas))


@pytest.fixture(scope="module")
def some() -> Pictures:
    return pictures()


@pytest.fixture(scope="module")
def held() -> HeldOut:
    """Names by hand, so that there are some of each kind."""
    return HeldOut(
        frozenset({"cat ax", "dog bx"}),
        {"tree ax": frozenset({"emoji"}), "moon cx": frozenset({"glyph"})},
        {"house ax": frozenset({"blue", "green"}), "ball ax": frozenset({"purple"})},
        frozenset({"set:20", "set:77"}),
    )


def test_the_same_names_are_chosen_whatever_else_there_is(some: Pictures):
    half = Pictures(some.rows[:120], some.images[:120], some.alpha[:120])
    few, all_of_them = choose(half), choose(some)
    here = {row.name for row in half.rows}
    assert few.names == {name for name in all_of_them.names if name in here}
    assert choose(some) == all_of_them


def test_the_shares_are_those_that_are_meant():
    names = [f"name {i}" for i in range(20_000)]
    share = np.mean([held_out.number(name) < held_out.NAMES for name in names])
    assert share == pytest.approx(0.05, abs=0.005)


def test_what_was_held_out_stays_so(some: Pictures, held: HeldOut):
    grown = choose(some, held)
    assert grown.names >= held.names
    assert grown.pictures >= held.pictures
    for earlier, later in ((held.styles, grown.styles), (held.colours, grown.colours)):
        assert all(later[name] >= words for name, words in earlier.items())


def test_a_style_is_only_held_out_of_names_that_keep_another(some: Pictures):
    chosen = choose(some)
    assert chosen.styles
    for name, styles in chosen.styles.items():
        assert {row.style for row in some.rows if row.name == name} - styles


def test_no_colour_is_held_out_that_a_picture_has_by_itself(some: Pictures):
    chosen = choose(some)
    assert chosen.colours
    assert all("red" not in words or name_is_of_glyphs(some, name) for name, words in chosen.colours.items())


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.replace("gray", "grey"))


def name_is_of_glyphs(some: Pictures, name: str) -> bool:
    return all(row.group == "glyph" for row in some.rows if row.name == name)


def test_pictures_are_held_out_of_names_that_keep_others(some: Pictures, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held_out, "PICTURES", 12)
    chosen = choose(some)
    assert len(chosen.pictures) == 12
    left = Counter(row.name for row in some.rows if not chosen.keeps_out(row))
    for row in some.rows:
        if row.id in chosen.pictures:
            assert row.name not in chosen.names
            assert left[row.name] >= held_out.MIN_PICTURES - 1


def test_held_out_is_kept_in_a_file(held: HeldOut, tmp_path: Path):
    held.save(tmp_path / "held_out.json")
    assert HeldOut.load(tmp_path / "held_out.json") == held


def test_the_projects_own_list_can_be_read():
    listed = HeldOut.load()
    assert len(listed.pictures) >= held_out.PICTURES
    assert len(listed.names) > 400


def test_nearly_the_same_pictures_as_held_out_ones_are_not_trained_on(some: Pictures, held: HeldOut):
    copies = [
        replace(some.rows[20], id="set:copy", name="copy"),
        replace(some.rows[20], id="set:mirror", name="mirror"),
    ]
    image = some.images[20]
    more = Pictures(
        [*some.rows, *copies],
        np.concatenate([some.images, image[None], image[None, :, ::-1]]),
        np.concatenate([some.alpha, some.alpha[20:21], some.alpha[20:21, :, ::-1]]),
    )
    trained, out = split(more, held)
    assert 20 in out
    assert not {20, 240, 241} & set(trained.tolist())
    assert not {240, 241} & set(out.tolist())
    assert not set(trained.tolist()) & set(out.tolist())


def test_nothing_held_out_is_ever_drawn(some: Pictures, held: HeldOut, monkeypatch: pytest.MonkeyPatch):
    drawn: list[Shown] = []
    real = Samples._shown

    def noted(self: Samples, place: int, paper: str | None) -> tuple[Shown, Layer]:
        result = real(self, place, paper)
        drawn.append(result[0])
        return result

    monkeypatch.setattr(Samples, "_shown", noted)
    samples = Samples(some, held, Settings(recoloured=0.9, paired=0.3), seed=1)
    samples.draw(3000)
    assert not [shown for shown in drawn if held.keeps_out(shown.picture)]
    for shown in drawn:
        assert shown.colour not in held.colours.get(shown.picture.name, ())
    colours_of = {shown.colour for shown in drawn if shown.picture.name == "house ax"}
    assert {"yellow", "purple"} <= colours_of


def test_keywords_never_say_a_held_out_name_by_themselves(some: Pictures, held: HeldOut):
    samples = Samples(some, held, Settings(paired=0), seed=2)
    _, said = samples.draw(3000)
    assert not [text for text in said if any(name in text for name in held.names)]
    _, loose = Samples(some, replace(held, names=frozenset()), Settings(paired=0), seed=2).draw(3000)
    assert [text for text in loose if "cat ax" in text]  # else the test above says nothing


def test_the_same_seed_draws_the_same(some: Pictures, held: HeldOut):
    (one, said), (two, again) = (Samples(some, held, seed=5).draw(40) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert said == again
    assert Samples(some, held, seed=6).draw(40)[1] != said


def test_pictures_are_drawn_by_the_weights_of_their_sets(some: Pictures, held: HeldOut):
    rows = [replace(row, set="flat-ui" if place % 2 else "game-icons") for place, row in enumerate(some.rows)]
    samples = Samples(Pictures(rows, some.images, some.alpha), held, seed=0)
    drawn = Counter(rows[samples._place()].set for _ in range(6000))
    trained = Counter(rows[place].set for place in samples.places)
    ratio = drawn["flat-ui"] / trained["flat-ui"] / (drawn["game-icons"] / trained["game-icons"])
    assert ratio == pytest.approx(3.0 / 0.5, rel=0.2)


def test_nothing_left_to_train_on_is_an_error(some: Pictures):
    everything = HeldOut(frozenset(row.name for row in some.rows), {}, {}, frozenset())
    with pytest.raises(ValueError, match="all of them are held out"):
        Samples(some, everything)


def test_a_picture_on_a_colour_is_what_its_alpha_says():
    rng = np.random.default_rng(0)
    drawn, alpha = rng.integers(0, 256, (16, 16, 3)).astype(float), rng.integers(0, 256, (16, 16)).astype(np.uint8)
    share = alpha[..., None] / 255
    white = np.rint(drawn * share + 255 * (1 - share)).astype(np.uint8)
    paper = (20, 200, 90)
    exact = drawn * share + np.array(paper) * (1 - share)
    assert np.abs(Layer(white, alpha).on(paper).astype(float) - exact).max() <= 1.01


def test_a_glyph_has_the_colour_and_the_background_that_are_said(some: Pictures):
    nothing = HeldOut(frozenset(), {}, {}, frozenset())
    glyphs = [place for place, row in enumerate(some.rows) if row.group == "glyph"]
    only = Pictures([some.rows[p] for p in glyphs], some.images[glyphs], some.alpha[glyphs])
    images, said = Samples(only, nothing, Settings(papered=1, paired=0, moved=0), seed=3).draw(200)
    for image, text in zip(images, said, strict=True):
        paper = next(
            p
            for p in sorted(colours.PAPERS, key=len, reverse=True)
            if text.replace("gray", "grey").endswith((f"{p} background", p))
        )
        assert tuple(image[0, 0]) == colours.PAPERS[paper]
        inks = {name for name, ink in colours.INKS.items() if (image == ink).all(-1).any() and name != paper}
        assert len(inks) == 1
        ink = inks.pop()
        assert ink in words_of(text) or ink == "black"


def test_pictures_stand_out_from_their_backgrounds(some: Pictures):
    """Black lines are not put on black, nor on what is nearly black."""
    nothing = HeldOut(frozenset(), {}, {}, frozenset())
    for group, level in (("icon", 120), ("clip art", 10)):
        rows = [replace(row, group=group, style="line icon", hue=None, colour=None) for row in some.rows]
        images = np.where(some.alpha[..., None] > 0, np.uint8(level), np.uint8(255)).repeat(3, -1)
        drawn, _ = Samples(
            Pictures(rows, images, some.alpha), nothing, Settings(papered=1, paired=0, moved=0), seed=7
        ).draw(150)
        corners = drawn[:, 0, 0].astype(float) @ [0.299, 0.587, 0.114]
        assert corners.min() >= 50
        assert corners.min() < 90  # darker ones are still there


def test_a_recoloured_picture_has_the_hue_that_is_said(some: Pictures):
    nothing = HeldOut(frozenset(), {}, {}, frozenset())
    emoji = [place for place, row in enumerate(some.rows) if row.group == "emoji"]
    only = Pictures([some.rows[p] for p in emoji], some.images[emoji], some.alpha[emoji])
    images, said = Samples(only, nothing, Settings(recoloured=1, papered=0, paired=0, moved=0), seed=4).draw(100)
    for image, text in zip(images, said, strict=True):
        alpha = np.where((image == 255).all(-1), 0, 255).astype(np.uint8)
        colour = colours.named_colour(np.dstack([image, alpha]))
        assert colour is not None
        assert colour != "red"
        assert colour in words_of(text) or colour == "brown"


def test_two_subjects_stand_side_by_side(some: Pictures):
    nothing = HeldOut(frozenset(), {}, {}, frozenset())
    images, said = Samples(some, nothing, Settings(paired=1, papered=0, recoloured=0), seed=5).draw(60)
    names = {row.name for row in some.rows}
    for image, text in zip(images, said, strict=True):
        assert sum(name in text for name in names) == 2, text
        assert (image[:, :16] != 255).any()
        assert (image[:, 16:] != 255).any()


def test_a_glyph_is_trained_on_in_the_colours_that_are_left(some: Pictures):
    """Its own black is ink like any other."""
    (glyph,) = (place for place, row in enumerate(some.rows) if row.group == "glyph" and row.name == "cat ax")
    row = replace(some.rows[glyph], colour="black")
    held = HeldOut(frozenset(), {}, {"cat ax": frozenset({"black", "red"})}, frozenset())
    assert not held.keeps_out(row)
    assert held.keeps_out(replace(row, group="emoji"))
    one = Pictures([row], some.images[glyph : glyph + 1], some.alpha[glyph : glyph + 1])
    images, _ = Samples(one, held, Settings(papered=0, moved=0), seed=8).draw(100)
    inks = {name for name, ink in colours.INKS.items() if (images == ink).all(-1).any()}
    assert inks == set(colours.INKS) - {"black", "red"}


def test_what_a_mirror_turns_into_something_else_is_not_mirrored(some: Pictures):
    row = some.rows[0]
    for name, may in [("cat", True), ("right arrow", False), ("letter b", False), ("three o'clock", False)]:
        assert may_be_mirrored(replace(row, name=name)) is may


def test_captions_come_in_the_ways_that_people_type(some: Pictures):
    row = replace(some.rows[0], name="cat", keywords=("pet", "kitten"), colour="orange")
    said = {captions.caption(Shown(row), random.Random(seed)) for seed in range(4000)}
    for text in (
        "cat",
        "a cat",
        "cat emoji",
        "orange cat",
        "picture of a cat",
        "an orange cat emoji",
        "cats",
        "pet cat",
        "kitten",
    ):
        assert text in said


def test_given_colours_and_backgrounds_are_always_said(some: Pictures):
    row = replace(some.rows[0], name="cat", keywords=("pet",))
    for seed in range(500):
        text = captions.caption(Shown(row, "green", "light blue"), random.Random(seed))
        assert "green" in words_of(text)
        assert "light blue" in text


def test_avatars_are_told_by_what_they_have(some: Pictures):
    attributes = {"person": "woman", "hair": "long", "hair_colour": "red", "eyewear": "glasses", "mood": "happy"}
    row = replace(some.rows[0], name="woman with long red hair and glasses", style="avatar", attributes=attributes)
    said = {captions.caption(Shown(row), random.Random(seed)) for seed in range(3000)}
    for text in ("a woman with long red hair and glasses", "a happy woman", "woman with glasses avatar"):
        assert text in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cat", "a cat"),
        ("orange cat", "an orange cat"),
        ("glasses", "glasses"),
        ("bus", "a bus"),
        ("woman with glasses", "a woman with glasses"),
        ("clinking glasses on a table", "clinking glasses on a table"),
    ],
)
def test_articles_stand_before_one_thing(words: str, said: str):
    assert captions.with_article(words) == said


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("cat", "cats"),
        ("box", "boxes"),
        ("berry", "berries"),
        ("toy", "toys"),
        ("scissors", "scissors"),
        ("glass", "glasses"),
    ],
)
def test_plurals(one: str, many: str):
    assert captions.plural(one) == many


def test_pictures_are_read_as_they_were_written(some: Pictures, tmp_path: Path):
    np.save(tmp_path / "images.npy", some.images)
    np.save(tmp_path / "alpha.npy", some.alpha)
    (tmp_path / "subjects.jsonl").write_text("".join(f"{as_line(row)}\n" for row in some.rows))
    read = load(tmp_path)
    assert list(read.rows) == list(some.rows)
    np.testing.assert_array_equal(read.images, some.images)


def test_missing_and_unfitting_files_are_told(some: Pictures, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"python -m recipes\.pictures\.prepare"):
        load(tmp_path)
    np.save(tmp_path / "images.npy", some.images)
    np.save(tmp_path / "alpha.npy", some.alpha)
    (tmp_path / "subjects.jsonl").write_text(f"{as_line(some.rows[0])}\n")
    with pytest.raises(ValueError, match="1 rows, 240 pictures"):
        load(tmp_path)
