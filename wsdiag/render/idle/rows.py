"""The rows of the idle timeline: one per connection, from the probe's events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from wsdiag.records import IdleTrial, TrialActivity, TrialKind, TrialStarted
from wsdiag.units import format_seconds

MOST_MARKS = 400
"""Activity marks kept per row: more than any terminal has columns."""


@dataclass(slots=True)
class TimelineRow:
    """One connection: seconds count from the probe's start; `trial` is set when it has ended."""

    started: TrialStarted
    begin_s: float
    marks: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_MARKS))
    ended: IdleTrial | None = None

    @property
    def planned_end_s(self) -> float:
        """When it ends if nothing drops it."""
        return self.begin_s + self.started.planned_s

    @property
    def end_s(self) -> float | None:
        """When it ended; None while it is open."""
        if self.ended is None:
            return None
        return self.begin_s + (self.ended.age_s or 0.0)

    @property
    def dropped(self) -> bool:
        """Whether the path or the endpoint ended it."""
        return self.ended is not None and self.ended.outcome in ("dropped", "silent")


class TimelineRows:
    """All rows of a run, by URL, in the order in which they opened."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[int, int], TimelineRow] = {}
        self.refused = 0

    def start(self, event: TrialStarted, now_s: float) -> None:
        """A connection opened."""
        self._by_key[_number(event), event.connection] = TimelineRow(event, now_s)

    def mark(self, event: TrialActivity) -> None:
        """Bytes crossed a connection."""
        row = self._by_key.get((_number(event), event.connection))
        if row is not None:
            row.marks.append((row.begin_s + event.at_s, event.direction))

    def end(self, event: IdleTrial) -> None:
        """A connection's outcome is known."""
        row = self._by_key.get((_number(event), event.connection))
        if row is None:
            self.refused += event.outcome == "refused"
            return
        row.ended = event
        row.begin_s = event.started_s or row.begin_s

    @property
    def several(self) -> bool:
        """Whether they belong to more than one URL."""
        return len({row.started.target for row in self._by_key.values()}) > 1

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def all(self) -> list[TimelineRow]:
        """Every row."""
        return list(self._by_key.values())

    @property
    def horizon_s(self) -> float:
        """Where the last row ends if nothing drops it, in seconds."""
        return max((row.end_s or row.planned_end_s for row in self.all), default=1.0)

    def grouped(self, most: int) -> list[list[TimelineRow]]:
        """Connections in at most about `most` rows: one each, or those alike in one."""
        keys: tuple[Callable[[TrialStarted], object], ...] = (
            lambda started: (_number(started), started.connection),
            lambda started: (_number(started), started.trial, started.idle_for_s is not None),
            lambda started: (_number(started), started.trial),
        )
        for key in keys:
            groups: dict[object, list[TimelineRow]] = {}
            for row in sorted(self.all, key=_order):
                groups.setdefault(key(row.started), []).append(row)
            if len(groups) <= most:
                break
        return list(groups.values())


def _number(event: TrialStarted | TrialActivity | IdleTrial) -> int:
    """Which URL's it is, in the order of the command line."""
    return event.target or 0


def _order(row: TimelineRow) -> tuple[int, int, bool, float, int]:
    started = row.started
    kind, period_s = get_args(TrialKind).index(started.trial), started.idle_for_s
    return _number(started), kind, period_s is not None, period_s or 0.0, started.connection


def trial_name(trial: TrialStarted | IdleTrial) -> str:
    """A trial and its period: `idle 30 s`, `ping 20 s`; of several URLs the number first."""
    period_s = trial.idle_for_s or trial.interval_s
    number = "" if trial.target is None else f"{trial.target} "
    return number + trial.trial + (f" {format_seconds(period_s)}" if period_s else "")
