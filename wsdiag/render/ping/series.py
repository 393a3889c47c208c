"""What `ping` draws: samples by endpoint, gathered in buckets of time, and the figures over them.

A chart has a few hundred columns, whatever the length of the run, so it needs buckets and no
samples: lowest, highest, first and last round trip, losses, the worst outlier. Those of the window
are forgotten as it scrolls; those of the whole run are merged in pairs when there are too many.
Memory for the drawing is bounded by that; only the exact percentiles keep every round trip.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from wsdiag.records import Cause
from wsdiag.statistics import RunningStatistics

RESOLUTION = 1024
"""Buckets of a series that has the screen for itself: several for each dot column."""
# What the charts of one view may remember together, in buckets of some 300 bytes; each keeps enough
# for a line, and where that is all, a line of them is what a small chart shows anyway.
_ALL_BUCKETS, _FEWEST = 16 * RESOLUTION, 128
MANY = 12
"""Beyond so many endpoints a view names the worst of them and sums up the rest."""
WORST = 6
"""So many have a colour of their own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One Ping at `t_s` seconds: its round trip, or None when it was lost.

    `late`: the Pong came after it had been given up. `closed`: the connection ended here.
    `gap`: this process was stopped, so that nothing was measured before.
    """

    t_s: float
    rtt_ms: float | None
    late: bool = False
    cause: Cause | None = None
    closed: bool = False
    gap: bool = False


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
    gap: bool = False
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
        elif sample.gap:
            self.gap = True
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
        """Take in the bucket that follows this one."""
        self.first = later.first if math.isnan(self.first) else self.first
        self.last = self.last if math.isnan(later.last) else later.last
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.lost += later.lost
        self.closed = self.closed or later.closed
        self.gap = self.gap or later.gap
        if later.late_ms is not None:
            self.late_ms = max(self.late_ms or 0.0, later.late_ms)
        if later.cause_ms > self.cause_ms:
            self.cause, self.cause_ms = later.cause, later.cause_ms


class Buckets:
    """Buckets of `width_s` seconds, at most `limit` of them.

    `rolling`: the oldest are forgotten, for a window; otherwise neighbours are merged and the
    width doubles, so that a whole run of any length fits.
    """

    def __init__(self, width_s: float, limit: int, *, rolling: bool) -> None:
        self.width_s, self._limit, self._rolling = width_s, limit, rolling
        self._buckets: dict[int, Bucket] = {}
        self._newest = 0

    def add(self, sample: Sample) -> None:
        """Take one sample in; a loss may lie in the past, where its Ping was sent."""
        number = int(max(sample.t_s, 0.0) / self.width_s)
        if self._rolling and number <= self._newest - self._limit:
            return
        self._buckets.setdefault(number, Bucket()).add(sample)
        self._newest = max(self._newest, number)
        self._shrink()

    def _shrink(self) -> None:
        if not self._rolling:
            while self._newest >= self._limit:
                self._halve()
        elif len(self._buckets) > self._limit:
            oldest = self._newest - self._limit
            for number in [n for n in self._buckets if n <= oldest]:
                del self._buckets[number]

    def _halve(self) -> None:
        merged: dict[int, Bucket] = {}
        for number in sorted(self._buckets):
            bucket = self._buckets[number]
            if number // 2 in merged:
                merged[number // 2].merge(bucket)
            else:
                merged[number // 2] = bucket
        self._buckets = merged
        self.width_s *= 2
        self._newest //= 2

    def between(self, begin_s: float, end_s: float) -> Iterator[tuple[float, Bucket]]:
        """(middle in seconds, bucket) from `begin_s` to `end_s`, in time's order."""
        for number in sorted(self._buckets):
            middle = (number + 0.5) * self.width_s
            if begin_s <= middle < end_s:
                yield middle, self._buckets[number]


class RoundTripFigures:
    """What the panel shows of a run so far, by the definitions of the summary.

    Percentiles are of all round trips, exact (8 bytes each), so that the panel's last figures are
    the summary's: two estimates of one thing on one screen would only raise questions.
    """

    def __init__(self) -> None:
        self._round_trips = RunningStatistics()
        self.current_ms: float | None = None
        self.lost = self.late = self.drops = self.overdue = 0
        self.sent_seq = 0
        """The latest Ping that is known to have left."""
        self.causes: Counter[Cause] = Counter()

    def add(self, sample: Sample) -> None:
        """Count one sample; late ones have been counted as lost already."""
        self.drops += sample.closed
        self.late += sample.late
        if sample.cause is not None:
            self.causes[sample.cause] += 1
        if sample.closed or sample.late or sample.gap:
            return
        if sample.rtt_ms is None:
            self.lost += 1
            return
        self.current_ms = sample.rtt_ms
        self._round_trips.add(sample.rtt_ms)

    @property
    def received(self) -> int:
        """How many Pongs came in time."""
        return self._round_trips.count

    @property
    def known(self) -> int:
        """Of how many Pings the fate is known."""
        return self.received + self.lost + self.overdue

    @property
    def sent(self) -> int:
        """How many Pings have left."""
        return max(self.sent_seq, self.received + self.lost)

    @property
    def jitter_ms(self) -> float | None:
        """RFC 3550's jitter, as in the summary."""
        return self._round_trips.jitter

    @property
    def loss_pct(self) -> float | None:
        """Lost and overdue Pings in percent of those sent; None before any fate is known."""
        return 100 * (self.lost + self.overdue) / self.sent if self.known else None

    @property
    def max_ms(self) -> float | None:
        """The longest round trip; None without samples."""
        return self._round_trips.maximum

    def values_ms(self) -> dict[str, float | None]:
        """What is shown, by its name there; None without samples."""
        shown = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
        percentiles = {name: self._round_trips.percentile(rank) for name, rank in shown.items()}
        return {"now": self.current_ms, **percentiles}


