"""The characters that views draw with, in Unicode and in ASCII."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character set to draw with; every member is one column wide unless it says otherwise."""

    ok: str
    bad: str
    warn: str
    skip: str
    bullet: str
    dot: str
    """Separates facts on a line."""
    ellipsis: str
    """Any width."""
    rule: str
    line: str
    tick: str
    corner: str
    axis_tick: str
    grid: str
    bar: tuple[str, ...]
    """Eighths of a bar, from empty to full."""
    lost: str
    late: str
    braille: bool
    micro: str
    causes: tuple[str, str, str, str]
    """Marks of an outlier's cause: network, endpoint, queue, local."""
    end: str
    closed: str
    legend: str
    alive: str
    seen: str
    sent: str
    wait: str

    @property
    def ascii(self) -> bool:
        """Whether only ASCII may be drawn."""
        return not self.braille


UNICODE = Glyphs(
    ok="✓",
    bad="✗",
    warn="!",
    skip="–",
    bullet="•",
    dot="·",
    ellipsis="…",
    rule="─",
    line="│",
    tick="┤",
    corner="└",
    axis_tick="┬",
    grid="┈",
    bar=(" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"),
    lost="╳",
    late="◌",
    braille=True,
    micro="µ",
    causes=("▲", "◆", "■", "●"),
    end="┃",
    closed="▼",
    legend="■",
    alive="━",
    seen="┿",
    sent="╋",
    wait="╌",
)
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
    braille=False,
    micro="u",
    causes=("N", "E", "Q", "L"),
    end="|",
    closed="V",
    legend="#",
    alive="=",
    seen="+",
    sent="#",
    wait="-",
)
