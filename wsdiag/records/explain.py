"""What `explain` says of recorded traffic: each connection, and what connections have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import Drop, Error, optional
from wsdiag.records.connect import HttpInfo
from wsdiag.records.idle import Candidate, Range, Verdict

RecordedOutcome = Literal[
    "close",
    "idle-timeout",
    "lifetime",
    "application-timeout",
    "event",
    "pong-timeout",
    "size-limit",
    "protocol-error",
    "injected-reset",
    "client-gone",
    "silent",
    "open",
    "unknown",
]
EndedBy = Literal["client", "server", "middlebox", "unknown"]
RecordedUrl = Annotated[str, "The endpoint as far as it was recorded, tokens in it masked"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many in each direction; null where the recording does not show it."""

    sent: Annotated[int | None, "By the client"] = None
    received: Annotated[int | None, "By the client: what the server sent"] = None


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round trips of Pings as the recording shows them, whoever sent them."""

    count: Annotated[int, "How many were answered"]
    p50_ms: Annotated[float, "Median, in milliseconds"]
    max_ms: Annotated[float, "Longest, in milliseconds"]


@dataclass(frozen=True, slots=True)
class ExplainConnection:
    """Record `explain.connection`: one recorded connection, and who ended it."""

    type: ClassVar[str] = "explain.connection"
    url: RecordedUrl
    source: Annotated[str, "The file it was read from; `-`: stdin"]
    number: Annotated[int, "Number of the connection in the run, from 1"]
    outcome: Annotated[RecordedOutcome, "How it ended"]
    ended_by: Annotated[EndedBy, "Who ended it, as far as the evidence carries"]
    client: Annotated[str | None, "The client's address and port"] = None
    server: Annotated[str | None, "The server's address and port, as the recording shows it"] = None
    time: Annotated[str | None, "When it began: RFC 3339 in UTC with microseconds"] = None
    http: Annotated[HttpInfo | None, "The answer to the upgrade; null: not recorded"] = None
    subprotocol: Annotated[str | None, "The subprotocol that was chosen"] = None
    extensions: Annotated[Sequence[str], "The extensions that were agreed on"] = ()
    age_s: Annotated[
        float | None, "From its opening (or its first packet) to its end, in seconds"
    ] = None
    idle_s: Annotated[
        float | None, "Time since the last byte in either direction, at its end, in seconds"
    ] = None
    since_sent_s: Annotated[
        float | None, "Time since the client last sent a byte, at its end, in seconds"
    ] = None
    since_received_s: Annotated[
        float | None, "Time since the server last sent a byte, at its end, in seconds"
    ] = None
    longest_idle_s: Annotated[
        float | None, "Longest time without a byte that it outlived, in seconds"
    ] = None
    messages: Annotated[
        Counts, "Data frames that begin a message, complete or not; null: not readable"
    ] = Counts()
    bytes: Annotated[Counts, "Payload bytes of data frames, as on the wire"] = Counts()
    pings: Annotated[Counts, "Pings"] = Counts()
    unanswered_pings: Annotated[Counts, "Pings without a Pong"] = Counts()
    round_trips: Annotated[RoundTrips | None, "Round trips of Pings"] = optional()
    retransmits: Annotated[Counts, "TCP segments that were sent again"] = Counts()
    zero_windows: Annotated[
        Counts, "How often the receive window was closed: by the client, by the server"
    ] = Counts()
    lost_bytes: Annotated[Counts, "Bytes that the recording lacks"] = Counts()
    drop: Annotated[Drop | None, "How it ended, as in `idle.trial`; null: it did not"] = None
    violations: Annotated[Sequence[str], "Rules of the RFCs that an end broke"] = ()
    encrypted: Annotated[bool, "TLS that was not decrypted: perhaps a WebSocket"] = False
    joined: Annotated[bool, "The recording began in the middle of it"] = False
    evidence: Annotated[Sequence[str], "What the outcome rests on, in sentences"] = ()
    notes: Annotated[Sequence[str], "What could not be read, and why"] = ()
    opened_s: Annotated[
        float | None, "From its first packet to the 101, in seconds; null: not recorded"
    ] = None
    activity: Annotated[
        Sequence[tuple[float, Literal["sent", "received"], str]],
        "A sample of its frames: seconds since the opening, by the client's view `sent` or "
        "`received`, and `text`, `ping`, `close`…",
    ] = ()
    shown: Annotated[
        Sequence[tuple[float, Literal["sent", "received"], str]] | None,
        "With `--show`: payloads of its first messages, each cut to a few hundred characters",
    ] = optional()


@dataclass(frozen=True, slots=True)
class ExplainVerdict:
    """Record `explain.verdict`: what the connections to one endpoint have in common."""

    type: ClassVar[str] = "explain.verdict"
    url: RecordedUrl
    source: Annotated[str, "The files they were read from"]
    connections: Annotated[int, "How many connections were recorded"]
    outcomes: Annotated[Mapping[str, int], "How they ended, counted"]
    verdict: Annotated[Verdict | None, "As in `idle.verdict`; null: their ends support none"] = None
    idle_timeout_s: Annotated[
        Range | None, "Between which idle times connections were dropped, in seconds"
    ] = None
    lifetime_s: Annotated[
        Range | None, "For `lifetime`: the age at which they ended, in seconds"
    ] = optional()
    application_timeout_s: Annotated[
        Range | None,
        "For `application-timeout`: after what time they ended, in seconds, from the endpoint's "
        "unanswered message, or from the opening where it wanted a first one",
    ] = optional()
    drop: Annotated[Drop | None, "How those connections ended"] = None
    recommended_ping_interval_s: Annotated[
        float | None, "A Ping this often is safe, in seconds; null: none is needed, or helps"
    ] = None
    candidates: Annotated[
        Sequence[Candidate], "Products whose known default fits; candidates, no culprits"
    ] = ()
    explanation: Annotated[Sequence[str], "The answer in one sentence, then the evidence"] = ()
    advice: Annotated[Sequence[str], "What to set"] = ()


@dataclass(frozen=True, slots=True)
class ExplainSource:
    """Not a record: what a source held beside WebSocket connections, and where it broke."""

    source: str
    kind: str
    """What it is: `pcap`, `HAR file`…"""
    packets: int = 0
    plain_http: int = 0
    refused: int = 0
    other: int = 0
    unreadable: int = 0
    notes: Sequence[str] = ()
    broken: str | None = None
    """Where it could not be read any further, and why."""


ExplainEvent = ExplainConnection | ExplainVerdict | ExplainSource | Error
