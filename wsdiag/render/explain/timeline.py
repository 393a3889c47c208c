"""One recorded connection over the seconds: what each end sent when, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from wsdiag.records import ExplainConnection
from wsdiag.render.base.glyphs import Glyphs
from wsdiag.units import format_moment

_NAME = 8
_STEPS = (0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_RANK = {"": 0, "data": 1, "ping": 2, "pong": 2, "close": 3}
_STYLES = {"data": "cyan", "ping": "magenta", "pong": "magenta", "close": "bold yellow"}


@dataclass(slots=True)
class ConnectionTimeline:
    """Two rows and an axis. Marks are a letter each where control frames crossed: i for a Ping,
    o for a Pong, C for a Close frame; F and R are TCP's ends. Data is a mark without a letter."""

    connection: ExplainConnection
    glyphs: Glyphs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)

    def lines(self, width: int) -> Iterator[Text]:
        """Client, server, axis."""
        columns = max(width - _NAME - 3, 16)
        horizon = max(self.connection.age_s or 0.0, 1e-6)
        yield self._row("client", "sent", columns, horizon)
        yield self._row("server", "received", columns, horizon)
        yield Text("  " + " " * _NAME).append_text(_axis(columns, horizon))

    def _row(self, name: str, direction: str, columns: int, horizon: float) -> Text:
        cells: list[tuple[str, str]] = [(self.glyphs.alive, "dim")] * columns
        kinds = [""] * columns
        for at_s, way, what in self.connection.activity:
            if way != direction:
                continue
            kind = what if what in ("ping", "pong", "close") else "data"
            column = _column(at_s, horizon, columns)
            if _RANK[kind] >= _RANK[kinds[column]]:
                kinds[column] = kind
                mark = {"ping": "i", "pong": "o", "close": "C"}.get(kind, self.glyphs.sent)
                cells[column] = (mark, _STYLES[kind])
        self._mark_end(cells, name)
        line = Text(f"  {name:<{_NAME}}", no_wrap=True, overflow="crop")
        for style, run in groupby(cells, key=itemgetter(1)):
            line.append("".join(mark for mark, _ in run), style=style)
        return line

    def _mark_end(self, cells: list[tuple[str, str]], name: str) -> None:
        one = self.connection
        if one.outcome == "open" or one.drop is None:
            return
        how = {"fin": "F", "rst": "R", "rst-on-write": "R"}.get(one.drop.how)
        if how is not None and name == ("client" if one.ended_by == "client" else "server"):
            cells[-1] = (how, "bold red")


def _column(at_s: float, horizon: float, columns: int) -> int:
    return min(max(int(at_s / horizon * columns), 0), columns - 1)


def _axis(columns: int, horizon: float) -> Text:
    """Seconds at round steps, each label left-aligned under its column."""
    step = next((s for s in _STEPS if horizon / s * 10 <= columns), horizon)
    line = [" "] * columns
    for count in range(int(horizon / step) + 1):
        label = format_moment(count * step) if count else "0"
        place = int(count * step / horizon * columns)
        if place + len(label) <= columns:
            line[place : place + len(label)] = label
    return Text("".join(line).rstrip(), style="dim", no_wrap=True)
