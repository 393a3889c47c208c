"""One stream of an HTTP/2 connection as a byte stream: DATA frames, windows, END_STREAM.

Theory of operation
-------------------

A WebSocket connection over HTTP/2 is one stream (RFC 8441, 5): what would be bytes on TCP are the
payloads of DATA frames, what would be FIN is END_STREAM, what would be RST is RST_STREAM with
CANCEL. The stream has the methods of `stream.Stream`, and the same two independent ends; where the
connection below ends, it ends with it and in the same way.

*Out.* Bytes wait in `_queue` while the peer's windows, the stream's or the connection's, are too
small; each with the record of its departure, which is filled in when its last byte leaves. So a
Ping that had to wait counts from when it was asked for, as it does in a full socket.

*In.* The peer's window is granted again as the handler takes what came. A stream that is paused
holds what comes (`HeldInput`), which the window bounds, and grants nothing: so back-pressure
reaches the peer on this stream, while the others of its connection go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

from h2.exceptions import H2Error

from wsdiag.protocol.extended_connect import is_interim, response_of
from wsdiag.protocol.http import Headers, InterimAnswers
from wsdiag.transport.stream.ends import StreamEnd, StreamHandler
from wsdiag.transport.stream.held_input import HeldInput
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now

if TYPE_CHECKING:
    from wsdiag.transport.http2.protocol import Http2Protocol
    from wsdiag.transport.stream.stream import Stream
    from wsdiag.transport.stream.tcp import TcpInfo
    from wsdiag.transport.tls.layer import TlsLayer

CANCEL = 0x8
_LINGER_S = 5.0


class _Carrier(Protocol):
    """What a stream needs of its connection."""

    stream: Stream
    protocol: Http2Protocol
    streams: dict[int, Http2Stream]
    ended: StreamEnd | None
    keep_open: bool

    def flush(self, *, stamp: bool, record: SendRecord | None = None) -> SendRecord: ...
    def acknowledge(self, stream_id: int, size: int) -> None: ...
    def forget(self, stream: Http2Stream) -> None: ...
    def changed(self) -> None: ...
    def abort(self) -> None: ...
    def go_away(self, code: int = 0, debug: bytes = b"") -> None: ...


class Http2Stream(HeldInput):
    """A stream that is open in both directions; `answer` is the head of its response."""

    multiplexed = True

    def __init__(self, carrier: _Carrier, stream_id: int) -> None:
        super().__init__()
        self.connection = carrier
        self.stream_id = stream_id
        self.answer: Headers | None = None
        """The header block of the answer, pseudo-headers included; None before it."""
        self.answered_at: Arrival | None = None
        self.interim = InterimAnswers()
        self.unprocessed = False
        """Whether the peer says that it did nothing with the request (RFC 9113, 8.7)."""
        self._queue: deque[tuple[memoryview, SendRecord | None]] = deque()
        self._frozen = False
        self._half_closed = self._end_sent = self._closed = False
        self._linger: asyncio.TimerHandle | None = None
        self._pending_end: StreamEnd | None = None
        self.peer = carrier.stream.peer
        self.bytes_in = 0
        self.bytes_out = 0
        self.last_received = self._last_sent = monotonic_ns()

    # -- in ------------------------------------------------------------------------------------

    def answered(self, header_block: Headers, at: Arrival) -> None:
        """A header block: the answer's, or one before it."""
        if is_interim(header_block):
            self.interim.add(response_of(header_block, "2"))
        else:
            self.answer, self.answered_at = header_block, at

    def data_received(self, data: bytes, at: Arrival, flow_bytes: int) -> None:
        """A DATA frame's payload; `flow_bytes`: with its padding."""
        self.last_received = at.mono_ns
        self.bytes_in += len(data)
        if self._closed or self._frozen:
            self.connection.acknowledge(self.stream_id, 0 if self._frozen else flow_bytes)
            return
        self._hold(data, at, flow_bytes)
        self._hand_out()

    def _share(self) -> int:
        """As much as one read of TCP would take."""
        return self.tcp.read_size

    def _taken(self, flow_bytes: int) -> None:
        self.connection.acknowledge(self.stream_id, flow_bytes)

    def _emptied(self, handler: StreamHandler) -> None:
        if self._pending_end is not None and not self._paused:
            end, self._pending_end = self._pending_end, None
            handler.stream_ended(end)

    def peer_ended(self, end: StreamEnd) -> None:
        """The peer's side is over: END_STREAM, or what ended all of the stream."""
        if self.ended is not None:
            return
        self.ended = end
        self.connection.changed()
        if self._frozen:
            return
        if self._handler is not None and not self._held:
            self._handler.stream_ended(end)
        elif not self._closed:
            self._pending_end = end
        if self._end_sent:
            self._over()

    def finished(self, end: StreamEnd, *, with_connection: bool = False) -> None:
        """Both sides are over: RST_STREAM, GOAWAY, or the end of the connection."""
        self._queue.clear()
        self._half_closed = self._end_sent = True
        self.peer_ended(end)
        if with_connection:
            self._shut()
        else:
            self._over()

    # -- out -----------------------------------------------------------------------------------

    def write(self, data: bytes, *, stamp: bool = True) -> SendRecord:
        """Send `data` in DATA frames as far as the windows allow; the rest waits for them."""
        record = SendRecord(monotonic_ns())
        if data and not (self._half_closed or self._frozen or self._closed):
            self.bytes_out += len(data)
            self._queue.append((memoryview(data), record if stamp else None))
            self.flush()
        return record

    @property
    def queued(self) -> int:
        """Bytes that wait for the peer's windows."""
        return sum(len(view) for view, _ in self._queue)

    def flush(self) -> None:
        """Send what the windows allow by now."""
        protocol = self.connection.protocol
        had = bool(self._queue)
        try:
            while self._queue and not self._frozen:
                window = protocol.local_flow_control_window(self.stream_id)
                if window <= 0:
                    return
                view, record = self._queue.popleft()
                size = min(window, len(view), protocol.max_outbound_frame_size)
                protocol.send_data(self.stream_id, bytes(view[:size]))
                if size < len(view):
                    self._queue.appendleft((view[size:], record))
                    record = None
                self._last_sent = monotonic_ns()
                protocol.budget.credit()
                self.connection.flush(stamp=record is not None, record=record)
        except H2Error:
            self._queue.clear()  # the stream is over: its end says why
            return
        if not self._queue and self._half_closed and not self._end_sent:
            self._send_end()
        elif had and not self._queue and not self.connection.stream.unsent:
            self._loop.call_soon(self.writable)

    def _send_end(self) -> None:
        self._end_sent = True
        try:
            self.connection.protocol.end_stream(self.stream_id)
        except H2Error:
            pass
        self.connection.flush(stamp=False)
        if self._closed or self.ended is not None:
            self._over()

    def writable(self) -> None:
        """All that was written has left."""
        if not self._queue and (writable := getattr(self._handler, "writable", None)) is not None:
            writable()

    # -- endings -------------------------------------------------------------------------------

    def half_close(self) -> None:
        """Send what is queued, then END_STREAM; reading goes on."""
        if not self._half_closed:
            self._half_closed = True
            if not self._queue:
                self._send_end()

    def close(self, *, close_notify: bool = True) -> None:
        """Send what is queued (for at most five seconds), then END_STREAM, and be done."""
        if self._closed:
            return
        self._closed = True
        self._end_locally()
        self._drop_held()
        if self._end_sent:
            self._over()
        elif self._queue:
            self._half_closed = True
            self._linger = self._loop.call_later(_LINGER_S, self.reset)
        else:
            self._half_closed = True
            self._send_end()

    def reset(self, code: int = CANCEL) -> None:
        """RST_STREAM; a connection without other streams is reset with it."""
        if self.stream_id not in self.connection.streams:
            return
        self._end_locally()
        self._queue.clear()
        self._closed = self._half_closed = self._end_sent = True
        self._drop_held()
        if self.connection.protocol.config.client_side and self._alone:
            self._shut()
            self.connection.abort()
        else:
            self._over(code)

    @property
    def _alone(self) -> bool:
        return len(self.connection.streams) == 1 and not self.connection.keep_open

    def close_silently(self) -> None:
        """Close so that the peer does not notice; alone on its connection, with that."""
        if self._alone:
            self._end_locally()
            self.connection.stream.close_silently()
        else:
            self.freeze()

    def freeze(self, *, blackholed: bool = False) -> bool:
        """Become a black hole: this stream only, so that TCP goes on."""
        self._frozen = self._paused = True
        self._queue.clear()
        return False

    def _end_locally(self) -> None:
        """Tell the handler, but later: it may be iterating over what it received."""
        if self.ended is None:
            self.ended = end = StreamEnd("local", "closed by us", now())
            if self._handler is not None:
                self._loop.call_soon(self._handler.stream_ended, end)

    def _drop_held(self) -> None:
        super()._drop_held()
        self._pending_end = None

    def _over(self, code: int = CANCEL) -> None:
        """Both sides are done with it; what the peer still has open is cancelled."""
        if self.stream_id in self.connection.streams:
            if self.connection.ended is None:
                try:
                    if self.ended is None or self.ended.how == "local":
                        self.connection.protocol.reset_stream(self.stream_id, code)
                except H2Error:
                    pass  # it is closed already
                self.connection.flush(stamp=False)
            self._shut()

    def _shut(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self.connection.forget(self)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def tcp(self) -> Stream:
        """The connection that carries it."""
        return self.connection.stream

    @property
    def tls(self) -> TlsLayer | None:
        """The connection's TLS layer."""
        return self.connection.stream.tls

    @property
    def half_closed(self) -> bool:
        """Whether we have ended our side, or will once the queue is empty."""
        return self._half_closed

    @property
    def kernel_stamps(self) -> bool:
        """Whether the kernel was asked for timestamps, and agreed."""
        return self.connection.stream.kernel_stamps

    @property
    def unsent(self) -> int:
        """Bytes that wait: for the peer's windows, and for the connection."""
        return self.queued + self.connection.stream.unsent

    @property
    def last_activity(self) -> int:
        """When DATA last crossed, either way, in monotonic ns."""
        return max(self.last_received, self._last_sent)

    def tcp_info(self) -> TcpInfo | None:
        """TCP_INFO of the connection."""
        return self.connection.stream.tcp_info()

    def acknowledged(self, sent: SendRecord | None = None) -> bool | None:
        """Whether TCP has acknowledged what was `sent`, or all (see byte_stream.py)."""
        waits = self._queue and (sent is None or not sent.end)
        return False if waits else self.connection.stream.acknowledged(sent)

    def set_keepalive(self, interval_s: float | None) -> None:
        """TCP keepalive on the connection. Raises OSError."""
        self.connection.stream.set_keepalive(interval_s)
