"""A QUIC connection with one request stream, which is a byte stream under a session.

It opens, pings and closes, and no more than that: no migration, no 0-RTT, one stream. The protocol
is aioquic's, without I/O. Everything that ends the stream is a `StreamEnd`: FIN is END_STREAM's, a
reset or a closed connection carries its error code. What a GOAWAY leaves out, or
H3_REQUEST_REJECTED resets, was not processed: whoever asked may ask again on another connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived, StreamReset

from wsdiag.protocol.extended_connect import is_interim, response_of
from wsdiag.protocol.http import Headers, InterimAnswers
from wsdiag.transport.http3.control import ControlStream
from wsdiag.transport.http3.quic import NO_ERROR, QuicEndpoint
from wsdiag.transport.stream.ends import StreamEnd, StreamHandler, error_name
from wsdiag.transport.stream.held_input import HeldInput
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now
from wsdiag.transport.stream.tcp import Address, TcpInfo

if TYPE_CHECKING:
    from wsdiag.transport.stream.stream import Stream
    from wsdiag.transport.tls.layer import TlsLayer

ENABLE_CONNECT_PROTOCOL = 0x8  # RFC 9220, 5
REQUEST_REJECTED, REQUEST_CANCELLED = 0x10B, 0x10C
_SETTINGS = {0x1: "QPACK_MAX_TABLE_CAPACITY", 0x6: "MAX_FIELD_SECTION_SIZE"}
_SETTINGS |= {0x7: "QPACK_BLOCKED_STREAMS", 0x8: "ENABLE_CONNECT_PROTOCOL", 0x33: "H3_DATAGRAM"}
# How aioquic says that nothing came any more.
_SILENT = ("Idle timeout", "No validated network path")
_MOST_HELD = 1 << 22
_FIN_WAIT_S = 0.5


class Http3Stream(HeldInput, QuicEndpoint):
    """The connection and its one request stream."""

    multiplexed = True

    def __init__(self, config: QuicConfiguration, address: Address) -> None:
        HeldInput.__init__(self)
        QuicEndpoint.__init__(self, config, address)
        self._http = H3Connection(self._quic)
        self._control = ControlStream()
        self._half_closed = self._frozen = self._closed = self._end_told = False
        self._stream_id: int | None = None
        self.settings: dict[int, int] | None = None
        """The server's SETTINGS; None before them."""
        self.settings_at: Arrival | None = None
        self.answer: Headers | None = None
        """The header block of the answer; None before it."""
        self.answered_at: Arrival | None = None
        self.interim = InterimAnswers()
        self.violation: str | None = None
        self.unprocessed = False
        """Whether the server says that it did nothing with the request (RFC 9114, 4.1.1, 5.2)."""
        self.bytes_in = self.bytes_out = 0
        self._last_sent = monotonic_ns()

    # -- the connection ------------------------------------------------------------------------

    async def until(self, done: Callable[[], Any]) -> None:
        """Wait for something that the peer does, or for the end."""
        await super().until(lambda: done() or self.ended is not None)

    @property
    def enable_connect_protocol(self) -> bool:
        """Whether the server's SETTINGS allow extended CONNECT."""
        return bool((self.settings or {}).get(ENABLE_CONNECT_PROTOCOL))

    @property
    def setting_names(self) -> tuple[tuple[str, int], ...]:
        """The server's SETTINGS by name."""
        known = (self.settings or {}).items()
        return tuple((_SETTINGS.get(code, f"0x{code:x}"), value) for code, value in known)

    def _take_events(self) -> None:
        """One datagram may close a gap, and so bring all that came out of order before it."""
        super()._take_events()
        self._hand_out()

    def _handle(self, event: QuicEvent) -> None:
        if isinstance(event, StreamReset) and event.stream_id == self._stream_id:
            code = event.error_code
            self.unprocessed = code == REQUEST_REJECTED
            self._end(StreamEnd("rst-stream", error_name(code), self._at, code))
        elif isinstance(event, StreamDataReceived):
            self._control.received(event.stream_id, event.data)
            self._maybe_left_out()
        elif isinstance(event, ConnectionTerminated):
            detail = event.reason_phrase or f"QUIC closed, 0x{event.error_code:x}"
            if event.frame_type is None:
                self._end(StreamEnd("goaway", detail, self._at, event.error_code))
            else:  # the code is QUIC's, and names something else in HTTP (RFC 9000, 19.19)
                self._end(StreamEnd("timeout" if detail in _SILENT else "goaway", detail, self._at))
        for said in self._http.handle_event(event):
            self._handle_http(said)
        if self._quic.violation is not None:
            self._violated(*self._quic.violation)
        if self.settings is None and self._http.received_settings is not None:
            self.settings, self.settings_at = dict(self._http.received_settings), self._at

    def _maybe_left_out(self) -> bool:
        """Whether the peer will not serve the stream: that ends it (RFC 9114, 5.2)."""
        first = self._control.goaway
        if first is None or self._stream_id is None or self._stream_id < first:
            return False
        self.unprocessed = True
        self._end(StreamEnd("goaway", "", self._at))
        return True

    def _handle_http(self, event: H3Event) -> None:
        if getattr(event, "stream_id", None) != self._stream_id:
            return
        if isinstance(event, HeadersReceived) and self.answer is None:
            block = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers]
            if is_interim(block):
                self.interim.add(response_of(block, "3"))
            else:
                self.answer, self.answered_at = block, self._at
        elif isinstance(event, DataReceived) and event.data and not self._frozen:
            self.bytes_in += len(event.data)
            self._hold(event.data, self._at, 0)
            if self.held_bytes > _MOST_HELD:
                self._quic.close(error_code=NO_ERROR)
        if getattr(event, "stream_ended", False):
            self._end(StreamEnd("fin", "END_STREAM", self._at))

    def _violated(self, code: int, reason: str) -> None:
        self.violation = reason or error_name(code)
        self._end(StreamEnd("http2-error", self.violation, self._at, code))

    # -- the stream ----------------------------------------------------------------------------

    def request(self, headers: Sequence[tuple[str, str]]) -> SendRecord:
        """Send this header block, pseudo-headers included, on the one stream."""
        self._stream_id = self._quic.get_next_available_stream_id()
        self.answer = self.answered_at = None
        if self._maybe_left_out():
            return SendRecord(monotonic_ns())
        encoded = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in headers]
        self._http.send_headers(self._stream_id, encoded)
        record = SendRecord(monotonic_ns())
        self._transmit()
        return record

    def _emptied(self, handler: StreamHandler) -> None:
        if self.ended is not None and not (self._end_told or self._frozen):
            self._end_told = True
            self._loop.call_soon(handler.stream_ended, self.ended)

    def _end(self, end: StreamEnd) -> None:
        if self.ended is None:
            self.ended = end
            self._changed.set()
            if end.how == "local":
                self._drop_held()
            self._hand_out()

    def write(self, data: bytes, *, stamp: bool = True) -> SendRecord:
        """Send `data` in DATA frames; QUIC queues what its windows do not allow."""
        record = SendRecord(monotonic_ns())
        gone = self._half_closed or self._frozen or self.terminated or self._closed
        if data and not gone and self._stream_id is not None:
            self.bytes_out += len(data)
            self._http.send_data(self._stream_id, data, end_stream=False)
            self._last_sent = monotonic_ns()
            self._transmit()
        return record

    def half_close(self) -> None:
        """Nothing more is sent; the peer has a moment for its FIN, then the connection ends.

        No FIN of ours: there are servers whose HTTP/3 stops for everybody at one after a Close.
        """
        if not self._half_closed:
            self._half_closed = True
            self._loop.call_later(_FIN_WAIT_S, self._shut)

    def close(self, *, close_notify: bool = True) -> None:
        """End the connection."""
        self._shut()

    def reset(self) -> None:
        """Reset the stream, then the end of the connection."""
        if not self._closed and self._stream_id is not None and not self._half_closed:
            self._quic.reset_stream(self._stream_id, REQUEST_CANCELLED)
        self._shut()

    def close_silently(self) -> None:
        """Say nothing any more."""
        self._closed = True
        self._leave()

    def freeze(self, *, blackholed: bool = False) -> bool:
        """Neither read nor write any more; QUIC itself goes on."""
        self._frozen = self._paused = True
        return False

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._end(StreamEnd("local", "closed by us", now()))
        if not self.terminated:
            self._quic.close(error_code=NO_ERROR)
        self._transmit()
        self._leave()

    # -- facts ---------------------------------------------------------------------------------

    @property
    def tcp(self) -> Stream | None:
        """There is no TCP."""
        return None

    @property
    def tls(self) -> TlsLayer | None:
        """TLS is inside QUIC."""
        return None

    @property
    def half_closed(self) -> bool:
        """Whether we have ended our side."""
        return self._half_closed

    @property
    def kernel_stamps(self) -> bool:
        """The kernel stamps nothing of QUIC."""
        return False

    @property
    def unsent(self) -> int:
        """QUIC keeps its queues to itself."""
        return 0

    @property
    def last_activity(self) -> int:
        """When data last crossed, either way, in monotonic ns."""
        return max(self.last_received, self._last_sent)

    def tcp_info(self) -> TcpInfo | None:
        """There is none."""
        return None

    def acknowledged(self, sent: SendRecord | None = None) -> bool | None:
        """QUIC does not tell."""
        return None

    def set_keepalive(self, interval_s: float | None) -> None:
        """There is none of TCP's."""
