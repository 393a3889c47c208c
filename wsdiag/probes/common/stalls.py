"""When did our own process not run? A heartbeat on the event loop that notices its own lateness."""

from __future__ import annotations

import asyncio
from collections import deque

BEAT_S = 0.025
# Shorter waits are ordinary scheduling, and no outlier is that short.
STALL_S = 0.01
REPORTED_S = 0.1
_REMEMBERED = 256


class Stalls:
    """Times when the event loop did not run: stopped, starved of CPU, or busy with our own work."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._past: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._due = self._loop.time() + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)
        self.count = 0
        """Those long enough to be reported."""
        self.longest_s = 0.0
        self.lost_s = 0.0
        """All of them together, the short ones included."""
        self._not_run_s = 0.0
        """What `time` leaves out."""
        self.stops = 0
        """How often the process was stopped, which is no stall."""
        self.stopped_s = 0.0
        """How long these took together."""
        self._last_stop: tuple[float, float] | None = None
        self._before_last = (0, 0.0)
        """`count` and `longest_s` as they were before the last stall that was reported."""

    def time(self) -> float:
        """Loop time, of which a stall takes no more than REPORTED_S: to time others by.

        After a stall, what is due may be done before what has arrived meanwhile is read.
        """
        return min(self._loop.time(), self._due + REPORTED_S) - self._not_run_s

    def _beat(self) -> None:
        now = self._loop.time()
        late_s = now - self._due
        if late_s > STALL_S:
            self.lost_s += late_s
        if late_s > REPORTED_S:
            self._before_last = (self.count, self.longest_s)
            self.count += 1
            self.longest_s = max(self.longest_s, late_s)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Note by how much the last beat was late, and plan the next."""
        late_s = now - self._due
        if late_s > STALL_S:
            self._past.append((self._due, now))
        self._not_run_s += max(0.0, late_s - REPORTED_S)
        self._due = now + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def worst_since(self, start: float) -> float:
        """The longest time in s, of those that ended after `start` (loop time)."""
        ended = ((since, until) for since, until in self._past if until >= start)
        return max((until - since for since, until in ended), default=0.0)

    def within(self, start: float, end: float) -> float:
        """Seconds of [start, end] (loop time) during which the event loop did not run."""
        # A beat that is overdue at this moment is a stall that has not been written down yet.
        spans = [*self._past, (self._due, self._loop.time())]
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in spans)

    def just_before(self, moment: float) -> float:
        """Seconds of the stall that `moment` (loop time) lies in, or right behind.

        What came while the process did not run is read after it, and may be stamped within it.
        """
        spans = (*self._past, (self._due, self._loop.time()))
        stalled = (
            min(moment, until) - since
            for since, until in spans
            if since < moment <= until + REPORTED_S
        )
        return max(stalled, default=0.0)

    def continued(self) -> float:
        """The process was stopped (SIGSTOP, Ctrl-Z) until now: somebody's wish, and no stall.

        How many s ago the middle of that time was: what is due at its end is done at once, maybe
        before this is called.
        """
        now = self._loop.time()
        if now - self._due > REPORTED_S:  # the beat has not noticed yet
            self._timer.cancel()
            self._go_on(now)
        elif (
            self._past
            and now - self._past[-1][1] < REPORTED_S
            and self._past[-1] is not self._last_stop
        ):
            self.count, self.longest_s = self._before_last
        else:
            return 0.0
        since, until = self._last_stop = self._past[-1]
        self.stops += 1
        self.stopped_s += until - since
        return now - (since + until) / 2

    def stop(self) -> None:
        """End the heartbeat."""
        self._timer.cancel()
