"""When the next Ping is due: absolute slots, so that intervals never drift and never burst."""

from __future__ import annotations

import math
from dataclasses import dataclass

# epoll sleeps whole milliseconds, rounded up: a slot missed by less than this is the timer's
# coarseness, and sending it at once keeps the average rate at intervals of a millisecond.
TIMER_GRAIN_S = 0.0015

BACKOFF_FIRST_S = 0.5
BACKOFF_LIMIT_S = 30.0


@dataclass(slots=True)
class Slots:
    """Slots at `start + k * interval` (seconds of one clock); each is used once or skipped."""

    start: float
    interval: float
    index: int = 0
    skipped: int = 0

    @property
    def due(self) -> float:
        """The time of the next slot."""
        return self.start + self.index * self.interval

    def take(self, now: float) -> float:
        """Use the slot that is due; returns how late it was, in seconds, and skips missed ones."""
        late = now - self.due
        nearest = math.ceil((now - TIMER_GRAIN_S - self.start) / self.interval)
        following = max(self.index + 1, nearest)
        self.skipped += following - self.index - 1
        self.index = following
        return late


def stagger(index: int, total: int, interval: float) -> float:
    """Seconds by which URL `index` of `total` starts later, so that their Pings do not bunch."""
    return interval * index / total if total > 1 else 0.0


def backoff(attempt: int) -> float:
    """Seconds to wait before reconnection attempt `attempt` (from 0): doubling, bounded."""
    return float(min(BACKOFF_FIRST_S * 2 ** min(attempt, 16), BACKOFF_LIMIT_S))
