"""The end of a `ping`: statistics as in ping(8), then whose latency it was, limits and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import PingSummary, Threshold
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.units import (
    counted,
    format_duration,
    format_ms,
    format_number,
    format_percent,
    format_size,
)

_FIGURES = ("min", "avg", "p50", "p95", "p99", "max", "stddev", "jitter")


def summary_view(summary: PingSummary, glyphs: Glyphs = UNICODE, *, columns: bool = False) -> Group:
    """The statistics of one URL, from a cleaned summary; `columns`: round trips as a table."""
    title = "ping statistics so far" if summary.partial else "ping statistics"
    parts: list[RenderableType] = [
        Text.assemble("\n", (f"--- {summary.url} {title} ---", "bold")),
        _counts(summary),
    ]
    if summary.received:
        parts.append(_round_trips(summary, columns))
    if summary.attribution:
        parts += map(Text, summary.attribution.explanation)
    if (load := summary.load) is not None:
        idle, loaded = format_ms(load.idle_p50_ms), format_ms(load.loaded_p50_ms)
        sent = format_size(load.sent_bytes)
        said = f"p50 {idle} ms idle, {loaded} ms while sending ({sent} sent)"
        parts += [Text.assemble(("under load ", "dim"), said), *map(Text, load.explanation)]
    parts += [_limit(threshold, glyphs) for threshold in summary.thresholds]
    parts += [Text.assemble(("advice: ", "bold cyan"), said) for said in summary.advice]
    return Group(*parts)


def rest_lines(summaries: Sequence[PingSummary], shown: int) -> Iterator[Text]:
    """What is said of many URLs instead of a summary each, of which `shown` were printed."""
    more = len(summaries) - shown
    yield Text(f"\n{more} more endpoints: see the table; -o json has every figure")
    failed = sum(not all(limit.ok for limit in one.thresholds) for one in summaries)
    if failed:
        yield Text(f"{failed} of {len(summaries)} endpoints exceed a limit", style="bold red")


def short_summary(summary: PingSummary) -> Text:
    """Statistics so far in a line, for the live view."""
    return Text(
        f"so far: {summary.sent} sent, {format_percent(summary.loss_pct)} loss, "
        f"p50 {format_ms(summary.p50_ms)} p95 {format_ms(summary.p95_ms)} "
        f"p99 {format_ms(summary.p99_ms)} max {format_ms(summary.max_ms)} ms",
        no_wrap=True,
    )


def _counts(summary: PingSummary) -> Text:
    lost = "green" if not summary.lost else "bold red"
    text = Text(f"{summary.sent} sent, {summary.received} received, ")
    loss = summary.loss_pct
    text.append("loss n/a" if loss is None else f"{format_percent(loss)} loss", style=lost)
    if summary.late:
        text.append(f", {summary.late} late", style="yellow")
    if summary.drops:
        text.append(f", {counted(summary.drops, 'drop')}", style="bold red")
    return text.append(f", time {format_duration(summary.duration_s)}")


def _round_trips(summary: PingSummary, columns: bool) -> RenderableType:
    values = {name: getattr(summary, f"{name}_ms") for name in _FIGURES}
    shown = {name: format_ms(value) for name, value in values.items() if value is not None}
    if not columns:
        return Text.assemble((f"rtt {'/'.join(shown)}", "dim"), f" = {'/'.join(shown.values())} ms")
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in shown:
        grid.add_column(justify="right", min_width=6)
    grid.add_row(*(Text(name, style="dim") for name in shown))
    grid.add_row(*map(Text, shown.values()), Text("ms", style="dim"))
    return grid


def _limit(threshold: Threshold, glyphs: Glyphs) -> Text:
    mark = (
        (f"{glyphs.ok} ok    ", "green") if threshold.ok else (f"{glyphs.bad} FAILED", "bold red")
    )
    name = threshold.name.removeprefix("max-")
    unit = "%" if name == "loss" else " ms"
    limit, seen = format_number(threshold.limit) + unit, "not measured"
    if threshold.measured is not None:
        seen = format_number(threshold.measured) + unit
    return Text.assemble(mark, f" {name} {seen}", (f" (limit {limit})", "dim"))
