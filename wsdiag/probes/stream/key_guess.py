"""Whose sequence numbers are these? A field by which they follow, where as a whole they do not.

A feed with several keys may count for each of them by itself. Taken as one sequence its numbers
look missing, repeated and late, and nothing is wrong but that `--by` was not given. So, of the
first messages, each short value in a message is tried as the key: a field is told where as a whole
many numbers do not follow, and by that field few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from wsdiag.probes.stream.sequence import SequenceCheck

_MOST_MESSAGES, _FEWEST = 1000, 20
_MOST_PATHS, _MOST_VALUES, _DEPTH, _ITEMS = 32, 50, 4, 3
# Some may be missing by the right key, too: it has to mend most, and to leave few.
_MANY, _FEW, _MENDED = 0.2, 0.1, 0.75
_VALUE_CHARS = 64
_PLAIN = re.compile(r"[A-Za-z_]\w*\Z")


class Guess(NamedTuple):
    """A field that would be the key, and what speaks for it."""

    path: str
    values: int
    unruly: int
    """Numbers that did not follow, taken as one sequence."""
    compared: int
    """Of so many."""
    unruly_by_path: int
    """The same by that field."""


class _Sequences:
    """The numbers by the values of one field."""

    __slots__ = ("by_value", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.by_value: dict[str | int, SequenceCheck] = {}

    def unruly(self) -> int:
        return sum(_unruly(check) for check in self.by_value.values())


class KeyGuess:
    """Takes the first messages with their numbers."""

    def __init__(self) -> None:
        self._whole = SequenceCheck()
        self._messages = 0
        self._fields: dict[str, _Sequences | None] = {}
        """By path; None: of too many values for a key."""

    def add(self, document: Any, number: int) -> None:
        """Take a message's JSON value and its sequence number."""
        if self._messages >= _MOST_MESSAGES:
            return
        self._messages += 1
        self._whole.add(number)
        for path, value in _short_values(document, "$", _DEPTH):
            if path not in self._fields and len(self._fields) < _MOST_PATHS:
                self._fields[path] = _Sequences()
            field = self._fields.get(path)
            if field is None:
                continue
            check = field.by_value.setdefault(value, SequenceCheck())
            if len(field.by_value) > _MOST_VALUES:
                self._fields[path] = None
                continue
            field.seen += 1
            check.add(number)

    def unread(self) -> None:
        """A message came whose number is not known."""
        fields = [field for field in self._fields.values() if field is not None]
        checks = [check for field in fields for check in field.by_value.values()]
        for check in (self._whole, *checks):
            check.unread += 1

    def found(self) -> Guess | None:
        """The field that tells the sequences apart best; None: they need none, or none does."""
        compared, unruly = self._messages - 1, _unruly(self._whole)
        if compared < _FEWEST or unruly < _MANY * compared:
            return None
        best: Guess | None = None
        for path, field in self._fields.items():
            if field is None or field.seen < self._messages or len(field.by_value) < 2:
                continue
            left, values = field.unruly(), len(field.by_value)
            if field.seen < 3 * values or left > _FEW * (field.seen - values):
                continue
            if left > (1 - _MENDED) * unruly:
                continue
            guess = Guess(path, values, unruly, compared, left)
            if best is None or (left, values) < (best.unruly_by_path, best.values):
                best = guess
        return best


def _unruly(check: SequenceCheck) -> int:
    counts = check.counts
    return counts.gaps + counts.repeated + counts.reordered + counts.restarts


def _short_values(value: Any, path: str, depth: int) -> Iterator[tuple[str, str | int]]:
    """Strings and whole numbers that could be a key, with their paths."""
    if isinstance(value, str):
        if len(value) <= _VALUE_CHARS:
            yield path, value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, value
    elif depth and isinstance(value, dict):
        for name, item in value.items():
            yield from _short_values(item, path + _step(name), depth - 1)
    elif depth and isinstance(value, list):
        for index, item in enumerate(value[:_ITEMS]):
            yield from _short_values(item, f"{path}[{index}]", depth - 1)


def _step(name: str) -> str:
    if _PLAIN.match(name):
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"
