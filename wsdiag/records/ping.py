"""What `ping` measures: round trips as they happen, and the statistics over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import DialectInfo, Drop, Error, HelloInfo, Phases, Time, Url, optional
from wsdiag.transport.stream.stamps import Clock as Clock

Cause = Literal["network", "endpoint", "queue", "local"]


@dataclass(frozen=True, slots=True)
class PingStart:
    """Record `ping.start`: connected; the first record of each connection."""

    type: ClassVar[str] = "ping.start"
    url: Url
    address: Annotated[
        str | None,
        "`ip:port` that was connected to, or the Unix socket's path; null if there was no "
        "connection",
    ]
    phases: Annotated[Phases, "How long each phase of connecting took"]
    clock: Annotated[
        Clock, "Where round trips are timestamped: by the kernel, or by wsdiag when it reads"
    ]
    reconnect: Annotated[int | None, "With `--reconnect`: the number of earlier connections"] = (
        optional()
    )
    proxy: Annotated[str | None, "The proxy's URL, its password masked; null without one"] = (
        optional()
    )
    proxy_why: Annotated[
        str | None,
        "The option or environment variable that chose the proxy, or kept one from being used",
    ] = optional()
    hello: Annotated[
        HelloInfo | None, "With `--hello` or `--dialect NAME`: what was said after the opening"
    ] = optional()
    dialect: Annotated[
        DialectInfo | None, "The application protocol that was recognised, or asked for"
    ] = optional()


@dataclass(frozen=True, slots=True)
class PingReply:
    """Record `ping.reply`: a Pong (or an echoed message) that answers one of our Pings."""

    type: ClassVar[str] = "ping.reply"
    url: Url
    seq: Annotated[int, "Number of the Ping, from 1"]
    time: Time
    rtt_ms: Annotated[float, "Round trip, in milliseconds"]
    late: Annotated[bool, "True when it came after the timeout (`-W`)"] = False
    tcp_rtt_ms: Annotated[
        float | None, "TCP's smoothed round trip at that moment, in milliseconds; null if unknown"
    ] = None
    retransmits: Annotated[
        int | None, "TCP segments retransmitted between the Ping and its Pong; null if unknown"
    ] = None
    unsent_bytes: Annotated[
        int | None, "Bytes that were waiting to be sent when the Ping was written; null if unknown"
    ] = None
    cause: Annotated[
        Cause | None, "Cause of an outlier; null when it is not an outlier, or without evidence"
    ] = None
    clock: Annotated[
        Clock, "Where round trips are timestamped: by the kernel, or by wsdiag when it reads"
    ] = "user"


@dataclass(frozen=True, slots=True)
class PingLost:
    """Record `ping.lost`: no Pong within the timeout (`-W`)."""

    type: ClassVar[str] = "ping.lost"
    url: Url
    seq: Annotated[int, "Number of the Ping, from 1"]
    time: Time
    waited_ms: Annotated[float, "How long a Pong was awaited, in milliseconds"]


@dataclass(frozen=True, slots=True)
class PingClosed:
    """Record `ping.closed`: the connection ended while pinging."""

    type: ClassVar[str] = "ping.closed"
    url: Url
    time: Time
    drop: Annotated[Drop, "How the connection ended"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """The median round trip split in two, and outliers by cause."""

    network_ms: Annotated[float | None, "The network's part of the median, in milliseconds"]
    endpoint_ms: Annotated[float | None, "The endpoint's part of the median, in milliseconds"]
    causes: Annotated[dict[Cause, int], "Outliers counted by cause"] = field(default_factory=dict)
    explanation: Annotated[Sequence[str], "Sentences for people, the most important first"] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """Latency idle and under load (`--load`), and what was sent for it."""

    idle_p50_ms: Annotated[float | None, "Median round trip without load, in milliseconds"]
    loaded_p50_ms: Annotated[float | None, "Median round trip under load, in milliseconds"]
    sent_bytes: Annotated[int, "Load that was sent, in bytes"]
    queued_bytes_max: Annotated[int | None, "The most that was queued on this side, in bytes"] = (
        optional()
    )
    explanation: Annotated[Sequence[str], "Sentences for people, the most important first"] = ()


@dataclass(frozen=True, slots=True)
class Threshold:
    """One limit that was asked for, and whether it holds."""

    name: Annotated[str, "Which limit, as in `max-p95`"]
    limit: Annotated[float, "The limit, in the unit of `measured`"]
    measured: Annotated[float | None, "What was measured; null if it could not be"]
    ok: Annotated[bool, "Whether it holds"]


@dataclass(frozen=True, slots=True)
class PingSummary:
    """Record `ping.summary`: statistics over all replies that came in time; late ones count as
    lost."""

    type: ClassVar[str] = "ping.summary"
    url: Url
    sent: Annotated[int, "Pings sent"]
    received: Annotated[int, "Pings answered in time"]
    lost: Annotated[int, "Pings not answered in time"]
    loss_pct: Annotated[float | None, "Lost Pings, in percent of those sent; null if none was sent"]
    min_ms: Annotated[float | None, "Shortest round trip, in milliseconds"]
    avg_ms: Annotated[float | None, "Mean round trip, in milliseconds"]
    p50_ms: Annotated[float | None, "Median round trip, in milliseconds"]
    p90_ms: Annotated[float | None, "90th percentile, in milliseconds"]
    p95_ms: Annotated[float | None, "95th percentile, in milliseconds"]
    p99_ms: Annotated[float | None, "99th percentile, in milliseconds"]
    max_ms: Annotated[float | None, "Longest round trip, in milliseconds"]
    stddev_ms: Annotated[float | None, "Standard deviation, in milliseconds"]
    jitter_ms: Annotated[
        float | None, "Mean deviation of successive round trips (RFC 3550, 6.4.1), in milliseconds"
    ]
    duration_s: Annotated[float, "How long the run took, in seconds"]
    late: Annotated[int, "Pongs that came after the timeout (`-W`)"] = 0
    attribution: Annotated[
        Attribution | None,
        "Network and endpoint, and the causes of outliers; null without evidence",
    ] = None
    load: Annotated[Load | None, "With --load: latency idle and under load"] = optional()
    thresholds: Annotated[Sequence[Threshold], "The limits that were asked for"] = ()
    drops: Annotated[int, "Connections that ended by themselves"] = 0
    unmatched: Annotated[int, "Pongs and messages that answered none of our Pings"] = 0
    advice: Annotated[Sequence[str], "What to set or change, in sentences"] = ()
    partial: Annotated[bool, "True for statistics requested while the run goes on (SIGQUIT)"] = (
        False
    )


PingEvent = PingStart | PingReply | PingLost | PingClosed | PingSummary | Error
