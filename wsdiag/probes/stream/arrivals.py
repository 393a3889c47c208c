"""When messages come: rates, sizes, times between two of them; what is a silence, what a burst.

What is a silence? Whoever knows says so (`--silence`, `--max-silence`). Otherwise it is what is
unusual for this feed: longer than a second, and than four times the 99th percentile of the times
between its messages. That percentile takes silences in as well, so a feed that becomes slower has
a few of them and then a new normal. With few messages the percentile says little, so more of it is
wanted; before the third, ten seconds are, and four times the longest so far.

What is a burst? After a pause that is long for this feed, at least a third of what its rate would
have brought meanwhile comes at once: above that rate, and within a quarter of the pause. So a feed
that merely goes on after a pause has none. It tells a queue that stood still (nothing was lost)
from a feed that was dead (it was). The rate is the one before the pause; where all came in less
than a second, as with the first burst of a feed that has only bursts, the pause belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wsdiag.records.stream import Interarrival, Sizes
from wsdiag.statistics import Histogram

SHORTEST_SILENCE_S = 1.0
UNKNOWN_SILENCE_S = 10.0
FEWEST_GAPS = 3
SILENCE_P99, MORE_WITH_FEW = 4.0, 20.0

BURST_PAUSE_S, BURST_PAUSE_GAPS = 1.0, 10.0
BURST_SHARE, FEWEST_IN_BURST = 1 / 3, 5
BURST_WINDOW, SHORTEST_WINDOW_S = 0.25, 0.1
_ENOUGH_S = 1.0


class Burst(NamedTuple):
    """Messages at once after a pause; in seconds."""

    messages: int
    span_s: float
    pause_s: float


class _BurstWatch:
    """The messages right after a pause: how far are they ahead of the feed's rate?"""

    __slots__ = ("_began_s", "_best", "_count", "_gap_s", "_pause_s", "_until_s", "_wanted")

    def __init__(self, at_s: float, pause_s: float, gap_s: float) -> None:
        """`gap_s`: the feed's usual time between two messages."""
        self._began_s, self._pause_s, self._gap_s = at_s, pause_s, gap_s
        self._until_s = at_s + max(pause_s * BURST_WINDOW, SHORTEST_WINDOW_S)
        self._wanted = max(BURST_SHARE * pause_s / gap_s, FEWEST_IN_BURST)
        self._count = 0
        self._best = (0.0, 0, 0.0)

    def add(self, at_s: float) -> None:
        self._count += 1
        ahead = self._count - (at_s - self._began_s) / self._gap_s
        if ahead >= self._best[0] + 1.0:
            self._best = (ahead, self._count, at_s - self._began_s)

    def result(self, now_s: float) -> Burst | bool:
        """A burst, or False: there was none; True: it is too early to say."""
        if now_s <= self._until_s:
            return True
        ahead, count, span_s = self._best
        return Burst(count, span_s, self._pause_s) if ahead >= self._wanted else False


class Arrivals:
    """The messages of a run in order of arrival; times in seconds of one monotonic clock."""

    __slots__ = (
        *("_burst", "_first_s", "bursts", "bytes", "gaps", "interval_longest_s", "last_s"),
        *("longest_s", "messages", "rate_gaps", "sizes", "stalled_s"),
    )

    def __init__(self) -> None:
        self.messages = self.bytes = 0
        self.gaps = Histogram()
        """Times between two messages of one connection, in ms."""
        self.sizes = Histogram()
        self.last_s: float | None = None
        """When the last message came, or waiting for one began."""
        self.longest_s: float | None = None
        """The longest time without a message that is over."""
        self.interval_longest_s: float | None = None
        """The same since somebody set it to None."""
        self.bursts = 0
        self.stalled_s: Callable[[float], float] = lambda _at_s: 0.0
        """For how long our own process did not run right before a moment: when what is read then
        came is not known, so that is no pause of the feed."""
        self._first_s: float | None = None
        self.rate_gaps = 0
        self._burst: _BurstWatch | None = None

    def wait_from(self, now_s: float) -> None:
        """A connection is open, or lost: the next gap is no time between two messages of one."""
        if self.last_s is None:
            self.last_s = now_s
        self._first_s, self.rate_gaps, self._burst = None, 0, None

    def add(self, size: int, at_s: float) -> None:
        """Take a message of so many bytes."""
        self.messages += 1
        self.bytes += size
        self.sizes.add(size)
        last_s = at_s if self.last_s is None else self.last_s
        gap_s = at_s - last_s if at_s > last_s else 0.0
        self.last_s = last_s + gap_s
        if gap_s >= BURST_PAUSE_S:
            gap_s = max(gap_s - self.stalled_s(self.last_s), 0.0)
        if self.longest_s is None or gap_s > self.longest_s:
            self.longest_s = gap_s
        if self.interval_longest_s is None or gap_s > self.interval_longest_s:
            self.interval_longest_s = gap_s
        if self._first_s is None:
            self._first_s = self.last_s
            return
        if gap_s >= BURST_PAUSE_S:
            self._look_for_burst(gap_s)
        self.rate_gaps += 1
        self.gaps.add(gap_s * 1e3)
        if self._burst is not None:
            self._burst.add(self.last_s)

    def _look_for_burst(self, pause_s: float) -> None:
        assert self._first_s is not None
        assert self.last_s is not None
        before_s, gaps = self.last_s - self._first_s - pause_s, self.rate_gaps
        if before_s < _ENOUGH_S:
            before_s, gaps = before_s + pause_s, gaps + 1
        usual_s = before_s / gaps if gaps else pause_s
        if usual_s > 0 and pause_s >= BURST_PAUSE_GAPS * usual_s:
            self._burst = _BurstWatch(self.last_s, pause_s, usual_s)

    def burst(self, now_s: float) -> Burst | None:
        """The burst whose end is known now, once."""
        if self._burst is None or (result := self._burst.result(now_s)) is True:
            return None
        self._burst = None
        if isinstance(result, Burst):
            self.bursts += 1
            return result
        return None

    def silence_limit_s(self) -> float:
        """A time without messages that is unusual, in seconds."""
        count, p99_ms = self.gaps.count, self.gaps.percentile(99)
        if p99_ms is None:
            return UNKNOWN_SILENCE_S
        if count < FEWEST_GAPS:
            return max(UNKNOWN_SILENCE_S, SILENCE_P99 * p99_ms / 1e3)
        factor = SILENCE_P99 + MORE_WITH_FEW / count
        return max(SHORTEST_SILENCE_S, factor * p99_ms / 1e3)

    def interarrival(self) -> Interarrival | None:
        """Times between messages as a record's member; None with fewer than two messages."""
        gaps = self.gaps
        if not gaps.count:
            return None
        p50, p90, p95, p99 = (gaps.percentile(percent) for percent in (50, 90, 95, 99))
        return Interarrival(gaps.minimum, p50, p90, p95, p99, gaps.maximum)

    def size_figures(self) -> Sizes | None:
        """Sizes as a record's member; None without messages."""
        sizes = self.sizes
        if not sizes.count:
            return None
        p50, p95 = sizes.percentile(50), sizes.percentile(95)
        return Sizes(sizes.minimum, p50, p95, sizes.maximum, sizes.mean)
