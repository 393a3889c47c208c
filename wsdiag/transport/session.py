"""A WebSocket session: moves bytes between a stream and the protocol, in either role.

Theory of operation
-------------------

The protocol (`Connection`) turns bytes into events and knows what has to be answered; the stream
moves bytes. A session joins the two and decides *when*: when events are handed out, and when each
answer leaves.

*Pull and push.* At first events are queued, and `receive` hands them out: that suits a conversation
("send a Ping, wait for its Pong"). `push` hands the queued ones to a callback, and from then on
every event as it arrives: that suits what reacts to each one, as a relay does. There is no way
back, except that `close` takes over and drops what still comes. A queue that grows beyond
`_QUEUE_HIGH` events, or `_QUEUE_BYTES` in messages, pauses the stream until the reader has caught
up; a callback has no queue.

*Who answers what, and when.*

- A Ping is answered as its bytes are parsed, before anybody reads the event: a slow reader must
  not look like a slow network. While the peer does not read (`_UNSENT_HIGH` bytes queued), answers
  wait, and by RFC 6455, 5.5.3 only the latest Ping needs one.
- A Close is answered when its event is handed out, not when it is parsed. Before it there may be
  messages in the queue whose reader still wants to answer them, and nothing may follow a Close
  frame that we sent. The Close that names the peer's violation waits likewise. The connection
  keeps such a Close pending; `conclude` sends it.
- Whoever sends while events are queued does not conclude either, for the same reason.
- TCP is ended by the server (RFC 6455, 7.1.1): as a client we wait for that, for a bounded time.
  A stream of HTTP/2 has no TIME_WAIT: there both sides end theirs (END_STREAM) at once.

*Whose turn it is.* A read of a few kB may hold thousands of empty frames, and a probe may hold
dozens of connections to a peer that sends nothing else: a turn of the event loop would take
seconds, and no deadline would be seen in time. A read is as large as the last one lets expect
`_TURN_EVENTS` events of it, and `_TURN_BYTES` of what it inflates to (a thousand times as much at
worst); frames of ordinary size are read in whole chunks.

*Observers.* `observe` lets one listener see every event beside whoever receives it: it keeps up an
application protocol, whichever way events are handed out.

*Ends.* `ended` is the stream's end, however it came; queued events are handed out first, then
`receive` raises SessionEnded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from wsdiag.protocol.codes import Role, State
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, TextMessage, Violation
from wsdiag.transport.report import DialReport
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.inbound import InboundProfile
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now
from wsdiag.transport.stream.stream import CHUNK, READ_LEAST
from wsdiag.transport.stream.tcp import TcpInfo

if TYPE_CHECKING:
    from wsdiag.transport.http2.connection import Http2Connection

_QUEUE_HIGH, _QUEUE_LOW = 64, 16
_UNSENT_HIGH = 1 << 20
_QUEUE_BYTES = 4 << 20
_TURN_EVENTS = 256
_TURN_BYTES = 512 << 10


@dataclass(slots=True)
class Received:
    """An event and when its last byte arrived."""

    event: Event
    at: Arrival


def _size(event: Event) -> int:
    """Of a message, in bytes or characters; control frames are small."""
    if isinstance(event, TextMessage):
        return len(event.text)
    return len(event.data) if isinstance(event, BinaryMessage) else 0


class SessionEnded(Exception):
    """The stream under a session has ended; `end` says how."""

    def __init__(self, end: StreamEnd) -> None:
        super().__init__(f"{end.how}: {end.detail}" if end.detail else end.how)
        self.end = end


class CloseOutcome(NamedTuple):
    """How closing went (RFC 6455, 7.1): the peer's code and reason, and who ended TCP first.

    `clean`: Close frames crossed in both directions. Of a stream of HTTP/2 both sides end their
    half; `client`: ours had to be cancelled, because the server never ended its own; None: it did.
    """

    code: int | None
    reason: str
    clean: bool
    tcp_ended_by: Literal["server", "client"] | None


class Session:
    """An open WebSocket connection; events are pulled (`receive`), or pushed after `push`."""

    __slots__ = (
        "_events",
        "_held_back",
        "_observer",
        "_on_data",
        "_on_end",
        "_on_event",
        "_queued_bytes",
        "_wake",
        "close_arrived",
        "connection",
        "ended",
        "http2",
        "inbound",
        "on_part",
        "opened",
        "report",
        "stream",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        *,
        report: DialReport | None = None,
        trailing: bytes = b"",
        opened: Arrival | None = None,
        http2: Http2Connection | None = None,
        on_data: Callable[[Arrival], None] | None = None,
    ) -> None:
        """`opened`: when the handshake's last byte came, in one segment with `trailing`.

        `on_data` hears when bytes came before their frames are parsed.
        """
        self.http2 = http2
        """The connection whose stream carries it; None over HTTP/1.1."""
        self._on_data = on_data
        self.inbound: InboundProfile | None = None
        """Notes what arrives when, for whoever sets it."""
        self.on_part: Callable[[Arrival], None] | None = None
        """Hears of bytes of a message that is still arriving, which complete no event."""
        self.stream, self.connection, self.report = stream, connection, report
        self._on_event: Callable[[Received], None] | None = None  # None: queue them
        self._on_end: Callable[[StreamEnd], None] | None = None
        self._observer: Callable[[Received | StreamEnd], None] | None = None
        self._events: deque[Received] = deque()
        self._queued_bytes, self._held_back = 0, False
        self._wake: asyncio.Event = asyncio.Event()
        self.ended: StreamEnd | None = None
        self.close_arrived: Arrival | None = None
        """When the peer's Close frame, or its violation, came: TCP may end much later."""
        self.opened = opened or now()
        if trailing:
            self.data_received(trailing, self.opened)
        stream.start(self)
        stream.resume_reading()

    def push(
        self, on_event: Callable[[Received], None], on_end: Callable[[StreamEnd], None]
    ) -> None:
        """Report by calls from now on, beginning with what has come already."""
        self._on_event, self._on_end = on_event, on_end
        while self._events:
            received = self._events.popleft()
            self._conclude(received)
            on_event(received)
        self.stream.resume_reading()
        if self.ended is not None:
            on_end(self.ended)

    def observe(self, observer: Callable[[Received | StreamEnd], None]) -> None:
        """Show every event and the end to `observer` as well, what is queued already first."""
        self._observer = observer
        for received in tuple(self._events):
            observer(received)
        if self.ended is not None:
            observer(self.ended)

    def _deliver(self, received: Received) -> None:
        """Queue an event, or pass it on."""
        if self._observer is not None:
            self._observer(received)
        if self._on_event is None:
            self._events.append(received)
            self._queued_bytes += _size(received.event)
            if len(self._events) > _QUEUE_HIGH or self._queued_bytes > _QUEUE_BYTES:
                self._held_back = True
                self.stream.pause_reading()
        else:
            self._conclude(received)
            self._on_event(received)

    def _conclude(self, received: Received) -> None:
        """Send the Close that is pending, now that the event that asks for it is handed out."""
        if isinstance(received.event, Close | Violation):
            self._answer()

    # -- the stream's side ---------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes in: Pongs leave at once, whoever reads the events and when."""
        if self._on_data is not None:
            self._on_data(at)
        before = self._inflated
        events = self.connection.receive_data(data)
        inflated = self._inflated - before
        if self.inbound is not None:
            inside_frame = self.connection.inside_frame
            self.inbound.add(len(data), at.mono_ns, inside_frame=inside_frame)
        self._answer(conclude=False)
        for event in events:
            if isinstance(event, Close | Violation):
                self.close_arrived = at
            self._deliver(Received(event, at))
        if events:
            self._wake.set()
        elif self.on_part is not None and self.connection.inside_message:
            self.on_part(at)
        if (tcp := self.stream.tcp) is not None:
            by_events = len(data) * _TURN_EVENTS // max(1, len(events))
            by_bytes = len(data) * _TURN_BYTES // max(1, inflated)
            tcp.read_size = min(CHUNK, max(READ_LEAST, min(by_events, by_bytes)))

    def stream_ended(self, end: StreamEnd) -> None:
        """The stream has ended: events that are still queued can be read."""
        if self.ended is not None:
            return
        if self.stream.multiplexed and end.how == "fin":
            self._answer()  # END_STREAM ends the peer's side only: its Close can be answered
        for event in self.connection.receive_eof():
            self._deliver(Received(event, end.at))
        self.ended = end
        self._wake.set()
        if self._observer is not None:
            self._observer(end)
        if self._on_end is not None:
            self._on_end(end)

    def writable(self) -> None:
        """The stream's queue is empty again: what had to wait for that goes out."""
        self._answer(conclude=not self._events)
        self._wake.set()

    def _answer(self, *, conclude: bool = True) -> None:
        """Write what the connection answers by itself; with `conclude`, a pending Close as well."""
        # A peer that floods us but never reads gets no answers queued beyond this.
        if self.stream.unsent < _UNSENT_HIGH:
            answers = self.connection.data_to_send(conclude=conclude)
            if answers:
                self.stream.write(answers, stamp=False)

    @property
    def _inflated(self) -> int:
        deflate = self.connection.deflate
        return 0 if deflate is None else deflate.decoded_to

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._wake.clear()
            await self._wake.wait()

    # -- sending -------------------------------------------------------------------------------

    def _flush(self, stamp: bool = True) -> SendRecord:
        queued = self.connection.data_to_send(conclude=not self._events)
        return self.stream.write(queued, stamp=stamp)

    def ping(self, payload: bytes = b"") -> SendRecord:
        """Send a Ping. Raises LocalProtocolError when the connection is closing."""
        self.connection.ping(payload)
        return self._flush()

    def pong(self, payload: bytes = b"") -> SendRecord:
        """Send a Pong nobody asked for (RFC 6455, 5.5.3)."""
        self.connection.pong(payload)
        return self._flush()

    def send_text(self, text: str, *, stamp: bool = True) -> SendRecord:
        """Send a text message; without `stamp` the kernel is not asked when it left."""
        self.connection.send_text(text)
        return self._flush(stamp)

    def send_binary(self, data: bytes, *, stamp: bool = True) -> SendRecord:
        """Send a binary message; without `stamp` the kernel is not asked when it left."""
        self.connection.send_binary(data)
        return self._flush(stamp)

    def send_raw(self, data: bytes) -> SendRecord:
        """Send bytes as they are, legal or not."""
        self.connection.send_raw(data)
        return self._flush()

    # -- receiving -----------------------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> Received | None:
        """The next event; None after `timeout` seconds.

        Raises SessionEnded once all events are read.
        """
        if not self._events and self.ended is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._until(lambda: bool(self._events) or self.ended is not None)
        if self._events:
            received = self._events.popleft()
            self._queued_bytes -= _size(received.event)
            few = len(self._events) <= _QUEUE_LOW and self._queued_bytes <= _QUEUE_BYTES
            if self._held_back and few:
                self._held_back = False
                self.stream.resume_reading()
            self._conclude(received)
            return received
        if self.ended is not None:
            raise SessionEnded(self.ended)
        return None

    # -- ending --------------------------------------------------------------------------------

    async def close(
        self, code: int | None = 1000, reason: str = "", *, timeout: float = 2.0
    ) -> CloseOutcome:
        """Send a Close, wait for the peer's, then for TCP's end: `timeout` seconds at most.

        The server ends TCP first (RFC 6455, 7.1.1). Events that still come are dropped. With a
        `timeout` of 0 the Close is sent, and nothing is waited for.
        """
        self._on_event = lambda _: None
        self._events.clear()
        if timeout > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._close(code, reason)
        else:
            self._send_close(code, reason)
        peer_first = self.ended is not None and self.ended.how != "local"
        tcp_ended_by: Literal["server", "client"] | None
        if self.stream.multiplexed:
            tcp_ended_by = None if peer_first or self.http2 is None else "client"
        else:
            peer_first = peer_first and not self.stream.half_closed
            server_first = peer_first is (self.connection.role is Role.CLIENT)
            tcp_ended_by = "server" if server_first else "client"
        self.stream.close()
        received = self.connection.close_received
        code, reason = received if received is not None else (None, "")
        clean = received is not None and self.connection.close_sent is not None
        return CloseOutcome(code, reason, clean, tcp_ended_by)

    async def _close(self, code: int | None, reason: str) -> None:
        connection = self.connection
        self.stream.resume_reading()
        self._send_close(code, reason)
        await self._until(lambda: self.ended is not None or connection.state is State.CLOSED)
        if connection.role is Role.SERVER or self.stream.multiplexed:
            self.stream.half_close()
        await self._until(lambda: self.ended is not None)

    def _send_close(self, code: int | None, reason: str) -> None:
        self._answer()
        if self.connection.close_sent is None and self.ended is None:
            with suppress(LocalProtocolError):
                self.connection.close(code, reason)
            self._flush(stamp=False)

    def abort(self) -> None:
        """Leave at once, with RST."""
        self.stream.reset()

    def tcp_info(self) -> TcpInfo | None:
        """TCP_INFO of the connection now."""
        return self.stream.tcp_info()
