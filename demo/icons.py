"""Icons of the buttons, as SVG in the page: they have the colour of the text, and need no font."""

from __future__ import annotations

PATHS = {
    "dice": '<rect x="3.5" y="3.5" width="17" height="17" rx="4"/><path d="M8.5 8.5h.01M15.5 8.5h.01M12 12h.01'
    'M8.5 15.5h.01M15.5 15.5h.01" stroke-width="2.6"/>',
    "download": '<path d="M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 19.5h14"/>',
    "link": '<path d="M10 14a4.5 4.5 0 0 0 6.6.4l2.6-2.6a4.5 4.5 0 0 0-6.4-6.4l-1.3 1.3"/>'
    '<path d="M14 10a4.5 4.5 0 0 0-6.6-.4l-2.6 2.6a4.5 4.5 0 0 0 6.4 6.4l1.3-1.3"/>',
    "odd": '<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5M11 8v3.5M11 14h.01"/>',
    "back": '<path d="M4 9h13m0 0-4-4m4 4-4 4M20 16H7m0 0 3.5 3.5M7 16l3.5-3.5"/>',
    "vary": '<rect x="4" y="4" width="7" height="7" rx="1.5"/><rect x="13.5" y="4" width="6.5" height="7" rx="3.2"/>'
    '<rect x="4" y="13.5" width="7" height="6.5" rx="3.2"/><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1.5"/>',
}


def icon(name: str) -> str:
    """Return an icon as SVG, hidden from screen readers, since the button has a label in words."""
    return (
        '<svg class="drawing-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{PATHS[name]}</svg>'
    )
