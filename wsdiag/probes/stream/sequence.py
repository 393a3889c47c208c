"""Sequence numbers of one key: which are missing, came twice, came late, or began anew.

A number that is one above the highest so far follows. What it skips is missing until it comes
after all, late (`reordered`). A lower one that is not missing has come before: `repeated`; unless
it cannot have, for it is lower than the first that was seen, or is a beginning (0, 1) well below
the highest, or lies further back than any retransmission: then the numbers began anew.

Messages whose numbers are not known (`unread`) may have had the next ones: of what a number skips,
as many are unknown, and only the rest is missing.

What is missing is kept as ranges, a bounded number of them: beyond it, the oldest are missing for
good, and their late arrival counts as a repetition.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from wsdiag.records.stream import GapKind, Gaps

MOST_RANGES = 64
# Before the first that was seen, so many may be late ones of the beginning; after it, a beginning
# so far back is one, and a number further back than this is no repetition.
LATE_AT_FIRST = 8
RESTART_BACK = 3
REPEATED_BACK = 100_000


class Found(NamedTuple):
    """One number that did not follow; `missing`: how many it skipped."""

    kind: GapKind
    expected: int
    got: int
    missing: int


@dataclass(slots=True)
class SequenceCounts:
    """What was counted; sums of several keys are made by `add`."""

    missing: int = 0
    gaps: int = 0
    repeated: int = 0
    reordered: int = 0
    restarts: int = 0

    def add(self, other: SequenceCounts) -> None:
        """Add another's counts."""
        self.missing += other.missing
        self.gaps += other.gaps
        self.repeated += other.repeated
        self.reordered += other.reordered
        self.restarts += other.restarts

    def record(self, unnumbered: int = 0, compared: int | None = None) -> Gaps:
        """The same as a record's member; `compared`: numbers that had one to follow."""
        found = self.missing, self.gaps, self.repeated, self.reordered, self.restarts
        return Gaps(*found, unnumbered, compared)


class SequenceCheck:
    """The numbers of one key, in order of arrival."""

    __slots__ = (
        "_first",
        "_late_from",
        "_missing",
        "_skipped",
        "_unknown",
        "counts",
        "highest",
        "missed",
        "reconnected",
        "unread",
    )

    def __init__(self) -> None:
        self.counts = SequenceCounts()
        self.highest: int | None = None
        self._first = self._late_from = 0
        self._missing: deque[tuple[int, int]] = deque(maxlen=MOST_RANGES)
        self._skipped = self._unknown = 0
        """Numbers that have not come, and of how many of them it is unknown."""
        self.unread = 0
        """Messages since the highest number whose own numbers are not known."""
        self.reconnected = False
        """Whether the next number is the first on another connection."""
        self.missed: int | None = None
        """What was missed between the last two connections; None: it cannot be known."""

    def add(self, number: int) -> Found | None:
        """Take the next number; None where it follows."""
        highest = self.highest
        if highest is not None and number == highest + 1 and not (self.reconnected or self.unread):
            self.highest = number
            return None
        return self._judge(number)

    def _judge(self, number: int) -> Found | None:
        highest, reconnected = self.highest, self.reconnected
        self.reconnected = False
        if highest is None:
            self._begin(number)
            return None
        expected = highest + 1
        if number >= expected:
            skipped = number - expected
            unknown = min(skipped, self.unread)
            missing = skipped - unknown
            self.missed = missing if reconnected else self.missed
            self.highest, self.unread = number, 0
            if skipped:
                self._missing.append((expected, number - 1))
                self._skipped += skipped
                self._unknown += unknown
                self._count()
            if not missing:
                return None
            self.counts.gaps += 1
            return Found("missing", expected, number, missing)
        self.missed = 0 if reconnected else self.missed
        if self._came_late(number):
            self.counts.reordered += 1
            return Found("reordered", expected, number, 0)
        if self._begins_anew(number, highest):
            self.missed = None if reconnected else self.missed
            self.counts.restarts += 1
            self._begin(number)
            return Found("restarted", expected, number, 0)
        self.counts.repeated += 1
        return Found("repeated", expected, number, 0)

    def _begin(self, number: int) -> None:
        self._first = self.highest = number
        self.unread = 0
        self._late_from = number - LATE_AT_FIRST
        self._missing.clear()

    def _came_late(self, number: int) -> bool:
        if self._late_from <= number < self._first and number > 1:
            self._first = number
            return True
        for index, (low, high) in enumerate(self._missing):
            if low <= number <= high:
                del self._missing[index]
                if number < high:
                    self._missing.insert(index, (number + 1, high))
                if low < number and len(self._missing) < MOST_RANGES:
                    self._missing.insert(index, (low, number - 1))
                self._skipped -= 1
                self._count()
                return True
        return False

    def _count(self) -> None:
        self.counts.missing = max(0, self._skipped - self._unknown)

    def _begins_anew(self, number: int, highest: int) -> bool:
        back = highest - number
        beginning = number in (0, 1) and back >= RESTART_BACK
        return beginning or number < self._first or back > REPEATED_BACK


def as_number(value: object) -> int | None:
    """A sequence number of a JSON value: a whole number, or a string of digits; else None.

    Numbers of more than 64 bits are none: their sums would be of any length.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and -(2**63) <= value < 2**64 else None
