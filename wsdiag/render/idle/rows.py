"""What the idle timeline shows: one lane a connection, built from the probe's events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from wsdiag.records import IdleTrial, TrialActivity, TrialKind, TrialStarted
from wsdiag.units import format_seconds

MOST_MARKS = 400
"""Activity marks kept a lane: more than any terminal has columns."""


@dataclass(slots=True)
class TimelineRow:
    """One connection: seconds count from the probe's start; `trial` is set when it has ended."""

    started: TrialStarted
    begin_s: float
    marks: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_MARKS))
    ended: IdleTrial | None = None

    @property
    def name(self) -> str:
        """`idle 30 s`, `ping 20 s`: the trial and its period."""
        period = self.started.idle_for_s or self.started.interval_s
        return self.started.trial + (f" {format_seconds(period)}" if period else "")

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
    """All lanes of a run, by URL, in the order in which they opened."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, int], TimelineRow] = {}
        self.refused = 0

    def start(self, event: TrialStarted, now_s: float) -> None:
        """A connection opened."""
        self._by_key[event.url, event.connection] = TimelineRow(event, now_s)

    def mark(self, event: TrialActivity) -> None:
        """Bytes crossed a connection."""
        lane = self._by_key.get((event.url, event.connection))
        if lane is not None:
            lane.marks.append((lane.begin_s + event.at_s, event.direction))

    def end(self, event: IdleTrial) -> None:
        """A connection's outcome is known."""
        lane = self._by_key.get((event.url, event.connection))
        if lane is None:
            self.refused += event.outcome == "refused"
            return
        lane.ended = event
        lane.begin_s = event.started_s or lane.begin_s

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def all(self) -> list[TimelineRow]:
        """Every lane."""
        return list(self._by_key.values())

    @property
    def horizon_s(self) -> float:
        """Where the last lane ends if nothing drops it, in seconds."""
        return max((lane.end_s or lane.planned_end_s for lane in self.all), default=1.0)

    def rows(self, most: int) -> list[list[TimelineRow]]:
        """Lanes in at most about `most` rows: one each, or alike ones folded into one row."""
        for key in (_alone, _by_kind, _by_trial):
            groups: dict[object, list[TimelineRow]] = {}
            for lane in sorted(self.all, key=_order):
                groups.setdefault(key(lane), []).append(lane)
            if len(groups) <= most:
                break
        return list(groups.values())


_TRIALS: tuple[TrialKind, ...] = ("idle", "ping", "pong", "tcp-keepalive", "push", "data")


def _order(lane: TimelineRow) -> tuple[str, int, bool, float, int]:
    started = lane.started
    rung = started.idle_for_s or 0.0
    return (
        started.url,
        _TRIALS.index(started.trial),
        started.idle_for_s is not None,
        rung,
        started.connection,
    )


def _alone(lane: TimelineRow) -> object:
    return lane.started.url, lane.started.connection


def _by_kind(lane: TimelineRow) -> object:
    return lane.started.url, lane.started.trial, lane.started.idle_for_s is not None


def _by_trial(lane: TimelineRow) -> object:
    return lane.started.url, lane.started.trial