class Series:
    """One URL's samples: the window that scrolls, the whole run, and the figures."""

    def __init__(self, name: str, window_s: float = 60.0, resolution: int = RESOLUTION) -> None:
        """`resolution`: buckets of a window and of the run, at most."""
        self.name, self.window_s, self.number = name, window_s, 1
        """`number`: its place among the URLs of the run, from 1."""
        # a little more than the window, for what scrolls out while a frame is drawn
        self.recent = Buckets(window_s / resolution, resolution + resolution // 16, rolling=True)
        self.whole = Buckets(0.01, resolution, rolling=False)
        self.figures = RoundTripFigures()

    def add(self, sample: Sample) -> None:
        """Take one sample in."""
        self.recent.add(sample)
        self.whole.add(sample)
        self.figures.add(sample)

    def buckets(self, window_s: float | None) -> Buckets:
        """Those to draw a window of, or the whole run (None)."""
        return self.whole if window_s is None or window_s > self.window_s else self.recent

    @property
    def badness(self) -> tuple[float, float]:
        """Orders series by loss, then by the longest round trip.

        Not by a percentile: rows that change places at every frame cannot be read.
        """
        return self.figures.loss_pct or 0.0, self.figures.max_ms or 0.0


Order = Literal["given", "worst", "p50"]
"""How the rows of several endpoints are sorted."""


def _median(series: Series) -> float:
    return series.figures.values_ms()["p50"] or 0.0


def _numbered(series: list[Series]) -> list[Series]:
    """Of many, the few that are shown are numbered as they stand there."""
    for number, one in enumerate(series, 1):
        one.number = number
    return series


class SeriesGroup:
    """One series an endpoint; of many, the few that need a look. `figures`: of all together."""

    def __init__(self, urls: Sequence[str], show: Callable[[str], str], window_s: float) -> None:
        """`show` makes a URL fit for the eye. A URL given twice is one name, and shares a line."""
        names = dict.fromkeys(urls)
        self._show, self._window_s = show, window_s
        self._resolution = min(RESOLUTION, max(_FEWEST, _ALL_BUCKETS // max(len(names), 1)))
        self._series = {url: self._new(url) for url in names}
        for number, series in enumerate(self._series.values(), 1):
            series.number = number
        # of one endpoint its own: no round trip is kept twice
        self.figures = self.first.figures if len(names) == 1 else RoundTripFigures()

    def _new(self, url: str) -> Series:
        return Series(self._show(url), self._window_s, self._resolution)

    def __len__(self) -> int:
        return len(self._series)

    def add(self, url: str, sample: Sample) -> None:
        """Take one sample of one endpoint in."""
        self._series[url].add(sample)
        if len(self._series) > 1:
            self.figures.add(sample)

    def sent(self, url: str, seq: int, overdue: int) -> None:
        """A Ping has left; so many before it are overdue."""
        figures = self._series[url].figures
        if len(self._series) > 1:
            self.figures.sent_seq += max(seq - figures.sent_seq, 0)
            self.figures.overdue += overdue - figures.overdue
        figures.sent_seq, figures.overdue = max(figures.sent_seq, seq), overdue

    @property
    def first(self) -> Series:
        """The one endpoint, where there is only one."""
        return next(iter(self._series.values()))

    @property
    def sampled(self) -> bool:
        """Whether the fate of any Ping is known."""
        return self.figures.loss_pct is not None

    def fitting(self, most: int, order: Order = "given") -> list[Series]:
        """All in this order where at most `most` fit, else the worst, and a row left for all."""
        if len(self) > most:
            return _numbered(self.ranked()[: max(most - 1, 1)])
        if order == "worst":
            return self.ranked()
        if order == "p50":
            return sorted(self._series.values(), key=_median, reverse=True)
        return list(self._series.values())

    def ranked(self) -> list[Series]:
        """The worst first; equally bad ones in their order."""
        return sorted(self._series.values(), key=lambda series: series.badness, reverse=True)

    def final(self) -> list[Series]:
        """For the view that stays: in their order, or the worst first when they are many."""
        return _numbered(self.ranked()) if len(self) > MANY else list(self._series.values())
