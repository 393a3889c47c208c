"""The end of a `ping`: statistics as in ping(8), then whose latency it was, limits and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from wsdiag.records import Load, PingSummary, Threshold
from wsdiag.records.drops import end_sentence
from wsdiag.records.stops import stopped_sentence
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.render.ping.chart import SERIES_STYLES, series_mark
from wsdiag.render.ping.panel import labels
from wsdiag.units import (
    counted,
    format_duration,
    format_ms,
    format_number,
    format_percent,
    format_size,
)

_FIGURE_WIDTH = 8  # of a column: six digits and what parts it from the next
_FIGURES = ("min", "avg", "p50", "p95", "p99", "max", "stddev", "jitter")


def summary_view(summary: PingSummary, glyphs: Glyphs = UNICODE, *, columns: bool = False) -> Group:
    """The statistics of one URL, from a cleaned summary; `columns`: round trips as a table."""
    title = "ping statistics so far" if summary.partial else "ping statistics"
    parts: list[RenderableType] = [
        Text.assemble("\n", (f"--- {shorten(summary.url)} {title} ---", "bold")),
        _counts(summary),
    ]
    if summary.received:
        parts.append(_round_trips(summary, columns))
    if (http2 := summary.http2) is not None:
        said = f"p50 {format_ms(http2.p50_ms)} ms, p95 {format_ms(http2.p95_ms)} ms"
        parts.append(Text.assemble(("HTTP/2 PING ", "dim"), said))
    if summary.attribution:
        parts += map(Text, summary.attribution.explanation)
    if (load := summary.load) is not None and load.received_bytes is not None:
        parts += [_load_table(load), *map(Text, load.explanation)]
    elif load is not None:
        idle, loaded = format_ms(load.idle_p50_ms), format_ms(load.loaded_p50_ms)
        sent = format_size(load.sent_bytes)
        said = f"p50 {idle} ms idle, {loaded} ms while sending ({sent} sent)"
        parts += [Text.assemble(("under load ", "dim"), said), *map(Text, load.explanation)]
    if summary.slow_reader is not None:
        parts.append(Text(summary.slow_reader.explanation))
    parts += [_limit(threshold, glyphs) for threshold in summary.thresholds]
    if summary.availability_pct is not None:
        parts.append(_availability(summary))
    parts += _stopped(summary)
    parts += [Text.assemble(("advice: ", "bold cyan"), said) for said in summary.advice]
    if summary.drop is not None:
        parts.append(Text(end_sentence(summary.drop), style="bold"))
    return Group(*parts)


def _stopped(summary: PingSummary) -> list[Text]:
    said = stopped_sentence(summary.stops, summary.stopped_s)
    return [] if said is None else [Text(said)]


def summary_table(
    summaries: Sequence[PingSummary], width: int, glyphs: Glyphs = UNICODE
) -> Iterator[RenderableType]:
    """Several URLs, a row each; then what is to be said of each, its number before it."""
    counts = ["sent", "recv", "loss"]
    times = ["min", "avg", "p50", "p95", "p99", "max", "jitter"]
    extra = [name for name in ("skipped", "unanswered", "late", "drops") if _any(summaries, name)]
    names = [summary.url for summary in summaries]

    def left() -> int:
        return width - 8 * (len(counts) + len(times) + len(extra))

    for name in ("jitter", "avg", "p99", "min", "p95"):
        # the last one only where the table would not fit otherwise
        if left() < (19 if name == "p95" else 24):
            times.remove(name)
    if left() < 19:
        counts.remove("sent")
    room = max(left() - 3, 16)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, overflow="crop")
    for _ in (*counts, *times, *extra):
        grid.add_column(justify="right", min_width=7, no_wrap=True)
    heads = [*counts, *times, *(name.replace("unanswered", "unansw.") for name in extra)]
    grid.add_row(Text("  ms", "dim"), *(Text(name, "dim") for name in heads))
    for number, (one, name) in enumerate(
        zip(summaries, labels(names, room, glyphs), strict=True), 1
    ):
        bad = "bold red" if one.lost or one.overdue else ""
        cells = [Text(str(one.sent))] if "sent" in counts else []
        cells += [Text(str(one.received)), Text(format_percent(one.loss_pct), bad)]
        cells += [Text(format_ms(getattr(one, f"{name}_ms"))) for name in times]
        cells += [Text(str(getattr(one, name))) for name in extra]
        mark = (f"{series_mark(number)} ", SERIES_STYLES[(number - 1) % len(SERIES_STYLES)])
        grid.add_row(Text.assemble(mark, name), *cells)
    yield Text()
    yield grid
    for number, one in enumerate(summaries, 1):
        for line in _remarks(one, glyphs):
            yield Text.assemble((f"{series_mark(number)}  ", "dim"), line)
    # one process for all; but one that ended before saw less of it
    yield from _stopped(max(summaries, key=lambda one: one.stopped_s or 0.0))


def _any(summaries: Sequence[PingSummary], name: str) -> bool:
    return any(getattr(summary, name) for summary in summaries)


def _remarks(summary: PingSummary, glyphs: Glyphs) -> list[Text]:
    """What one URL's summary says besides its figures."""
    attribution = summary.attribution
    causes = attribution is not None and attribution.causes
    lines = list(map(Text, attribution.explanation)) if attribution is not None and causes else []
    if summary.load is not None:
        lines += map(Text, summary.load.explanation)
    lines += [_limit(threshold, glyphs) for threshold in summary.thresholds]
    if summary.availability_pct is not None:
        lines.append(_availability(summary))
    lines += [Text.assemble(("advice: ", "bold cyan"), said) for said in summary.advice]
    if summary.drop is not None:
        lines.append(Text(end_sentence(summary.drop), style="bold"))
    return lines


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
    lost = "green" if not summary.lost and not summary.overdue else "bold red"
    text = Text(f"{summary.sent} sent, {summary.received} received, ")
    if summary.skipped or summary.unanswered:  # else the rest is lost
        text.append(f"{summary.lost} lost, ")
        text.append(f"{summary.skipped} skipped, " if summary.skipped else "")
        text.append(_unanswered(summary))
    loss = summary.loss_pct
    text.append("loss n/a" if loss is None else f"{format_percent(loss)} loss", style=lost)
    if summary.late:
        text.append(f", {summary.late} late", style="yellow")
    if summary.drops:
        text.append(f", {counted(summary.drops, 'drop')}", style="bold red")
    return text.append(f", time {format_duration(summary.duration_s)}")


