"""What is known of one recorded connection, whichever kind of file it was recorded in.

Times are seconds; moments count from the connection's first packet, or from its opening handshake
where that is known (`opened_s`). "client" and "server" are the ends of the WebSocket connection;
None means "not recorded", never "none".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Side = Literal["client", "server"]
SIDES: tuple[Side, Side] = ("client", "server")
EndKind = Literal["fin", "rst", "end-stream", "rst-stream", "goaway"]
"""TCP's, and those of a stream of HTTP/2."""
END_WORDS: dict[str, str] = {
    "close": "Close frame",
    "fin": "FIN",
    "rst": "RST",
    "end-stream": "END_STREAM",
    "rst-stream": "RST_STREAM",
    "goaway": "GOAWAY",
}

ANSWER = "answer"
"""What an activity is that is a Pong with the payload of an earlier Ping of the other end; any
other `pong` was sent unasked (RFC 6455, 5.5.3)."""


@dataclass(slots=True)
class CloseSeen:
    """A Close frame: who sent it, when, and what it says."""

    by: Side
    at_s: float
    code: int | None
    reason: str


@dataclass(slots=True)
class PingSeen:
    """A Ping, and when its Pong came (None: none was seen)."""

    by: Side
    at_s: float
    answered_s: float | None = None


@dataclass(slots=True)
class TcpEnd:
    """A FIN or a RST, or what ends a stream of HTTP/2: from which side it seemed to come, when, and
    with which hop limit."""

    kind: EndKind
    by: Side
    at_s: float
    hop_limit: int | None = None
    code: int | None = None
    """HTTP/2's error code."""
    code_name: str | None = None


@dataclass(slots=True)
class TlsAlert:
    """A TLS alert: who sent it, when, and its name; `encrypted`: it could not be opened."""

    by: Side
    at_s: float
    name: str


@dataclass(slots=True)
class DirectionFacts:
    """What one end sent. Counts are of what was recorded."""

    bytes: int | None = None
    """Payload bytes of data frames as on the wire (compressed ones compressed)."""
    messages: int | None = None
    """Data frames that begin a message, complete or not."""
    largest_frame: int = 0
    """Payload bytes of its largest data frame, one that was cut short included."""
    last_frame: int = 0
    """The same of its last data frame."""
    unfinished: bool = False
    """Whether the recording ends, or TCP does, within its last data frame."""
    earlier_largest_frame: int = 0
    """The same of the largest one before that."""
    pings: int | None = None
    pongs: int | None = None
    tcp_bytes: int | None = None
    """Bytes of TCP payload, each counted once."""
    segments: int = 0
    first_byte_s: float | None = None
    last_byte_s: float | None = None
    """When the last byte after the opening handshake was sent."""
    longest_idle_s: float = 0.0
    """The longest time between two bytes of this direction."""
    retransmits: int = 0
    lost_bytes: int = 0
    """Bytes that the capture lacks although the other end acknowledged them."""
    missed: bool = False
    """The recording lacks bytes behind this direction's last frame that could be read."""
    missed_at_end: bool = False
    """The same when the connection ended: a Close frame may have been among them."""
    zero_windows: int = 0
    """How often this end closed its receive window: it did not read."""
    window_closed: bool = False
    """Whether it was closed at the end."""
    keepalive_probes: int = 0
    probes_unanswered: int = 0
    """Keepalive probes behind the last packet of the other end."""
    probing_since_s: float | None = None
    """When the first of these was sent."""
    hop_limits: dict[int, int] = field(default_factory=dict)
    """Hop limits (TTL) of its segments, and how often each was seen; RSTs not counted."""
    heard_s: float | None = None
    """When its last packet came."""
    unacknowledged_s: float | None = None
    """Since when its last bytes had been sent again without an acknowledgement, at the end."""
    syn_s: float | None = None
    first_seq: int | None = None
    """Its first byte's sequence number."""
    reached: int | None = None
    """How far its bytes reached, counted from its first one, in sequence numbers."""
    marks: list[tuple[int, float]] = field(default_factory=list)
    """(how far, wall clock) of its first segments: two captures of a flow are aligned by them."""
    first_message: str | None = None
    last_message: str | None = None
    """Its first and its last text message, cut to a few hundred characters."""


