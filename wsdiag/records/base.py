"""What the records of several commands share: phases, the end of a connection, an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from wsdiag.transport.report import ErrorKind as ErrorKind

SCHEMA_VERSION = "2.0"

Url = Annotated[str, "The endpoint as it was given, its credentials masked"]
Time = Annotated[datetime, "When it happened: RFC 3339 in UTC with microseconds"]
Target = Annotated[
    int | None, "In a run of several URLs: the URL's number on the command line, from 1"
]
AskedAgain = Annotated[
    str | None,
    "With `--http2` or `--http3`: why the request was sent once more, on a new connection: the "
    "server had done nothing with the first one (RFC 9113, 8.7; RFC 9114, 4.1.1)",
]

DropHow = Literal[
    "close", "fin", "rst", "tls-eof", "rst-stream", "goaway", "silent", "rst-on-write", "timeout"
]


def optional() -> Any:
    """A field whose None means "does not apply": the JSON record leaves it out."""
    return field(default=None, metadata={"omit_none": True})


def utc_now() -> datetime:
    """The wall clock, for `time` fields only; never for measuring."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase of one connection took. A phase that did not happen is absent."""

    dns_ms: Annotated[float | None, "Name resolution, in milliseconds (by our own clock)"] = (
        optional()
    )
    tcp_ms: Annotated[float | None, "The TCP handshake, in milliseconds"] = optional()
    proxy_ms: Annotated[float | None, "CONNECT or SOCKS, in milliseconds (by our own clock)"] = (
        optional()
    )
    tls_ms: Annotated[float | None, "The TLS handshake, in milliseconds"] = optional()
    upgrade_ms: Annotated[
        float | None,
        "From the upgrade request to the 101, or from the CONNECT to its answer, in milliseconds",
    ] = optional()
    ping_ms: Annotated[float | None, "The first Ping's round trip, in milliseconds"] = optional()
    close_ms: Annotated[float | None, "The closing handshake, in milliseconds"] = optional()
    total_ms: Annotated[float | None, "All phases together, in milliseconds"] = optional()
    quic_ms: Annotated[float | None, "With HTTP/3: the QUIC handshake, in milliseconds"] = (
        optional()
    )
    settings_ms: Annotated[
        float | None, "With HTTP/2 and 3: from our SETTINGS to the server's, in milliseconds"
    ] = optional()


@dataclass(frozen=True, slots=True)
class HelloInfo:
    """What was said right after the opening (`--hello`, `--dialect NAME`), and what came back."""

    sent: Annotated[bool, "Whether a hello was sent"]
    answer: Annotated[str | None, "The beginning of the answer; null if none came in time"] = None
    took_ms: Annotated[
        float | None, "From the hello to its answer, in milliseconds; null without one"
    ] = None


@dataclass(frozen=True, slots=True)
class DialectInfo:
    """The application protocol that the endpoint speaks."""

    name: Annotated[str, "Its name, as `--dialect` takes it"]
    by: Annotated[str, "What it was recognised by, or `--dialect`"]
    title: Annotated[str, "What people call it"] = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """A product that gave itself away in a response header."""

    product: Annotated[str, "The product's name"]
    evidence: Annotated[str, "The header line that gave it away"]


@dataclass(frozen=True, slots=True)
class OtherSender:
    """A packet that another machine sent than the one it claims to be from, by its hop limit."""

    hops: Annotated[int, "How many routers it passed"]
    usual_hops: Annotated[int, "How many the others pass that claim to be from the same machine"]


@dataclass(frozen=True, slots=True)
class Drop:
    """How and when a connection ended."""

    how: Annotated[
        DropHow,
        "`close`: a Close frame; `fin`: the end of TCP without one (or END_STREAM of HTTP/2); "
        "`rst`: a reset; `tls-eof`: the end of TCP without TLS close_notify, or a TLS error "
        "(`detail` begins with `TLS:`); `rst-stream`, "
        "`goaway`: those frames of HTTP/2; `silent`: nothing came, and a Ping got no Pong; "
        "`rst-on-write`: silent until written to, then a reset; `timeout`: TCP gave up",
    ]
    at_s: Annotated[float, "Time since the upgrade, in seconds"]
    tcp_acknowledged: Annotated[
        bool | None, "Whether TCP still acknowledged what we wrote; null if unknown"
    ] = None
    code: Annotated[
        int | None, "For `close`: the code (RFC 6455, 7.4); of HTTP/2: the error code (RFC 9113, 7)"
    ] = optional()
    reason: Annotated[str | None, "For `close`: the reason; of HTTP/2: the error code's name"] = (
        optional()
    )
    detail: Annotated[str | None, "Details for people"] = optional()
    sent_from: Annotated[
        OtherSender | None,
        "Where the packet came from that ended the connection, if not from where the peer's others "
        "do (CAP_NET_RAW)",
    ] = optional()
    last_message: Annotated[
        str | None, "The text message that came last before the end: its beginning"
    ] = optional()
    goaway_before_s: Annotated[
        float | None,
        "Over HTTP/2: how long before the end a GOAWAY came (RFC 9113, 6.8), in seconds",
    ] = optional()


@dataclass(frozen=True, slots=True)
class Error:
    """Record `error`: a failure as a diagnosis: the phase, what was seen (`message`), what to
    change (`hint`)."""

    type: ClassVar[str] = "error"
    url: Url
    phase: Annotated[str, "The phase of the connection"]
    kind: Annotated[ErrorKind, "What went wrong, for programs"]
    message: Annotated[str, "What went wrong, for people"]
    hint: Annotated[str | None, "What to change; null without a suggestion"] = None
    target: Target = optional()