def _load_table(load: Load) -> Table:
    """Latency idle, while sending, and while receiving, side by side."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        grid.add_column(justify="right", no_wrap=True)
    grid.add_row(*(Text(head, "dim") for head in ("rtt ms", "idle", "upload", "download")))
    rows = {
        "p50": (load.idle_p50_ms, load.loaded_p50_ms, load.download_p50_ms),
        "p95": (load.idle_p95_ms, load.loaded_p95_ms, load.download_p95_ms),
    }
    for name, values in rows.items():
        grid.add_row(Text(name, "dim"), *(Text(format_ms(each)) for each in values))
    sent = format_size(load.sent_bytes) if load.sent_bytes else "-"
    received = format_size(load.received_bytes or 0)
    grid.add_row(Text("data", "dim"), Text("-"), Text(sent), Text(received))
    return grid


def _unanswered(summary: PingSummary) -> str:
    if not summary.unanswered:
        return ""
    facts = [f"{summary.overdue} overdue"] if summary.overdue else []
    if summary.oldest_unanswered_ms is not None:
        facts.append(f"the oldest for {format_duration(summary.oldest_unanswered_ms / 1e3)}")
    said = f"{summary.unanswered} unanswered"
    return f"{said} ({', '.join(facts)}), " if facts else f"{said}, "


def _availability(summary: PingSummary) -> Text:
    text = Text.assemble(("availability ", "dim"), f"{format_percent(summary.availability_pct)}")
    if not summary.outages:
        return text.append(": no outage")
    longest = format_duration(summary.longest_outage_s or 0.0)
    text.append(f": {counted(summary.outages, 'outage')}, the longest {longest}", style="bold red")
    return text.append(f", together {format_duration(summary.down_s or 0.0)}")


def _round_trips(summary: PingSummary, columns: bool) -> RenderableType:
    values = {name: getattr(summary, f"{name}_ms") for name in _FIGURES}
    shown = {name: format_ms(value) for name, value in values.items() if value is not None}
    if not columns:
        return Text.assemble((f"rtt {'/'.join(shown)}", "dim"), f" = {'/'.join(shown.values())} ms")
    return _Figures(shown)


@dataclass(frozen=True, slots=True)
class _Figures:
    """Names above their values in ms, in as many rows as the width takes: a figure is not cut."""

    shown: dict[str, str]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        left = list(self.shown.items())
        while left:
            fits = max((options.max_width - len("ms")) // _FIGURE_WIDTH, 1)
            row, left = left[:fits], left[fits:]
            grid = Table.grid(padding=(0, 2, 0, 0))
            for _ in row:
                grid.add_column(justify="right", min_width=_FIGURE_WIDTH - 2)
            grid.add_row(*(Text(name, style="dim") for name, _ in row))
            grid.add_row(*(Text(value) for _, value in row), Text("ms", style="dim"))
            yield grid


def _limit(threshold: Threshold, glyphs: Glyphs) -> Text:
    mark = (
        (f"{glyphs.ok} ok    ", "green") if threshold.ok else (f"{glyphs.bad} FAILED", "bold red")
    )
    bound, _, name = threshold.name.partition("-")
    unit = {"loss": "%", "availability": "%", "drops": ""}.get(name, " ms")
    limit, seen = format_number(threshold.limit) + unit, "not measured"
    limit = f"at least {limit}" if bound == "min" else f"limit {limit}"
    if threshold.measured is not None:
        seen = format_number(threshold.measured) + unit
    return Text.assemble(mark, f" {name} {seen}", (f" ({limit})", "dim"))
