"""What `ping` has shown so far: samples for the chart, notable events, summaries, errors.

The live view draws it several times a second, the picture of `--save` once: neither keeps anything
of its own, so both say the same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from wsdiag.records import (
    Error,
    PingClosed,
    PingDialling,
    PingEvent,
    PingLost,
    PingNotice,
    PingOutage,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingSummary,
    PingSuspended,
    PingWaiting,
    utc_now,
)
from wsdiag.render.base.error import error_lines
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.chart import LatencyChart
from wsdiag.render.ping.lines import Shown, event_line, was_a_silence
from wsdiag.render.ping.options import PingViewOptions
from wsdiag.render.ping.panel import labels, marks_legend, table
from wsdiag.render.ping.series import MANY, WORST, Sample, Series, SeriesGroup
from wsdiag.render.ping.status import MonitorStatus, together
from wsdiag.render.ping.summary import rest_lines, short_summary, summary_table, summary_view
from wsdiag.units import format_duration

_LABEL = 24
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
        self._urls = urls
        shown = labels([terminal.text(url) for url in urls], _LABEL, terminal.glyphs)
        self._labels = dict(zip(urls, shown, strict=True))
        self._whole = SeriesGroup(urls, terminal.text, options.window_s)
        self.series = self._whole
        """What the live view shows: since `reset()`; the final one shows the whole run."""
        self.statuses = {url: MonitorStatus() for url in urls}
        self.log_scale = options.log_scale
        self._seen: dict[str, Counter[str]] = {}
        """By URL, the errors since it last answered."""
        self._last_s = 0.0
        self.starts: dict[str, PingStart] = {}
        self.notes: deque[Text] = deque(maxlen=32)
        self.summaries: list[PingSummary] = []
        self._silent: list[str] = []
        """Of endpoints that were silent to the end, for how long, and how many Pings: one that is
        overdue may have been overtaken, and the oldest ones of a long silence are lost already."""
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
                status = self.statuses[event.url]
                if summary.overdue and status.since is not None:
                    age = format_duration((self._clock() - status.since).total_seconds())
                    words = f"{self._terminal.glyphs.dot} {status.unanswered} unanswered"
                    self._silent.append(f"silent for {age} {words}")
            self.statuses[event.url].take(event)
        elif isinstance(event, Error):
            self._error(event)
        elif isinstance(event, PingStart):
            self.starts[event.url] = self._terminal.clean(event)
            self.statuses[event.url].take(event)
            if event.reconnect:
                self._note(event, self._clock())
        else:
            self.statuses[event.url].take(event)
            self._happened(event)

    def _error(self, error: Error) -> None:
        """The same failure again, while there is no answer, is counted and not told."""
        seen = self._seen.setdefault(error.url, Counter())
        seen[error.message] += 1
        if seen[error.message] == 1:
            self.errors.append(error)
            self.notes.extend(error_lines(self._terminal.clean(error)))

    def _happened(
        self,
        event: PingReply
        | PingLost
        | PingWaiting
        | PingResumed
        | PingNotice
        | PingClosed
        | PingOutage
        | PingSent
        | PingSuspended
        | PingDialling,
    ) -> None:
        match event:
            case PingReply() | PingLost() | PingClosed() | PingSuspended():
                self._add(event.url, _sample(event, self._begin))
                if not isinstance(event, PingLost | PingClosed | PingSuspended):
                    self._seen.pop(event.url, None)
                    if event.late or event.cause:
                        self._note(event, event.time)
                elif not isinstance(event, PingSuspended):
                    self._note(event, event.time)
            case PingSent():
                for group in {id(self.series): self.series, id(self._whole): self._whole}.values():
                    group.sent(event.url, event.seq, event.overdue)
            case PingWaiting() | PingResumed() | PingNotice():
                self._note(event, event.time)
            case PingOutage() if not was_a_silence(event):
                self._note(event, self._clock())

    def _add(self, url: str, sample: Sample) -> None:
        self._last_s = max(self._last_s, sample.t_s)
        self._whole.add(url, sample)
        if self.series is not self._whole:
            self.series.add(url, sample)

    def reset(self) -> None:
        """Let the live view begin anew; what stays at the end is of the whole run."""
        self.series = SeriesGroup(self._urls, self._terminal.text, self._options.window_s)
        self.notes.clear()

    def status(self) -> str | None:
        """What is said instead of `now`, where answers are missing."""
        return together(list(self.statuses.values()), self._clock(), self._terminal.glyphs.dot)

    def troubles(self) -> dict[str, str]:
        """By the name of its series, a word for each endpoint that does not answer.

        Where all have ended, none stands out by that.
        """
        live = any(not one.over for one in self.statuses.values())
        words = {
            self._terminal.text(url): "ended" if one.over and live else one.trouble
            for url, one in self.statuses.items()
        }
        return {name: word for name, word in words.items() if word is not None}

    def _note(self, event: Shown, at: datetime) -> None:
        clean = self._terminal.clean(event)
        line = Text.assemble((f"{at.astimezone():%H:%M:%S} ", "dim"), no_wrap=True, overflow="crop")
        if len(self.series) > 1:
            line.append(self._labels[event.url] + " ", style="dim")
        self.notes.append(line.append_text(event_line(clean)))

    # -- views -----------------------------------------------------------------------------------

    def table(
        self,
        shown: Sequence[Series],
        width: int,
        window_s: float | None = None,
        end_s: float | None = None,
    ) -> RenderableType:
        """Figures of these, and of all together where these are not all."""
        all_of_them = (f"all {len(self.series)}", self.series.figures)
        rest = all_of_them if len(self.series) > min(len(shown), MANY) else None
        return table(
            shown,
            self._terminal.glyphs,
            width,
            rest,
            window_s=window_s,
            end_s=self._last_s if end_s is None else end_s,
            statuses=self.troubles(),
        )

    def chart(
        self,
        shown: Sequence[Series],
        end_s: float,
        height: int,
        window_s: float | None,
        status: str | None = None,
    ) -> LatencyChart:
        """These endpoints up to `end_s`; `window_s` None: the whole run."""
        options = self._options
        return LatencyChart(
            shown,
            end_s,
            height,
            window_s,
            options.y_max_ms,
            self.log_scale,
            self._terminal.glyphs,
            self._terminal.dots,
            status,
        )

    def final_view(self, rows: int = FINAL_ROWS) -> Group:
        """Chart of the whole run, `rows` high, legend, and each URL's summary."""
        self.series = self._whole
        longest = max((summary.duration_s for summary in self.summaries), default=0.0)
        # the clock of a summary begins with its connection: the mark of its end may lie after that
        end_s = max(longest or self.now_s, self._last_s)
        shown = self.series.final()
        charted = shown[:WORST] if len(shown) > MANY else shown
        chart = self.chart(charted, end_s, rows, None, self._silent_end())
        parts: list[RenderableType] = [*self._openings(), chart]
        if len(shown) > MANY or not self.summaries:
            parts += [self.table(shown, 100)] if len(shown) > 1 else []
        return Group(*parts, marks_legend(self._terminal.glyphs), self._summary_views())

    def _silent_end(self) -> str | None:
        """What is said at the end of the run's axis where the last answers never came."""
        if not (silent := self._silent):
            return None
        if len(self.series) > 1:
            return f"of {len(self.series)} endpoints: {len(silent)} silent"
        return silent[0]

    def _openings(self) -> list[Text]:
        if len(self.series) > 1:
            return [Text(f"PING {len(self.series)} endpoints")]
        return [event_line(start) for start in self.starts.values()]

    def _summary_views(self) -> Group:
        summaries, glyphs = self.summaries, self._terminal.glyphs
        if 1 < len(summaries) <= MANY:
            summaries = sorted(summaries, key=lambda one: one.target or 0)
            return Group(*summary_table(summaries, self._terminal.width, glyphs))
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
        """Write chart and summaries, or why there are none, to `--save`'s file."""
        errors = [line for one in self.errors for line in error_lines(self._terminal.clean(one))]
        self._terminal.save(Group(*errors, self.final()), title="wsdiag ping")


def _sample(event: PingReply | PingLost | PingClosed | PingSuspended, begin: datetime) -> Sample:
    """A Ping's place is where it was sent: a loss is known only -W later."""
    if isinstance(event, PingSuspended):
        return Sample(_since(begin, event.time, 0), None, gap=True)
    if isinstance(event, PingClosed):
        return Sample(_since(begin, event.time, 0), None, closed=True)
    if isinstance(event, PingLost):
        return Sample(_since(begin, event.time, event.waited_ms), None)
    at = _since(begin, event.time, event.rtt_ms)
    return Sample(at, event.rtt_ms, late=event.late, cause=event.cause)


def _since(begin: datetime, moment: datetime, before_ms: float) -> float:
    return max((moment - begin - timedelta(milliseconds=before_ms)).total_seconds(), 0.0)
