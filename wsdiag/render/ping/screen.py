"""`ping` on a terminal: a chart that scrolls, figures beside it, notable events below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import PingEvent, utc_now
from wsdiag.render.base.error import print_error
from wsdiag.render.base.live import Lines
from wsdiag.render.base.live_view import WindowView
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.history import FINAL_ROWS, PingHistory
from wsdiag.render.ping.options import PingViewOptions
from wsdiag.render.ping.panel import PANEL_WIDTH, marks_legend, panel, shorten
from wsdiag.render.ping.series import Order
from wsdiag.units import format_duration

_NARROW = 60
_FEWEST_FINAL_ROWS = 9
_FEWEST_CHART_ROWS = 3  # a chart has a row to draw in, and two for its time axis
_ORDERS: tuple[Order, ...] = ("given", "worst", "p50")

KEYS = """\
  q      end: the statistics, and a Close (as Ctrl-C)
  p      pause the picture; measuring goes on
  r      reset: figures and chart begin anew, the statistics at the end do not
  s      sort the rows of several URLs: as given, by loss, by p50
  + -    a longer or a shorter window
  l      linear or logarithmic scale
  h      this help; any key ends it
  Ctrl-Z suspends, Ctrl-\\ prints statistics so far"""


class PingScreen(WindowView):
    """The live view."""

    def __init__(
        self,
        terminal: Terminal,
        urls: Sequence[str],
        options: PingViewOptions,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        history = self._history = PingHistory(terminal, urls, options, clock)
        super().__init__(
            terminal, history.take, lambda: history.now_s, history.reset, options.window_s
        )
        self._order: Order = "given"
        self._endpoints = len(urls)

    def start(self) -> None:
        """Take the screen."""
        self._history.start()
        super().start()

    def _press_own(self, key: str) -> bool:
        match key:
            case "s":
                self._order = _ORDERS[(_ORDERS.index(self._order) + 1) % len(_ORDERS)]
            case "l":
                self._history.log_scale = not self._history.log_scale
            case _:
                return False
        return True

    def _concluded(self) -> bool:
        return len(self._history.summaries) >= self._endpoints

    def finish(self) -> None:
        """Leave the chart of the whole run and the summaries on the normal screen; save them."""
        self.stop()
        self._take_queued()
        history = self._history
        for error in history.errors:
            print_error(self._terminal, error)
        if history.series.sampled or history.summaries:
            self._terminal.print(history.final(self._final_rows()))
        history.save()

    def _final_rows(self) -> int:
        """Rows of the final chart: with its summary and the prompt it fits the screen."""
        if not self._terminal.live:
            return FINAL_ROWS
        whole = self._lines(self._history.final_view(_FEWEST_CHART_ROWS), self._terminal.width)
        rest = len(whole) - _FEWEST_CHART_ROWS
        room = self._terminal.out.height - 1 - rest
        return min(max(room, _FEWEST_FINAL_ROWS), FINAL_ROWS)

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed, now_s = self._news()
        silent = self._paused_s is None and self._history.status() is not None
        # without news the picture moves when time has moved on by a dot, or the clock by a second
        least_s = 0.1 if silent else min(self._window_s / (2 * width), 1.0)
        stale = now_s - self._drawn_s >= least_s
        if not (changed or resized or stale):
            return None
        self._drawn_s = now_s
        return self._frame(width, height, now_s)

    def _frame(self, width: int, height: int, now_s: float) -> Lines:
        rows = _note_rows(height)
        notes = list(self._history.notes)[-rows:] if rows else []
        room = height - 2 - rows
        status = self._history.status()
        if self._helps:
            lines = self._lines(Text("\n" + KEYS), width)[: max(room, 4)]
            middle = lines + [[]] * (max(room, 4) - len(lines))
        elif len(self._history.series) == 1 and width >= _NARROW:
            middle = self._beside(now_s, max(room, 4), width, status)
        else:
            shown = self._history.series.fitting(max(height // 2 - 2, 2), self._order)
            table = self._history.table(shown, width, self._window_s, now_s)
            figures = self._lines(table, width)
            left = max(room - len(figures), 4)
            chart = self._history.chart(shown, now_s, left, self._window_s, status)
            middle = chart.lines(width) + figures
        title = self._lines(self._title(width, now_s), width)
        blank: Lines = [[]] * (rows - len(notes))
        foot = Group(*notes, marks_legend(self._terminal.glyphs, width))
        return [*title, *middle, *blank, *self._lines(foot, width)]

    def _beside(self, now_s: float, height: int, width: int, status: str | None) -> Lines:
        only = self._history.series.first
        chart = self._history.chart([only], now_s, height, self._window_s, status)
        lines = chart.lines(width - PANEL_WIDTH)
        trouble = self._history.troubles().get(only.name)
        shown = panel(only.figures, self._terminal.glyphs, height, trouble)
        figures = self._lines(shown, PANEL_WIDTH)
        figures += [[]] * (height - len(figures))
        return [line + more for line, more in zip(lines, figures, strict=False)]

    def _modes(self) -> list[str]:
        """What keys have changed about the view."""
        modes = ["paused"] if self._paused_s is not None else []
        if self._window_s != self._first_window_s:
            modes.append(f"window {format_duration(self._window_s)}")
        if self._order != "given" and len(self._history.series) > 1:
            modes.append(f"by {'loss' if self._order == 'worst' else self._order}")
        return modes

    def _title(self, width: int, now_s: float) -> RenderableType:
        took = format_duration(int(now_s)) if now_s >= 1 else "0 s"
        clocks = sorted({start.clock for start in self._history.starts.values()})
        facts = f"connecting  {took}"
        if clocks:
            facts = f"{'/'.join(clocks)} timestamps  {took}" if width >= _NARROW else took
        facts = self._ending or "  ".join([*self._modes(), facts])
        title = Text("PING ", style="bold", no_wrap=True, overflow="crop")
        room = width - len(facts) - 7
        if len(self._history.series) == 1:
            whole = self._history.series.first.name
            start = next(iter(self._history.starts.values()), None)
            where = f" ({start.address})" if start and start.address else ""
            fits = len(whole) + len(where) <= room
            name = shorten(whole, room, self._terminal.glyphs)
            title.append(name).append(where if fits else "", style="dim")
        else:
            title.append(f"{len(self._history.series)} endpoints")
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1, no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(title, Text(facts, style="dim"))
        return grid


class PingPicture(EventOutput):
    """What the live view would leave on the screen, for `--save` beside another output."""

    def __init__(self, terminal: Terminal, urls: Sequence[str], options: PingViewOptions) -> None:
        self._history = PingHistory(terminal, urls, options)

    def start(self) -> None:
        """Time counts from here."""
        self._history.start()

    def handle(self, event: PingEvent) -> None:
        """Take one event in."""
        self._history.take(event)

    def finish(self) -> None:
        """Write the file."""
        self._history.save()


def _note_rows(height: int) -> int:
    return 0 if height < 19 else max((height - 14) // 5, 1)
