"""How `idle-probe` shows itself: lanes that grow on a terminal, progress lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from wsdiag.probes.results import (
    Error,
    IdleEvent,
    IdleTrial,
    IdleVerdict,
    TrialActivity,
    TrialStarted,
)
from wsdiag.render.drops import describe_drop
from wsdiag.render.error import print_error
from wsdiag.render.figures import seconds
from wsdiag.render.live import Lines, LiveScreen
from wsdiag.render.panel import shorten
from wsdiag.render.terminal import Terminal
from wsdiag.render.timeline import ACTIVE, ALIVE, DROPPED, SURVIVED, Lane, Timeline, rows_of
from wsdiag.render.verdict import verdict_view

_FINAL_ROWS = 16
_FOOT = 2


class IdleView(Protocol):
    """What a command drives, as for `ping`."""

    def start(self) -> None:
        """Take the screen, if this view needs it."""

    def handle(self, event: IdleEvent) -> None:
        """Take one event in; never waits for the terminal of a live view."""

    def finish(self) -> None:
        """Leave the timeline and the verdicts on the screen; save them where that was asked."""

    def stop(self) -> None:
        """Restore the terminal; harmless when repeated."""


def idle_view(terminal: Terminal, urls: Sequence[str]) -> IdleView:
    """The view that fits: a live timeline on a terminal, else lines."""
    # frames traced by -v go to stderr, which is mostly the same terminal: no screen to share
    if terminal.live and not terminal.verbose:
        return IdleScreen(terminal, urls)
    return IdleLines(terminal, urls)


class _Story:
    """What is known of each URL so far; cleaned events go in, views come out."""

    def __init__(self, terminal: Terminal, urls: Sequence[str]) -> None:
        self._terminal = terminal
        self.lanes: dict[str, dict[int, Lane]] = {terminal.text(url): {} for url in urls}
        self.verdicts: list[IdleVerdict] = []
        self.errors: list[Error] = []

    def take(self, event: IdleEvent, now_s: float) -> None:
        """Take one cleaned event in, `now_s` after the start."""
        if isinstance(event, IdleVerdict):
            self.verdicts.append(event)
        elif isinstance(event, Error):
            self.errors.append(event)
        elif isinstance(event, TrialStarted):
            self._of(event.url)[event.lane] = Lane(event, now_s)
        elif isinstance(event, TrialActivity):
            if event.lane in self._of(event.url):
                self._of(event.url)[event.lane].activity.append(event.at_s)
        else:
            self._end(event)

    def _of(self, url: str) -> dict[int, Lane]:
        return self.lanes.setdefault(url, {})

    def _end(self, trial: IdleTrial) -> None:
        lane = self._of(trial.url).get(trial.lane)
        if lane is None:  # it never opened: refused
            planned = trial.rung_s or trial.age_s or 0.0
            started = TrialStarted(
                trial.url, trial.lane, trial.trial, trial.rung_s, trial.interval_s, planned
            )
            lane = self._of(trial.url)[trial.lane] = Lane(started, trial.started_s)
        lane.trial = trial

    def end_s(self, now_s: float) -> float:
        """The end of the time axis: the longest plan, or now when that is later."""
        every = [lane for lanes in self.lanes.values() for lane in lanes.values()]
        if every and all(lane.trial is not None for lane in every):
            return max(lane.age_s(now_s) for lane in every) * 1.02
        planned = (lane.began_s + lane.started.planned_s for lane in every)
        return max(now_s, *planned, 1.0) if every else max(now_s, 1.0)

    def timelines(self, now_s: float, rows: int, width: int) -> list[RenderableType]:
        """A timeline a URL, all of them together on about `rows` rows."""
        shown = [(url, lanes) for url, lanes in self.lanes.items() if lanes]
        several = len(self.lanes) > 1
        each = max(rows // max(len(shown), 1) - 1 - several, 1)
        parts: list[RenderableType] = []
        for url, lanes in shown:
            if several:
                parts.append(Text(shorten(url, width, self._terminal.glyphs), style="bold"))
            ordered = sorted(lanes.values(), key=_order)
            drawn = rows_of(ordered, each)
            parts.append(Timeline(drawn, now_s, self.end_s(now_s), self._terminal.glyphs))
        return parts


def _order(lane: Lane) -> tuple[bool, float, str, int]:
    started = lane.started
    idle = started.trial == "idle"
    return (not idle, started.rung_s or 0.0, started.trial, started.lane)


class IdleLines:
    """Progress on stderr, a line a trial's outcome; verdicts on stdout. `-q`: verdicts only."""

    def __init__(self, terminal: Terminal, urls: Sequence[str]) -> None:
        self._terminal = terminal
        self._several = len(urls) > 1
        self._story = _Story(terminal, urls)
        self._views: list[RenderableType] = []
        self._opened = 0

    def start(self) -> None:
        """Nothing to prepare: lines need no screen."""

    def handle(self, event: IdleEvent) -> None:
        """Print one event."""
        if isinstance(event, Error):
            print_error(self._terminal, event)
            return
        event = self._terminal.clean(event)
        self._story.take(event, 0.0)
        if isinstance(event, IdleVerdict):
            self._verdict(event)
        elif isinstance(event, IdleTrial) and not self._terminal.quiet:
            self._terminal.log(self._outcome(event))

    def _verdict(self, verdict: IdleVerdict) -> None:
        if self._views and not self._terminal.quiet:
            self._terminal.line("")
        self._terminal.print(
            verdict_view(verdict, self._terminal.glyphs, quiet=self._terminal.quiet)
        )
        self._views.append(verdict_view(verdict, self._terminal.glyphs))

    def _outcome(self, trial: IdleTrial) -> Text:
        line = Text(f"{trial.url}: " if self._several else "", style="dim")
        style = "green" if trial.outcome == "alive" else "bold red"
        line.append(f"{_kind(trial)}: ", style="not dim").append(trial.outcome, style=style)
        if trial.age_s is not None:
            line.append(f" at {seconds(trial.age_s)}", style="not dim")
        if trial.drop is not None:
            line.append(f" ({describe_drop(trial.drop)})", style="not dim")
        return line

    def finish(self) -> None:
        """Save the timeline and the verdicts."""
        lanes = self._story.timelines(self._story.end_s(0.0), _FINAL_ROWS, 100)
        self._terminal.save(Group(*lanes, *self._views), title="wsdiag idle-probe")

    def stop(self) -> None:
        """Nothing to restore."""


