"""What `stream` measures: the messages that an endpoint pushes, and the times without any."""

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
from wsdiag.records.ping import Clock, Threshold
from wsdiag.records.stops import StoppedSeconds, Stops

StreamEventKind = Literal["silence", "mute", "burst", "resumed", "gap", "outage"]
SilenceCause = Literal["network", "endpoint", "feed", "local"]
GapKind = Literal["missing", "repeated", "reordered", "restarted"]


@dataclass(frozen=True, slots=True)
class StreamStart:
    """Record `stream.start`: connected, and the hello (if any) was answered; one for each
    connection."""

    type: ClassVar[str] = "stream.start"
    url: Url
    time: Time
    address: Annotated[
        str | None, "`ip:port` that was connected to, or the Unix socket's path; null if unknown"
    ]
    phases: Annotated[Phases, "How long each phase of connecting took"]
    clock: Annotated[
        Clock, "Where arrivals are timestamped: by the kernel, or by wsdiag when it reads"
    ]
    extensions: Annotated[Sequence[str], "Extensions that were negotiated"] = ()
    reconnect: Annotated[int | None, "With `--reconnect`: the number of earlier connections"] = (
        optional()
    )
    proxy: Annotated[str | None, "The proxy's URL, its password masked"] = optional()
    hello: Annotated[
        HelloInfo | None, "With `--hello` or `--dialect NAME`: what was said after the opening"
    ] = optional()
    dialect: Annotated[
        DialectInfo | None, "The application protocol that was recognised, or asked for"
    ] = optional()
    target: Target = optional()
    asked_again: AskedAgain = optional()


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """Record `stream.message`: with `--show`, one message."""

    type: ClassVar[str] = "stream.message"
    url: Url
    number: Annotated[int, "Number of the message in this run, from 1"]
    time: Annotated[datetime, "When it was received: RFC 3339 in UTC with microseconds"]
    kind: Annotated[Literal["text", "binary"], "What kind of message it is"]
    bytes: Annotated[int, "Its size, decompressed"]
    text: Annotated[str | None, "A text message"] = optional()
    data: Annotated[str | None, "A binary message, in base64"] = optional()
    value: Annotated[str | None, "With `--field`: what stands there, as JSON"] = optional()
    key: Annotated[str | None, "With `--by`: its key"] = optional()
    seq: Annotated[int | None, "With `--seq`: its sequence number"] = optional()
    lag_ms: Annotated[
        float | None, "With `--time`: its age when it was received, in milliseconds"
    ] = optional()
    cut_bytes: Annotated[
        int | None, "Of a message over 1 MiB: bytes after its first MiB, which are not kept"
    ] = optional()
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class StreamInterval:
    """Record `stream.interval`: what came since the last one (`-i`)."""

    type: ClassVar[str] = "stream.interval"
    url: Url
    time: Time
    duration_s: Annotated[float, "Length of the interval, in seconds"]
    messages: Annotated[int, "Messages that came in it"]
    bytes: Annotated[int, "Their bytes, decompressed"]
    rate: Annotated[float, "Messages a second"]
    bytes_rate: Annotated[float, "Bytes a second"]
    longest_gap_s: Annotated[
        float | None, "The longest time without a message that ended in it, in seconds"
    ] = None
    silent_s: Annotated[float, "At its end: time since the last message, in seconds"] = 0.0
    rtt_ms: Annotated[
        float | None, "The latest Ping's round trip, in milliseconds; null if none was answered"
    ] = None
    lag_ms: Annotated[
        float | None, "With `--time`: the largest lag of its messages, in milliseconds"
    ] = optional()
    unread_bytes: Annotated[
        int | None, "Bytes in our own receive queue at its end; null if unknown"
    ] = None
    connected: Annotated[bool, "Whether there was a connection at its end"] = True
    keys: Annotated[
        dict[str, int] | None, "With `--by`: messages by key; those beyond the bound as `others`"
    ] = optional()
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Record `stream.event`: something about the messages that is worth a look.

    `silence`: no message for longer than is usual. `mute`: the same, while the connection is open
    and Pings are answered. `resumed`: the first message after a silence. `burst`: after a pause,
    messages at once that make up for it. `gap`: a sequence number that does not follow (`--seq`).
    `outage`: the connection was lost, and messages come again.
    """

    type: ClassVar[str] = "stream.event"
    url: Url
    time: Time
    event: Annotated[StreamEventKind, "What happened"]
    message: Annotated[str, "The same in words"]
    silent_s: Annotated[
        float | None,
        "For `silence`, `mute`, `resumed`, `burst`: time without a message, in seconds",
    ] = optional()
    usual_s: Annotated[
        float | None, "For `silence`, `mute`: the usual time between two messages (p99), in seconds"
    ] = optional()
    cause: Annotated[
        SilenceCause | None,
        "For `silence`, `mute`, `resumed`: `network`: Pings were late too, and TCP did not "
        "acknowledge; `endpoint`: Pings were late too, though TCP acknowledged them; `feed`: Pings "
        "were answered; `local`: wsdiag itself did not run",
    ] = optional()
    pings_answered: Annotated[
        int | None, "For `mute`: Pings that left since the last message and were answered"
    ] = optional()
    rtt_ms: Annotated[float | None, "For `mute`: the latest Ping's round trip, in milliseconds"] = (
        optional()
    )
    messages: Annotated[int | None, "For `burst`: how many came at once"] = optional()
    span_s: Annotated[float | None, "For `burst`: within which time, in seconds"] = optional()
    gap: Annotated[
        GapKind | None,
        "For `gap`: `missing`: numbers were left out; `repeated`: one came twice; `reordered`: one "
        "came later than its successor; `restarted`: numbers began anew",
    ] = optional()
    key: Annotated[str | None, "For `gap`, with `--by`: whose sequence it is"] = optional()
    expected: Annotated[int | None, "For `gap`: the number that was due"] = optional()
    got: Annotated[int | None, "For `gap`: the number that came"] = optional()
    missing: Annotated[int | None, "For `gap`: how many numbers were left out"] = optional()
    down_s: Annotated[
        float | None, "For `outage`: from the connection's end to the next message, in seconds"
    ] = optional()
    attempts: Annotated[int | None, "For `outage`: attempts to connect"] = optional()
    first_message_s: Annotated[
        float | None, "For `outage`: from the connection to its first message, in seconds"
    ] = optional()
    missed: Annotated[
        dict[str, int | None] | None,
        "For `outage`, with `--seq`: numbers missed by key (one without `--by`: the empty key); "
        "null where numbers began anew, so that it cannot be known",
    ] = optional()
    drop: Annotated[Drop | None, "For `outage`: how the connection ended"] = optional()
    over: Annotated[bool | None, "For `outage`: false where the run ended before it did"] = (
        optional()
    )
    target: Target = optional()


@dataclass(frozen=True, slots=True)
class Interarrival:
    """Times between two messages, in milliseconds to 1 %; null with fewer than two messages."""

    min_ms: Annotated[float | None, "The shortest, in milliseconds"]
    p50_ms: Annotated[float | None, "The median, in milliseconds"]
    p90_ms: Annotated[float | None, "90th percentile, in milliseconds"]
    p95_ms: Annotated[float | None, "95th percentile, in milliseconds"]
    p99_ms: Annotated[float | None, "99th percentile, in milliseconds"]
    max_ms: Annotated[float | None, "The longest, in milliseconds"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of messages in bytes, decompressed; percentiles to 1 %."""

    min: Annotated[float | None, "The smallest"]
    p50: Annotated[float | None, "The median"]
    p95: Annotated[float | None, "95th percentile"]
    max: Annotated[float | None, "The largest"]
    mean: Annotated[float | None, "The mean"]


