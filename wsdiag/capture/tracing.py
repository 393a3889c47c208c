"""A recorded connection's handshake and frames as the events that `-v` and `--trace` show."""

from __future__ import annotations

from datetime import UTC, datetime

from wsdiag.capture.flow import Flow, address_of
from wsdiag.capture.frames import CapturedFrame
from wsdiag.capture.http import Head
from wsdiag.judgement.recorded.facts import ConnectionFacts, Side
from wsdiag.judgement.recorded.report import recorded_url
from wsdiag.protocol.codes import Opcode
from wsdiag.transport.trace import EXCERPT, Direction, FrameTraced, HeadersTraced, Tracer

_LATEST_NS = 250_000_000_000 * 10**9  # a capture's clock may say anything; datetime ends in 9999


class Tracing:
    """One connection's events. `client`: which end of the flow it is; `show`: payloads."""

    def __init__(self, tracer: Tracer, flow: Flow, facts: ConnectionFacts, *, show: bool) -> None:
        self._tracer, self._flow, self._facts, self._show = tracer, flow, facts, show
        self.client = 0
        self._traced_as = ""

    def heads(self, request: Head | None, head: Head, time_ns: int) -> None:
        """The handshake that opened it."""
        heads: tuple[tuple[Direction, Head | None], ...] = (("sent", request), ("received", head))
        for direction, each in heads:
            if each is not None:
                event = HeadersTraced(
                    self._name(),
                    _moment(time_ns),
                    direction,
                    " ".join(each.first).strip(),
                    tuple(each.headers),
                )
                self._tracer(event)

    def _name(self) -> str:
        """The endpoint, and the client's address as a fragment: connections are told apart."""
        if not self._traced_as:
            ends = self._flow.ends
            self._facts.server_address = address_of(ends[1 - self.client])
            self._traced_as = f"{recorded_url(self._facts)}#{address_of(ends[self.client])}"
        return self._traced_as

    def frame(self, who: Side, frame: CapturedFrame) -> None:
        """One frame."""
        bits, payload = frame.rsv, frame.payload or b""
        shown = self._show or frame.opcode == Opcode.CLOSE
        event = FrameTraced(
            self._name(),
            _moment(frame.time_ns),
            "sent" if who == "client" else "received",
            frame.opcode,
            frame.fin,
            (bits & 4 > 0, bits & 2 > 0, bits & 1 > 0),
            frame.masked,
            frame.length,
            payload[:EXCERPT] if shown else b"",
        )
        self._tracer(event)


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(min(time_ns, _LATEST_NS) / 1e9, UTC)
