"""`stream` on a terminal: bars that scroll, figures below, keys where asked for, notable events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import utc_now
from wsdiag.records.stream import StreamRecord
from wsdiag.render.base.error import error_lines, print_error
from wsdiag.render.base.live import Lines
from wsdiag.render.base.live_view import WindowView
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.stream.bars import bars, legend
from wsdiag.render.stream.history import SLOT_S, StreamHistory
from wsdiag.render.stream.summary import key_table, sequence_words, summary_view
from wsdiag.units import format_duration, format_lags, format_ms, format_number, format_size

_RATE_SLOTS = 4
FINAL_ROWS = 10

KEYS = """\
  q      end: the summary, and a Close (as Ctrl-C)
  p      pause the picture; watching goes on
  r      reset: bars and events begin anew, the summary at the end does not
  + -    a longer or a shorter window
  h      this help; any key ends it
  Ctrl-Z suspends, Ctrl-\\ prints the figures so far"""


class StreamScreen(WindowView):
    """The live view."""

    narrowest_s, widest_s = 10.0, 3600.0

    def __init__(
        self, terminal: Terminal, url: str, window_s: float, clock: Callable[[], datetime] = utc_now
    ) -> None:
        history = self._history = StreamHistory(terminal, url, clock)
        super().__init__(terminal, history.take, lambda: history.now_s, history.reset, window_s)

    def start(self) -> None:
        """Take the screen."""
        self._history.start()
        super().start()

    def _concluded(self) -> bool:
        return bool(self._history.summaries)

    def finish(self) -> None:
        """Leave the bars of the whole run and the summary on the normal screen; save them."""
        self.stop()
        self._take_queued()
        for error in self._history.errors if not self._history.starts else ():
            print_error(self._terminal, error)
        if self._history.summaries:
            self._terminal.print(final_view(self._history, self._terminal))
        save(self._history, self._terminal)

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed, now_s = self._news()
        if not (changed or resized or now_s - self._drawn_s >= 1.0):
            return None
        self._drawn_s = now_s
        return self._frame(width, height, now_s)

    def _frame(self, width: int, height: int, now_s: float) -> Lines:
        history, glyphs = self._history, self._terminal.glyphs
        title = self._lines(self._title(width, now_s), width)
        figures = self._lines(figure_lines(history), width)
        keys: Lines = []
        summary = history.figures
        if summary is not None and summary.keys:
            rows = min(max((height - 12) // 2, 2), len(summary.keys) + 1, 20)
            keys = self._lines(key_table(summary.keys, rows), width)[: rows + 1]
        notes_rows = 0 if height < 16 else max((height - 12) // 4, 2)
        notes = list(history.notes)[-notes_rows:] if notes_rows else []
        room = height - len(title) - len(figures) - len(keys) - notes_rows - 1
        if self._helps:
            chart = self._lines(Text("\n" + KEYS), width)[: max(room, 4)]
            chart += [[]] * (max(room, 4) - len(chart))
        else:
            span = max(now_s - self._window_s, 0.0), max(now_s, self._window_s)
            recent = (slot for slot in history.fine if slot.end_s > span[0])
            picture = bars(recent, history.marks, span, width, max(room, 4), glyphs)
            chart = self._lines(Group(*picture), width)
        blank: Lines = [[]] * (notes_rows - len(notes))
        foot = self._lines(Group(*notes, legend(glyphs, width)), width)
        return [*title, *chart, *figures, *keys, *blank, *foot][:height]

    def _title(self, width: int, now_s: float) -> RenderableType:
        history = self._history
        start = history.starts[0] if history.starts else None
        facts = ["paused"] if self._paused_s is not None else []
        if self._window_s != self._first_window_s:
            facts.append(f"window {format_duration(self._window_s)}")
        if history.down is not None:
            why = f", {history.down.why}" if history.down.why else ""
            facts.append(f"down, attempt {history.down.attempt}{why}")
        elif start is None:
            facts.append("connecting")
        facts.append(format_duration(int(now_s)) if now_s >= 1 else "0 s")
        if self._ending is not None:
            facts = [self._ending]
        title = Text("STREAM ", style="bold", no_wrap=True, overflow="ellipsis")
        title.append(self._terminal.text(history.url) if start is None else start.url)
        where = "" if start is None or not start.address else f" ({start.address})"
        if len(title) + len(where) + len("  ".join(facts)) + 1 <= width:
            title.append(where, style="dim")
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(title, Text("  ".join(facts), style="bold red" if history.down else "dim"))
        return grid


def figure_lines(history: StreamHistory) -> Group:
    """The latest figures in two or three lines."""
    moment, summary = history.progress, history.figures
    now = Text(no_wrap=True, overflow="ellipsis")
    recent = list(history.fine)[-_RATE_SLOTS:]
    span_s = sum(slot.span_s for slot in recent)
    rate = sum(slot.messages for slot in recent) / span_s if span_s >= SLOT_S else None
    now.append("now ", "dim").append("-" if rate is None else f"{format_number(rate)}/s", "bold")
    if moment is not None:
        if moment.silent_s >= 1:
            said = format_duration(moment.silent_s)
            now.append("  silent ", "dim").append(f"for {said}", "bold yellow")
        now.append("  rtt ", "dim").append(f"{format_ms(moment.rtt_ms)} ms")
        if (moment.ping_waits_s or 0.0) >= 1:
            waits = format_duration(moment.ping_waits_s or 0.0)
            now.append(f"  Ping unanswered for {waits}", "bold red")
    if summary is None:
        return Group(now)
    now.append("  all ", "dim").append(f"{summary.messages}, {format_size(summary.bytes)}")
    if summary.rate is not None:
        now.append(f" ({format_number(summary.rate)}/s)", "dim")
    times = Text(no_wrap=True, overflow="ellipsis")
    if summary.interarrival is not None:
        one = summary.interarrival
        figures = "/".join(map(format_ms, (one.p50_ms, one.p95_ms, one.p99_ms)))
        times.append("between p50/p95/p99 ", "dim").append(f"{figures} ms")
    if summary.longest_silence_s is not None:
        longest = format_duration(summary.longest_silence_s)
        times.append("  longest silence ", "dim").append(longest)
    if summary.compression_ratio is not None:
        times.append("  compressed ", "dim").append(f"{summary.compression_ratio:.1f}:1")
    lines = [now, times]
    more = Text(no_wrap=True, overflow="ellipsis")
    if summary.gaps is not None:
        more.append("sequence ", "dim").append(sequence_words(summary))
    if summary.lag is not None and summary.lag.p50_ms is not None:
        lag = summary.lag
        more.append("  lag p50/p95/max ", "dim")
        more.append(format_lags(lag.p50_ms, lag.p95_ms, lag.max_ms))
    return Group(*lines, more) if more else Group(*lines)


def final_view(history: StreamHistory, terminal: Terminal) -> Group:
    """Bars of the whole run, the summaries, and what the marks mean."""
    parts: list[RenderableType] = []
    if history.coarse:
        span = 0.0, max(history.coarse[-1].end_s, 1.0)
        width = min(terminal.width, 100)
        parts += bars(history.coarse, history.marks, span, width, FINAL_ROWS, terminal.glyphs)
        parts.append(legend(terminal.glyphs, width))
    return Group(*parts, *(summary_view(one, terminal.glyphs) for one in history.summaries))


def save(history: StreamHistory, terminal: Terminal) -> None:
    """Write the final view, or why there is none, to `--save`'s file."""
    errors = [line for one in history.errors for line in error_lines(terminal.clean(one))]
    view = Group(*errors, final_view(history, terminal))
    terminal.save(view, title="wsdiag stream")


class StreamPicture(EventOutput):
    """What the live view would leave on the screen, for `--save` beside another output."""

    def __init__(self, terminal: Terminal, url: str) -> None:
        self._terminal, self._history = terminal, StreamHistory(terminal, url)

    def start(self) -> None:
        """Time counts from here."""
        self._history.start()

    def handle(self, event: StreamRecord) -> None:
        """Take one record in."""
        self._history.take(event)

    def finish(self) -> None:
        """Write the file."""
        save(self._history, self._terminal)