@dataclass(frozen=True, slots=True)
class Gaps:
    """What became of sequence numbers (`--seq`)."""

    missing: Annotated[int, "Numbers that never came, those missed in outages included"] = 0
    gaps: Annotated[int, "Places where numbers were missing at first"] = 0
    repeated: Annotated[int, "Messages whose number had come before"] = 0
    reordered: Annotated[int, "Messages that came later than a higher number"] = 0
    restarts: Annotated[int, "How often numbers began anew"] = 0
    unnumbered: Annotated[
        int, "Messages without a sequence number, and those too large to be looked into"
    ] = 0
    compared: Annotated[
        int | None,
        "Numbers that had an earlier one of their key to follow; without any, nothing is known of "
        "gaps. Not for a single key",
    ] = optional()


@dataclass(frozen=True, slots=True)
class Lag:
    """Age of messages by their own time (`--time`), in milliseconds; the two clocks' difference
    is part of it."""

    min_ms: Annotated[
        float | None, "The smallest, in milliseconds; negative where their clock is ahead"
    ]
    p50_ms: Annotated[float | None, "The median, in milliseconds"]
    p95_ms: Annotated[float | None, "95th percentile, in milliseconds"]
    p99_ms: Annotated[float | None, "99th percentile, in milliseconds"]
    max_ms: Annotated[float | None, "The largest, in milliseconds"]
    unit: Annotated[str | None, "What the message's time was taken for: `s`, `ms`, `us`, `ns`, …"]
    untimed: Annotated[int, "Messages without a time that can be read"] = 0


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The messages of one key (`--by`)."""

    key: Annotated[str, "The key; `others`: all beyond the bound together"]
    messages: Annotated[int, "Messages"]
    bytes: Annotated[int, "Their bytes"]
    rate: Annotated[float, "Messages a second over the whole run"]
    longest_silence_s: Annotated[float | None, "Longest time without one, in seconds"] = None
    gaps: Annotated[Gaps | None, "With `--seq`: its sequence numbers, if any"] = optional()
    lag_p50_ms: Annotated[float | None, "With `--time`: median lag, in milliseconds"] = optional()
    lag_max_ms: Annotated[float | None, "With `--time`: largest lag, in milliseconds"] = optional()


@dataclass(frozen=True, slots=True)
class StreamPings:
    """The Pings that ran beside."""

    sent: Annotated[int, "Pings sent"] = 0
    answered: Annotated[int, "Pings answered"] = 0
    p50_ms: Annotated[float | None, "Median round trip, in milliseconds"] = None
    p95_ms: Annotated[float | None, "95th percentile, in milliseconds"] = None
    max_ms: Annotated[float | None, "Longest round trip, in milliseconds"] = None


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """Record `stream.summary`: everything together."""

    type: ClassVar[str] = "stream.summary"
    url: Url
    messages: Annotated[int, "Messages, without heartbeats and other control of a known dialect"]
    bytes: Annotated[int, "Their bytes, decompressed"]
    rate: Annotated[float | None, "Messages a second, over the whole run; null: no connection"]
    bytes_rate: Annotated[float | None, "Bytes a second, likewise"]
    duration_s: Annotated[float, "From the first connection to the end, in seconds"]
    text: Annotated[int, "Text messages"]
    binary: Annotated[int, "Binary messages"]
    not_json: Annotated[
        int | None, "Messages that are not JSON; where a path into JSON was asked for"
    ] = optional()
    too_large: Annotated[
        int | None,
        "Messages over 1 MiB, which are not looked into, where a path into JSON was asked for: "
        "they have no key, number or time here; absent without any",
    ] = optional()
    control: Annotated[
        int,
        "Messages that carry no data, not counted above: heartbeats and openings of a known "
        "dialect; of an unknown one those that name themselves heartbeats",
    ] = 0
    sizes: Annotated[Sizes | None, "Sizes of messages; null without any"] = None
    wire_bytes: Annotated[int | None, "Bytes received, with all headers, compressed, encrypted"] = (
        None
    )
    compression_ratio: Annotated[
        float | None, "Bytes after decompression by bytes before; where any was compressed"
    ] = optional()
    interarrival: Annotated[Interarrival | None, "Times between messages"] = None
    longest_silence_s: Annotated[
        float | None,
        "Longest time without a message, in seconds; outages and both ends of the run included",
    ] = None
    silences: Annotated[int, "Times without messages longer than is usual (`silence`)"] = 0
    mutes: Annotated[int, "Those with an open connection and answered Pings (`mute`)"] = 0
    bursts: Annotated[int, "Pauses that were made up for at once (`burst`)"] = 0
    causes: Annotated[dict[SilenceCause, int], "Silences counted by cause"] = field(
        default_factory=dict
    )
    gaps: Annotated[Gaps | None, "With `--seq`: sequence numbers"] = optional()
    lag: Annotated[Lag | None, "With `--time`: age of messages"] = optional()
    keys: Annotated[Sequence[KeyFigures] | None, "With `--by`: by key, most messages first"] = (
        optional()
    )
    suggested_by: Annotated[
        str | None,
        "With `--seq`, without `--by`: the path by which numbers follow each other that do not as "
        "a whole",
    ] = optional()
    pings: Annotated[StreamPings, "The Pings beside the messages"] = field(
        default_factory=StreamPings
    )
    unread_bytes_max: Annotated[
        int | None, "The most that was seen in our own receive queue, in bytes; null if unknown"
    ] = None
    too_slow_pct: Annotated[
        float | None,
        "How often, in percent of the times it was looked at, that queue was so full that wsdiag's "
        "own reading was the limit",
    ] = None
    drops: Annotated[int, "Connections that ended by themselves"] = 0
    drop: Annotated[Drop | None, "How the last connection ended by itself"] = optional()
    outages: Annotated[int | None, "With `--reconnect`: outages"] = optional()
    down_s: Annotated[float | None, "With `--reconnect`: their length together, in seconds"] = (
        optional()
    )
    thresholds: Annotated[Sequence[Threshold], "The limits that were asked for"] = ()
    explanation: Annotated[Sequence[str], "Sentences for people, the most important first"] = ()
    partial: Annotated[bool, "True for statistics requested while the run goes on (SIGQUIT)"] = (
        False
    )
    stops: Stops = optional()
    stopped_s: StoppedSeconds = optional()
    target: Target = optional()

    @property
    def numbered(self) -> int:
        """Messages with a sequence number that was checked."""
        return 0 if self.gaps is None else self.messages - self.gaps.unnumbered

    @property
    def compared(self) -> int:
        """Those that had an earlier one of their key to follow."""
        known = None if self.gaps is None else self.gaps.compared
        return self.numbered if known is None else known


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """Progress, not a record: what a view shows of this moment; four times a second."""

    url: str
    time: datetime
    messages: int
    """So far."""
    bytes: int
    connected: bool
    silent_s: float
    rtt_ms: float | None
    ping_waits_s: float | None
    """Age of the oldest unanswered Ping; None: all are answered."""
    summary: StreamSummary | None = None
    target: int | None = None


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """Progress, not a record: a connection ended; the outage or the summary tells of it."""

    url: str
    time: datetime
    drop: Drop
    target: int | None = None


@dataclass(frozen=True, slots=True)
class StreamDialling:
    """Progress, not a record: an attempt to connect while it is down."""

    url: str
    attempt: int
    why: str
    target: int | None = None


StreamRecord = (
    StreamStart
    | StreamMessage
    | StreamInterval
    | StreamEvent
    | StreamSummary
    | StreamProgress
    | StreamClosed
    | StreamDialling
    | Error
)
