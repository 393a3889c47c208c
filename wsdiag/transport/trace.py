"""What a dial and a session tell a listener while they work: phases, headers, frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wsdiag.protocol.frames import Frame
from wsdiag.transport.stream.stamps import now

EXCERPT = 128

Phase = Literal["dns", "tcp", "proxy", "tls", "upgrade"]


@dataclass(frozen=True, slots=True)
class PhaseTraced:
    """A phase of the dial ended after `took_ms`; `detail` is what came of it, `ok` whether well."""

    mono_ns: int
    url: str
    phase: Phase
    took_ms: float
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HeadersTraced:
    """The head of an HTTP message as sent or received; `first_line` without its line end."""

    mono_ns: int
    url: str
    direction: Literal["sent", "received"]
    first_line: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FrameTraced:
    """A WebSocket frame; `excerpt` are its first bytes (unmasked), `length` counts all of them."""

    mono_ns: int
    url: str
    direction: Literal["sent", "received"]
    opcode: int
    fin: bool
    rsv: tuple[bool, bool, bool]
    masked: bool
    length: int
    excerpt: bytes


TraceEvent = PhaseTraced | HeadersTraced | FrameTraced
Tracer = Callable[[TraceEvent], None]


def frame_tracer(url: str, tracer: Tracer) -> Callable[[Literal["sent", "received"], Frame], None]:
    """A listener for `Connection(on_frame=…)` that reports to `tracer`."""

    def report(direction: Literal["sent", "received"], frame: Frame) -> None:
        tracer(
            FrameTraced(
                now().mono_ns,
                url,
                direction,
                int(frame.opcode),
                frame.fin,
                (frame.rsv1, frame.rsv2, frame.rsv3),
                frame.masked,
                len(frame.payload),
                frame.payload[:EXCERPT],
            )
        )

    return report