@dataclass(slots=True)
class ConnectionFacts:
    """One recorded connection."""

    source: str
    """The file, or `-`."""
    client_address: str | None = None
    server_address: str | None = None
    began: float | None = None
    """Wall clock of its first packet, seconds since 1970."""
    opened_s: float | None = None
    """When the 101 had come; None: no opening handshake was recorded."""
    ended_s: float | None = None
    """When the first sign of its end was seen; None: it was open when the recording ended."""
    recorded_s: float | None = None
    """How long it was watched: to its end, or to the end of the recording."""
    scheme: Literal["ws", "wss"] | None = None
    host: str | None = None
    path: str | None = None
    """The request target, its query included."""
    version: str | None = None
    """HTTP's version, as in `connect.result`."""
    status: int | None = None
    reason: str | None = None
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    subprotocol: str | None = None
    extensions: list[str] = field(default_factory=list)
    sent: DirectionFacts = field(default_factory=DirectionFacts)
    """By the client."""
    received: DirectionFacts = field(default_factory=DirectionFacts)
    """By the client: what the server sent."""
    closes: list[CloseSeen] = field(default_factory=list)
    """The first Close frame of each end, in the order of their coming."""
    ends: list[TcpEnd] = field(default_factory=list)
    """FINs and RSTs in the order of their coming, the first few."""
    open_pings: list[PingSeen] = field(default_factory=list)
    """Pings without an answer when the recording of this connection ended, the first few."""
    unanswered: dict[Side, int] = field(default_factory=dict)
    """How many Pings of each side got no answer."""
    rtts_ms: list[float] = field(default_factory=list)
    """Round trips of Pings, a bounded sample."""
    longest_idle_s: float | None = None
    """The longest time without a byte in either direction that the connection outlived."""
    idle_s: float | None = None
    """Since the last byte in either direction, at its end (or at the end of the recording)."""
    dead_after_s: float | None = None
    """How long it had been idle when the client sent bytes to which no answer came but a RST."""
    asked_s: float | None = None
    """When the client sent these bytes."""
    activity: list[tuple[float, Side, str]] = field(default_factory=list)
    """(moment, who, what) for a timeline: `text`, `ping`, `close`…, and ANSWER; a bounded
    sample."""
    violations: list[str] = field(default_factory=list)
    """Rules of RFC 6455 or 7692 that an end broke, with the section."""
    prompted: str | None = None
    """What the other end had sent right before the first sign of the end, unreadable: a Close frame
    perhaps, so that the end is an answer."""
    forwarded: str | None = None
    """A request header that proxies add: what the server calls its client is then a proxy."""
    behind: ConnectionFacts | None = None
    """The same connection behind all proxies that were recorded, where it was ended from there:
    none of these did it."""
    notes: list[str] = field(default_factory=list)
    """What was not readable, and why."""
    encrypted: bool = False
    """TLS that could not be decrypted: perhaps a WebSocket, perhaps not."""
    joined: bool = False
    """The recording began in the middle: no opening handshake, but the bytes parse as frames."""
    roles_known: bool = True
    """False: neither the bytes, nor a SYN, nor the ports tell which end is the client."""
    tls: dict[str, str] = field(default_factory=dict)
    """For TLS: `version`, `cipher`, `sni`, `alpn`, where the handshake was recorded."""
    alerts: list[TlsAlert] = field(default_factory=list)
    """TLS alerts in the order of their coming, the first few; `close_notify` is the usual one."""
    ends_shown: bool = True
    """Whether the recording would show a FIN or a RST; a HAR file does not."""
    shown: list[tuple[float, Side, str]] = field(default_factory=list)
    """(moment, who, text) of its first messages, where payloads are to be shown."""
    log_flags: str | None = None
    """An access log's own word for the end (HAProxy's termination state, Envoy's flags)."""
    log_words: str | None = None
    """What that word means."""

    def closed(self, close: CloseSeen) -> None:
        """A Close frame was seen: the first of each end is what counts (RFC 6455, 5.5.1)."""
        if all(each.by != close.by for each in self.closes):
            self.closes.append(close)
