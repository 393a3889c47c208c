"""Figures beside a chart: a column for one series, a table for several; and what marks mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.style import Style
from rich.table import Table
from rich.text import Text

from wsdiag.render.base.glyphs import Glyphs
from wsdiag.render.ping.axis import shown_span_s
from wsdiag.render.ping.chart import (
    CAUSE_STYLES,
    CAUSES,
    LATE,
    LOST,
    SERIES_STYLES,
    WAITING,
    series_mark,
)
from wsdiag.render.ping.series import Bucket, RoundTripFigures, Series
from wsdiag.units import format_ms, format_percent

PANEL_WIDTH = 17
STRIP = 20
"""Columns of a strip beside a row of figures."""
_ROOMY, _ROOMIER = 110, 140
_FAINT = Style(dim=True)


def panel(figures: RoundTripFigures, glyphs: Glyphs, rows: int, trouble: str | None = None) -> Text:
    """Figures of one series in so many lines, `PANEL_WIDTH` wide; more of them where they fit.

    `trouble`: a word that stands instead of its latest round trip.
    """
    lost = LOST if figures.lost or figures.overdue else Style()
    lines = [
        (name, format_ms(value), " ms", Style(bold=name == "now"))
        for name, value in figures.values_ms().items()
    ]
    lines += [
        ("loss", format_percent(figures.loss_pct), "", lost),
        ("recv", str(figures.received), "", Style()),
        ("lost", str(figures.lost), "", LOST if figures.lost else Style()),
    ]
    more = [
        ("sent", str(figures.sent), "", Style()),
        ("jitt", format_ms(figures.jitter_ms), " ms", Style()),
        ("late", str(figures.late), "", LATE if figures.late else Style()),
        ("drop", str(figures.drops), "", LOST if figures.drops else Style()),
    ]
    causes = [cause for cause in CAUSES if figures.causes[cause]]
    lines += more if len(lines) + len(more) <= rows else []
    if trouble is not None:
        lines[0] = ("now", trouble, "", WAITING)
    text = Text(no_wrap=True, overflow="crop")
    for number, (name, value, unit, style) in enumerate(lines):
        text.append("\n" if number else "").append(f"  {name:<4}", _FAINT)
        text.append(f"{value:>7}", style).append(unit, _FAINT)
    if len(lines) + len(causes) <= rows:
        for cause in causes:
            mark, count = glyphs.causes[CAUSES.index(cause)], figures.causes[cause]
            text.append(f"\n{mark} ", CAUSE_STYLES[cause])
            text.append(f"{cause:<8}", _FAINT).append(f"{count:>3}")
    return text


def table(
    series: Sequence[Series],
    glyphs: Glyphs,
    width: int,
    together: tuple[str, RoundTripFigures] | None = None,
    *,
    window_s: float | None = None,
    end_s: float = 0.0,
    statuses: Mapping[str, str] | None = None,
) -> Table:
    """Figures of several series, a row each and their legend as well; below, of all `together`.

    `window_s`: what a strip of each shows, up to `end_s`, where there is room for one.
    `statuses`: by a series' name, what stands instead of its latest round trip.
    """
    grid = Table.grid(padding=(0, 1, 0, 0))
    columns: tuple[str, ...] = ("now", "min", "p50", "p95", "p99", "max", "loss")
    if width >= _ROOMIER:
        columns = ("now", "min", "p50", "p95", "p99", "max", "jitter", "sent", "loss")
    elif width < 64:  # the loss is never what gives way
        columns = (
            ("now", "p50", "p95", "max", "loss") if width >= 48 else ("now", "p50", "p95", "loss")
        )
    strip = STRIP if width >= _ROOMY else 0
    room = max(width - 8 * len(columns) - 3 - strip - bool(strip), 8)
    grid.add_column(no_wrap=True, overflow="crop", max_width=room)
    for _ in columns:
        grid.add_column(justify="right", min_width=7, no_wrap=True)
    if strip:
        grid.add_column(no_wrap=True, min_width=strip)
    grid.add_row(Text("  ms", _FAINT), *(Text(name, _FAINT) for name in columns))
    names = labels([one.name for one in series], max(room - 2, 12), glyphs)
    for one, name in zip(series, names, strict=True):
        style = SERIES_STYLES[(one.number - 1) % len(SERIES_STYLES)]
        row = _figures(one.figures, columns)
        if statuses and one.name in statuses:
            row[0] = Text(statuses[one.name], WAITING)
        if strip:
            row.append(sparkline(one, strip, window_s, end_s, glyphs))
        grid.add_row(Text.assemble((f"{series_mark(one.number)} ", style), name), *row)
    if together is not None:
        grid.add_row(Text(f"  {together[0]}", _FAINT), *_figures(together[1], columns))
    return grid


def _figures(figures: RoundTripFigures, columns: Sequence[str]) -> list[Text]:
    values = {**figures.values_ms(), "jitter": figures.jitter_ms}
    loss = Text(format_percent(figures.loss_pct), LOST if figures.lost or figures.overdue else "")
    counts = {"loss": loss, "sent": Text(str(figures.sent))}
    return [counts[name] if name in counts else Text(format_ms(values[name])) for name in columns]


def sparkline(
    series: Series, width: int, window_s: float | None, end_s: float, glyphs: Glyphs
) -> Text:
    """A series in `width` columns, as heights between its lowest and its highest; losses marked."""
    span_s = shown_span_s(window_s, end_s)
    begin_s = max(end_s - span_s, 0.0)
    columns = [Bucket() for _ in range(width)]
    for middle, bucket in series.buckets(window_s).between(begin_s, end_s + span_s / width):
        columns[min(int((middle - begin_s) / span_s * width), width - 1)].merge(bucket)
    low = min((one.low for one in columns if one.measured), default=0.0)
    high = max((one.high for one in columns if one.measured), default=0.0)
    text, style = Text(), SERIES_STYLES[(series.number - 1) % len(SERIES_STYLES)]
    for one in columns:
        if one.closed or one.lost:
            text.append(glyphs.closed if one.closed else glyphs.lost, LOST)
        elif one.measured:
            share = (one.high - low) / (high - low) if high > low else 0.0
            text.append(glyphs.spark[round(share * (len(glyphs.spark) - 1))], style)
        else:
            text.append(" ")
    return text


def labels(names: Sequence[str], width: int, glyphs: Glyphs) -> list[str]:
    """Names in `width` columns each; where they are too long, what they share is left out.

    Of each something is left, and a path that is left from its beginning begins with its slash.
    """
    if len(set(names)) < 2 or max(map(len, names)) <= width:
        return [shorten(name, width, glyphs) for name in names]
    shortest = min(map(len, names))
    path = names[0].find("/", names[0].find("://") + 3) + 1
    begin = _shared(names, shortest)
    if begin != path:
        begin = _shared(names, min(begin, shortest - 1))
    dots = glyphs.ellipsis * (begin > 0 and not names[0].endswith("://", 0, begin))
    if begin == path > 0:
        begin, dots = begin - 1, ""
    end = _shared([name[::-1] for name in names], shortest - begin - 1)
    cut = [dots + name[begin : len(name) - end] for name in names]
    return [shorten(name, width, glyphs) for name in cut]


def _shared(names: Sequence[str], most: int) -> int:
    """How many characters all begin with, `most` at most, up to a place where URLs are cut."""
    first, last = min(names), max(names)  # what these share, all share
    pairs = zip(first[:most], last, strict=False)
    shared = next((n for n, (a, b) in enumerate(pairs) if a != b), min(most, len(first)))
    while shared and names[0][shared - 1] not in "/.:?&=":
        shared -= 1
    return shared


def shorten(text: str, width: int, glyphs: Glyphs) -> str:
    """`text` cut in the middle to `width` columns (at least 12): both ends of a URL tell."""
    width = max(width, 12)
    if len(text) <= width:
        return text
    keep = width - len(glyphs.ellipsis)
    head = (keep + 1) // 2
    return text[:head] + glyphs.ellipsis + text[len(text) - keep + head :]


def marks_legend(glyphs: Glyphs, width: int = 80) -> Text:
    """What the marks in a chart mean: as many of them as fit, each whole."""
    entries = [
        ("", glyphs.lost, LOST, "lost"),
        ("", glyphs.late, LATE, "late"),
        ("", glyphs.closed, LOST, "closed"),
    ]
    for mark, cause in zip(glyphs.causes, CAUSES, strict=True):
        entries.append(("" if cause != CAUSES[0] else " slow: ", mark, CAUSE_STYLES[cause], cause))
    text = Text(no_wrap=True, overflow="crop")
    for before, mark, style, name in entries:
        if len(text) + len(before) + len(mark) + len(name) + 1 > width:
            break
        text.append(before, _FAINT).append(mark, style).append(f" {name}  ", _FAINT)
    return text
