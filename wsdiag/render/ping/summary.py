"""The end of a `ping`: statistics as in ping(8), then whose latency it was, limits and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import Load, PingSummary, Threshold
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
        parts.append(_columns(summary) if columns else _round_trips(summary))
    parts += _explained(summary)
    parts += [_limit(threshold, glyphs) for threshold in summary.thresholds]
    parts += [_advice(sentence) for sentence in summary.advice]
    return Group(*parts)


def rest_lines(summaries: Sequence[PingSummary], shown: int) -> Iterator[Text]:
    """What is said of many URLs instead of a summary each, of which `shown` were printed."""
    more = len(summaries) - shown
    yield Text(f"\nand {more} endpoints more, as in the table; -o json tells all of each")
    failed = sum(not all(limit.ok for limit in one.thresholds) for one in summaries)
    if failed:
        yield Text(f"{failed} of {len(summaries)} endpoints break a limit", style="bold red")


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


def _round_trips(summary: PingSummary) -> Text:
    known = [name for name in _FIGURES if getattr(summary, f"{name}_ms") is not None]
    values = "/".join(format_ms(getattr(summary, f"{name}_ms")) for name in known)
    return Text.assemble(("rtt ", "dim"), ("/".join(known), "dim"), f" = {values} ms")


def _columns(summary: PingSummary) -> RenderableType:
    known = [name for name in _FIGURES if getattr(summary, f"{name}_ms") is not None]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in known:
        grid.add_column(justify="right", min_width=6)
    grid.add_row(*(Text(name, style="dim") for name in known))
    figures = (Text(format_ms(getattr(summary, f"{name}_ms"))) for name in known)
    grid.add_row(*figures, Text("ms", style="dim"))
    return grid


def _explained(summary: PingSummary) -> Iterator[RenderableType]:
    if summary.attribution:
        yield from (Text(sentence) for sentence in summary.attribution.explanation)
    if summary.load:
        yield from _load(summary.load)


def _load(load: Load) -> Iterator[Text]:
    yield Text.assemble(
        ("under load ", "dim"),
        f"p50 {format_ms(load.idle_p50_ms)} ms idle, {format_ms(load.loaded_p50_ms)} ms while "
        f"sending ({format_size(load.sent_bytes)} sent)",
    )
    yield from (Text(sentence) for sentence in load.explanation)


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


def _advice(sentence: str) -> RenderableType:
    return Text.assemble(("advice: ", "bold cyan"), sentence)
