"""An idle probe's trials as lanes over the seconds: alive, dropped and how, bytes that crossed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from wsdiag.probes.results import IdleTrial, TrialStarted
from wsdiag.render.axis import time_label, time_step
from wsdiag.render.drops import short_drop
from wsdiag.render.figures import counted, seconds
from wsdiag.render.glyphs import UNICODE, Glyphs
from wsdiag.render.spread import spread

ALIVE, ACTIVE = Style(color="green"), Style(color="cyan", bold=True)
DROPPED, SURVIVED = Style(color="red", bold=True), Style(color="green", bold=True)
_ODD, _FAINT = Style(color="yellow", bold=True), Style(dim=True)
_LABEL, _STATUS = 21, 18
_GONE = ("dropped", "silent")


@dataclass(slots=True)
class Lane:
    """One trial's connection; `began_s` after the probe's start, ages in seconds since then."""

    started: TrialStarted
    began_s: float = 0.0
    activity: list[float] = field(default_factory=list)
    trial: IdleTrial | None = None

    @property
    def folds(self) -> bool:
        """Whether it may share a row: an idle connection that asks once, at its rung."""
        return self.started.trial == "idle" and self.started.rung_s is not None

    def age_s(self, now_s: float) -> float:
        """How old the connection is, or was at its outcome."""
        if self.trial is not None and self.trial.age_s is not None:
            return self.trial.age_s
        return max(now_s - self.began_s, 0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One or several lanes on one line."""

    label: str
    lanes: Sequence[Lane]


def rows_of(lanes: Sequence[Lane], most: int) -> list[Row]:
    """A row a lane where `most` rows allow it, else all rungs of idle connections on one."""
    single = [Row(_name(lane.started), [lane]) for lane in lanes]
    if len(single) <= most:
        return single
    rungs = [lane for lane in lanes if lane.folds]
    others = [row for row in single if not row.lanes[0].folds]
    folded = [Row(f"idle, {counted(len(rungs), 'rung')}", rungs)] if rungs else []
    return (folded + others)[: max(most, 1)]


def _name(started: TrialStarted) -> str:
    if started.interval_s is not None:
        return f"{started.trial} every {seconds(started.interval_s)}"
    if started.rung_s is not None:
        return f"{started.trial} for {seconds(started.rung_s)}"
    return str(started.trial)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Draws rows up to `now_s`, with a time axis that ends at `end_s`."""

    rows: Sequence[Row]
    now_s: float
    end_s: float
    glyphs: Glyphs = UNICODE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.max_width - _LABEL - _STATUS - 3, 8)
        for row in self.rows:
            yield Segment(f"{row.label[:_LABEL]:<{_LABEL}} ", _FAINT)
            yield from self._bar(row.lanes, room)
            yield from self._status(row.lanes)
            yield Segment.line()
        yield from self._axis(room)

    def _column(self, at_s: float, room: int) -> int:
        return min(max(int(at_s / max(self.end_s, 1e-6) * room), 0), room - 1)

    def _bar(self, lanes: Sequence[Lane], room: int) -> Iterator[Segment]:
        cells: list[tuple[str, Style]] = [(" ", _FAINT)] * room
        planned = max((lane.started.planned_s for lane in lanes), default=0.0)
        for column in range(self._column(planned, room) + 1):
            cells[column] = (self.glyphs.wait, _FAINT)
        oldest = max((lane.age_s(self.now_s) for lane in lanes), default=0.0)
        for column in range(self._column(oldest, room) + 1):
            cells[column] = (self.glyphs.alive, ALIVE)
        for lane in lanes:
            self._marks(lane, cells, room)
        for char, style in cells:
            yield Segment(char, style)

    def _marks(self, lane: Lane, cells: list[tuple[str, Style]], room: int) -> None:
        for at_s in lane.activity:
            cells[self._column(at_s, room)] = (self.glyphs.seen, ACTIVE)
        if lane.trial is None:
            return
        end = self._column(lane.age_s(self.now_s), room)
        if lane.trial.outcome in _GONE:
            cells[end] = (self.glyphs.bad, DROPPED)
        elif cells[end][0] != self.glyphs.bad:
            good = lane.trial.outcome == "alive"
            cells[end] = (self.glyphs.ok, SURVIVED) if good else (self.glyphs.warn, _ODD)

    def _status(self, lanes: Sequence[Lane]) -> Iterator[Segment]:
        if len(lanes) == 1:
            text, style = self._fate(lanes[0])
        else:
            text, style = self._fates(lanes)
        yield Segment(f"  {text[:_STATUS]}", style)

    def _fate(self, lane: Lane) -> tuple[str, Style | None]:
        trial = lane.trial
        if trial is None:
            return f"{int(lane.age_s(self.now_s))} s", _FAINT
        at = seconds(None if trial.age_s is None else round(trial.age_s, 1))
        if trial.outcome == "alive":
            return f"alive {at}", SURVIVED
        if trial.outcome in _GONE:
            return f"{short_drop(trial.drop) if trial.drop else trial.outcome} {at}", DROPPED
        return trial.outcome, _ODD

    def _fates(self, lanes: Sequence[Lane]) -> tuple[str, Style | None]:
        known = [lane.trial for lane in lanes if lane.trial is not None]
        gone = sum(trial.outcome in _GONE for trial in known)
        if gone:
            return f"{gone} of {len(lanes)} dropped", DROPPED
        if not known:
            return "all alive", _FAINT
        return f"{len(known)} of {len(lanes)} done", None

    def _axis(self, room: int) -> Iterator[Segment]:
        step = time_step(self.end_s, max(room // 10, 1))
        count = int(self.end_s / step + 1e-9)
        places = {self._column(k * step, room): time_label(k * step) for k in range(count + 1)}
        yield Segment(" " * (_LABEL + 1) + spread(places, room), _FAINT)
        yield Segment.line()
