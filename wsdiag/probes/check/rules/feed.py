"""Fitness of a feed: messages come for a while, as often, as soon and as completely as asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.probes.check.findings import Finding, failed, passed
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.records import Error, Threshold
from wsdiag.records.drops import drop_phrase
from wsdiag.records.stream import StreamSummary
from wsdiag.units import counted, format_duration, format_number, times

if TYPE_CHECKING:
    from wsdiag.probes.stream.options import StreamOptions


def stream_options(options: CheckOptions) -> StreamOptions:
    """What to watch and what must hold; ValueError for limits that need a path."""
    from wsdiag.probes.stream.options import StreamOptions

    return StreamOptions(
        deadline_s=options.stream_s,
        by=options.by,
        seq=options.seq,
        time=options.time,
        max_silence_s=options.max_silence_s,
        max_gap=options.max_gap,
        max_lag_s=options.max_lag_s,
        min_rate=options.min_rate,
    )


@Rule(
    "stream",
    "fitness",
    "A connection may be open and answer Pings while the feed behind it is dead.",
    schedule="background",
    asked_by={"--stream": "stream_s"},
    lasts_s=lambda options: options.stream_s or 0.0,
)
async def stream(target: CheckTarget) -> Sequence[Finding]:
    """Messages come for --stream, within --max-silence, --max-gap, --max-lag and --min-rate."""
    from wsdiag.probes.stream.run import StreamRun  # of no use to other checks

    dial = replace(target.endpoint.dial, compression=target.endpoint.dial.compression is not False)
    run = StreamRun(target.endpoint.url, stream_options(target.options), dial)
    summary, error = None, None
    async for event in run.events():
        if isinstance(event, StreamSummary):
            summary = event
        elif isinstance(event, Error):
            error = event.message
    assert summary is not None  # a run ends with one
    return judge_feed(summary, error)


def judge_feed(summary: StreamSummary, error: str | None = None) -> list[Finding]:
    """The messages that came, then each limit; `error`: why there was no connection."""
    seen = f"{counted(summary.messages, 'message')} in {format_duration(summary.duration_s)}"
    seen += f", longest silence {format_duration(summary.longest_silence_s or 0.0)}"
    rate = None if summary.rate is None else round(summary.rate, 3)
    if error is not None:
        return [failed(error)]
    if summary.drop is not None:
        ended = f"{seen}; then the connection ended: {drop_phrase(summary.drop)}"
        return [replace(failed(ended, rate), breaks_rule=False)]
    if not summary.messages:
        alive = summary.pings.answered
        pings = f", although {counted(alive, 'Ping was', 'Pings were')} answered" if alive else ""
        first = failed(f"no message in {format_duration(summary.duration_s)}{pings}", rate)
    else:
        mute = f"; mute {times(summary.mutes)}" if summary.mutes else ""
        first = passed(f"{seen}{mute}", rate)
    return [first, *(_limit(threshold, summary) for threshold in summary.thresholds)]


def _limit(threshold: Threshold, summary: StreamSummary) -> Finding:
    from wsdiag.probes.stream.words import why_unmeasured

    bound, _, what = threshold.name.partition("-")
    judge = passed if threshold.ok else failed
    value = threshold.measured

    def said(figure: float) -> str:
        if what in ("silence", "lag"):
            return format_duration(figure)
        return f"{format_number(figure)} {'a second' if what == 'rate' else 'missing'}"

    why = why_unmeasured(summary, threshold.name, threshold.limit)
    unmeasured = f"not measured ({why})" if why else "not measured"
    measured = unmeasured if value is None else said(value)
    limit = f"at least {said(threshold.limit)}" if bound == "min" else said(threshold.limit)
    rounded = None if value is None else round(value, 3)
    found = judge(f"{what} {measured}, the limit is {limit}", rounded, threshold.limit)
    if what == "gap" and not threshold.ok and (by := summary.suggested_by) is not None:
        hint = f"By {by} these numbers follow each other: each of its values has its own"
        found = replace(found, hint=f"{hint} (--by '{by}').")
    return replace(found, name=what)
