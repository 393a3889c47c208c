"""One open WebSocket connection of the server: echoes, and does what its faults say.

The closing handshake (RFC 6455, 7) has a side that starts it and one that answers. Started by the
client: the protocol answers its Close by itself (`auto_close`), after the echoes of the messages
before, and we end TCP first (7.1.1). Started by us (`close`): the Close goes out, and the client
has five seconds for its answer. Either way ends in `finish`: FIN after everything that still waits
in the filters, then two seconds in which bytes are read and dropped, so that the client reads our
FIN and no RST.
"""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from typing import Any

from wsdiag.protocol.closing import cut_reason
from wsdiag.protocol.codes import Opcode, Role, is_sendable
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, TextMessage, Violation
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.connection.channel import ConnectionOwner, ServerChannel
from wsdiag.server.fault import Fault
from wsdiag.server.faults.pushes import DOWNLOAD_MARK, Flood
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.ends import StreamEnd

CLOSE_TIMEOUT_S = 5.0
LINGER_S = 2.0
_MESSAGES = (TextMessage, BinaryMessage)


class _MutableConnection(Connection):
    """A connection that may be mute: messages are dropped before they are compressed."""

    muted = False

    def send_text(
        self, text: str | bytes, *, fin: bool = True, compress: bool | None = None
    ) -> None:
        if not self.muted:
            super().send_text(text, fin=fin, compress=compress)

    def send_binary(self, data: bytes, *, fin: bool = True, compress: bool | None = None) -> None:
        if not self.muted:
            super().send_binary(data, fin=fin, compress=compress)

    def send_continuation(self, data: str | bytes, fin: bool = True) -> None:
        if not self.muted:
            super().send_continuation(data, fin)


