"""A chart saved as SVG is drawn, so that it looks the same with every font and viewer."""

from __future__ import annotations

import re

import pytest

from wsdiag.render.base.picture import draw_dots

CELL = '<text class="r1" x="{x}" y="20" textLength="12.2" clip-path="url(#line-0)">{cells}</text>'


def _dots(svg: str) -> list[tuple[float, float]]:
    """Centres of the circles, as (x, y)."""
    starts = re.findall(r"M([\d.]+) ([\d.]+)a", svg)
    return [(float(x) + 1.7, float(y)) for x, y in starts]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\u2801", [(3.05, 4.55)]),  # dot 1: the upper left
        ("\u2880", [(9.15, 22.85)]),  # dot 8: the lower right
        ("\u2809", [(3.05, 4.55), (9.15, 4.55)]),  # dots 1 and 4: the upper row
    ],
)
def test_each_dot_has_its_place_in_the_cell(cell: str, expected: list[tuple[float, float]]) -> None:
    found = _dots(draw_dots(CELL.format(x="0", cells=cell)))
    assert sorted(found) == [pytest.approx(dot, abs=0.06) for dot in expected]


def test_all_eight_dots_of_a_full_cell_are_drawn_where_its_text_stood() -> None:
    drawn = draw_dots(CELL.format(x="122", cells="&#160;&#160;\u28ff"))
    assert len(_dots(drawn)) == 8
    assert {round((x - 122) // 12.2) for x, _ in _dots(drawn)} == {2}, "the third cell"
    assert "<text" not in drawn, "nothing is left of a text without letters"
    assert 'class="r1"' in drawn, "the colour is kept"


def test_letters_beside_dots_keep_their_cells() -> None:
    drawn = draw_dots(CELL.format(x="0", cells="\u28ffa&#160;\u2847b"))
    assert ">&#160;a&#160;&#160;b</text>" in drawn
    assert len(_dots(drawn)) == 8 + 4


def test_text_without_braille_is_left_alone() -> None:
    text = CELL.format(x="0", cells="200&#160;ms&#160;\u2524")
    assert draw_dots(text) == text
