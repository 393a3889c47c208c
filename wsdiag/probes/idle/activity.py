"""When bytes crossed one connection, and which of them belonged to its end: pure bookkeeping.

All times are seconds since the upgrade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

Direction = Literal["sent", "received"]

# Trailing traffic: a last message ("bye"), a last Ping, a piece of a Close frame. What comes this
# shortly before the end belongs to the end: it did not restart the timer that had fired already.
TRAILING_S = 0.25
# A gap up to so much longer than the longest survived one is that of regular traffic.
_REGULAR = 1.25
_RECENT = 64
_SHOWN = 64
PART = "part"
"""What the peer sent: bytes of a message that is not complete."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A moment at which bytes crossed; `reply`: ours, and forced by what the peer just sent."""

    at_s: float
    direction: Direction
    reply: bool = False


@dataclass(frozen=True, slots=True)
class IdleTimes:
    """How long nothing had crossed at some moment, and the longest such time survived before."""

    idle_s: float
    since_sent_s: float
    since_received_s: float
    longest_idle_s: float


@dataclass(slots=True)
class GapTracker:
    """Idle times, from activities in their order. What ends a gap by arriving proves that the gap
    was survived; what we send proves nothing until something comes back."""

    sent_s: float = 0.0
    received_s: float = 0.0
    longest_s: float = 0.0
    unproven_s: float = 0.0

    @property
    def last_s(self) -> float:
        """When a byte last crossed, either way."""
        return max(self.sent_s, self.received_s)

    def add(self, activity: Activity) -> None:
        """Go on to the next activity."""
        gap_s = activity.at_s - self.last_s
        if activity.direction == "sent":
            self.unproven_s = max(self.unproven_s, gap_s)
            self.sent_s = activity.at_s
        else:
            self.longest_s = max(self.longest_s, self.unproven_s, gap_s)
            self.unproven_s = 0.0
            self.received_s = activity.at_s

    def idle_times(self, now_s: float) -> IdleTimes:
        """The idle times at a moment after the last activity."""
        sent_s, received_s = max(0.0, now_s - self.sent_s), max(0.0, now_s - self.received_s)
        return IdleTimes(min(sent_s, received_s), sent_s, received_s, self.longest_s)


@dataclass(slots=True)
class ActivityLog:
    """A connection's traffic. The upgrade itself is the first byte, in both directions."""

    unsolicited: list[tuple[float, str]] = field(default_factory=list)
    """What the peer sent on its own: time and kind, the first few dozen."""
    _recent: deque[Activity] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _before: GapTracker = field(default_factory=GapTracker)

    def add(self, at_s: float, direction: Direction, *, reply: bool = False) -> None:
        """Bytes crossed; times must not go back."""
        if len(self._recent) == _RECENT:
            self._before.add(self._recent[0])
        self._recent.append(Activity(at_s, direction, reply))

    def add_unsolicited(self, at_s: float, what: str) -> None:
        """The peer sent something on its own."""
        self.add(at_s, "received")
        if self.unsolicited and self.unsolicited[-1][1] == PART:  # of this message, most likely
            self.unsolicited.pop()
        if len(self.unsolicited) < _SHOWN:
            self.unsolicited.append((round(at_s, 3), what))

    def add_part(self, at_s: float) -> None:
        """The peer sent a part of a message whose end has not come."""
        if self.unsolicited and self.unsolicited[-1][1] == PART:
            self.add(at_s, "received")
        else:
            self.add_unsolicited(at_s, PART)

    @property
    def last_byte_s(self) -> float:
        """When a byte last crossed, either way."""
        return self._recent[-1].at_s if self._recent else self._before.last_s

    def at(self, now_s: float) -> IdleTimes:
        """The idle times at a moment when the connection is open."""
        return self._gaps(self._recent).idle_times(now_s)

    def before(self, at_s: float) -> IdleTimes:
        """The idle times just before something was sent at that moment."""
        return self._gaps(a for a in self._recent if a.at_s < at_s).idle_times(at_s)

    def at_end(self, end_s: float) -> IdleTimes:
        """The idle times at the connection's end, trailing traffic left out."""
        return self._gaps(self._without_trailing(end_s)).idle_times(end_s)

    def trailing_from_s(self, end_s: float) -> float:
        """From when on traffic was trailing; `end_s` when there was none."""
        kept = len(self._without_trailing(end_s))
        return self._recent[kept].at_s if kept < len(self._recent) else end_s

    def _without_trailing(self, end_s: float) -> list[Activity]:
        """Activities shortly before the end go if they ended an idle time longer than any before:
        a peer that sends regularly has merely done so once more."""
        kept = list(self._recent)
        while kept and kept[-1].at_s >= end_s - TRAILING_S:
            last = kept.pop()
            before = self._gaps(kept)
            gap_s = last.at_s - before.last_s
            if (last.direction == "sent" and not last.reply) or (
                last.direction == "received" and 0.0 < gap_s <= _REGULAR * before.longest_s
            ):
                return [*kept, last]
        return kept

    def _gaps(self, recent: Iterable[Activity]) -> GapTracker:
        gaps = replace(self._before)
        for activity in recent:
            gaps.add(activity)
        return gaps
