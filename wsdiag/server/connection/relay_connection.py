"""A relay of messages: a client's connection on one side, a real endpoint's on the other.

Each side is a whole WebSocket connection with a closing handshake of its own, and compression
agreed on its own; messages, Pings, Pongs and closes are carried over. Pings are not answered here
but by the far side, so that faults and round trips are the endpoint's. When one side is over, the
other follows in the same way where that is known: a Close as a Close, FIN as FIN, RST as RST.
"""

from __future__ import annotations

from contextlib import suppress

from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, Ping, Pong, TextMessage, Violation
from wsdiag.server.connection.channel import HIGH_WATER, ConnectionOwner, drop_stream
from wsdiag.server.connection.client_connection import ClientConnection
from wsdiag.server.fault import DropMode, Pause
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.ends import StreamEnd

_CLOSE_TIMEOUT_S = 2.0
_POLL_S = 0.01


class RelayConnection(ClientConnection):
    """A client whose messages, Pings and Close go to the upstream, and back."""

    __slots__ = ("_session",)

    auto_pong = False

    def __init__(
        self,
        owner: ConnectionOwner,
        number: int,
        stream: ByteStream,
        deflate: PerMessageDeflate | None,
        session: Session,
    ) -> None:
        super().__init__(owner, number, stream, deflate)
        self._session = session

    def start(self) -> None:
        """Take what the upstream sends, beginning with what has come already."""
        self._session.push(self._upstream_received, self._upstream_ended)

    # -- client to upstream --------------------------------------------------------------------

    def deliver(self, message: TextMessage | BinaryMessage) -> None:
        """Pass a message on."""
        with suppress(LocalProtocolError):
            if isinstance(message, TextMessage):
                self._session.send_text(message.text, stamp=False)
            else:
                self._session.send_binary(message.data, stamp=False)
        self._watch_upstream()

    def control_received(self, event: Event) -> None:
        """Pass a Ping or Pong on."""
        with suppress(LocalProtocolError):
            if isinstance(event, Ping):
                self._session.connection.ping(event.payload)
            elif isinstance(event, Pong):
                self._session.connection.pong(event.payload)
            # nobody measures them here, so the kernel is not asked when they left
            self._session.stream.write(self._session.connection.data_to_send(), stamp=False)
        self._watch_upstream()

    def client_closing(self, close: Close) -> None:
        """Pass the client's Close on; ours to the client is sent already."""
        self._close_upstream(close.code, close.reason)

    def _close_upstream(self, code: int | None, reason: str) -> None:
        with suppress(LocalProtocolError):
            self._session.connection.close(code, reason)
            self._session.stream.write(self._session.connection.data_to_send(), stamp=False)
        self.loop.call_later(_CLOSE_TIMEOUT_S, self._session.stream.close)

    def _watch_upstream(self) -> None:
        """Read no more from the client while the upstream does not take what there is."""
        full = self._session.stream.unsent > HIGH_WATER
        if full and Pause.UPSTREAM not in self._pauses:
            self.pause_reading(Pause.UPSTREAM)
            self.loop.call_later(_POLL_S, self._look_again)

    def _look_again(self) -> None:
        if self._session.stream.unsent > HIGH_WATER:
            self.loop.call_later(_POLL_S, self._look_again)
        else:
            self.resume_reading(Pause.UPSTREAM)

    # -- upstream to client --------------------------------------------------------------------

    def _upstream_received(self, received: Received) -> None:
        event = received.event
        if not self.is_open:
            return
        if isinstance(event, TextMessage | BinaryMessage):
            super().deliver(event)
        elif isinstance(event, Ping):
            self.connection.ping(event.payload)
        elif isinstance(event, Pong):
            self.connection.pong(event.payload)
        elif isinstance(event, Close):
            self.closed_by = "upstream"
            self.close(event.code, event.reason)
            return
        elif isinstance(event, Violation):
            self.emit("violation", by="upstream", message=event.error.message)
            self.close(1011, "the upstream broke the protocol")
            return
        self.flush()
        if self.out.buffered_bytes > HIGH_WATER:
            self._session.stream.pause_reading()

    def on_drained(self) -> None:
        """Read on, from both sides."""
        super().on_drained()
        if self.out.buffered_bytes <= HIGH_WATER and not (self._session.ended or self.finished):
            self._session.stream.resume_reading()

    # -- endings -------------------------------------------------------------------------------

    def _upstream_ended(self, end: StreamEnd) -> None:
        """The upstream's TCP ended: so does the client's, in the same way where that is known."""
        # Our half at once: an endpoint waits for it after its FIN.
        self._session.stream.close()
        self.owner.upstream_closed(self._session.stream)
        if self.finished or self.connection.close_sent is not None:
            return
        self.emit("upstream-ended", how=end.how)
        self.closed_by = "upstream"
        self.dropped = "rst" if end.how == "rst" else "fin"
        self.finished = True
        self.end_faults()
        drop_stream(self.stream, self.dropped)

    def drop_upstream(self, how: DropMode) -> None:
        """The upstream sees the same end; its writes are not answered under rst-on-write."""
        drop_stream(self._session.stream, "silent" if how == "rst-on-write" else how)

    def close(self, code: int | None, reason: str) -> None:
        """Close both sides in good order."""
        super().close(code, reason)
        if self.closed_by != "upstream":
            self._close_upstream(code, reason)

    def client_ended(self, end: StreamEnd) -> None:
        """The client is gone: the upstream follows, at the latest after its closing handshake."""
        super().client_ended(end)
        if self.dropped in ("silent", "hang"):
            self.release(self._session.stream)
        elif end.how == "rst":
            self._session.stream.reset()
        elif self._session.connection.close_sent is None:
            self._session.stream.close()
        elif self._session.ended is None:
            self.owner.upstream_closing(self._session.stream)
