"""Axes in round units: 1-2-5 steps, linear or logarithmic, with labels that fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SPANS = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 7)),
)
"""Steps between ticks on a time axis, in seconds."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps milliseconds to a height between 0 (bottom) and 1 (top); outside is clipped."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """The height of a value."""
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)


def latency_scale(
    lowest: float, highest: float, ticks: int, *, top: float | None = None, log: bool = False
) -> Scale:
    """A scale in ms that holds the values, with about `ticks` round ticks.

    `top` (--y-max) fixes the upper end. Linear scales begin at zero unless all values lie close
    together far from it: a flat line under the ceiling would show nothing.
    """
    highest = top if top is not None else highest
    highest = max(highest, 1e-3)
    lowest = min(lowest, highest)
    if log:
        return _logarithmic(lowest, highest, ticks, top)
    floor = lowest if lowest > 0.6 * highest and top is None else 0.0
    step = _round_step((highest - floor) / max(ticks, 1) or highest / 4)
    low = math.floor(floor / step + 1e-9) * step
    # half a step above the last tick is enough: the picture shall not lie at the bottom
    ceiling = math.ceil(highest / step * 2 - 1e-9) * step / 2
    high = top if top is not None else max(ceiling, low + step)
    return Scale(low, high, _multiples(low, high, step))


def _round_step(least: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(least))
    return next(step * magnitude for step in _STEPS if step * magnitude >= least * (1 - 1e-9))


def _multiples(low: float, high: float, step: float) -> tuple[float, ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(number * step for number in range(first, last + 1))


def _logarithmic(lowest: float, highest: float, ticks: int, top: float | None) -> Scale:
    low = _round_below(max(lowest, highest / 1e6, 1e-3))
    high = top if top is not None else _round_step(highest)
    high = max(high, low * 2)
    for steps in ((1.0, 2.0, 5.0), (1.0,)):
        marks = _log_marks(low, high, steps)
        if len(marks) <= max(ticks + 1, 2):
            break
    return Scale(low, high, marks or (low, high), log=True)


def _log_marks(low: float, high: float, steps: Sequence[float]) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return tuple(mark for mark in every if low * (1 - 1e-9) <= mark <= high * (1 + 1e-9))


def _round_below(value: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return max(step * magnitude for step in _STEPS[:3] if step * magnitude <= value * (1 + 1e-9))


def shown_span_s(window_s: float | None, end_s: float) -> float:
    """Seconds that a picture up to `end_s` shows: the window, or the whole run (None).

    A young run does not leave most of its window empty: it fills a part of it from the left, which
    doubles when it is full.
    """
    if window_s is None or end_s >= window_s:
        return max(window_s or end_s, 1e-3)
    halvings = math.log2(window_s / max(end_s, window_s / 16))
    return window_s / 2.0 ** max(math.floor(halvings), 0)


def time_step(span_s: float, most: int) -> float:
    """Round seconds between ticks so that at most `most` of them divide `span_s`."""
    least = span_s / max(most, 1)
    if least < 1:
        return _round_step(least)
    return next((float(step) for step in _SPANS if step >= least), least)


def layout_labels(places: Mapping[int, str], width: int, first: int | None = None) -> str:
    """Labels centred under their columns, those that would touch another left out.

    That of the column `first` has precedence.
    """
    line = [" "] * width
    for column in sorted(places, key=lambda column: (column != first, column)):
        label = places[column]
        begin = min(max(column - len(label) // 2, 0), max(width - len(label), 0))
        around = line[max(begin - 1, 0) : begin + len(label) + 1]
        if begin + len(label) <= width and all(char == " " for char in around):
            line[begin : begin + len(label)] = label
    return "".join(line)
