"""One open WebSocket connection of the server: echoes, and does what its faults say."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wsdiag.protocol.closing import cut_reason
from wsdiag.protocol.codes import Opcode, Role, is_sendable
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, TextMessage, Violation
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.fault import Fault, overrides
from wsdiag.server.link import Link
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.server.server import Server

CLOSE_TIMEOUT_S = 5.0
LINGER_S = 2.0


class Peer(Link):
    """A client behind its opening handshake. `deliver` answers messages: here, an echo."""

    __slots__ = ("_receivers", "_timer", "closed_by", "connection", "messages_in", "messages_out")

    auto_pong = True

    def __init__(
        self, server: Server, number: int, stream: Stream, deflate: PerMessageDeflate | None
    ) -> None:
        super().__init__(server, number, stream)
        self.connection = Connection(
            Role.SERVER, deflate=deflate, max_message_size=server.options.max_message_size
        )
        self.messages_in = self.messages_out = 0
        self.closed_by = ""
        self._timer: TimerHandle | None = None
        self._receivers: tuple[Callable[[Peer, Event], bool], ...] = ()

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Work under these faults; the connection is open, so their `opened` runs."""
        self.connection.auto_pong = self.auto_pong and all(f.auto_pong for f in faults)
        self.connection.auto_close = all(f.auto_close for f in faults)
        self._receivers = tuple(f.received for f in faults if overrides(f, "received"))
        super().set_faults(faults)
        for fault in self.faults:
            fault.opened(self)
        self.flush()

    # -- in ------------------------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the client: events, their answers, then one write for all of them."""
        if self.over:
            self._late(data)
            return
        if self._touched:
            self.arrived(len(data))
        for event in self.connection.receive_data(data):
            self._handle(event)
        self.flush()

    def _late(self, data: bytes) -> None:
        # after the closing handshake bytes are read and dropped, so that FIN follows, not RST
        if self.armed:
            self.stream.reset()

    def _handle(self, event: Event) -> None:
        for received in self._receivers:
            if received(self, event):
                return
        kind = type(event)
        if kind is TextMessage or kind is BinaryMessage:
            self.messages_in += 1
            if self.connection.close_sent is None:
                try:
                    self.deliver(event)
                except LocalProtocolError:
                    pass  # a fault is in the middle of a message of its own
        elif kind is Close:
            self._closed_by_client(event)
        elif kind is Violation:
            self._violated(event)
        else:
            self.control(event)

    def deliver(self, event: Event) -> None:
        """Answer a message."""
        if isinstance(event, TextMessage):
            self.connection.send_text(event.text)
        elif isinstance(event, BinaryMessage):
            self.connection.send_binary(event.data)
        self.messages_out += 1

    def control(self, event: Event) -> None:
        """A Ping (answered already) or a Pong came."""

    def flush(self) -> None:
        """Send what the connection has queued."""
        self.send(self.connection.data_to_send())

    def answer_ping(self, payload: bytes) -> None:
        """Queue a Pong, whoever asked for it."""
        if self.is_open:
            self.connection.pong(payload)

    def say(self, text: str) -> None:
        """Send a text message now."""
        if self.is_open:
            self.connection.send_text(text)
            self.messages_out += 1
            self.flush()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        connection = self.connection
        return not self.over and connection.close_sent is None and connection.violation is None

    # -- endings -------------------------------------------------------------------------------

    def _closed_by_client(self, event: Event) -> None:
        self.closed_by = self.closed_by or "client"
        # The answer to a Close leaves behind the echoes of the messages before it.
        self.flush()
        self.client_closing(event)
        if self.connection.auto_close or self.connection.close_sent is not None:
            self.finish()

    def client_closing(self, event: Event) -> None:
        """The client's Close came."""

    def _violated(self, event: Event) -> None:
        assert isinstance(event, Violation)
        self.closed_by = "violation"
        self.emit("violation", message=event.error.message, section=event.error.section)
        self.finish()

    def close(self, code: int | None, reason: str) -> None:
        """Send a Close, then wait for the client's, for a bounded time (RFC 6455, 7.1.2)."""
        if not self.is_open:
            return
        self.closed_by = self.closed_by or "server"
        if code is None or is_sendable(code):
            self.connection.close(code, reason if code is not None else "")
            self.flush()
            self._arm(CLOSE_TIMEOUT_S, self.finish)
        else:
            payload = code.to_bytes(2, "big") + cut_reason(reason)
            self.send(encode_frame(Opcode.CLOSE, payload))
            self.finish()

    def finish(self) -> None:
        """Behind all that waits to leave, end TCP first, as a server should (7.1.1)."""
        if self.over:
            return
        self.flush()
        out, self.over = self.out, True
        out.end(self._fin)

    def _fin(self) -> None:
        self.end_faults()
        self.stream.half_close()
        self.stream.resume_reading()
        self._arm(LINGER_S, self.stream.close)

    def _arm(self, delay: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(delay, action)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client's stream is over: note how, and let go of the connection."""
        if self.armed and end.how != "local":
            self.stream.reset()
            return
        self.over = True
        self.end_faults()
        if self._timer is not None:
            self._timer.cancel()
        self.stream.close()
        self.gone(end)

    def gone(self, end: StreamEnd) -> None:
        """Report the end, with the connection's figures."""
        self.server.gone(self)
        code, reason = self.connection.close_received or (None, "")
        clean = self.connection.close_sent is not None and code is not None
        if self.closed_by in ("server", "upstream") and self.connection.close_sent is not None:
            reason = self.connection.close_sent[1]  # the answer repeats the code only (5.5.1)
        self.emit(
            "close",
            how=self.dropped or ("close" if self.connection.close_received else end.how),
            by=self.closed_by or ("server" if end.how == "local" else "client"),
            clean=clean or bool(self.connection.close_sent and self.connection.close_received),
            code=code,
            reason=reason,
            duration_s=round(self.loop.time() - self.started_at, 3),
            messages_in=self.messages_in,
            messages_out=self.messages_out,
            bytes_in=self.stream.bytes_in,
            bytes_out=self.stream.bytes_out,
        )

    def stop(self) -> None:
        """The server goes away (1001)."""
        if self.is_open:
            self.close(1001, "server shuts down")
        elif self.dropped in ("silent", "hang"):
            self.let_go(self.stream)
        elif self.over:
            self.stream.close()
