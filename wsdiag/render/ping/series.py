"""Samples of one URL, gathered by moments of time: what a chart needs, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from wsdiag.records import Cause

FINENESS = 1024
"""Moments of a series that has the screen for itself: several for each dot column."""
_GRAIN = 0.001


@dataclass(frozen=True, slots=True)
class Sample:
    """One Ping at `t_s` seconds: its round trip, or None when it was lost.

    `late`: the Pong came after it had been given up. `closed`: the connection ended here.
    """

    t_s: float
    rtt_ms: float | None
    late: bool = False
    cause: Cause | None = None
    closed: bool = False


@dataclass(slots=True)
class Bucket:
    """All samples of one short stretch of time."""

    first: float = math.nan
    last: float = math.nan
    low: float = math.inf
    high: float = -math.inf
    lost: int = 0
    late_ms: float | None = None
    closed: bool = False
    cause: Cause | None = None
    cause_ms: float = -math.inf
    """The round trip that `cause` explains: the longest that has one."""

    @property
    def measured(self) -> bool:
        """Whether any Pong came in time."""
        return self.high >= self.low

    def add(self, sample: Sample) -> None:
        """Take one sample in."""
        if sample.closed:
            self.closed = True
        elif sample.rtt_ms is None:
            self.lost += 1
        elif sample.late:
            self.late_ms = max(self.late_ms or 0.0, sample.rtt_ms)
        else:
            self._measure(sample.rtt_ms, sample.cause)

    def _measure(self, rtt_ms: float, cause: Cause | None) -> None:
        self.first = rtt_ms if math.isnan(self.first) else self.first
        self.last = rtt_ms
        self.low, self.high = min(self.low, rtt_ms), max(self.high, rtt_ms)
        if cause is not None and rtt_ms > self.cause_ms:
            self.cause, self.cause_ms = cause, rtt_ms

    def merge(self, later: Bucket) -> None:
        """Take in the moment that follows this one."""
        self.first = later.first if math.isnan(self.first) else self.first
        self.last = self.last if math.isnan(later.last) else later.last
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.lost += later.lost
        self.closed = self.closed or later.closed
        if later.late_ms is not None:
            self.late_ms = max(self.late_ms or 0.0, later.late_ms)
        if later.cause_ms > self.cause_ms:
            self.cause, self.cause_ms = later.cause, later.cause_ms


class Buckets:
    """Moments of `width_s` seconds, at most `limit` of them.

    `rolling`: the oldest are forgotten, for a window; otherwise neighbours are merged and the
    width doubles, so that a whole run of any length fits.
    """

    def __init__(self, width_s: float, limit: int, *, rolling: bool) -> None:
        self.width_s, self._limit, self._rolling = width_s, limit, rolling
        self._moments: dict[int, Bucket] = {}
        self._newest = 0

    def add(self, sample: Sample) -> None:
        """Take one sample in; a loss may lie in the past, where its Ping was sent."""
        number = int(max(sample.t_s, 0.0) / self.width_s)
        if self._rolling and number <= self._newest - self._limit:
            return
        self._moments.setdefault(number, Bucket()).add(sample)
        self._newest = max(self._newest, number)
        self._shrink()

    def _shrink(self) -> None:
        if not self._rolling:
            while self._newest >= self._limit:
                self._halve()
        elif len(self._moments) > self._limit:
            oldest = self._newest - self._limit
            for number in [n for n in self._moments if n <= oldest]:
                del self._moments[number]

    def _halve(self) -> None:
        merged: dict[int, Bucket] = {}
        for number in sorted(self._moments):
            moment = self._moments[number]
            if number // 2 in merged:
                merged[number // 2].merge(moment)
            else:
                merged[number // 2] = moment
        self._moments = merged
        self.width_s *= 2
        self._newest //= 2

    def between(self, begin_s: float, end_s: float) -> Iterator[tuple[float, Bucket]]:
        """(middle in seconds, moment) from `begin_s` to `end_s`, in time's order."""
        for number in sorted(self._moments):
            middle = (number + 0.5) * self.width_s
            if begin_s <= middle < end_s:
                yield middle, self._moments[number]


@dataclass(slots=True)
class Tally:
    """Figures over all samples so far, for the panel beside a live chart.

    Percentiles are right to 0.05 % at full fineness, which is finer than the three digits shown.
    """

    resolution: int = FINENESS
    current_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    received: int = 0
    lost: int = 0
    _counts: dict[int, int] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Count one sample; late ones are counted as lost already."""
        if sample.closed or sample.late:
            return
        if sample.rtt_ms is None:
            self.lost += 1
            return
        value = sample.rtt_ms
        self.current_ms = value
        self.min_ms = value if self.min_ms is None else min(self.min_ms, value)
        self.max_ms = value if self.max_ms is None else max(self.max_ms, value)
        self.received += 1
        grain = round(math.log(max(value, 1e-6)) / self._grain)
        self._counts[grain] = self._counts.get(grain, 0) + 1

    @property
    def _grain(self) -> float:
        return math.log1p(_GRAIN * FINENESS / self.resolution)

    @property
    def loss_pct(self) -> float | None:
        """Lost Pings in percent of those whose fate is known."""
        known = self.received + self.lost
        return 100 * self.lost / known if known else None

    def percentiles(self, *wanted: float) -> list[float | None]:
        """Percentiles (0 to 100, ascending) by nearest rank; None without samples."""
        if not self.received or self.min_ms is None or self.max_ms is None:
            return [None] * len(wanted)
        found: list[float | None] = []
        seen, grains = 0, iter(sorted(self._counts.items()))
        value = self.min_ms
        for percent in wanted:
            rank = max(math.ceil(self.received * percent / 100), 1)
            while seen < rank:
                grain, count = next(grains)
                seen += count
                value = min(max(math.exp(grain * self._grain), self.min_ms), self.max_ms)
            found.append(value)
        return found


class Series:
    """One URL's samples: the window that scrolls, the whole run, and the figures."""

    def __init__(self, name: str, window_s: float = 60.0, resolution: int = FINENESS) -> None:
        """`resolution`: moments of a window and of the run, at most; and the figures' exactness."""
        self.name = name
        # a little more than the window, for what scrolls out while a frame is drawn
        self.recent = Buckets(window_s / resolution, resolution + resolution // 16, rolling=True)
        self.whole = Buckets(0.01, resolution, rolling=False)
        self.tally = Tally(resolution)

    def add(self, sample: Sample) -> None:
        """Take one sample in."""
        self.recent.add(sample)
        self.whole.add(sample)
        self.tally.add(sample)
