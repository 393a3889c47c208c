"""From a run's totals to its summary: figures, limits, and sentences on whose latency it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wsdiag.judgement.advice import advice
from wsdiag.judgement.attribution import Attributor
from wsdiag.judgement.totals import PingTotals
from wsdiag.records import (
    Attribution,
    Cause,
    Http2RoundTrips,
    Load,
    PingSummary,
    SlowReader,
    Threshold,
)
from wsdiag.statistics import RunningStatistics
from wsdiag.units import counted, format_rough_ms, format_size, times

# Up to this much, the difference between the quickest and the usual Pong is not worth a caveat.
_CERTAIN_MS = 1.0
_CERTAIN_SHARE = 0.1

_CAUSES: dict[Cause, str] = {
    "network": "a slow path (network)",
    "endpoint": "the endpoint",
    "queue": "our own queued data (queue)",
    "inbound-queue": "data that the endpoint was sending (inbound-queue)",
    "local": "wsdiag not being scheduled (local)",
}


class _Names(NamedTuple):
    """What the two shares of a round trip are called."""

    near: str
    far: str
    own: str


_DIRECT = _Names("network", "endpoint", "the endpoint's own")
_PROXIED = _Names("to the proxy", "behind it", "what is behind the proxy")

_OTHERS: tuple[Cause, ...] = ("endpoint", "queue", "inbound-queue", "local")


def summarise(
    url: str,
    totals: PingTotals,
    limits: Mapping[str, float],
    duration_s: float,
    *,
    stalls: int = 0,
    longest_stall_ms: float = 0.0,
    stops: int = 0,
    stopped_s: float = 0.0,
    load: Load | None = None,
    unloaded: RunningStatistics | None = None,
    partial: bool = False,
    target: int | None = None,
    slow_reader: SlowReader | None = None,
) -> PingSummary:
    """The record of everything so far.

    `limits`: those asked for, by name (`max-p95`: ms, `max-loss`, `min-availability`: percent).
    With --load, `unloaded` has the round trips without it: the median can be split for an idle
    connection only.
    """
    figures = totals.statistics
    p50, p95, p99 = (figures.percentile(p) for p in (50, 95, 99))
    outages = totals.outages
    measured = {
        "max-p50": p50,
        "max-p95": p95,
        "max-p99": p99,
        "max-loss": totals.loss_pct,
        "max-drops": float(totals.drops),
        "min-availability": None if outages is None else outages.availability_pct,
    }
    attribution = None
    if totals.received or totals.late:
        stalled = _stall_sentence(totals, stalls, longest_stall_ms)
        attribution = attribute(totals, unloaded or figures, stalled)
    return PingSummary(
        url=url,
        sent=totals.sent,
        received=totals.received,
        lost=totals.lost,
        loss_pct=totals.loss_pct,
        min_ms=figures.minimum,
        avg_ms=figures.mean,
        p50_ms=p50,
        p90_ms=figures.percentile(90),
        p95_ms=p95,
        p99_ms=p99,
        max_ms=figures.maximum,
        stddev_ms=figures.stddev,
        jitter_ms=figures.jitter,
        duration_s=duration_s,
        late=totals.late,
        attribution=attribution,
        load=load,
        http2=_http2(totals),
        thresholds=thresholds(limits, measured),
        drops=totals.drops,
        unmatched=totals.unmatched,
        advice=advice(totals),
        partial=partial,
        skipped=totals.skipped,
        unanswered=totals.unanswered,
        overdue=totals.overdue,
        oldest_unanswered_ms=totals.oldest_unanswered_ms,
        drop=totals.ended,
        inbound_bytes=totals.inbound_bytes or None,
        slow_reader=slow_reader,
        outages=None if outages is None else outages.count,
        down_s=None if outages is None else outages.down_s,
        longest_outage_s=None if outages is None else outages.longest_s,
        availability_pct=None if outages is None else outages.availability_pct,
        stops=stops or None,
        stopped_s=stopped_s if stops else None,
        target=target,
    )


def thresholds(
    limits: Mapping[str, float], measured: Mapping[str, float | None]
) -> tuple[Threshold, ...]:
    """Each limit asked for and whether it holds; what could not be measured does not hold."""

    def holds(name: str, limit: float, value: float | None) -> bool:
        if value is None:
            return False
        return value >= limit if name.startswith("min-") else value <= limit

    return tuple(
        Threshold(name, limit, measured[name], holds(name, limit, measured[name]))
        for name, limit in limits.items()
    )


def attribute(totals: PingTotals, figures: RunningStatistics, stalled: str = "") -> Attribution:
    """The median's two shares in ms, the causes counted, and the sentences that say it."""
    proxied = totals.proxy is not None
    names = _PROXIED if proxied else _DIRECT
    near, rest, split = _split_median(totals.floor_ms, figures, names)
    edge, behind, at_edge = _split_at_edge(totals.http2, figures)
    split = at_edge or split
    inbound = None
    if near is not None and totals.behind_data > totals.free.count:
        rest, inbound, split = _split_behind_data(totals, near, figures, names)
    sentences = [split, _outlier_sentence(totals), _inbound_sentence(totals)]
    if proxied:
        sentences.append(
            "TCP's figures describe the first hop only, to the proxy: behind it, the way on cannot "
            "be told from the endpoint" + (" but by HTTP/2's PING." if at_edge else ".")
        )
    sentences.append(stalled)
    causes = dict(totals.attributor.causes)
    explanation = [sentence for sentence in sentences if sentence]
    if proxied:
        return Attribution(None, None, causes, explanation, edge, behind, inbound, near, rest)
    return Attribution(near, rest, causes, explanation, edge, behind, inbound)


