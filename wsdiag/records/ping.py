"""What `ping` measures: round trips as they happen, and the statistics over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import (
    AskedAgain,
    DialectInfo,
    Drop,
    Error,
    HelloInfo,
    Phases,
    Target,
    Time,
    Url,
    optional,
)
from wsdiag.records.stops import StoppedSeconds, Stops
from wsdiag.transport.stream.stamps import Clock as Clock

Cause = Literal["network", "endpoint", "queue", "inbound-queue", "local"]


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
    proxy: Annotated[str | None, "The proxy's URL, its credentials masked; null without one"] = (
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
    target: Target = optional()
    asked_again: AskedAgain = optional()


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
    http2_rtt_ms: Annotated[
        float | None,
        "With `--http2`: the round trip of the HTTP/2 PING that left with it, which the first hop "
        "that speaks HTTP/2 answers, in milliseconds",
    ] = optional()
    inbound_bytes: Annotated[
        int | None, "Bytes that arrived between the Ping and its Pong, the Pong's included"
    ] = optional()
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class PingLost:
    """Record `ping.lost`: no Pong within the timeout (`-W`), or before the connection ended."""

    type: ClassVar[str] = "ping.lost"
    url: Url
    seq: Annotated[int, "Number of the Ping, from 1"]
    time: Time
    waited_ms: Annotated[float, "How long a Pong was awaited, in milliseconds"]
    drop: Annotated[
        Drop | None, "How the connection ended, where that came before the timeout (`-W`)"
    ] = optional()
    mode: Annotated[
        Literal["text", "binary"] | None, "With `--mode`: it was a message, and its echo is missing"
    ] = optional()
    target: Target = optional()
    unsent: Annotated[
        bool | None,
        "True when it had not left: over HTTP/2 the peer's flow-control window was closed",
    ] = optional()


@dataclass(frozen=True, slots=True)
class PingWaiting:
    """Record `ping.waiting`: an answer is overdue; once for each silence of the endpoint."""

    type: ClassVar[str] = "ping.waiting"
    url: Url
    seq: Annotated[int, "Number of the oldest unanswered Ping"]
    time: Time
    unanswered: Annotated[int, "Pings that have been sent and not answered"]
    waited_ms: Annotated[float, "Age of the oldest of them, in milliseconds"]
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class PingResumed:
    """Record `ping.resumed`: an answer ended the silence that `ping.waiting` told of."""

    type: ClassVar[str] = "ping.resumed"
    url: Url
    seq: Annotated[int, "Number of the Ping that was answered"]
    time: Time
    unanswered: Annotated[int, "Pings that are still unanswered"]
    waited_ms: Annotated[float, "How long the endpoint was silent, in milliseconds"]
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class PingNotice:
    """Not a record: with `--http2`, what the peer said of the connection, which goes on: a GOAWAY,
    or SETTINGS that no longer allow WebSockets; once for each."""

    url: str
    time: datetime
    message: str
    """What it said, for people."""
    target: int | None = None


@dataclass(frozen=True, slots=True)
class PingSent:
    """Progress, not a record: Pings have left; at most ten times a second."""

    url: str
    seq: int
    unanswered: int
    """Since the last one that was answered."""
    overdue: int
    target: int | None = None


@dataclass(frozen=True, slots=True)
class PingSuspended:
    """Progress, not a record: this process was stopped (Ctrl-Z) and goes on now."""

    url: str
    time: datetime
    """Within the time for which it was stopped."""
    target: int | None = None


@dataclass(frozen=True, slots=True)
class PingDialling:
    """Progress, not a record: with `--reconnect`, an attempt to connect while it is down."""

    url: str
    began: datetime
    """When it went down."""
    attempt: int
    """From 1."""
    why: str
    """What the attempt before came to, in a word: `refused`, `RST`."""
    target: int | None = None


@dataclass(frozen=True, slots=True)
class PingClosed:
    """Record `ping.closed`: the connection ended while pinging."""

    type: ClassVar[str] = "ping.closed"
    url: Url
    time: Time
    drop: Annotated[Drop, "How the connection ended"]
    idle_s: Annotated[
        float | None,
        "How long before its end the last Ping was sent or anything was received, in seconds",
    ] = optional()
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class PingOutage:
    """Record `ping.outage`: with `--reconnect`, a time without answers, from the end of a
    connection, or from the first Ping whose answer is overdue, to the next answer; also where the
    run ended before that."""

    type: ClassVar[str] = "ping.outage"
    url: Url
    began: Annotated[datetime, "When it began: RFC 3339 in UTC with microseconds"]
    down_s: Annotated[float, "How long it lasted, in seconds"]
    attempts: Annotated[
        int, "Attempts to connect, the successful one included; 0 where the connection lived on"
    ]
    drop: Annotated[
        Drop | None,
        "How the connection ended; null where the first could not be made, or where it lived on",
    ] = None
    errors: Annotated[dict[str, int], "Failed attempts, counted by `kind`"] = field(
        default_factory=dict
    )
    over: Annotated[bool, "False where the run ended while it was down"] = True
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class Attribution:
    """The median round trip split in two, and outliers by cause."""

    network_ms: Annotated[
        float | None,
        "The network's part of the median, in milliseconds; null through a proxy: the way on from "
        "there cannot be told from the endpoint",
    ]
    endpoint_ms: Annotated[
        float | None, "The endpoint's part of the median, in milliseconds; null likewise"
    ]
    causes: Annotated[dict[Cause, int], "Outliers counted by cause"] = field(default_factory=dict)
    explanation: Annotated[Sequence[str], "Sentences for people, the most important first"] = ()
    edge_ms: Annotated[
        float | None,
        "With `--http2`: the part of the median that ends at the first hop that speaks HTTP/2, in "
        "milliseconds",
    ] = optional()
    behind_edge_ms: Annotated[
        float | None, "With `--http2`: the part of the median behind that hop, in milliseconds"
    ] = optional()
    inbound_queue_ms: Annotated[
        float | None,
        "Where Pongs waited behind data that the endpoint was sending: that part of the median, in "
        "milliseconds",
    ] = optional()
    proxy_ms: Annotated[
        float | None, "Through a proxy: the part of the median that ends there, in milliseconds"
    ] = optional()
    behind_proxy_ms: Annotated[
        float | None,
        "Through a proxy: the part behind it, of the way on and the endpoint, in milliseconds",
    ] = optional()


@dataclass(frozen=True, slots=True)
class Http2RoundTrips:
    """Round trips of HTTP/2's own PING (`--http2`): to the first hop that speaks HTTP/2."""

    p50_ms: Annotated[float | None, "Median, in milliseconds; null without an answer"]
    p95_ms: Annotated[float | None, "95th percentile, in milliseconds; null without an answer"]
    answered: Annotated[int, "PINGs that were answered"] = 0


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
    download_p50_ms: Annotated[
        float | None, "With `--download`: median round trip meanwhile, in milliseconds"
    ] = optional()
    received_bytes: Annotated[int | None, "With `--download`: bytes received meanwhile"] = (
        optional()
    )
    idle_p95_ms: Annotated[float | None, "95th percentile without load, in milliseconds"] = (
        optional()
    )
    loaded_p95_ms: Annotated[float | None, "95th percentile under load, in milliseconds"] = (
        optional()
    )
    download_p95_ms: Annotated[
        float | None, "95th percentile during the download, in milliseconds"
    ] = optional()


