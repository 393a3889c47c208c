"""Statistics of round trips, exact to the last sample, at a cost that does not grow with the run.

Percentiles: Hyndman and Fan's type 7 (linear interpolation between order statistics, the default of
NumPy, R and spreadsheets). Deviation: of the population, as ping(8)'s mdev claims to be. Jitter:
RFC 3550, section 6.4.1, with its gain of 1/16, over the differences of successive round trips,
because without a common clock there is no one-way transit time to difference.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import deque

_BLOCK = 1024
_JITTER_GAIN = 16.0  # RFC 3550, 6.4.1: "reduces noise while keeping a reasonable convergence"


class SortedSamples:
    """Every sample so far in order: adding costs O(sqrt n), a percentile a walk over the blocks.

    8 bytes a sample: a week at one a second is about 5 MB.
    """

    def __init__(self) -> None:
        self._blocks: list[array[float]] = []
        self._highest: list[float] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, value: float) -> None:
        """Insert one sample; NaN is refused, for it has no place in an order (ValueError)."""
        if math.isnan(value):
            raise ValueError("NaN is not a sample")
        self._count += 1
        if not self._blocks:
            self._blocks.append(array("d", [value]))
            self._highest.append(value)
            return
        where = min(bisect_right(self._highest, value), len(self._blocks) - 1)
        block = self._blocks[where]
        insort(block, value)
        self._highest[where] = block[-1]
        if len(block) > 2 * _BLOCK:
            self._split(where)

    def _split(self, where: int) -> None:
        block = self._blocks[where]
        self._blocks[where : where + 1] = [block[:_BLOCK], block[_BLOCK:]]
        self._highest[where : where + 1] = [block[_BLOCK - 1], block[-1]]

    def remove(self, value: float) -> None:
        """Take out one sample that was added; ValueError for one that was not."""
        where = bisect_left(self._highest, value)
        block = self._blocks[where] if where < len(self._blocks) else array("d")
        place = bisect_left(block, value)
        if place == len(block) or block[place] != value:
            raise ValueError(f"{value} is not among the samples")
        del block[place]
        self._count -= 1
        if block:
            self._highest[where] = block[-1]
        else:
            del self._blocks[where], self._highest[where]

    def at(self, rank: int) -> float:
        """The sample of a rank from 0 (smallest); IndexError outside."""
        if rank < 0:
            raise IndexError(rank)
        for block in self._blocks:
            if rank < len(block):
                return block[rank]
            rank -= len(block)
        raise IndexError(rank)

    def percentile(self, percent: float) -> float | None:
        """The type 7 percentile (0 to 100) of all samples; None without samples."""
        if not self._count:
            return None
        position = (self._count - 1) * percent / 100
        below = math.floor(position)
        low = self.at(below)
        if below == position:
            return low
        return low + (self.at(below + 1) - low) * (position - below)


class RunningStatistics:
    """Round trips in ms as they come; every figure of a summary at any moment."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: keep only the latest ones, for a run without end; percentiles are theirs."""
        self.samples = SortedSamples()
        self._latest: deque[float] | None = None if most is None else deque()
        self._most = most or 0
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0
        self._jitter = 0.0
        self._previous: float | None = None

    def add(self, rtt_ms: float) -> None:
        """Take one round trip in ms, in the order of arrival (jitter depends on it)."""
        self.samples.add(rtt_ms)
        self._count += 1
        if self._latest is not None:
            self._latest.append(rtt_ms)
            if len(self._latest) > self._most:
                self.samples.remove(self._latest.popleft())
        # Welford's update: sums of squares would cancel after a week of nearly equal samples.
        away = rtt_ms - self._mean
        self._mean += away / self._count
        self._squares += away * (rtt_ms - self._mean)
        if self._previous is not None:
            self._jitter += (abs(rtt_ms - self._previous) - self._jitter) / _JITTER_GAIN
        self._previous = rtt_ms

    @property
    def count(self) -> int:
        """How many round trips were taken in."""
        return self._count

    @property
    def mean(self) -> float | None:
        """The arithmetic mean in ms; None without samples."""
        return self._mean if self.count else None

    @property
    def stddev(self) -> float | None:
        """The standard deviation of the population in ms; None without samples."""
        return math.sqrt(max(self._squares, 0.0) / self.count) if self.count else None

    @property
    def jitter(self) -> float | None:
        """Smoothed jitter in ms (RFC 3550, 6.4.1); None before the second sample."""
        return self._jitter if self.count > 1 else None

    @property
    def minimum(self) -> float | None:
        """The shortest round trip in ms; None without samples."""
        return self.percentile(0)

    @property
    def maximum(self) -> float | None:
        """The longest round trip in ms; None without samples."""
        return self.percentile(100)

    def percentile(self, percent: float) -> float | None:
        """The type 7 percentile in ms; None without samples."""
        return self.samples.percentile(percent)


class Histogram:
    """Values of any number in buckets 2 % wide: memory does not grow, percentiles hold to 1 %.

    For what comes too often to be kept, as messages do. Minimum, maximum and mean are exact.
    """

    __slots__ = ("_buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.minimum: float | None = None
        self.maximum: float | None = None

    def add(self, value: float) -> None:
        """Take one value in; negative ones and zero are values like any other."""
        if self.minimum is None or self.maximum is None:
            self.minimum = self.maximum = value
        elif value > self.maximum:
            self.maximum = value
        elif value < self.minimum:
            self.minimum = value
        self.count += 1
        self.total += value
        size = abs(value)
        if size < _SMALLEST:
            bucket = 0
        else:
            bucket = math.floor(math.log(size) * _BUCKETS_PER_E) + _BUCKET_OF_ONE
            bucket = bucket if value > 0 else -bucket
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def mean(self) -> float | None:
        """The arithmetic mean; None without values."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """The value of the nearest rank, to 1 %; None without values."""
        if self.minimum is None or self.maximum is None:
            return None
        left = max(math.ceil(self.count * percent / 100), 1)
        if left == self.count:
            return self.maximum
        bucket = 0
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                break
        if not bucket:
            return min(max(0.0, self.minimum), self.maximum)
        middle = math.exp((abs(bucket) - _BUCKET_OF_ONE + 0.5) / _BUCKETS_PER_E)
        return min(max(math.copysign(middle, bucket), self.minimum), self.maximum)


_SMALLEST = 1e-6
_BUCKETS_PER_E = 50.0
# Above the logarithm of the smallest value: so that a bucket's number has the value's sign.
_BUCKET_OF_ONE = 1000
