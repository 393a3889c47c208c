"""A grid of dots finer than the character cells that show it: Braille, half blocks or ASCII."""

from __future__ import annotations

from dataclasses import dataclass

from wsdiag.render.base.glyphs import Dots

# Unicode 16, Braille Patterns: bits of dots 1-2-3-7 (left, downwards) and 4-5-6-8 (right)
_LEFT, _RIGHT = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)


@dataclass(frozen=True, slots=True)
class DotStyle:
    """Dots in a cell: `bits[x][y]` is one dot's bit, `chars` maps the bits of a cell to a glyph."""

    bits: tuple[tuple[int, ...], ...]
    chars: str

    @property
    def across(self) -> int:
        """Dots in a cell, horizontally."""
        return len(self.bits)

    @property
    def down(self) -> int:
        """Dots in a cell, vertically."""
        return len(self.bits[0])


STYLES: dict[Dots, DotStyle] = {
    "braille": DotStyle((_LEFT, _RIGHT), " " + "".join(chr(0x2800 + n) for n in range(1, 256))),
    "block": DotStyle(((1, 2),), " ▀▄█"),
    # a dot high, in the middle, low; more than one of them is a stroke
    "ascii": DotStyle(((1, 2, 4),), " '-|.|||"),
}


class Canvas:
    """Dots and one colour a cell; row 0 is the top. The last colour drawn in a cell wins."""

    def __init__(self, columns: int, rows: int, style: DotStyle) -> None:
        self.columns, self.rows, self.style = columns, rows, style
        self.width, self.height = columns * style.across, rows * style.down
        self.masks = [bytearray(columns) for _ in range(rows)]
        self.colors = [bytearray(columns) for _ in range(rows)]
        # the mask of a stroke through a cell from one dot row to another, looked up, not computed
        self._strokes = [
            [[sum(bits[top : low + 1]) for low in range(style.down)] for top in range(style.down)]
            for bits in style.bits
        ]

    def stroke(self, x: int, top: int, low: int, color: int) -> None:
        """A vertical line of dots in dot column `x`, from dot row `top` down to `low`."""
        if top > low:
            top, low = low, top
        down = self.style.down
        column, side = divmod(x, self.style.across)
        first, start = divmod(max(top, 0), down)
        last, stop = divmod(min(low, self.height - 1), down)
        strokes = self._strokes[side]
        if first == last:  # nearly all strokes of a calm line
            self.masks[first][column] |= strokes[start][stop]
            self.colors[first][column] = color
            return
        for row in range(first, last + 1):
            begin = start if row == first else 0
            end = stop if row == last else down - 1
            self.masks[row][column] |= strokes[begin][end]
            self.colors[row][column] = color

    def text(self, row: int) -> str:
        """The glyphs of one row."""
        chars = self.style.chars
        return "".join([chars[mask] for mask in self.masks[row]])
