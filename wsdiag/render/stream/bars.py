"""Rate over time as bars: a column a stretch of time, its height the messages a second in it.

Silences are gaps: a column without a message has a dot on the axis, in yellow; without a
connection, a cross in red. A row of marks below says what happened: a drop, a mute feed, a burst,
numbers that did not follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from wsdiag.render.base.glyphs import Glyphs
from wsdiag.render.stream.history import Mark, Slot
from wsdiag.units import format_moment

LABEL = 7
_DIM, _BAR, _SILENT, _AWAY = "dim", "cyan", "yellow", "bold red"
MARKS = ("closed", "mute", "gap", "burst", "silence")
"""What a column shows where several happened in it, the most important first."""
MARK_STYLES = {
    "closed": "bold red",
    "mute": "bold red",
    "gap": "bold magenta",
    "burst": "yellow",
    "silence": "yellow",
}


@dataclass(slots=True)
class _Column:
    messages: float = 0.0
    span_s: float = 0.0
    away_s: float = 0.0


def mark_of(kind: str, glyphs: Glyphs) -> str:
    """The character of a mark."""
    return glyphs.closed if kind == "closed" else {"silence": "s"}.get(kind, kind[0].upper())


def bars(
    slots: Iterable[Slot],
    marks: Iterable[Mark],
    span: tuple[float, float],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Text]:
    """The chart in `height` lines (at least 4) of `width` columns; `span`: from and to, in s."""
    begin_s, end_s = span
    columns = max(width - LABEL - 1, 1)
    step_s = (end_s - begin_s) / columns
    spread = _spread(slots, begin_s, step_s, columns)
    rates = [one.messages / one.span_s if one.span_s > 0 else None for one in spread]
    top = _round_up(max((rate for rate in rates if rate is not None), default=0.0))
    rows = max(height - 3, 1)
    lines = [_row(row, rows, top, rates, glyphs) for row in range(rows)]
    lines.append(_axis(spread, glyphs))
    lines += [_marks_row(marks, begin_s, step_s, columns, glyphs), _times(span, columns)]
    return lines


def _spread(slots: Iterable[Slot], begin_s: float, step_s: float, columns: int) -> list[_Column]:
    """Slots on columns, each in proportion to what it shares with them."""
    spread = [_Column() for _ in range(columns)]
    for slot in slots:
        low = max((slot.end_s - slot.span_s - begin_s) / step_s, 0.0)
        high = min((slot.end_s - begin_s) / step_s, float(columns))
        whole = slot.span_s / step_s
        at = int(low)
        while at < high and at < columns:
            share = (min(at + 1, high) - max(at, low)) / whole
            if share > 0:
                column = spread[at]
                column.messages += slot.messages * share
                column.span_s += slot.span_s * share
                column.away_s += 0.0 if slot.up else slot.span_s * share
            at += 1
    return spread


def _row(row: int, rows: int, top: float, rates: Sequence[float | None], glyphs: Glyphs) -> Text:
    """One line of bars, from the top down."""
    steps = len(glyphs.spark)
    label = _rate(top) if row == 0 else _rate(top / 2) if row == rows // 2 and rows > 2 else ""
    cells = []
    for rate in rates:
        level = 0 if not rate else max(math.ceil(rate / top * rows * steps - 1e-9), 1)
        here = min(max(level - (rows - 1 - row) * steps, 0), steps)
        cells.append(glyphs.spark[here - 1] if here else " ")
    text = Text(no_wrap=True, overflow="crop")
    text.append(f"{label:>{LABEL - 1}} ", _DIM).append(glyphs.tick if label else glyphs.line, _DIM)
    return text.append("".join(cells), _BAR)


def _axis(spread: Sequence[_Column], glyphs: Glyphs) -> Text:
    text = Text(no_wrap=True, overflow="crop")
    text.append(f"{'0':>{LABEL - 1}} ", _DIM).append(glyphs.corner, _DIM)
    for column in spread:
        if not column.span_s:
            text.append(" ")
        elif column.away_s > column.span_s / 2:
            text.append(glyphs.lost, _AWAY)
        elif not column.messages:
            text.append(glyphs.dot, _SILENT)
        else:
            text.append(glyphs.rule, _DIM)
    return text


def _marks_row(
    marks: Iterable[Mark], begin_s: float, step_s: float, columns: int, glyphs: Glyphs
) -> Text:
    shown: dict[int, str] = {}
    for mark in marks:
        at = int((mark.at_s - begin_s) / step_s)
        if not 0 <= at < columns or mark.kind not in MARKS:
            continue
        other = shown.get(at)
        if other is None or MARKS.index(mark.kind) < MARKS.index(other):
            shown[at] = mark.kind
    text = Text(" " * (LABEL + 1), no_wrap=True, overflow="crop")
    for at in range(columns):
        kind = shown.get(at)
        text.append(" ") if kind is None else text.append(mark_of(kind, glyphs), MARK_STYLES[kind])
    return text


def _times(span: tuple[float, float], columns: int) -> Text:
    begin, end = (format_moment(round(max(each, 0.0))) for each in span)
    middle = format_moment(round((span[0] + span[1]) / 2))
    line = begin.ljust(columns)
    at = max(columns // 2 - len(middle) // 2, len(begin) + 1)
    if at + len(middle) + len(end) + 2 < columns:
        line = line[:at] + middle + line[at + len(middle) :]
    line = line[: max(columns - len(end), 0)] + end
    return Text(" " * (LABEL + 1) + line[:columns], _DIM, no_wrap=True, overflow="crop")


def _round_up(rate: float) -> float:
    """The next round rate: 1, 2, 5, 10…"""
    if rate <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rate))
    return next((step * power for step in (1, 1.5, 2, 3, 5, 7, 10) if step * power >= rate), rate)


def _rate(rate: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if rate >= limit:
            return f"{rate / limit:.3g}{unit}/s"
    return f"{rate:.3g}/s"


def legend(glyphs: Glyphs, width: int) -> Text:
    """What the marks mean, as many as fit."""
    text = Text(no_wrap=True, overflow="crop")
    entries = [(mark_of(kind, glyphs), MARK_STYLES[kind], kind) for kind in MARKS]
    entries += [(glyphs.dot, _SILENT, "no message"), (glyphs.lost, _AWAY, "not connected")]
    for mark, style, name in entries:
        if len(text) + len(mark) + len(name) + 3 > width:
            break
        text.append(mark, style).append(f" {name}  ", _DIM)
    return text
