"""What a dial and a session tell a listener while they work: phases, headers, frames.

An event is the record that `--trace` writes and `-v` prints, so its fields are described for the
JSON Schema here. Times come from one reading of both clocks at import: events are as far apart as
the monotonic clock says, whatever happens to the wall clock during a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic_ns, time_ns
from typing import Annotated, ClassVar, Literal

from wsdiag.credentials import Credential
from wsdiag.protocol.frames import Frame
from wsdiag.transport.stream.stamps import Arrival

EXCERPT = 128

Phase = Literal["dns", "tcp", "proxy", "tls", "quic", "settings", "upgrade"]
Url = Annotated[str, "The endpoint as it was given, its credentials masked"]
Time = Annotated[datetime, "When it happened: RFC 3339 in UTC with microseconds"]
Direction = Annotated[Literal["sent", "received"], "`sent` by wsdiag, or `received`"]
Target = Annotated[
    int | None, "In a run of several URLs: the URL's number on the command line, from 1"
]

_OFFSET_NS = time_ns() - monotonic_ns()


def trace_time(mono_ns: int | None = None) -> datetime:
    """A moment on the axis of `time.monotonic_ns()`, by default now, as a date in UTC."""
    return datetime.fromtimestamp(((mono_ns or monotonic_ns()) + _OFFSET_NS) / 1e9, UTC)


@dataclass(frozen=True, slots=True)
class PhaseTraced:
    """Record `trace.phase`: a phase of connecting has ended."""

    type: ClassVar[str] = "trace.phase"
    url: Url
    time: Time
    phase: Annotated[Phase, "The phase of the connection"]
    took_ms: Annotated[float, "How long it took, in milliseconds"]
    ok: Annotated[bool, "Whether the phase succeeded"]
    detail: Annotated[str, "What came of it: an address, a TLS version, an error"] = ""
    target: Target = field(default=None, metadata={"omit_none": True})


@dataclass(frozen=True, slots=True)
class HeadersTraced:
    """Record `trace.headers`: the head of an HTTP request or response."""

    type: ClassVar[str] = "trace.headers"
    url: Url
    time: Time
    direction: Direction
    first_line: Annotated[str, "Request line or status line"]
    headers: Annotated[
        tuple[tuple[str, str], ...], "Pairs of name and value in the order sent, credentials masked"
    ]
    target: Target = field(default=None, metadata={"omit_none": True})


@dataclass(frozen=True, slots=True)
class FrameTraced:
    """Record `trace.frame`: one WebSocket frame (RFC 6455, 5.2)."""

    type: ClassVar[str] = "trace.frame"
    url: Url
    time: Time
    direction: Direction
    opcode: Annotated[int, "RFC 6455, 5.2: 1 text, 2 binary, 8 Close, 9 Ping, 10 Pong"]
    fin: Annotated[bool, "Whether it is the last frame of its message"]
    rsv: Annotated[tuple[bool, bool, bool], "The reserved bits RSV1, RSV2, RSV3"]
    masked: Annotated[bool, "Whether the payload was masked"]
    length: Annotated[int, "Length of the payload, in bytes"]
    excerpt: Annotated[
        bytes,
        "The first bytes of the payload, unmasked; bytes that are not UTF-8 appear as `\\xff`",
    ]
    target: Target = field(default=None, metadata={"omit_none": True})


TraceEvent = PhaseTraced | HeadersTraced | FrameTraced
Tracer = Callable[[TraceEvent], None]


def numbered(tracer: Tracer | None, target: int | None) -> Tracer | None:
    """`tracer` with this URL's number in each event: masked URLs may be equal. None: one URL."""
    if tracer is None or target is None:
        return tracer
    return lambda event: tracer(replace(event, target=target))


class FrameTracer:
    """A listener for `Connection(on_frame=…)` that reports to `tracer`.

    A frame that is received has the time at which its last byte came, by the kernel where it tells.
    `hide()` what carries a credential: a prefix of one is no longer recognised as one.
    """

    def __init__(self, url: str, tracer: Tracer) -> None:
        self._url, self._tracer = url, tracer
        self._arrived_ns: int | None = None
        self._hidden: list[bytes] = []

    def arrived(self, at: Arrival) -> None:
        """Bytes came whose frames are reported next."""
        self._arrived_ns = at.kernel_ns or at.mono_ns

    def hide(self, secret: bytes) -> None:
        """Mask frames with this payload, or with it in them, from here on."""
        self._hidden.append(secret)

    def __call__(self, direction: Literal["sent", "received"], frame: Frame) -> None:
        """Report a frame."""
        excerpt = frame.payload[:EXCERPT]
        # what is compressed may hold it as well, and cannot be looked into
        if self._hidden and (frame.rsv1 or any(each in frame.payload for each in self._hidden)):
            excerpt = Credential(excerpt)
        self._tracer(
            FrameTraced(
                self._url,
                trace_time(self._arrived_ns if direction == "received" else None),
                direction,
                int(frame.opcode),
                frame.fin,
                (frame.rsv1, frame.rsv2, frame.rsv3),
                frame.masked,
                len(frame.payload) + frame.dropped,
                excerpt,
            )
        )
