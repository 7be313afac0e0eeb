"""Where the nodes of an example graph lie: groups in rows, each with its note on top, without overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from templates import Group, Template

Size = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, width, height

MARGIN = 24  # inside of a group
GAP = 40  # between nodes, and between groups
NODE_TITLE = 34  # above what the front end calls a node's position
GROUP_TITLE = 44
NOTE_WIDTH, NOTE_HEIGHT = 360, 140  # at least
LETTER, LINE = 6.4, 19  # of a note's text, in pixels


@dataclass(frozen=True)
class Layout:
    """Places of nodes by name, of notes by their group's title, and of groups by their title."""

    nodes: dict[str, Box]
    notes: dict[str, Box]
    groups: dict[str, Box]


def laid_out(template: Template, sizes: Mapping[str, Size]) -> Layout:
    """Groups from left to right in rows, from the top."""
    layout = Layout({}, {}, {})
    top = 0.0
    for row in template.rows:
        left, bottom = 0.0, top
        for group in row:
            _, _, width, height = layout.groups[group.title] = _group(group, sizes, left, top, layout)
            left += width + GAP
            bottom = max(bottom, top + height)
        for group in row:  # frames of a row end together
            x, y, width, _ = layout.groups[group.title]
            layout.groups[group.title] = (x, y, width, bottom - top)
        top = bottom + GAP
    return layout


def _group(group: Group, sizes: Mapping[str, Size], left: float, top: float, layout: Layout) -> Box:
    widths = [max(sizes[name][0] for name in column) for column in group.columns]
    inside = max(NOTE_WIDTH, sum(widths) + GAP * (len(widths) - 1))
    note = _note_height(group.note, inside)
    first = top + GROUP_TITLE + NODE_TITLE
    layout.notes[group.title] = (left + MARGIN, first, inside, note)
    x, bottom = left + MARGIN, first + note
    for column, width in zip(group.columns, widths, strict=True):
        y = first + note + GAP / 2 + NODE_TITLE
        for name in column:
            # A column of one is as wide as its note, which is above it.
            layout.nodes[name] = (x, y, inside if len(widths) == 1 else width, sizes[name][1])
            y += sizes[name][1]
            bottom = max(bottom, y)
            y += GAP / 2 + NODE_TITLE
        x += width + GAP
    return left, top, inside + 2 * MARGIN, bottom - top + MARGIN


def _note_height(text: str, width: float) -> float:
    lines = sum(1 + int(len(line) * LETTER / (width - 40)) for line in text.split("\n"))
    return max(NOTE_HEIGHT, 50 + lines * LINE)
