"""What `ping` has shown so far: samples for the chart, notable events, summaries, errors.

The live view draws it several times a second, the picture of `--save` once: neither keeps anything
of its own, so both say the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
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
from wsdiag.render.base.error import error_lines
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.chart import LatencyChart
from wsdiag.render.ping.lines import event_line
from wsdiag.render.ping.options import PingViewOptions
from wsdiag.render.ping.panel import marks_legend, shorten, table
from wsdiag.render.ping.series import MANY, WORST, Sample, Series, SeriesGroup
from wsdiag.render.ping.summary import rest_lines, short_summary, summary_view

FINAL_ROWS = 16
"""Rows of the chart that stays, where nothing bounds it."""


class PingHistory:
    """Everything that was worth showing in one run, and the views of it that last."""

    def __init__(
        self,
        terminal: Terminal,
        urls: Sequence[str],
        options: PingViewOptions,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._terminal, self._options, self._clock = terminal, options, clock
        self._begin = clock()
        self.series = SeriesGroup(urls, terminal.text, options.window_s)
        self.starts: dict[str, PingStart] = {}
        self.notes: deque[Text] = deque(maxlen=32)
        self.summaries: list[PingSummary] = []
        self.errors: list[Error] = []

    def start(self) -> None:
        """Time counts from here."""
        self._begin = self._clock()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return (self._clock() - self._begin).total_seconds()

    # -- events ----------------------------------------------------------------------------------

    def take(self, event: PingEvent) -> None:
        """Turn one event into samples and notes."""
        if isinstance(event, PingSummary):
            summary = self._terminal.clean(event)
            if summary.partial:
                self.notes.append(short_summary(summary))
            else:
                self.summaries.append(summary)
        elif isinstance(event, Error):
            self.errors.append(event)
            self.notes.extend(error_lines(self._terminal.clean(event)))
        elif isinstance(event, PingStart):
            self.starts[event.url] = self._terminal.clean(event)
            if event.reconnect:
                self._note(event, self._clock())
        else:
            self._sample(event)

    def _sample(self, event: PingReply | PingLost | PingClosed) -> None:
        self.series.add(event.url, _sample(event, self._begin))
        if not isinstance(event, PingReply) or event.late or event.cause:
            self._note(event, event.time)

    def _note(self, event: PingStart | PingReply | PingLost | PingClosed, at: datetime) -> None:
        clean = self._terminal.clean(event)
        line = Text.assemble((f"{at.astimezone():%H:%M:%S} ", "dim"), no_wrap=True, overflow="crop")
        if len(self.series) > 1:
            line.append(shorten(clean.url, 24, self._terminal.glyphs) + " ", style="dim")
        self.notes.append(line.append_text(event_line(clean)))

    # -- views -----------------------------------------------------------------------------------

    def table(self, shown: Sequence[Series], width: int) -> RenderableType:
        """Figures of these, and of all together where these are not all."""
        together = (f"all {len(self.series)}", self.series.figures)
        rest = together if len(self.series) > min(len(shown), MANY) else None
        return table(shown, self._terminal.glyphs, width, rest)

    def chart(
        self, shown: Sequence[Series], end_s: float, height: int, window_s: float | None
    ) -> LatencyChart:
        """These endpoints up to `end_s`; `window_s` None: the whole run."""
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

    def final_view(self, rows: int = FINAL_ROWS) -> Group:
        """Chart of the whole run, `rows` high, legend, and each URL's summary."""
        longest = max((summary.duration_s for summary in self.summaries), default=0.0)
        end_s = longest or self.now_s
        shown = self.series.final()
        charted = shown[:WORST] if len(shown) > MANY else shown
        parts: list[RenderableType] = [*self._openings(), self.chart(charted, end_s, rows, None)]
        if len(shown) > 1:
            parts.append(self.table(shown, 100))
        return Group(*parts, marks_legend(self._terminal.glyphs), self._summary_views())

    def _openings(self) -> list[Text]:
        if len(self.series) > MANY:
            return [Text(f"PING {len(self.series)} endpoints")]
        return [event_line(start) for start in self.starts.values()]

    def _summary_views(self) -> Group:
        summaries, glyphs = self.summaries, self._terminal.glyphs
        if len(summaries) > MANY:
            worst = {series.name for series in self.series.ranked()[:WORST]}
            summaries = [one for one in summaries if one.url in worst]
        views = [summary_view(one, glyphs, columns=True) for one in summaries]
        if len(summaries) == len(self.summaries):
            return Group(*views)
        return Group(*views, *rest_lines(self.summaries, len(summaries)))

    def final(self, rows: int = FINAL_ROWS) -> RenderableType:
        """What stays on the screen: `final_view`, or the summaries where no Ping was sent."""
        return self.final_view(rows) if self.series.sampled else self._summary_views()

    def save(self) -> None:
        """Write chart and summaries, or why there are none, to `--save`'s file; OSError."""
        errors = [line for one in self.errors for line in error_lines(self._terminal.clean(one))]
        self._terminal.save(Group(*errors, self.final()), title="wsdiag ping")


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
