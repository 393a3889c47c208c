"""What is told of each target, as metric families: names and units as Prometheus wants them.

Where a figure does not apply (no TLS, no drop yet), its series is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from wsdiag.exporter.feed import FeedFigures
from wsdiag.exporter.watched import TargetFigures
from wsdiag.records import Cause, Http2Info, Verdict

Labels = dict[str, str]
Row = tuple[Labels, float]
Rows = Callable[[TargetFigures], Iterable[Row]]
Kind = str

_PHASES = ("dns", "tcp", "proxy", "tls", "upgrade")
_CAUSES: tuple[Cause, ...] = get_args(Cause)
_VERDICTS: tuple[str, ...] = get_args(Verdict)


def _one(figure: Callable[[TargetFigures], float | None]) -> Rows:
    """A family with one series for each target that has the figure."""

    def rows(figures: TargetFigures) -> Iterable[Row]:
        value = figure(figures)
        return () if value is None else (({}, value),)

    return rows


def _phases(figures: TargetFigures) -> Iterator[Row]:
    for phase in _PHASES:
        took_ms = None if figures.phases is None else getattr(figures.phases, f"{phase}_ms")
        if took_ms is not None:
            yield {"phase": phase}, took_ms / 1e3


def _drops(figures: TargetFigures) -> Iterator[Row]:
    for (how, code, cause), count in sorted(figures.drops.items()):
        yield {"how": how, "code": code, "cause": cause}, count


def _idle_verdict(figures: TargetFigures) -> Iterator[Row]:
    if figures.idle_verdict is not None:
        for verdict in _VERDICTS:
            yield {"verdict": verdict}, float(figures.idle_verdict.verdict == verdict)


def _idle_timeout(figures: TargetFigures) -> Iterator[Row]:
    found = None if figures.idle_verdict is None else figures.idle_verdict.idle_timeout_s
    if found is not None:
        yield {"bound": "low"}, found.low
        if found.high is not None:
            yield {"bound": "high"}, found.high


def _of_feed(figure: Callable[[FeedFigures], float | None]) -> Rows:
    """The same for a target that pushes."""
    return _one(lambda figures: None if figures.feed is None else figure(figures.feed))


def _of_http2(figure: Callable[[Http2Info], bool | None]) -> Rows:
    """The same for what a look at HTTP/2 found, where it was looked at."""

    def of(figures: TargetFigures) -> float | None:
        seen = None if figures.http2 is None else figure(figures.http2)
        return None if seen is None else float(seen)

    return _one(of)


def _irregular(figures: TargetFigures) -> Iterator[Row]:
    if figures.feed is not None:
        for kind, count in figures.feed.irregular.items():
            yield {"kind": kind}, count


FAMILIES: tuple[tuple[str, Kind, str, Rows], ...] = (
    (
        "wsdiag_up",
        "gauge",
        "1 while the target's connection is open and answers, with no Ping overdue, else 0.",
        _one(lambda f: float(f.up)),
    ),
    (
        "wsdiag_connect_phase_seconds",
        "gauge",
        "How long each phase of the latest successful connection took.",
        _phases,
    ),
    (
        "wsdiag_connections",
        "counter",
        "Connections that were opened.",
        _one(lambda f: f.connections),
    ),
    (
        "wsdiag_reconnects",
        "counter",
        "Connections that were opened after an earlier one had ended.",
        _one(lambda f: max(0, f.connections - 1)),
    ),
    (
        "wsdiag_connect_failures",
        "counter",
        "Attempts to connect that failed, by the kind of error.",
        lambda f: [({"kind": kind}, count) for kind, count in sorted(f.failures.items())],
    ),
    (
        "wsdiag_connection_opened_timestamp_seconds",
        "gauge",
        "When the latest connection was opened.",
        _one(lambda f: f.opened),
    ),
    (
        "wsdiag_ping_last_rtt_seconds",
        "gauge",
        "The latest round trip of a Ping, by the kernel's timestamps where it has them.",
        _one(lambda f: f.rtt.last_s),
    ),
    ("wsdiag_pings_sent", "counter", "Pings sent.", _one(lambda f: f.sent)),
    (
        "wsdiag_pings_lost",
        "counter",
        "Pings not answered within the timeout, or before the connection ended.",
        _one(lambda f: f.lost),
    ),
    (
        "wsdiag_pings_late",
        "counter",
        "Pings answered after the timeout; they count as lost, too.",
        _one(lambda f: f.late),
    ),
    (
        "wsdiag_ping_outliers",
        "counter",
        "Round trips far above the usual, by whose time it was.",
        lambda f: [({"cause": cause}, f.outliers[cause]) for cause in _CAUSES],
    ),
    (
        "wsdiag_drops",
        "counter",
        "Connections that ended by themselves: how, with which Close code, and why.",
        _drops,
    ),
    (
        "wsdiag_last_drop_connection_age_seconds",
        "gauge",
        "Age of the connection that was dropped last, at its end.",
        _one(lambda f: f.last_drop_age_s),
    ),
    (
        "wsdiag_last_drop_idle_seconds",
        "gauge",
        "For how long the connection that was dropped last had been idle at its end.",
        _one(lambda f: f.last_drop_idle_s),
    ),
    (
        "wsdiag_last_drop_timestamp_seconds",
        "gauge",
        "When a connection was dropped last.",
        _one(lambda f: f.last_drop),
    ),
    (
        "wsdiag_down_seconds",
        "counter",
        "Time without answers: from the end of a connection to the next answered Ping.",
        _one(lambda f: f.down_s),
    ),
    (
        "wsdiag_tcp_rtt_seconds",
        "gauge",
        "TCP's smoothed round trip (TCP_INFO), to the first hop where there is a proxy.",
        _one(lambda f: f.tcp_rtt_s),
    ),
    (
        "wsdiag_tcp_retransmissions",
        "counter",
        "TCP segments that were sent again (TCP_INFO).",
        _one(lambda f: f.retransmissions),
    ),
    (
        "wsdiag_tls_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the server's certificate expires.",
        _one(lambda f: f.certificate_expiry),
    ),
    (
        "wsdiag_idle_probe_verdict",
        "gauge",
        "1 for the verdict of the last idle probe, 0 for the others.",
        _idle_verdict,
    ),
    (
        "wsdiag_idle_probe_timeout_seconds",
        "gauge",
        "The idle timeout that the last idle probe found, its lower and its upper bound.",
        _idle_timeout,
    ),
    (
        "wsdiag_idle_probe_timestamp_seconds",
        "gauge",
        "When the last idle probe ended.",
        _one(lambda f: f.idle_verdict_at),
    ),
    (
        "wsdiag_http2_offered",
        "gauge",
        "1 where ALPN chose HTTP/2 when it was offered.",
        _of_http2(lambda seen: seen.alpn == "h2"),
    ),
    (
        "wsdiag_http2_enable_connect_protocol",
        "gauge",
        "1 where the server's SETTINGS allow WebSockets over HTTP/2 (RFC 8441): browsers use it.",
        _of_http2(lambda seen: seen.enable_connect_protocol),
    ),
    (
        "wsdiag_http2_opens",
        "gauge",
        "1 where a WebSocket over HTTP/2 opened, 0 where it was tried in vain.",
        _of_http2(lambda seen: seen.opens),
    ),
    (
        "wsdiag_stream_messages",
        "counter",
        "Messages that a feed pushed, without its protocol's own.",
        _of_feed(lambda f: f.messages),
    ),
    ("wsdiag_stream_bytes", "counter", "Their bytes.", _of_feed(lambda f: f.bytes)),
    (
        "wsdiag_stream_last_message_timestamp_seconds",
        "gauge",
        "When a feed's last message came, or when waiting for the first began.",
        _of_feed(lambda f: f.last),
    ),
    (
        "wsdiag_stream_silences",
        "counter",
        "Times without a message that were longer than is usual for the feed.",
        _of_feed(lambda f: f.silences),
    ),
    (
        "wsdiag_stream_mutes",
        "counter",
        "Silences while Pings were answered.",
        _of_feed(lambda f: f.mutes),
    ),
    (
        "wsdiag_stream_gaps",
        "counter",
        "How often a sequence number did not follow (seq), by how.",
        _irregular,
    ),
    (
        "wsdiag_stream_missing_messages",
        "gauge",
        "Sequence numbers that have not come so far (seq).",
        _of_feed(lambda f: f.missing),
    ),
    (
        "wsdiag_stream_too_large",
        "counter",
        "Messages over 1 MiB, whose numbers and times are not looked at (seq, time).",
        _of_feed(lambda f: f.too_large),
    ),
    (
        "wsdiag_stream_lag_seconds",
        "gauge",
        "Age of the last message by its own time (time); the clocks' difference is part of it.",
        _of_feed(lambda f: f.lag_s),
    ),
)