@dataclass(frozen=True, slots=True)
class SlowReader:
    """What the endpoint did with a client that reads slowly (`--read-rate`)."""

    read_rate: Annotated[float, "How fast was read, in bytes a second"]
    read_bytes: Annotated[int, "How much was read, in bytes"]
    outcome: Annotated[
        Literal["waited", "dropped-messages", "closed", "not-slow"],
        "`waited`: it kept the connection, and nothing was seen to be left out; "
        "`dropped-messages`: numbers in its messages skip some; `closed`: it ended the connection; "
        "`not-slow`: it sent less than was read",
    ]
    after_s: Annotated[float, "When it closed; else how long it was watched, in seconds"]
    missing: Annotated[
        int | None, "Messages left out, by the numbers in them; null if they have none"
    ]
    queued_bytes_max: Annotated[
        int,
        "The most that stood before a Pong, in bytes: what was read meanwhile, or lay unread in "
        "our own receive queue when its Ping left",
    ]
    drop: Annotated[Drop | None, "How the connection ended"] = optional()
    explanation: Annotated[str, "The same in words"] = ""


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
    lost. `sent` is `received`, `lost`, `skipped` and `unanswered` together."""

    type: ClassVar[str] = "ping.summary"
    url: Url
    sent: Annotated[int, "Pings sent"]
    received: Annotated[int, "Pings answered in time"]
    lost: Annotated[int, "Pings not answered in time"]
    loss_pct: Annotated[
        float | None, "Lost and overdue Pings, in percent of those sent; null if none was sent"
    ]
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
    http2: Annotated[
        Http2RoundTrips | None, "With `--http2`: the round trips of HTTP/2's own PING"
    ] = optional()
    thresholds: Annotated[Sequence[Threshold], "The limits that were asked for"] = ()
    drops: Annotated[int, "Connections that ended by themselves"] = 0
    unmatched: Annotated[int, "Pongs and messages that answered none of our Pings"] = 0
    advice: Annotated[Sequence[str], "What to set or change, in sentences"] = ()
    partial: Annotated[bool, "True for statistics requested while the run goes on (SIGQUIT)"] = (
        False
    )
    skipped: Annotated[
        int, "Pings that a later one overtook before the endpoint had to answer (RFC 6455, 5.5.3)"
    ] = 0
    unanswered: Annotated[int, "Pings neither answered nor past the timeout (`-W`) at the end"] = 0
    overdue: Annotated[
        int,
        "Those of the unanswered that are overdue: later than 1 s, than ten times the p99, and "
        "than twice the interval; or overtaken by a Ping that left after the usual answer time",
    ] = 0
    oldest_unanswered_ms: Annotated[
        float | None, "Age of the oldest unanswered Ping, in milliseconds"
    ] = optional()
    inbound_bytes: Annotated[
        int | None, "Bytes that arrived while Pings were sent, Pongs included"
    ] = optional()
    slow_reader: Annotated[
        SlowReader | None, "With `--read-rate`: what the endpoint did with a slow reader"
    ] = optional()
    drop: Annotated[Drop | None, "How the last connection ended, unless wsdiag closed it"] = (
        optional()
    )
    outages: Annotated[int | None, "With `--reconnect`: times without answers"] = optional()
    down_s: Annotated[float | None, "How long these took together, in seconds"] = optional()
    longest_outage_s: Annotated[float | None, "The longest of them, in seconds"] = optional()
    availability_pct: Annotated[
        float | None, "The time that was no outage, in percent of the whole"
    ] = optional()
    stops: Stops = optional()
    stopped_s: StoppedSeconds = optional()
    target: Target = optional()


PingProgress = PingSent | PingSuspended | PingDialling | PingNotice
PingEvent = (
    PingStart
    | PingReply
    | PingLost
    | PingWaiting
    | PingResumed
    | PingClosed
    | PingOutage
    | PingSummary
    | PingProgress
    | Error
)
