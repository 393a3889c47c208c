"""The characters that views draw with, in Unicode and in ASCII, and words folded to ASCII."""

from __future__ import annotations

import unicodedata
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
    arrow: str
    """Any width."""
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
    up_to: str
    """Any width."""

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
    arrow="→",
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
    up_to="≤",
)
ASCII = Glyphs(
    ok="+",
    bad="x",
    warn="!",
    skip="-",
    bullet="*",
    dot="-",
    arrow="->",
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
    up_to="<=",
)

_WORDS = {
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "−": "-",
    "…": "...",
    "·": "-",
    "•": "*",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+/-",
    "×": "x",
    "µ": "u",
    "μ": "u",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "‚": ",",
    "✓": "+",
    "✗": "x",
    "½": "1/2",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
}


def fold(text: str, encoding: str = "ascii") -> str:
    r"""`text` in characters that `encoding` can carry: typography folded, the rest as `\u4e2d`."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_fold_char(char, encoding) for char in text)
    return text


def _fold_char(char: str, encoding: str) -> str:
    for candidate in (char, _WORDS.get(char, ""), unicodedata.normalize("NFKD", char)[:1]):
        if candidate and _fits(candidate, encoding):
            return candidate
    return char.encode(encoding, "backslashreplace").decode(encoding)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
