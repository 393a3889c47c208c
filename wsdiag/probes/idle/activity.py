"""When bytes crossed one connection, and which of them were only its farewell: pure bookkeeping.

All times are seconds since the upgrade.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["sent", "received"]

# A last word ("bye"), a last Ping, a piece of a Close frame: what comes this shortly before the
# end belongs to the end. It did not restart the timer that had fired already.
FAREWELL_S = 0.25
_LONGER = 1.25
_RECENT = 64
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Activity:
    """A moment at which bytes crossed; `answer`: ours, and forced by what the peer just sent."""

    at_s: float
    direction: Direction
    what: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class IdleTimes:
    """How long nothing had crossed at some moment, and the longest such time survived before."""

    idle_s: float
    since_sent_s: float
    since_received_s: float
    longest_idle_s: float


@dataclass(slots=True)
class ActivityLog:
    """A connection's traffic. The upgrade itself is the first byte, in both directions."""

    received: list[tuple[float, str]] = field(default_factory=list)
    """What the peer sent on its own: time and kind, the first few dozen."""
    _recent: deque[Activity] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _before: _Walk = field(default_factory=lambda: _Walk())

    def mark(self, at_s: float, direction: Direction, what: str, *, answer: bool = False) -> None:
        """Bytes crossed; times must not go back."""
        if len(self._recent) == _RECENT:
            self._before.step(self._recent[0])
        self._recent.append(Activity(at_s, direction, what, answer))

    def unasked(self, at_s: float, what: str) -> None:
        """The peer sent something on its own."""
        self.mark(at_s, "received", what)
        if len(self.received) < _SHOWN:
            self.received.append((round(at_s, 3), what))

    @property
    def last_byte_s(self) -> float:
        """When a byte last crossed, either way."""
        return self._recent[-1].at_s if self._recent else self._before.last_s

    def at(self, now_s: float) -> IdleTimes:
        """The quiet at a moment when the connection is open."""
        return self._walk(list(self._recent)).quiet(now_s)

    def before(self, at_s: float) -> IdleTimes:
        """The quiet just before something was said at that moment."""
        return self._walk([mark for mark in self._recent if mark.at_s < at_s]).quiet(at_s)

    def at_end(self, end_s: float) -> IdleTimes:
        """The quiet at the connection's end, its farewell left out."""
        return self._walk(self._without_farewell(end_s)).quiet(end_s)

    def farewell_from_s(self, end_s: float) -> float:
        """From when on what came was farewell; `end_s` when there was none."""
        kept = len(self._without_farewell(end_s))
        return self._recent[kept].at_s if kept < len(self._recent) else end_s

    def _without_farewell(self, end_s: float) -> list[Activity]:
        """Marks shortly before the end go if they broke a quiet longer than any before: a peer
        that speaks regularly has merely spoken."""
        marks = list(self._recent)
        while marks and marks[-1].at_s >= end_s - FAREWELL_S:
            last = marks[-1]
            if last.direction == "sent" and not last.answer:
                break
            before = self._walk(marks[:-1])
            if last.direction == "received" and _usual(last.at_s - before.last_s, before):
                break
            marks.pop()
        return marks

    def _walk(self, marks: list[Activity]) -> _Walk:
        walk = self._before.copy()
        for mark in marks:
            walk.step(mark)
        return walk


@dataclass(slots=True)
class _Walk:
    """Follows the marks. What ends a gap by arriving proves that the gap was survived; what we
    send proves nothing until something comes back."""

    sent_s: float = 0.0
    received_s: float = 0.0
    longest_s: float = 0.0
    unproven_s: float = 0.0

    @property
    def last_s(self) -> float:
        return max(self.sent_s, self.received_s)

    def copy(self) -> _Walk:
        return _Walk(self.sent_s, self.received_s, self.longest_s, self.unproven_s)

    def step(self, mark: Activity) -> None:
        gap = mark.at_s - self.last_s
        if mark.direction == "sent":
            self.unproven_s = max(self.unproven_s, gap)
            self.sent_s = mark.at_s
        else:
            self.longest_s = max(self.longest_s, self.unproven_s, gap)
            self.unproven_s = 0.0
            self.received_s = mark.at_s

    def quiet(self, now_s: float) -> IdleTimes:
        return IdleTimes(
            now_s - self.last_s, now_s - self.sent_s, now_s - self.received_s, self.longest_s
        )


def _usual(gap_s: float, before: _Walk) -> bool:
    return 0.0 < gap_s <= _LONGER * before.longest_s
