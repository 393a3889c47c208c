"""`ping` on a terminal: a chart that scrolls, figures beside it, what happened beneath it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import (
    Error,
    PingClosed,
    PingEvent,
    PingLost,
    PingReply,
    PingStart,
    PingSummary,
    utc_now,
)
from wsdiag.render.base.error import error_lines, print_error
from wsdiag.render.base.live import Lines, LiveScreen
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.chart import LatencyChart
from wsdiag.render.ping.lines import event_line
from wsdiag.render.ping.output import PingViewOptions
from wsdiag.render.ping.panel import PANEL_WIDTH, marks_legend, panel, shorten, table
from wsdiag.render.ping.series import MANY, WORST, Sample, Series, SeriesGroup
from wsdiag.render.ping.summary import rest_lines, summary_view
from wsdiag.units import format_duration, format_ms, format_percent

_NARROW = 60
_FINAL_ROWS, _FINAL_LEAST = 16, 9
_CHART_LEAST = 3  # a chart has a row to draw in, and two for its time axis
_BACKLOG = 100_000


class PingScreen(EventOutput):
    """The live view. `handle()` only queues: the drawing thread owns the samples."""

    def __init__(
        self,
        terminal: Terminal,
        urls: Sequence[str],
        options: PingViewOptions,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._terminal, self._options, self._clock = terminal, options, clock
        self._begin = clock()
        self._series = SeriesGroup(urls, terminal.text, options.window_s)
        self._queue: deque[PingEvent] = deque(maxlen=_BACKLOG)
        self._starts: dict[str, PingStart] = {}
        self._notable: deque[Text] = deque(maxlen=32)
        self._summaries: list[PingSummary] = []
        self._errors: list[Error] = []
        self._drawn_s = -1.0
        self._screen = LiveScreen(terminal.out, self.draw)

    def start(self) -> None:
        """Take the screen."""
        self._begin = self._clock()
        self._screen.start()

    def handle(self, event: PingEvent) -> None:
        """Queue one event for the next frame; never waits."""
        self._queue.append(event)

    def stop(self) -> None:
        """Give the screen back."""
        self._screen.stop()

    def finish(self) -> None:
        """Leave the chart of the whole run and the summaries on the normal screen; save them."""
        self.stop()
        self._take_queued()
        for error in self._errors:
            print_error(self._terminal, error)
        if self._series.sampled:
            self._terminal.print(self.final_view(self._final_rows()))
        elif self._summaries:
            self._terminal.print(self._summary_views())
        self.save()

    def save(self) -> None:
        """Write chart and summaries, or why there are none, to `--save`'s file; OSError."""
        errors = [line for one in self._errors for line in error_lines(self._terminal.clean(one))]
        view = self.final_view() if self._series.sampled else self._summary_views()
        self._terminal.save(Group(*errors, view), title="wsdiag ping")

    # -- events to samples -----------------------------------------------------------------------

    def _take_queued(self) -> bool:
        taken = bool(self._queue)
        while self._queue:
            self.take_in(self._queue.popleft())
        return taken

    def take_in(self, event: PingEvent) -> None:
        """Turn one event into samples and notes."""
        if isinstance(event, PingSummary):
            self._summarize(self._terminal.clean(event))
        elif isinstance(event, Error):
            self._errors.append(event)
            self._notable.extend(error_lines(self._terminal.clean(event)))
        elif isinstance(event, PingStart):
            self._starts[event.url] = self._terminal.clean(event)
            if event.reconnect:
                self._note(event, self._clock())
        else:
            self._sample(event)

    def _summarize(self, summary: PingSummary) -> None:
        if summary.partial:
            self._notable.extend(summary_lines(summary))
        else:
            self._summaries.append(summary)

    def _sample(self, event: PingReply | PingLost | PingClosed) -> None:
        self._series.add(event.url, _sample(event, self._begin))
        if not isinstance(event, PingReply) or event.late or event.cause:
            self._note(event, event.time)

    def _note(self, event: PingStart | PingReply | PingLost | PingClosed, at: datetime) -> None:
        clean = self._terminal.clean(event)
        line = Text.assemble((f"{at.astimezone():%H:%M:%S} ", "dim"), no_wrap=True, overflow="crop")
        if len(self._series) > 1:
            line.append(shorten(clean.url, 24, self._terminal.glyphs) + " ", style="dim")
        self._notable.append(line.append_text(event_line(clean)))

    # -- samples to views ------------------------------------------------------------------------

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed = self._take_queued()
        now_s = (self._clock() - self._begin).total_seconds()
        # without news the picture moves when time has moved on by a dot, or the clock by a second
        stale = now_s - self._drawn_s >= min(self._options.window_s / (2 * width), 1.0)
        if not (changed or resized or stale):
            return None
        self._drawn_s = now_s
        return self._frame(width, height, now_s)

    def _frame(self, width: int, height: int, now_s: float) -> Lines:
        rows = _note_rows(height)
        notes = list(self._notable)[-rows:] if rows else []
        room = height - 2 - rows
        if len(self._series) == 1 and width >= _NARROW:
            middle = self._beside(now_s, max(room, 4), width)
        else:
            shown = self._series.fitting(max(height // 2 - 2, 2))
            figures = self._lines(self._table(shown, width), width)
            chart = self._chart(shown, now_s, max(room - len(figures), 4), self._options.window_s)
            middle = chart.lines(width) + figures
        title = self._lines(self._title(width, now_s), width)
        blank: Lines = [[]] * (rows - len(notes))
        foot = Group(*notes, marks_legend(self._terminal.glyphs, width))
        return [*title, *middle, *blank, *self._lines(foot, width)]

    def _lines(self, view: RenderableType, width: int) -> Lines:
        console = self._terminal.out
        return console.render_lines(view, console.options.update(width=width), pad=False)

    def _beside(self, now_s: float, height: int, width: int) -> Lines:
        only = self._series.first
        chart = self._chart([only], now_s, height, self._options.window_s)
        lines = chart.lines(width - PANEL_WIDTH)
        figures = self._lines(panel(only.figures), PANEL_WIDTH)
        figures += [[]] * (height - len(figures))
        return [line + more for line, more in zip(lines, figures, strict=False)]

    def _table(self, shown: Sequence[Series], width: int) -> RenderableType:
        """Figures of these, and of all together where these are not all."""
        together = (f"all {len(self._series)}", self._series.figures)
        rest = together if len(self._series) > min(len(shown), MANY) else None
        return table(shown, self._terminal.glyphs, width, rest)

    def _chart(
        self, shown: Sequence[Series], end_s: float, height: int, window_s: float | None
    ) -> LatencyChart:
        options = self._options
        return LatencyChart(
            shown,
            end_s,
            height,
            window_s,
            options.y_max_ms,
            options.log_scale,
            self._terminal.glyphs,
            self._terminal.dots,
        )

    def _title(self, width: int, now_s: float) -> RenderableType:
        took = format_duration(int(now_s)) if now_s >= 1 else "0 s"
        clocks = sorted({start.clock for start in self._starts.values()})
        facts = f"clock {'/'.join(clocks)}  {took}" if clocks else f"connecting  {took}"
        title = Text("PING ", style="bold", no_wrap=True, overflow="crop")
        room = width - len(facts) - 7
        if len(self._series) == 1:
            whole = self._series.first.name
            start = next(iter(self._starts.values()), None)
            where = f" ({start.address})" if start and start.address else ""
            fits = len(whole) + len(where) <= room
            name = shorten(whole, room, self._terminal.glyphs)
            title.append(name).append(where if fits else "", style="dim")
        else:
            title.append(f"{len(self._series)} endpoints")
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1, no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(title, Text(facts, style="dim"))
        return grid

    def _final_rows(self) -> int:
        """Rows of the final chart: with its summary and the prompt it fits the screen."""
        if not self._terminal.live:
            return _FINAL_ROWS
        rest = len(self._lines(self.final_view(_CHART_LEAST), self._terminal.width)) - _CHART_LEAST
        room = self._terminal.out.height - 1 - rest
        return min(max(room, _FINAL_LEAST), _FINAL_ROWS)

    def final_view(self, rows: int = _FINAL_ROWS) -> Group:
        """Chart of the whole run, `rows` high, legend, and each URL's summary."""
        longest = max((summary.duration_s for summary in self._summaries), default=0.0)
        end_s = longest or (self._clock() - self._begin).total_seconds()
        shown = self._series.final()
        charted = shown[:WORST] if len(shown) > MANY else shown
        parts: list[RenderableType] = [*self._openings(), self._chart(charted, end_s, rows, None)]
        if len(shown) > 1:
            parts.append(self._table(shown, 100))
        return Group(*parts, marks_legend(self._terminal.glyphs), self._summary_views())

    def _openings(self) -> list[Text]:
        if len(self._series) > MANY:
            return [Text(f"PING {len(self._series)} endpoints")]
        return [event_line(start) for start in self._starts.values()]

    def _summary_views(self) -> Group:
        summaries, glyphs = self._summaries, self._terminal.glyphs
        if len(summaries) > MANY:
            worst = {series.name for series in self._series.ranked()[:WORST]}
            summaries = [one for one in summaries if one.url in worst]
        views = [summary_view(one, glyphs, columns=True) for one in summaries]
        if len(summaries) == len(self._summaries):
            return Group(*views)
        return Group(*views, *rest_lines(self._summaries, len(summaries)))


class PingPicture(EventOutput):
    """What the live view would leave on the screen, for `--save` beside another output."""

    def __init__(self, terminal: Terminal, urls: Sequence[str], options: PingViewOptions) -> None:
        self._screen = PingScreen(terminal, urls, options)

    def handle(self, event: PingEvent) -> None:
        """Take one event in."""
        self._screen.take_in(event)

    def finish(self) -> None:
        """Write the file; OSError when it cannot."""
        self._screen.save()


def _sample(event: PingReply | PingLost | PingClosed, begin: datetime) -> Sample:
    """A Ping's place is where it was sent: a loss is known only -W later."""
    if isinstance(event, PingClosed):
        return Sample(_since(begin, event.time, 0), None, closed=True)
    if isinstance(event, PingLost):
        return Sample(_since(begin, event.time, event.waited_ms), None)
    at = _since(begin, event.time, event.rtt_ms)
    return Sample(at, event.rtt_ms, late=event.late, cause=event.cause)


def _since(begin: datetime, moment: datetime, before_ms: float) -> float:
    return max((moment - begin - timedelta(milliseconds=before_ms)).total_seconds(), 0.0)


def _note_rows(height: int) -> int:
    return 0 if height < 19 else max((height - 14) // 5, 1)


def summary_lines(summary: PingSummary) -> list[Text]:
    """Statistics so far in a line, for the live view."""
    return [
        Text(
            f"so far: {summary.sent} sent, {format_percent(summary.loss_pct)} loss, "
            f"p50 {format_ms(summary.p50_ms)} p95 {format_ms(summary.p95_ms)} "
            f"p99 {format_ms(summary.p99_ms)} max {format_ms(summary.max_ms)} ms",
            no_wrap=True,
        )
    ]
