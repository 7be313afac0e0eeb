"""Drawings become pictures: whole, in the middle, with clean edges; and those of which none comes out are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes.pictures import filters, likeness
from recipes.pictures.drawing import Drawing
from recipes.pictures.rasterise import on_white, rasterised
from recipes.pictures.table import sets
from recipes.pictures.vector import NotDrawn

SVG = '<svg xmlns="http://www.w3.org/2000/svg" {frame}>{body}</svg>'
DISC = '<circle cx="50" cy="50" r="40" fill="#ff0000"/>'


def drawing(frame: str, body: str = DISC, cropped: bool = True) -> Drawing:
    return Drawing("x", "disc", SVG.format(frame=frame, body=body), cropped=cropped)


def box(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is opaque."""
    rows, columns = np.nonzero(picture[..., 3] > 128)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize(
    "frame",
    [
        'width="100" height="100"',
        'width="100pt" height="100pt"',  # units, which resvg does not scale
        'width="30mm" height="30mm"',
        'viewBox="0 0 100 100"',
        'width="20in" height="20in" viewBox="0 0 100 100"',
        'width="60" height="60"',  # a page that the drawing runs off
        'viewBox="20 20 40 40"',
    ],
)
def test_a_drawing_comes_out_whole_whatever_its_page(frame: str):
    picture = rasterised(drawing(frame))
    assert picture.shape == (128, 128, 4)
    assert box(picture) == pytest.approx((4, 4, 124, 124), abs=1)
    np.testing.assert_array_equal(picture[64, 64], [255, 0, 0, 255])
    assert picture[0, 0, 3] == 0


def test_a_picture_that_fills_its_page_is_not_looked_for_beyond_it():
    body = '<rect x="-500" y="-500" width="2000" height="2000" fill="#00ff00"/>' + DISC
    picture = rasterised(drawing('width="100" height="100"', body))
    np.testing.assert_array_equal(picture[6, 6], [0, 255, 0, 255])
    np.testing.assert_array_equal(picture[64, 64], [255, 0, 0, 255])


def test_icons_keep_their_air():
    assert box(rasterised(drawing('viewBox="-50 -50 200 200"', cropped=False))) == pytest.approx(
        (38, 38, 90, 90), abs=1
    )


def test_a_tall_picture_stands_in_the_middle():
    body = '<rect width="20" height="60" fill="#0000ff"/>'
    left, top, right, bottom = box(rasterised(drawing('viewBox="0 0 20 60"', body)))
    assert (top, bottom) == (4, 124)
    assert (left, right) == pytest.approx((44, 84), abs=1)


def test_edges_keep_the_colour_of_the_drawing():
    picture = rasterised(drawing('viewBox="0 0 100 100"'))
    edge = (picture[..., 3] > 8) & (picture[..., 3] < 248)
    assert edge.any()
    assert (picture[edge][:, :3].astype(int) - [255, 0, 0]).min() >= -2
    assert picture[edge][:, 1:3].max() <= 2


@pytest.mark.parametrize(
    ("frame", "body", "why"),
    [
        ('viewBox="0 0 100 100"', "", "empty"),
        ('viewBox="0 0 100 100"', '<rect x="10" y="10" width="80" height="5"/>', "stripe"),
        ("", DISC, "how large"),
        ('width="100%" height="100%"', DISC, "how large"),
        ('viewBox="0 0 100 100"', '<rect x="-900" y="40" width="2000" height="20"/>', "runs off"),
        ('viewBox="0 0 100 100"', "<unclosed", "resvg does not draw"),
    ],
)
def test_what_cannot_be_drawn_is_told(frame: str, body: str, why: str):
    with pytest.raises(NotDrawn, match=why):
        rasterised(drawing(frame, body))


def test_a_files_picture_is_scaled_to_fit(tmp_path: Path):
    Image.new("RGBA", (300, 150), (10, 200, 30, 255)).save(tmp_path / "wide.webp", lossless=True)
    picture = rasterised(Drawing("x", "wide", tmp_path / "wide.webp"))
    assert box(picture) == (0, 32, 128, 96)
    np.testing.assert_array_equal(picture[64, 64], [10, 200, 30, 255])


def test_clear_is_white_on_white_and_half_clear_is_half_white():
    picture = np.array([[[0, 0, 0, 0], [0, 0, 255, 255], [0, 0, 0, 128]]], np.uint8)
    np.testing.assert_array_equal(on_white(picture), [[[255, 255, 255], [0, 0, 255], [127, 127, 127]]])


def test_flags_skin_tones_brands_and_twins_are_left_out():
    emoji, twins = sets()["twemoji"], sets()["streamline-color"]
    for name, picture_set, wanted in [
        ("cat face", emoji, True),
        ("flag-of-italy", emoji, False),
        ("waving hand: medium skin tone", emoji, False),
        ("judge-medium-dark", emoji, False),
        ("google-drive", twins, False),
        ("company-logo", twins, False),
        ("apple", twins, True),
        ("lamp-flat", twins, False),
        ("lamp", twins, True),
    ]:
        assert filters.is_wanted(Drawing(name, name, ""), picture_set) is wanted, name
    assert not filters.is_wanted(Drawing("it", "italy", "", category="Flags"), emoji)


def test_of_sizes_the_largest_is_kept():
    drawings = [Drawing(f"camera-{size}", "camera", "") for size in (20, 48, 16)] + [Drawing("cat-24", "cat", "")]
    assert [d.id for d in filters.largest(drawings)] == ["camera-48", "cat-24"]


def test_a_cap_chooses_by_nothing_but_ids():
    drawings = [Drawing(str(i), "", "") for i in range(50)]
    chosen = {d.id for d in filters.capped(drawings, 10)}
    assert len(chosen) == 10
    assert {d.id for d in filters.capped(drawings[::-1], 10)} == chosen
    more = [*drawings, *(Drawing(f"new {i}", "", "") for i in range(5))]
    assert len(chosen & {d.id for d in filters.capped(more, 10)}) >= 5
    assert filters.capped(drawings, None) == drawings


def picture_with(*boxes: tuple[int, int, int, int], colour: tuple[int, int, int] = (200, 30, 30)) -> np.ndarray:
    image = np.full((128, 128, 3), 255, np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = colour
    return image


def test_repeated_pictures_are_told_from_others():
    pictures = np.stack(
        [
            picture_with((20, 20, 80, 80)),
            picture_with((20, 20, 80, 80)),  # the same
            picture_with((20, 20, 81, 80)),  # nearly the same
            picture_with((20, 20, 80, 80), (90, 90, 110, 110)),  # with something more
            picture_with((48, 20, 108, 80)),  # elsewhere
        ]
    )
    vectors = likeness.small(pictures)
    names = ["box", "square", "box", "box", "box"]
    assert likeness.first_of_each(vectors, names).tolist() == [True, False, False, True, True]


def test_sparse_pictures_are_no_copies_of_each_other():
    """Nearly white pictures differ by little in all, and by much of what is drawn."""
    thin = [picture_with((x, 10, x + 1, 100), colour=(190, 190, 190)) for x in (20, 60)]
    assert likeness.first_of_each(likeness.small(np.stack(thin)), ["line", "line"]).all()


def test_mirrored_vectors_are_those_of_mirrored_pictures():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    flipped = likeness.small(np.ascontiguousarray(pictures[:, :, ::-1]))
    np.testing.assert_array_equal(likeness.mirrored(likeness.small(pictures)), flipped)
