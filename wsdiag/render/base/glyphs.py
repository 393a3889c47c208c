"""The characters that views draw with, in Unicode and in ASCII."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dots = Literal["braille", "block", "ascii"]
"""What the points of a chart are drawn with."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character set to draw with, by default Unicode; a column wide unless it says so."""

    ok: str = "✓"
    bad: str = "✗"
    warn: str = "!"
    skip: str = "–"
    bullet: str = "•"
    dot: str = "·"
    """Separates facts on a line."""
    ellipsis: str = "…"
    """Any width."""
    rule: str = "─"
    line: str = "│"
    tick: str = "┤"
    corner: str = "└"
    axis_tick: str = "┬"
    grid: str = "┈"
    bar: tuple[str, ...] = (" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█")
    """Eighths of a bar, from empty to full."""
    lost: str = "╳"
    late: str = "◌"
    waiting: str = "?"
    spark: str = "▁▂▃▄▅▆▇█"
    """Heights of a column in a strip, from low to high."""
    micro: str = "µ"
    causes: tuple[str, str, str, str, str] = ("▲", "◆", "■", "●", "▶")
    """Marks of an outlier's cause: network, endpoint, queue, local, inbound-queue."""
    end: str = "┃"
    closed: str = "▼"
    legend: str = "■"
    alive: str = "━"
    seen: str = "┿"
    sent: str = "╋"
    wait: str = "╌"
    ascii: bool = False
    """Whether only ASCII may be drawn."""


UNICODE = Glyphs()
ASCII = Glyphs(
    ok="+",
    bad="x",
    warn="!",
    skip="-",
    bullet="*",
    dot="-",
    ellipsis="...",
    rule="-",
    line="|",
    tick="+",
    corner="+",
    axis_tick="+",
    grid=".",
    bar=(" ", " ", " ", " ", "#", "#", "#", "#", "#"),
    lost="X",
    late="o",
    spark="_.-~=+*#",
    micro="u",
    causes=("N", "E", "Q", "L", "I"),
    end="|",
    closed="V",
    legend="#",
    alive="=",
    seen="+",
    sent="#",
    wait="-",
    ascii=True,
)