class ClientConnection(ServerChannel):
    """A client after its opening handshake. `deliver` answers messages: here, with an echo."""

    __slots__ = (
        "_flood",
        "_held",
        "_mutable",
        "_received",
        "_timer",
        "closed_by",
        "connection",
        "messages_in",
        "messages_out",
    )

    auto_pong = True

    def __init__(
        self,
        owner: ConnectionOwner,
        number: int,
        stream: ByteStream,
        deflate: PerMessageDeflate | None,
    ) -> None:
        super().__init__(owner, number, stream)
        self._mutable = _MutableConnection(
            Role.SERVER, deflate=deflate, max_message_size=owner.options.max_message_size
        )
        self.connection: Connection = self._mutable
        self.messages_in = self.messages_out = self._held = 0
        self.closed_by = ""
        self._flood: Flood | None = None
        self._timer: TimerHandle | None = None
        self._received: tuple[Callable[[ClientConnection, Event], bool], ...] = ()

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Work under these faults; the connection is open, so their `opened` runs."""
        self.connection.auto_pong = self.auto_pong and all(f.auto_pong for f in faults)
        self.connection.auto_close = True
        self._received = tuple(f.received for f in faults if f.overrides("received"))
        super().set_faults(faults)
        for fault in self.faults:
            fault.opened(self)
        self.flush()

    def server_stats(self) -> dict[str, Any]:
        """The server's figures, as JSON values."""
        return self.owner.stats()

    # -- messages ------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the client: events, their answers, then one write for all of them."""
        for event in self.connection.receive_data(data):
            self._handle(event)
        self.flush()
        if self.connection.held_bytes != self._held:
            self._hold(self.connection.held_bytes)

    def _hold(self, size: int) -> None:
        """Account for an unfinished message; all of them share one budget."""
        change, self._held = size - self._held, size
        if not self.owner.hold(change) and change > 0 and self.is_open:
            message = "unfinished messages of all clients have used up the memory for them"
            self.emit("over-budget", message=message, held_bytes=size)
            self.close(1013, "too much unfinished at once, try again later")
            self.connection.discard_unfinished()
            self.owner.hold(-size)
            self._held = 0
            self.finish()

    def _handle(self, event: Event) -> None:
        if isinstance(event, _MESSAGES):
            self.messages_in += 1
        for received in self._received:
            if received(self, event):
                return
        if isinstance(event, _MESSAGES):
            if self.connection.close_sent is None:
                try:
                    self.deliver(event)
                except LocalProtocolError:
                    pass  # a fault is in the middle of a message of its own
        elif isinstance(event, Close):
            self._close_received(event)
        elif isinstance(event, Violation):
            self.closed_by = "violation"
            self.emit("violation", message=event.error.message, section=event.error.section)
            self.finish()
        else:
            self.control_received(event)

    def deliver(self, message: TextMessage | BinaryMessage) -> None:
        """Answer a message; the one by which `ping --download` asks for data begins or ends it."""
        if isinstance(message, TextMessage) and message.text.startswith(DOWNLOAD_MARK):
            self._download(message.text.removeprefix(DOWNLOAD_MARK))
            return
        if isinstance(message, TextMessage):
            self.connection.send_text(message.text)
        else:
            self.connection.send_binary(message.data)
        self.messages_out += 1

    def _download(self, rate: str) -> None:
        """Send data at this rate (bytes a second, or `max`) until 0 is asked for."""
        if self._flood is not None:
            self._flood.ended()
            self._flood = None
        if rate == "max" or (rate.isascii() and rate.isdigit() and int(rate[:15]) > 0):
            self._flood = Flood(rate=None if rate == "max" else int(rate[:15]))
            self._flood.opened(self)

    def control_received(self, event: Event) -> None:
        """A Ping (answered already) or a Pong came."""

    def flush(self) -> None:
        """Send what the connection has queued."""
        self.send(self.connection.data_to_send())

    def set_muted(self, muted: bool) -> None:
        """Whether messages are dropped from here on; control frames are sent all the same."""
        self._mutable.muted = muted

    def send_pong(self, payload: bytes) -> None:
        """Queue a Pong, if the connection is open."""
        if self.is_open:
            self.connection.pong(payload)

    def send_text(self, text: str) -> None:
        """Send a text message now, if the connection is open."""
        if self.is_open:
            self.connection.send_text(text)
            self.messages_out += 1
            self.flush()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        connection = self.connection
        return not self.finished and connection.close_sent is None and connection.violation is None

    # -- endings -------------------------------------------------------------------------------

    def _close_received(self, close: Close) -> None:
        self.closed_by = self.closed_by or "client"
        # The answer to a Close must follow the echoes of the messages before it.
        self.flush()
        self.client_closing(close)
        if self.connection.auto_close or self.connection.close_sent is not None:
            self.finish()

    def client_closing(self, close: Close) -> None:
        """The client's Close came."""

    def close(self, code: int | None, reason: str) -> None:
        """Send a Close, then wait for the client's, for a bounded time (RFC 6455, 7.1.2)."""
        if not self.is_open:
            return
        self.closed_by = self.closed_by or "server"
        if code is None or is_sendable(code):
            self.connection.close(code, reason if code is not None else "")
            self.flush()
            self._set_timer(CLOSE_TIMEOUT_S, self.finish)
        else:
            payload = code.to_bytes(2, "big") + cut_reason(reason)
            self.send(encode_frame(Opcode.CLOSE, payload))
            self.finish()

    def finish(self) -> None:
        """End TCP, after all that waits to leave."""
        if self.finished:
            return
        self.flush()
        self.finished = True
        self.out.write(self._end_by_fin)

    def _end_by_fin(self) -> None:
        self.end_faults()
        self.stream.half_close()
        self.stream.resume_reading()
        self._set_timer(LINGER_S, self.stream.close)

    def _set_timer(self, delay: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(delay, action)

    def client_ended(self, end: StreamEnd) -> None:
        """Take the connection down, and report it with its figures."""
        self.finished = True
        self.end_faults()
        self._download("0")
        self._hold(0)
        if self._timer is not None:
            self._timer.cancel()
        self.stream.close()
        self.owner.on_closed(self)
        sent, received = self.connection.close_sent, self.connection.close_received
        code, reason = received or (None, "")
        if self.closed_by in ("server", "upstream") and sent is not None:
            reason = sent[1]  # the answer repeats the code only (5.5.1)
        self.emit(
            "close",
            how=self.dropped or ("close" if received else end.how),
            by=self.closed_by or ("server" if end.how == "local" else "client"),
            clean=sent is not None and received is not None,
            code=code,
            reason=reason,
            duration_s=round(self.loop.time() - self.started_at, 3),
            messages_in=self.messages_in,
            messages_out=self.messages_out,
            bytes_in=self.stream.bytes_in,
            bytes_out=self.stream.bytes_out,
        )

    def stop(self) -> None:
        """The server stops (1001)."""
        if self.is_open:
            self.close(1001, "server shuts down")
        elif self.finished:
            super().stop()