def _kind(trial: IdleTrial) -> str:
    if trial.interval_s is not None:
        return f"{trial.trial} every {seconds(trial.interval_s)}"
    return f"{trial.trial} for {seconds(trial.rung_s)}" if trial.rung_s else trial.trial


class IdleScreen:
    """The live timeline. `handle()` only queues: the drawing thread owns the lanes."""

    def __init__(
        self,
        terminal: Terminal,
        urls: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal, self._clock = terminal, clock
        self._urls = [terminal.text(url) for url in urls]
        self._begin_s = clock()
        self._story = _Story(terminal, urls)
        self._queue: deque[tuple[IdleEvent, float]] = deque()
        self._drawn_s = -1.0
        self._screen = LiveScreen(terminal.out, self.draw)

    def start(self) -> None:
        """Take the screen."""
        self._begin_s = self._clock()
        self._screen.start()

    def handle(self, event: IdleEvent) -> None:
        """Queue one event for the next frame; never waits."""
        self._queue.append((event, self._now_s()))

    def stop(self) -> None:
        """Give the screen back."""
        self._screen.stop()

    def finish(self) -> None:
        """Leave the timeline and the verdicts on the normal screen, and save them."""
        self.stop()
        self._take_in()
        for error in self._story.errors:
            print_error(self._terminal, error)
        if self._story.verdicts:
            self._terminal.print(self.final_view(self._terminal.width))
            self._terminal.save(self.final_view(100), title="wsdiag idle-probe")

    def _now_s(self) -> float:
        return self._clock() - self._begin_s

    def _take_in(self) -> bool:
        taken = bool(self._queue)
        while self._queue:
            event, at_s = self._queue.popleft()
            # errors are cleaned where they are printed
            clean = event if isinstance(event, Error) else self._terminal.clean(event)
            self._story.take(clean, at_s)
        return taken

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed = self._take_in()
        now_s = self._now_s()
        if not (changed or resized or now_s - self._drawn_s >= 0.25):
            return None
        self._drawn_s = now_s
        lanes = self._story.timelines(now_s, height - _FOOT, width)
        view = Group(self._title(width, now_s), *lanes, legend(self._terminal))
        console = self._terminal.out
        return console.render_lines(view, console.options.update(width=width), pad=False)

    def _title(self, width: int, now_s: float) -> Text:
        end_s = self._story.end_s(now_s)
        left = f"{seconds(int(now_s))}, at most {seconds(int(end_s - now_s) + 1)} more"
        what = self._urls[0] if len(self._urls) == 1 else f"{len(self._urls)} endpoints"
        name = shorten(what, width - len(left) - 14, self._terminal.glyphs)
        text = Text.assemble(("IDLE-PROBE ", "bold"), name, no_wrap=True, overflow="crop")
        gap = max(width - len(text.plain) - len(left), 1)
        return text.append(" " * gap).append(left, style="dim")

    def final_view(self, width: int) -> Group:
        """Timelines above the verdicts: what stays on the screen ends with what to do."""
        now_s = self._now_s()
        parts = self._story.timelines(now_s, _FINAL_ROWS, width)
        for verdict in self._story.verdicts:
            parts += [Text(), verdict_view(verdict, self._terminal.glyphs)]
        return Group(*parts)


def legend(terminal: Terminal) -> Text:
    """What the marks of a timeline mean."""
    glyphs = terminal.glyphs
    text = Text(no_wrap=True, overflow="crop")
    for mark, style, meaning in (
        (glyphs.alive, ALIVE, "alive"), (glyphs.seen, ACTIVE, "bytes crossed"),
        (glyphs.bad, DROPPED, "dropped"), (glyphs.ok, SURVIVED, "survived"),
    ):  # fmt: skip
        text.append(mark, style).append(f" {meaning}  ", style="dim")
    return text
