"""The idle probe's timeline: what is alive, what was dropped and how, over the seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from wsdiag.records.drops import short_drop
from wsdiag.render.base.glyphs import Glyphs
from wsdiag.render.idle.rows import TimelineRow, TimelineRows, trial_name
from wsdiag.units import format_seconds

_NAME, _STATUS = 20, 20
_NARROW, _NARROW_NAME = 60, 12
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(slots=True)
class Timeline:
    """Draws rows at `now_s` seconds; `most_rows` bounds its height, the axis not counted."""

    rows: TimelineRows
    now_s: float
    glyphs: Glyphs
    most_rows: int = 100
    final: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)

    def lines(self, width: int) -> Iterator[Text]:
        """The rows, the axis, and where there is room what the signs mean."""
        groups = self.rows.grouped(self.most_rows)
        # labels are shown whole: what is needed, and not more
        longest = max((len(_title(group)) for group in groups), default=0) + 1
        name, status = max(_NAME, longest), _STATUS
        if width < _NARROW:
            name, status = min(max(_NARROW_NAME, longest), width // 2), 0
        columns = max(width - name - status - 2, 8)
        horizon = max(self.rows.horizon_s, self.now_s if not self.final else 0.0, 0.1)
        for group in groups:
            line = Text(_fit(_title(group), name).ljust(name), no_wrap=True, overflow="crop")
            line.append_text(self._bar(group, columns, horizon))
            if status:
                line.append(" ").append_text(_status(group, status))
            yield line
        yield Text(" " * name, no_wrap=True).append_text(self._axis(columns, horizon))
        if status:
            yield self._legend()

    def _bar(self, group: Sequence[TimelineRow], columns: int, horizon: float) -> Text:
        cells: list[tuple[str, str]] = [(" ", "")] * columns

        def at(moment: float) -> int:
            return min(max(int(moment / horizon * columns), 0), columns - 1)

        for row in group:
            self._draw_span(cells, at, row)
        for row in group:
            for moment, direction in row.marks:
                sign = self.glyphs.sent if direction == "sent" else self.glyphs.seen
                cells[at(moment)] = (sign, "cyan")
        for row in group:
            if (mark := self._end_mark(row)) is not None:
                cells[at(row.end_s or 0.0)] = mark
        line = Text(no_wrap=True, overflow="crop")
        for style, run in groupby(cells, key=itemgetter(1)):
            line.append("".join(sign for sign, _ in run), style=style)
        return line

    def _draw_span(
        self, cells: list[tuple[str, str]], at: Callable[[float], int], row: TimelineRow
    ) -> None:
        end = row.end_s if row.end_s is not None else self.now_s
        for column in range(at(row.begin_s), at(end) + 1):
            cells[column] = (self.glyphs.alive, "green")
        if row.ended is None:
            for column in range(at(end) + 1, at(row.planned_end_s) + 1):
                if cells[column][0] == " ":
                    cells[column] = (self.glyphs.wait, "dim")

    def _end_mark(self, row: TimelineRow) -> tuple[str, str] | None:
        if row.ended is None:
            return None
        if row.dropped:
            return self.glyphs.bad, "bold red"
        if row.ended.outcome == "alive" and row.started.idle_for_s is not None:
            return self.glyphs.ok, "bold green"
        return self.glyphs.end, "dim"

    def _legend(self) -> Text:
        g = self.glyphs
        signs = (
            (g.alive, "green", "open"),
            (g.sent, "cyan", "sent"),
            (g.seen, "cyan", "received"),
            (g.ok, "bold green", "answered"),
            (g.bad, "bold red", "dropped"),
            (g.end, "dim", "ended by us"),
        )
        line = Text(" ", no_wrap=True, overflow="crop")
        for sign, style, word in signs:
            line.append(f" {sign}", style=style).append(f" {word} ", style="dim")
        return line

    def _axis(self, columns: int, horizon: float) -> Text:
        """Seconds at round steps, each label left-aligned under its column."""
        step = next((s for s in _STEPS if horizon / s * 10 <= columns), _STEPS[-1])
        line = [" "] * columns
        count = 0
        while count * step <= horizon:
            label = f"{count * step:g} s" if count else "0"
            place = int(count * step / horizon * columns)
            if place + len(label) <= columns:
                line[place : place + len(label)] = label
            count += 1
        return Text("".join(line), style="dim", no_wrap=True)


def _title(group: Sequence[TimelineRow]) -> str:
    if len(group) == 1:
        return trial_name(group[0].started)
    number = group[0].started.target
    whose = "" if number is None else f"{number} "
    periods = [row.started.idle_for_s for row in group if row.started.idle_for_s is not None]
    if periods and len(periods) == len(group):
        return f"{whose}idle {min(periods):g}-{max(periods):g} s"
    return f"{whose}{group[0].started.trial} x{len(group)}"


def _fit(text: str, width: int) -> str:
    return text if len(text) < width else text[: width - 1]


def _status(group: Sequence[TimelineRow], width: int) -> Text:
    """What became of the group, in a word or two."""
    drops = [row.ended for row in group if row.dropped and row.ended is not None]
    if drops:
        first = drops[0]
        how = short_drop(first.drop) if first.drop is not None else first.outcome
        many = f"{len(drops)}x " if len(group) > 1 else ""
        after = f" {format_seconds(first.idle_s)}" if first.idle_s is not None else ""
        return Text(_fit(f"{many}{how}{after}", width), style="red")
    still_open = sum(row.ended is None for row in group)
    if still_open:
        return Text("alive" if len(group) == 1 else f"{still_open} alive", style="green")
    outcomes = Counter(row.ended.outcome for row in group if row.ended is not None)
    word, count = outcomes.most_common(1)[0]
    shown = {"alive": "answered" if _asked(group) else "alive", "aborted": "stopped early"}
    text = shown.get(word, word)
    return Text(text if len(group) == 1 else f"{count}x {text}", style="dim")


def _asked(group: Sequence[TimelineRow]) -> bool:
    return all(row.started.idle_for_s is not None for row in group)
