"""On which line of a TOML file each table and key is: tomllib does not say.

For documents that tomllib has accepted; so the scan need not find errors, only places.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Place = tuple[str | int, ...]

_NAME = r"""(?:"(?:[^"\\]|\\.)*+"|'[^']*+'|[A-Za-z0-9_-]++)"""
_NAMES = rf"{_NAME}(?:\s*+\.\s*+{_NAME})*+"
_HEADER = re.compile(rf"(\[\[?)\s*+({_NAMES})\s*+\]")
_KEY = re.compile(rf"({_NAMES})\s*+=")
# What may hide a bracket, a quote or a line end: strings of all four kinds, and comments.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'|#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)


class Lines:
    """Line numbers (from 1) by place: ("defaults",), ("endpoint", 0, "url")…"""

    def __init__(self, found: dict[Place, int]) -> None:
        self._found = found

    def of(self, place: Place) -> int | None:
        """The line of a place, or of the nearest place around it; None when unknown."""
        while place:
            for own in (place, (*place, 0)):  # an array of tables is where its first one is
                if own in self._found:
                    return self._found[own]
            place = place[:-1]
        return None


def find_lines(text: str) -> Lines:
    """The line of every table and every key, also of inline and dotted ones' first parts."""
    found: dict[Place, int] = {}
    counts: dict[str, int] = {}
    table: Place = ()
    for number, line in _statements(text):
        header = _HEADER.match(line)
        if header is not None:
            table = _table_place(header, counts)
            found.setdefault(table, number)
        elif (key := _KEY.match(line)) is not None:
            found.setdefault((*table, *_parts(key[1])), number)
            found.setdefault((*table, _parts(key[1])[0]), number)
    return Lines(found)


def _table_place(header: re.Match[str], counts: dict[str, int]) -> Place:
    parts = _parts(header[2])
    if header[1] == "[":
        return tuple(parts)
    name = parts[0]
    counts[name] = counts.get(name, -1) + 1
    return (name, counts[name], *parts[1:])


def _parts(key: str) -> list[str]:
    """The names of a dotted key, unquoted by tomllib itself."""
    value: object = tomllib.loads(f"{key} = 0")
    parts = []
    while isinstance(value, dict):
        name = next(iter(value))
        parts.append(name)
        value = value[name]
    return parts


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, first line) of each statement: one may span lines inside brackets or quotes."""
    text = text.replace("\r\n", "\n")
    start, number, depth, began = 0, 1, 0, 1
    for token in _TOKEN.finditer(text + "\n"):
        what = token[0]
        if what == "\n" and depth == 0:
            yield began, text[start : token.start()].split("\n")[0].strip()
            start, began = token.end(), number + 1
        if what in ("[", "{"):
            depth += 1
        elif what in ("]", "}"):
            depth -= 1
        number += what.count("\n")
