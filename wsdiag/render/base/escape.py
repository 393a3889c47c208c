"""Make what a peer sent harmless to print, and printable where only some characters are.

`escape()`: nothing of it may steer the terminal or hide. `fold()`: typography becomes ASCII where
an encoding has no more, and the rest is shown by its number rather than lost.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SHOWN_CHARS = 300
_ODD = re.compile(r"[^ -~]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


def escape(text: str, *, keep: str = "") -> str:
    r"""`text` with control, bidi and invisible characters as `\n`, `\x9b`, `\u202e`.

    Characters of `keep` stay. A backslash stays too: the output is for eyes, not for a parser.
    """
    if text.isascii() and text.isprintable():
        return text
    return _ODD.sub(lambda found: found[0] if found[0] in keep else _visible(found[0]), text)


@lru_cache(1024)
def _visible(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    # not printable: C0, DEL, C1, bidi controls, zero-width, tags, surrogates, odd separators
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_CI_COMMAND = re.compile(
    r"::(?=(?:error|warning|notice|debug|group|endgroup|echo|[a-z]+-[a-z-]+)(?:[ \t].*?)?::)"
    r"|##(?=\w*+\[)",
    re.IGNORECASE,
)


def defuse(text: str) -> str:
    r"""`text` without commands to a CI system: `::error::` is `\x3a:error::`.

    Runners take them at the beginning of a line, blanks or not, and text may be wrapped anywhere.
    """
    if "::" not in text and "##" not in text:
        return text
    return _CI_COMMAND.sub(lambda match: f"\\x{ord(match[0][0]):02x}{match[0][1]}", text)


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


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def fold(text: str, encoding: str = "ascii") -> str:
    r"""`text` in characters that `encoding` can carry: typography folded, the rest as `\u4e2d`."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return _NOT_ASCII.sub(lambda match: _fold_char(match[0], encoding), text)
    return text


@lru_cache(1024)
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


def shorten(text: str) -> str:
    """A URL, a header or a status line for people: bounded; JSON and `--trace` have all of it."""
    if len(text) <= _SHOWN_CHARS:
        return text
    return f"{text[:_SHOWN_CHARS]}… ({len(text)} characters)"
