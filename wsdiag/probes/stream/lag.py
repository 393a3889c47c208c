"""A message's own time (`--time`): in which unit, and how old the message was when it came.

A number's unit follows from its size, for times of this century differ by a factor of a thousand
from unit to unit. The first message decides, and is told; a later one in another unit is read by
its own size. Text is a number, or a time as in RFC 3339; one without an offset is taken for UTC.

The age is the difference of two clocks, theirs and ours: their offset is part of it, and nothing
here can tell it from a delay. What can be said: where an age is negative, the clocks differ by that
much at least.
"""

from __future__ import annotations

from datetime import UTC, datetime

from wsdiag.records.stream import Lag
from wsdiag.statistics import Histogram

# Seconds since 1970 that are taken for a time: from 1990 to 2100.
_EARLIEST_S, _LATEST_S = 631_152_000.0, 4_102_444_800.0
_UNITS = (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9))


def read_time(value: object) -> tuple[float, str] | None:
    """A JSON value as (seconds since 1970, unit); None where it is no time of this century."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _read_text(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for unit, in_a_second in _UNITS:
        try:
            seconds = value / in_a_second
        except OverflowError:
            return None
        if _EARLIEST_S <= seconds <= _LATEST_S:
            return seconds, unit
    return None


def _read_text(text: str) -> tuple[float, str] | None:
    if len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    unit = "RFC 3339"
    if moment.tzinfo is None:
        moment, unit = moment.replace(tzinfo=UTC), "ISO 8601 without a zone, taken for UTC"
    seconds = moment.timestamp()
    return (seconds, unit) if _EARLIEST_S <= seconds <= _LATEST_S else None


class LagMeter:
    """Ages of messages in ms."""

    __slots__ = ("figures", "unit", "untimed")

    def __init__(self) -> None:
        self.figures = Histogram()
        self.unit: str | None = None
        """Of the first message with a time."""
        self.untimed = 0

    def add(self, value: object, wall_s: float) -> float | None:
        """Take a message's time, received at `wall_s` (since 1970): its age in ms."""
        read = read_time(value)
        if read is None:
            self.untimed += 1
            return None
        seconds, unit = read
        self.unit = self.unit or unit
        lag_ms = (wall_s - seconds) * 1e3
        self.figures.add(lag_ms)
        return lag_ms

    def record(self) -> Lag:
        """The same as a record's member."""
        figures = self.figures
        p50, p95, p99 = (figures.percentile(percent) for percent in (50, 95, 99))
        return Lag(figures.minimum, p50, p95, p99, figures.maximum, self.unit, self.untimed)
