"""Braille cells of an SVG as drawn dots, which stand where they belong in every viewer.

Few fonts have braille, and a fallback's is as wide as it likes: a chart drawn with glyphs falls
apart where a viewer ignores `textLength`, and some fonts show empty dots as rings.
"""

from __future__ import annotations

import re

_TEXT = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="[\d.]+" clip-path="[^"]+">(?P<cells>[^<]*[\u2801-\u28ff][^<]*)</text>'
)
_SPACE = "&#160;"
_CELL_WIDTH, _CELL_HEIGHT, _ABOVE_BASELINE = 12.2, 24.4, 18.5
_RADIUS = 1.7
# Bit n of a braille character is dot n + 1 (Unicode, chapter 21.1): (column, row) of each.
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))


def draw_dots(svg: str) -> str:
    """`svg` as rich exports it, with a path of circles in place of each braille character."""
    return _TEXT.sub(_drawn, svg)


def _drawn(text: re.Match[str]) -> str:
    cells = text["cells"].replace(_SPACE, " ")
    left, top = float(text["x"]), float(text["y"]) - _ABOVE_BASELINE
    circles = [
        _circle(left + column * _CELL_WIDTH, top, dot)
        for column, cell in enumerate(cells)
        if "\u2801" <= cell <= "\u28ff"
        for bit, dot in enumerate(_DOTS)
        if (ord(cell) - 0x2800) >> bit & 1
    ]
    rest = re.sub("[\u2800-\u28ff]", " ", cells).replace(" ", _SPACE)
    kept = text[0].replace(text["cells"], rest) if rest.replace(_SPACE, "") else ""
    return f'{kept}<path class="{text["style"]}" d="{"".join(circles)}"/>'


def _circle(left: float, top: float, dot: tuple[int, int]) -> str:
    x = left + _CELL_WIDTH * (2 * dot[0] + 1) / 4 - _RADIUS
    y = top + _CELL_HEIGHT * (2 * dot[1] + 1) / 8
    r, d = _RADIUS, 2 * _RADIUS
    return f"M{x:.1f} {y:.1f}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0z"
