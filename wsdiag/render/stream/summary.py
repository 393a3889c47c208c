"""The end of a `stream`: what came, what did not, limits, and whose fault it was."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import Threshold
from wsdiag.records.drops import end_sentence
from wsdiag.records.stream import Gaps, KeyFigures, StreamSummary
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.units import (
    counted,
    format_duration,
    format_lags,
    format_ms,
    format_number,
    format_size,
)

MOST_KEYS = 20


def summary_view(summary: StreamSummary, glyphs: Glyphs = UNICODE) -> Group:
    """The figures of a cleaned summary, then what they mean."""
    title = "stream statistics so far" if summary.partial else "stream statistics"
    parts: list[RenderableType] = [
        Text.assemble("\n", (f"--- {shorten(summary.url)} {title} ---", "bold")),
        _counts(summary),
    ]
    if summary.messages:
        parts += [*_sizes(summary), *_times(summary)]
    if summary.gaps is not None:
        parts.append(_named("sequence", sequence_words(summary)))
    if summary.lag is not None and summary.lag.p50_ms is not None:
        lag = summary.lag
        figures = format_lags(lag.p50_ms, lag.p95_ms, lag.p99_ms, lag.max_ms)
        parts.append(_named("lag", f"p50/p95/p99/max = {figures} (times in {lag.unit})"))
    parts.append(_pings(summary))
    if summary.outages is not None:
        down = format_duration(summary.down_s or 0.0)
        said = f"{counted(summary.outages, 'outage')}, together {down}" if summary.outages else "no"
        parts.append(_named("away", said))
    if summary.keys:
        parts.append(key_table(summary.keys, MOST_KEYS))
    parts += [_limit(threshold, glyphs) for threshold in summary.thresholds]
    parts += map(Text, summary.explanation)
    if summary.drop is not None:
        parts.append(Text(end_sentence(summary.drop), style="bold"))
    return Group(*parts)


def _named(name: str, said: str | Text) -> Text:
    return Text.assemble((f"{name} ", "dim"), said)


def _figures(*values: float | None) -> str:
    return "/".join(map(format_ms, values))


def _counts(summary: StreamSummary) -> Text:
    kinds = [f"{summary.binary} binary"] if summary.binary and summary.text else []
    if summary.binary and not summary.text:
        kinds = ["binary"]
    kinds += [f"{summary.not_json} not JSON"] if summary.not_json else []
    kinds += [f"{counted(summary.control, 'control message')} beside"] if summary.control else []
    text = Text(
        f"{counted(summary.messages, 'message')}, ", style="" if summary.messages else "red"
    )
    if summary.rate is not None:
        text.append(f"{format_number(summary.rate)} a second, ")
    text.append(f"{format_size(summary.bytes)}")
    if summary.bytes_rate is not None:
        text.append(f" ({format_size(int(summary.bytes_rate))}/s)")
    text.append(f", time {format_duration(summary.duration_s)}")
    if kinds:
        text.append(f"; {', '.join(kinds)}")
    if summary.drops:
        text.append(f", {counted(summary.drops, 'drop')}", style="bold red")
    return text


def _sizes(summary: StreamSummary) -> list[Text]:
    sizes = summary.sizes
    if sizes is None:
        return []
    shown = [sizes.min, sizes.p50, sizes.p95, sizes.max]
    said = "/".join("-" if each is None else f"{each:.0f}" for each in shown)
    text = _named("size", f"min/p50/p95/max = {said} B")
    if summary.compression_ratio is not None:
        text.append(f", compressed {summary.compression_ratio:.1f}:1")
    return [text]


def _times(summary: StreamSummary) -> list[Text]:
    lines, times = [], summary.interarrival
    if times is not None:
        figures = _figures(times.p50_ms, times.p90_ms, times.p95_ms, times.p99_ms, times.max_ms)
        lines.append(_named("between messages", f"p50/p90/p95/p99/max = {figures} ms"))
    longest = summary.longest_silence_s
    text = _named("longest silence", "-" if longest is None else format_duration(longest))
    troubles = [
        (summary.silences, "silence", "yellow"),
        (summary.mutes, "mute", "bold red"),
        (summary.bursts, "burst", "yellow"),
    ]
    for count, name, style in troubles:
        if count:
            text.append("; ").append(f"{count} {name}{'s' if count > 1 else ''}", style=style)
    return [*lines, text]


def sequence_words(summary: StreamSummary) -> Text:
    """What became of sequence numbers, in a line."""
    gaps = summary.gaps or Gaps()
    if not summary.numbered:
        without = f" in any of {counted(summary.messages, 'message')}" if summary.messages else ""
        return Text(f"not checked: no number{without}", style="yellow")
    parts = [
        (gaps.missing, f"{gaps.missing} missing in {counted(gaps.gaps, 'gap')}"),
        (gaps.repeated, f"{gaps.repeated} repeated"),
        (gaps.reordered, f"{gaps.reordered} reordered"),
        (gaps.restarts, counted(gaps.restarts, "restart")),
    ]
    found = ", ".join(words for count, words in parts if count)
    if not summary.compared:
        return Text("not checked: no number had one of its key to follow", style="yellow")
    text = Text(found, style="bold red") if found else Text("complete and in order", style="green")
    if summary.suggested_by is not None:
        text.append(f"; by {summary.suggested_by} they follow (--by)", style="not bold yellow")
    if gaps.unnumbered:
        text.append(f", {counted(gaps.unnumbered, 'message')} without a number", style="not bold")
    return text


def _pings(summary: StreamSummary) -> Text:
    pings = summary.pings
    said = f"{pings.sent} sent, {pings.answered} answered"
    if pings.p50_ms is not None:
        said += f", p50/p95/max = {_figures(pings.p50_ms, pings.p95_ms, pings.max_ms)} ms"
    return _named("pings", said)


def key_table(keys: Sequence[KeyFigures], rows: int) -> Table:
    """Figures by key, as many as fit into so many rows; the rest is one row."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=28)  # the one to shrink
    numbered = any(one.gaps is not None for one in keys)
    timed = any(one.lag_p50_ms is not None for one in keys)
    heads = ["messages", "rate", "silence"]
    heads += ["missing", "repeated", "late"] if numbered else []
    heads += ["lag p50", "lag max"] if timed else []
    for _ in heads:
        grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text("key", "dim"), *(Text(head, "dim") for head in heads))
    shown = keys if len(keys) <= rows else keys[: rows - 1]
    for one in shown:
        silence = one.longest_silence_s
        cells = [Text(str(one.messages)), Text(f"{format_number(one.rate)}/s")]
        cells.append(Text("-" if silence is None else format_duration(silence)))
        if numbered and (gaps := one.gaps) is not None:
            counts = (gaps.missing, gaps.repeated, gaps.reordered)
            cells += [Text(str(count), "bold red" if count else "") for count in counts]
        elif numbered:
            cells += [Text("-")] * 3
        if timed:
            cells += [Text(format_lags(each)) for each in (one.lag_p50_ms, one.lag_max_ms)]
        grid.add_row(Text(one.key, no_wrap=True, overflow="ellipsis"), *cells)
    if len(shown) < len(keys):
        rest = keys[len(shown) :]
        messages = sum(one.messages for one in rest)
        grid.add_row(Text(f"{len(rest)} more keys", "dim"), Text(str(messages), "dim"))
    return grid


def _limit(threshold: Threshold, glyphs: Glyphs) -> Text:
    mark = (
        (f"{glyphs.ok} ok    ", "green") if threshold.ok else (f"{glyphs.bad} FAILED", "bold red")
    )
    bound, _, name = threshold.name.partition("-")

    def shown(value: float) -> str:
        if name in ("silence", "lag"):
            return format_duration(value)
        return f"{format_number(value)}{' a second' if name == 'rate' else ' missing'}"

    seen = "not measured" if threshold.measured is None else shown(threshold.measured)
    limit = f"{'at least' if bound == 'min' else 'limit'} {shown(threshold.limit)}"
    return Text.assemble(mark, f" {name} {seen}", (f" ({limit})", "dim"))
