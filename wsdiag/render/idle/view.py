"""How `idle-probe` shows itself: a live timeline on a terminal, progress lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from wsdiag.records import Error, IdleEvent, IdleTrial, IdleVerdict, TrialActivity, TrialStarted
from wsdiag.render.base.drops import describe_drop
from wsdiag.render.base.error import print_error
from wsdiag.render.base.live import Lines, LiveScreen
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.idle.rows import TimelineRows
from wsdiag.render.idle.timeline import Timeline
from wsdiag.render.idle.verdict import verdict_view
from wsdiag.units import format_duration, format_seconds

_FINAL_ROWS = 12
_SAVED_ROWS = 40


class IdleLines(EventOutput):
    """Progress on stderr as it happens, the verdict on stdout at the end."""

    def __init__(
        self, terminal: Terminal, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal
        self._several = len(urls) > 1
        self._clock = clock
        self._begin = clock()
        self._lanes = TimelineRows()
        self._verdicts: list[IdleVerdict] = []
        self._errors: list[Error] = []

    @property
    def _now_s(self) -> float:
        return self._clock() - self._begin

    def start(self) -> None:
        """Time counts from here."""
        self._begin = self._clock()

    def handle(self, event: IdleEvent) -> None:
        """Take one event in, and say what is worth a line."""
        if not self._terminal.quiet:
            self._say(event)
        self.take(event)

    def finish(self) -> None:
        """Print the verdicts; save timeline and verdicts where that was asked for."""
        for error in self._errors:
            print_error(self._terminal, error)
        for number, verdict in enumerate(self._verdicts):
            if number:
                self._terminal.print(Text())
            self._terminal.print(self._verdict(verdict, quiet=self._terminal.quiet))
        self.save()

    def save(self) -> None:
        """Timeline and verdicts into the file that `--save` names, if any; OSError."""
        self._terminal.save(self._whole(_SAVED_ROWS), title="wsdiag idle-probe")

    def take(self, event: IdleEvent) -> None:
        """Take one event in, and say nothing."""
        if isinstance(event, TrialStarted):
            self._lanes.start(event, self._now_s)
        elif isinstance(event, TrialActivity):
            self._lanes.mark(event)
        elif isinstance(event, IdleTrial):
            self._lanes.end(event)
        elif isinstance(event, IdleVerdict):
            self._verdicts.append(self._terminal.clean(event))
        else:
            self._errors.append(event)

    def _say(self, event: IdleEvent) -> None:
        if isinstance(event, IdleTrial) and event.outcome != "aborted":
            at = Text(f"{self._now_s:7.1f} s  ", style="dim")
            self._terminal.log(at.append_text(trial_line(self._terminal.clean(event))))

    def _verdict(self, verdict: IdleVerdict, *, quiet: bool = False) -> RenderableType:
        return verdict_view(verdict, self._terminal.glyphs, quiet=quiet, name=self._several)

    def _whole(self, rows: int) -> Group:
        """Timeline and verdicts in one view."""
        parts: list[RenderableType] = []
        if len(self._lanes):
            parts += [Timeline(self._lanes, self._now_s, self._terminal.glyphs, rows, True), Text()]
        for verdict in self._verdicts:
            parts += [self._verdict(verdict), Text()]
        return Group(*parts[:-1])


class IdleScreen(IdleLines):
    """The live timeline. `handle()` only queues: the drawing thread owns the lanes."""

    def __init__(
        self, terminal: Terminal, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(terminal, urls, clock)
        self._urls = [terminal.text(url) for url in urls]
        self._queue: deque[IdleEvent] = deque()
        self._drawn_s = -1.0
        self._screen = LiveScreen(terminal.out, self.draw)

    def start(self) -> None:
        """Take the screen."""
        super().start()
        self._screen.start()

    def handle(self, event: IdleEvent) -> None:
        """Queue one event for the next frame; never waits."""
        self._queue.append(event)

    def stop(self) -> None:
        """Give the screen back."""
        self._screen.stop()

    def finish(self) -> None:
        """Leave timeline and verdicts on the normal screen; save them."""
        self.stop()
        self._take_in()
        for error in self._errors:
            print_error(self._terminal, error)
        whole = self._whole(_FINAL_ROWS)
        self._terminal.print(whole)
        self._repeat_answers(whole)
        self.save()

    def _repeat_answers(self, whole: Group) -> None:
        """Say the answers once more where the first ones have scrolled away above the advice."""
        console = self._terminal.out
        if len(console.render_lines(whole, pad=False)) < console.height:
            return
        for verdict in self._verdicts:
            self._terminal.print(Text())
            self._terminal.print(self._verdict(verdict, quiet=True))

    def _take_in(self) -> bool:
        taken = bool(self._queue)
        while self._queue:
            self.take(self._queue.popleft())
        return taken

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed, now_s = self._take_in(), self._now_s
        # without news a bar grows by a column, and the clock goes on by a second
        stale = now_s - self._drawn_s >= min(self._lanes.horizon_s / width, 1.0)
        if not (changed or resized or stale):
            return None
        self._drawn_s = now_s
        timeline = Timeline(self._lanes, now_s, self._terminal.glyphs, max(height - 5, 3))
        console = self._terminal.out
        view = Group(self._title(), Text(), timeline, Text(), self._foot())
        return console.render_lines(view, console.options.update(width=width), pad=False)

    def _title(self) -> Text:
        where = self._urls[0] if len(self._urls) == 1 else f"{len(self._urls)} endpoints"
        return Text.assemble(("IDLE-PROBE ", "bold"), where, no_wrap=True, overflow="ellipsis")

    def _foot(self) -> Text:
        lanes = self._lanes.all
        alive = sum(lane.ended is None for lane in lanes)
        dropped = sum(lane.dropped for lane in lanes)
        left = max(self._lanes.horizon_s - self._now_s, 0.0)
        dot = f" {self._terminal.glyphs.dot} "
        facts = [
            format_duration(int(self._now_s)) if self._now_s >= 1 else "0 s",
            f"{alive} open",
            f"{dropped} dropped",
        ]
        if self._lanes.refused:
            facts.append(f"{self._lanes.refused} refused")
        if alive:
            facts.append(f"at most {format_duration(int(left) + 1)} left")
        return Text(
            dot.join(facts) + dot + "Ctrl-C: the verdict so far",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )


class IdlePicture(EventOutput):
    """Timeline and verdicts, for `--save` beside an output of data."""

    def __init__(self, terminal: Terminal, urls: Sequence[str]) -> None:
        self._lines = IdleLines(terminal, urls)

    def start(self) -> None:
        """Time counts from here."""
        self._lines.start()

    def handle(self, event: IdleEvent) -> None:
        """Take one event in."""
        self._lines.take(event)

    def finish(self) -> None:
        """Write the file; OSError when it cannot."""
        self._lines.save()


def trial_line(trial: IdleTrial) -> Text:
    """One connection's fate, cleaned, in a line."""
    period = trial.idle_for_s or trial.interval_s
    name = trial.trial + (f" {format_seconds(period)}" if period else "")
    line = Text(f"{name:<18} ")
    if trial.outcome in ("dropped", "silent"):
        how = describe_drop(trial.drop) if trial.drop is not None else trial.outcome
        after = f" after {trial.idle_s:.2f} s idle" if trial.idle_s is not None else ""
        return line.append(f"dropped{after}", style="red").append(f" ({how})")
    style = "green" if trial.outcome == "alive" else "yellow"
    line.append(trial.outcome, style=style)
    return line.append(f": {trial.detail}") if trial.detail else line
