"""`idle-probe` for people: a live timeline on a terminal, progress lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from wsdiag.records import Error, IdleEvent, IdleTrial, IdleVerdict, TrialActivity, TrialStarted
from wsdiag.records.drops import describe_drop
from wsdiag.render.base.error import print_error
from wsdiag.render.base.live import Lines
from wsdiag.render.base.live_view import LiveView
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.idle.rows import TimelineRows, trial_name
from wsdiag.render.idle.timeline import Timeline
from wsdiag.render.idle.verdict import verdict_view
from wsdiag.units import format_duration

_FINAL_ROWS = 12
_SAVED_ROWS = 40


class IdleHistory:
    """Everything that was worth showing in one run, and the views of it that last."""

    def __init__(
        self, terminal: Terminal, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal, self._several, self._clock = terminal, len(urls) > 1, clock
        self._begin = clock()
        self.rows = TimelineRows()
        self.verdicts: list[IdleVerdict] = []
        self.errors: list[Error] = []

    def start(self) -> None:
        """Time counts from here."""
        self._begin = self._clock()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begin

    def take(self, event: IdleEvent) -> None:
        """Take one event in."""
        if isinstance(event, TrialStarted):
            self.rows.start(event, self.now_s)
        elif isinstance(event, TrialActivity):
            self.rows.mark(event)
        elif isinstance(event, IdleTrial):
            self.rows.end(event)
        elif isinstance(event, IdleVerdict):
            self.verdicts.append(self._terminal.clean(event))
        else:
            self.errors.append(event)

    def verdict_views(self, *, quiet: bool = False) -> list[RenderableType]:
        """Each verdict, or with `quiet` its answer alone, a blank line between two."""
        views: list[RenderableType] = []
        for verdict in self.verdicts:
            views += [Text()] if views else []
            views.append(
                verdict_view(
                    verdict,
                    self._terminal.glyphs,
                    quiet=quiet,
                    name=self._several,
                    verbose=self._terminal.verbose,
                )
            )
        return views

    def whole(self, rows: int) -> Group:
        """Timeline, in about so many rows, and verdicts."""
        parts: list[RenderableType] = []
        if len(self.rows):
            parts.append(Timeline(self.rows, self.now_s, self._terminal.glyphs, rows, True))
            parts += [Text()] if self.verdicts else []
        return Group(*parts, *self.verdict_views())

    def save(self) -> None:
        """Timeline and verdicts into the file that `--save` names, if any."""
        self._terminal.save(self.whole(_SAVED_ROWS), title="wsdiag idle-probe")


class IdleLines(EventOutput):
    """Progress on stderr as it happens, the verdict on stdout at the end."""

    def __init__(
        self, terminal: Terminal, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal
        self._history = IdleHistory(terminal, urls, clock)

    def start(self) -> None:
        """Time counts from here."""
        self._history.start()

    def handle(self, event: IdleEvent) -> None:
        """Take one event in, and print the fate of each connection."""
        quiet = self._terminal.quiet
        if isinstance(event, IdleTrial) and event.outcome != "aborted" and not quiet:
            at = Text(f"{self._history.now_s:7.1f} s  ", style="dim")
            self._terminal.log(at.append_text(trial_line(self._terminal.clean(event))))
        self._history.take(event)

    def finish(self) -> None:
        """Print the verdicts; save timeline and verdicts where that was asked for."""
        for error in self._history.errors:
            print_error(self._terminal, error)
        for view in self._history.verdict_views(quiet=self._terminal.quiet):
            self._terminal.print(view)
        self._history.save()


class IdleScreen(LiveView):
    """The live timeline."""

    end_awaits = "last answers"

    def __init__(
        self, terminal: Terminal, urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._history = IdleHistory(terminal, urls, clock)
        super().__init__(terminal, self._history.take)
        self._urls = [terminal.text(url) for url in urls]

    def start(self) -> None:
        """Take the screen."""
        self._history.start()
        super().start()

    def finish(self) -> None:
        """Leave timeline and verdicts on the normal screen; save them."""
        self.stop()
        self._take_queued()
        for error in self._history.errors:
            print_error(self._terminal, error)
        whole = self._history.whole(_FINAL_ROWS)
        self._terminal.print(whole)
        console = self._terminal.out
        if len(console.render_lines(whole, pad=False)) >= console.height:
            # the answers have scrolled away above the advice
            self._terminal.print(Group(Text(), *self._history.verdict_views(quiet=True)))
        self._history.save()

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed, now_s = self._take_queued(), self._history.now_s
        # without news a bar grows by a column, and the clock goes on by a second
        stale = now_s - self._drawn_s >= min(self._history.rows.horizon_s / width, 1.0)
        if not (changed or resized or stale):
            return None
        self._drawn_s = now_s
        timeline = Timeline(self._history.rows, now_s, self._terminal.glyphs, max(height - 6, 3))
        return self._lines(Group(self._title(), Text(), timeline, Text(), self._foot()), width)

    def _title(self) -> Text:
        where = self._urls[0] if len(self._urls) == 1 else f"{len(self._urls)} endpoints"
        return Text.assemble(("IDLE-PROBE ", "bold"), where, no_wrap=True, overflow="ellipsis")

    def _foot(self) -> Text:
        rows = self._history.rows
        alive = sum(row.ended is None for row in rows.all)
        dropped = sum(row.dropped for row in rows.all)
        now_s = self._history.now_s
        left = max(rows.horizon_s - now_s, 0.0)
        dot = f" {self._terminal.glyphs.dot} "
        facts = [
            format_duration(int(now_s)) if now_s >= 1 else "0 s",
            f"{alive} open",
            f"{dropped} dropped",
        ]
        if rows.refused:
            facts.append(f"{rows.refused} refused")
        if alive:
            late = left <= 0.0
            facts.append(
                "waiting for the last answers"
                if late
                else f"last check in {format_duration(int(left) + 1)}"
            )
        if self._ending is not None:
            facts[-1:] = [self._ending]
        else:
            facts.append("Ctrl-C: the verdict so far")
        return Text(dot.join(facts), style="dim", no_wrap=True, overflow="ellipsis")


class IdlePicture(EventOutput):
    """Timeline and verdicts, for `--save` beside an output of data."""

    def __init__(self, terminal: Terminal, urls: Sequence[str]) -> None:
        self._history = IdleHistory(terminal, urls)

    def start(self) -> None:
        """Time counts from here."""
        self._history.start()

    def handle(self, event: IdleEvent) -> None:
        """Take one event in."""
        self._history.take(event)

    def finish(self) -> None:
        """Write the file."""
        self._history.save()


def trial_line(trial: IdleTrial) -> Text:
    """One connection's fate, cleaned, in a line."""
    line = Text(f"{trial_name(trial):<20} ")
    if trial.outcome in ("dropped", "silent"):
        how = describe_drop(trial.drop) if trial.drop is not None else trial.outcome
        after = f" after {trial.idle_s:.2f} s idle" if trial.idle_s is not None else ""
        return line.append(f"dropped{after}", style="red").append(f" ({how})")
    style = "green" if trial.outcome == "alive" else "yellow"
    line.append(trial.outcome, style=style)
    return line.append(f": {trial.detail}") if trial.detail else line