def _http2(totals: PingTotals) -> Http2RoundTrips | None:
    figures = totals.http2
    if figures is None:
        return None
    return Http2RoundTrips(figures.percentile(50), figures.percentile(95), figures.count)


def _split_at_edge(
    http2: RunningStatistics | None, figures: RunningStatistics
) -> tuple[float | None, float | None, str]:
    """(edge, behind it) shares of the median in ms, and the sentence; None without HTTP/2 PINGs.

    HTTP/2's PING is answered by the first hop that speaks it, the WebSocket's by the endpoint.
    """
    median = figures.percentile(50)
    at_edge = None if http2 is None else http2.percentile(50)
    if median is None or at_edge is None:
        return None, None, ""
    edge = min(at_edge, median)
    whole, near, rest = (format_rough_ms(part) for part in (median, edge, median - edge))
    return edge, median - edge, f"{whole} ms at the median: {near} ms edge, {rest} ms behind it."


def _split_median(
    floor_ms: float | None, figures: RunningStatistics, names: _Names
) -> tuple[float | None, float | None, str]:
    """(network, endpoint) shares of the median in ms, and the sentence; None where TCP is silent.

    The network's share is the shortest round trip TCP saw: its handshake is answered by the peer's
    kernel, whereas later samples may include an application's time (its Pong carries the ACK).
    Through a proxy the shares are (to it, behind it).
    """
    median, quickest = figures.percentile(50), figures.minimum
    if median is None or quickest is None or floor_ms is None:
        return None, None, ""
    network = min(floor_ms, median)
    endpoint = median - network
    sure = median - quickest <= max(_CERTAIN_MS, _CERTAIN_SHARE * median)
    least, most = ("", "") if sure else ("at least ", "at most ")
    whole, path, rest = (format_rough_ms(part) for part in (median, network, endpoint))
    split = f"{least}{path} ms {names.near}, {most}{rest} ms {names.far}"
    return network, endpoint, f"{whole} ms at the median: {split}."


def _split_behind_data(
    totals: PingTotals, network: float, figures: RunningStatistics, names: _Names
) -> tuple[float, float, str]:
    """(endpoint, inbound queue) shares of the median in ms, and the sentence.

    Where most Pongs wait behind data, that is what is usual: no Ping is an outlier. The endpoint's
    share is what it takes without data; where there was always some, nothing can be told of it.
    """
    median = figures.percentile(50) or 0.0
    free = totals.free.percentile(50)
    endpoint = 0.0 if free is None else min(max(free - network, 0.0), median - network)
    inbound = median - network - endpoint
    whole, path, own, rest = (
        format_rough_ms(part) for part in (median, network, endpoint, inbound)
    )
    split = f"{path} ms {names.near}, {own} ms {names.far}, {rest} ms inbound queue"
    if free is None:
        split = f"{path} ms {names.near}, up to {rest} ms inbound queue ({names.own} is in it)"
    ahead = format_size(int(totals.ahead.percentile(50) or 0))
    return (
        endpoint,
        inbound,
        f"{whole} ms at the median: {split}; Pongs waited behind {ahead} that the endpoint was "
        "sending.",
    )


def _inbound_sentence(totals: PingTotals) -> str:
    """What an outlier's Pong waited behind."""
    most = totals.attributor.inbound_ahead_max
    if not most:
        return ""
    many = totals.attributor.causes["inbound-queue"] > 1
    whose = "Their Pongs waited behind up to" if many else "Its Pong waited behind"
    return f"{whose} {format_size(most)} that the endpoint was sending."


def _outlier_sentence(totals: PingTotals) -> str:
    found = totals.attributor
    counts = {
        "TCP retransmissions (network)": found.retransmitted,
        _CAUSES["network"]: found.causes["network"] - found.retransmitted,
        **{_CAUSES[cause]: found.causes[cause] for cause in _OTHERS},
    }
    causes = {words: count for words, count in counts.items() if count}
    total = sum(causes.values()) + found.unexplained
    if not total:
        return ""
    subject = f"{counted(total, 'outlier')}{_limit_words(found)}"
    if len(causes) == 1 and not found.unexplained:
        return f"{subject}, {'all ' * (total != 1)}caused by {next(iter(causes))}."
    parts = [f"{count} by {words}" for words, count in causes.items()]
    if parts:
        parts[0] = parts[0].replace(" by ", " caused by ", 1)
    if found.unexplained:
        parts.append(f"{found.unexplained} unexplained")
    return f"{subject}: {', '.join(parts)}."


def _limit_words(found: Attributor) -> str:
    """The limit, where it parts all outliers from all the rest; it moves with what is usual."""
    normal = found.baseline.normal()
    if normal is None:
        return ""
    limit = format_rough_ms(normal.limit_ms)
    if found.longest_usual_ms <= float(limit) < found.shortest_ms:
        return f" over {limit} ms"
    limits = map(format_rough_ms, (found.lowest_limit_ms, found.highest_limit_ms))
    return f" over what was usual at the time ({' to '.join(dict.fromkeys(limits))} ms)"


def _stall_sentence(totals: PingTotals, stalls: int, longest_ms: float) -> str:
    if not stalls:
        return ""
    effect = (
        "kernel timestamps keep that out of the figures"
        if totals.clock == "kernel"
        else "round trips of those moments include it"
    )
    worst = format_rough_ms(longest_ms)
    return f"wsdiag itself was delayed {times(stalls)} (worst {worst} ms); {effect}."
