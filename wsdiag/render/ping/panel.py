"""Figures beside a chart: a column for one series, a table for several; and what marks mean."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.table import Table
from rich.text import Text

from wsdiag.render.base.glyphs import Glyphs
from wsdiag.render.ping.chart import CAUSE_STYLES, CAUSES, LATE, LOST, SERIES_STYLES
from wsdiag.render.ping.series import RoundTripFigures, Series
from wsdiag.units import format_ms, format_percent

PANEL_WIDTH = 17
_FAINT = Style(dim=True)


def panel(figures: RoundTripFigures) -> Text:
    """Figures of one series, a line each, `PANEL_WIDTH` wide with its margin."""
    text = Text(no_wrap=True)
    for name, value in figures.values_ms().items():
        text.append(f"  {name:<4}", _FAINT)
        text.append(f"{format_ms(value):>7}", Style(bold=name == "now"))
        text.append(" ms\n", _FAINT)
    text.append("  loss", _FAINT)
    text.append(f"{format_percent(figures.loss_pct):>7}", LOST if figures.lost else Style())
    text.append("\n  recv", _FAINT).append(f"{figures.received:>7}")
    return text.append("\n  lost", _FAINT).append(
        f"{figures.lost:>7}", LOST if figures.lost else ""
    )


def table(
    series: Sequence[Series],
    glyphs: Glyphs,
    width: int,
    together: tuple[str, RoundTripFigures] | None = None,
) -> Table:
    """Figures of several series, a row each and their legend as well; below, of all `together`."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    columns: tuple[str, ...] = ("now", "min", "p50", "p95", "p99", "max", "loss")
    if width < 64:  # the loss is never what gives way
        columns = (
            ("now", "p50", "p95", "max", "loss") if width >= 48 else ("now", "p50", "p95", "loss")
        )
    grid.add_column(no_wrap=True, overflow="crop", max_width=max(width - 8 * len(columns) - 2, 8))
    for _ in columns:
        grid.add_column(justify="right", min_width=7, no_wrap=True)
    grid.add_row(Text("  ms", _FAINT), *(Text(name, _FAINT) for name in columns))
    for number, one in enumerate(series):
        style = SERIES_STYLES[number % len(SERIES_STYLES)]
        name = Text.assemble((f"{glyphs.legend} ", style), shorten(one.name, width - 60, glyphs))
        grid.add_row(name, *_figures(one.figures, columns))
    if together is not None:
        grid.add_row(Text(f"  {together[0]}", _FAINT), *_figures(together[1], columns))
    return grid


def _figures(figures: RoundTripFigures, columns: Sequence[str]) -> list[Text]:
    values = figures.values_ms()
    loss = Text(format_percent(figures.loss_pct), LOST if figures.lost else "")
    return [loss if name == "loss" else Text(format_ms(values[name])) for name in columns]


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
