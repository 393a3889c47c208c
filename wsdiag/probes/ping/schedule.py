"""When the next Ping is due, its answer overdue, and the next connection to be tried.

Slots are absolute, so that intervals never drift and never burst.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

# epoll sleeps whole milliseconds, rounded up: a slot missed by less than this is the timer's
# coarseness, and sending it at once keeps the average rate at intervals of a millisecond.
TIMER_GRAIN_S = 0.0015

BACKOFF_FIRST_S = 0.5
BACKOFF_LIMIT_S = 30.0
# A connection that answered was a good one: its successor is tried nearly at once, so that an
# endpoint that restarts quickly is not missed.
RETRY_FIRST_S = 0.1

OVERDUE_S = 1.0
OVERDUE_P99 = 10.0
OVERDUE_INTERVALS = 2.0


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


def backoff(attempt: int, limit_s: float = BACKOFF_LIMIT_S) -> float:
    """Seconds to wait before reconnection attempt `attempt` (from 0): doubling, bounded."""
    return float(min(BACKOFF_FIRST_S * 2 ** min(attempt, 16), limit_s))


def retry_wait(failures: int, limit_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row since a Ping was answered.

    `random` (0 to 1) takes away up to half: clients that one restart threw out must not come back
    all at one moment.
    """
    wait_s = min(RETRY_FIRST_S, limit_s) if not failures else backoff(failures - 1, limit_s)
    return wait_s * (1 - random() / 2)


def overdue_after_s(p99_ms: float | None, interval_s: float) -> float:
    """The age in s beyond which an answer is overdue, by the p99 so far and the interval."""
    p99_s = (p99_ms or 0.0) / 1e3
    return max(OVERDUE_S, OVERDUE_P99 * p99_s, OVERDUE_INTERVALS * interval_s)
