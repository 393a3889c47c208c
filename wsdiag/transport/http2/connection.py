"""One HTTP/2 connection over a stream, in either role.

Theory of operation
-------------------

The protocol (`Http2Protocol`, h2 without I/O) turns bytes into events and events into bytes; the
connection moves them, and gives each event to the stream it concerns. A stream (`Http2Stream`) is a
byte stream like the one below, so that a session does not know what carries it.

*Writes.* What the protocol queues leaves at once, in one write to the stream below: so a Ping's
DATA frame is a TLS record and a send(2) of its own, and the kernel stamps its departure as it does
over HTTP/1.1. Answers of the protocol itself (SETTINGS and PING acknowledgements, WINDOW_UPDATE)
leave without a stamp after each read.

*Ends.* A stream ends by END_STREAM, RST_STREAM, or with its connection. A GOAWAY says which streams
will still be served (RFC 9113, 6.8): those above its last stream end at once; the others go on, and
when the connection ends they ended by that GOAWAY. Whatever ends the connection ends all of its
streams in one moment. What a graceful GOAWAY leaves out, or RST_STREAM refuses, was not processed:
whoever asked may ask again elsewhere.

*Bounds.* A hostile peer may send frames that cost it nothing and us an answer or a look: SETTINGS,
PING, RST_STREAM, empty DATA, WINDOW_UPDATE, unknown ones. Each takes from a budget that time and
useful frames fill up again (`FrameBudget`); when it is spent, the connection is ended with
ENHANCE_YOUR_CALM, and the error names the frame. Header blocks and frames are bounded by h2, DATA
by the windows we grant: a stream whose reader pauses grants no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic_ns

import h2.events
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError

from wsdiag.protocol.http import Headers
from wsdiag.transport.http2.notices import Notices
from wsdiag.transport.http2.protocol import Http2Protocol, decoded, encoded, violation_text
from wsdiag.transport.http2.stream import Http2Stream
from wsdiag.transport.stream.ends import StreamEnd, error_name
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now
from wsdiag.transport.stream.stream import Stream

PingCallback = Callable[[SendRecord, Arrival], None]

_PREFACE_BYTES = 9
_DEBUG_BYTES = 256
_ANSWERS_HIGH = 1 << 20
NO_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0x0, 0x7, 0xB


class Http2Connection:
    """Streams over one connection. Every method must be called from the event loop's thread."""

    def __init__(
        self,
        stream: Stream,
        protocol: Http2Protocol,
        *,
        on_request: Callable[[Http2Stream, Headers], None] | None = None,
        on_end: Callable[[StreamEnd], None] | None = None,
        keep_open: bool = False,
        deferred: bool = False,
    ) -> None:
        """`on_request`: a server's, for each request. `keep_open`: also without streams.

        `deferred`: nothing happens before `start`.
        """
        self.stream, self.protocol = stream, protocol
        self._on_request, self._on_end = on_request, on_end
        self._client = protocol.config.client_side
        self.keep_open = keep_open
        self.streams: dict[int, Http2Stream] = {}
        self.peer_settings: dict[int, int] | None = None
        """The peer's SETTINGS as they came; None before the first."""
        self.enable_connect_protocol = False
        """Whether the peer's SETTINGS allow extended CONNECT (RFC 8441, 3)."""
        self.alternative_service: str | None = None
        """The value of the peer's last ALTSVC frame (RFC 7838, 4)."""
        self.ended: StreamEnd | None = None
        self.violation: str | None = None
        """What the peer did that ended the connection; None: nothing."""
        self.not_http2: bytes | None = None
        """How the peer's first bytes began, where they are no SETTINGS frame (RFC 9113, 3.4)."""
        self.goaway: StreamEnd | None = None
        """The peer takes no new streams; the connection may go on for those that it serves."""
        self.notices = Notices()
        """What the peer said of the connection while it went on."""
        self._first = b""
        self._settings_at: Arrival | None = None
        self._pings: dict[bytes, tuple[SendRecord, PingCallback]] = {}
        self._pings_sent = 0
        self._changed = asyncio.Event()
        self._receiving = False
        self.preface = SendRecord(monotonic_ns())
        """When our preface left."""
        if not deferred:
            self.start()

    def start(self) -> None:
        """Send our preface, and take what comes."""
        self.preface = self.flush(stamp=True)
        self.stream.start(self)
        self.stream.resume_reading()

    # -- the client's side ---------------------------------------------------------------------

    @property
    def takes_requests(self) -> bool:
        """Whether the peer still serves new streams."""
        return self.ended is None and self.goaway is None

    async def settled(self) -> Arrival | None:
        """Wait for the peer's SETTINGS: when they came; None when the connection ended before."""
        await self.until(lambda: self.peer_settings is not None or self.ended is not None)
        return self._settings_at

    def request(self, headers: Sequence[tuple[str, str]]) -> tuple[Http2Stream, SendRecord]:
        """Open a stream with this header block, pseudo-headers included, and leave it open."""
        stream_id = self.protocol.get_next_available_stream_id()
        stream = self.streams[stream_id] = Http2Stream(self, stream_id)
        if self.goaway is not None:
            self._leave_out(stream, self.goaway)
            return stream, SendRecord(monotonic_ns())
        try:
            self.protocol.send_headers(stream_id, encoded(headers))
        except H2Error as error:
            stream.finished(StreamEnd("error", violation_text(error), now()))
            return stream, SendRecord(monotonic_ns())
        return stream, self.flush(stamp=True)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait for something that the peer does."""
        while not done():
            self._changed.clear()
            await self._changed.wait()

    # -- the server's side ---------------------------------------------------------------------

    def respond(self, stream: Http2Stream, headers: Headers) -> None:
        """Answer a request with this header block; the stream stays open."""
        if self.ended is None and stream.stream_id in self.streams:
            try:
                self.protocol.send_headers(stream.stream_id, encoded(headers))
            except H2Error:
                return  # the client has reset it
            self.flush(stamp=False)

    def set_window(self, size: int) -> None:
        """From now on a stream may send `size` bytes before it is granted more."""
        self.protocol.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.flush(stamp=False)

    # -- PING ----------------------------------------------------------------------------------

    def ping(self, on_answer: PingCallback) -> SendRecord:
        """Send a PING (RFC 9113, 6.7); `on_answer` gets when it left and when its answer came."""
        self._pings_sent += 1
        payload = b"wsdg" + self._pings_sent.to_bytes(4, "big")
        if self.ended is not None:
            return SendRecord(monotonic_ns())
        self.protocol.ping(payload)
        record = self.flush(stamp=True)
        self._pings[payload] = record, on_answer
        return record

    # -- the stream's side ---------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes in."""
        if self.ended is not None:
            return
        if self._client and self.peer_settings is None and not self._is_settings(data):
            return
        data, self._first = self._first + data, b""
        self._receiving = True
        try:
            for event in self.protocol.receive_data(data):
                self._handle(event, at)
                if self.ended is not None:
                    break
        except (H2Error, HPACKError, HyperframeError, ValueError) as error:
            self._violated(violation_text(error), int(getattr(error, "error_code", 1)))
        finally:
            self._receiving = False
        self.flush(stamp=False)
        if self.stream.unsent > _ANSWERS_HIGH and not any(s.queued for s in self.streams.values()):
            self.protocol.close_connection(error_code=ENHANCE_YOUR_CALM)
            self._violated("it does not read the answers to its frames", ENHANCE_YOUR_CALM)
        self._changed.set()

    def _is_settings(self, data: bytes) -> bool:
        """Whether what came first can be HTTP/2; False as well while that is not known."""
        self._first += data
        if len(self._first) < _PREFACE_BYTES and not self._first.startswith(b"HTT"):
            return False
        if self._first[3:4] == b"\x04" and not self._first.startswith(b"HTT"):
            self._first = self._first[: len(self._first) - len(data)]
            return True
        self.not_http2 = self._first[:64]
        self._violated("it does not speak HTTP/2: its first bytes are no SETTINGS frame", 1)
        self._changed.set()
        return False

    def _handle(self, event: h2.events.Event, at: Arrival) -> None:
        match event:
            case h2.events.DataReceived():
                self._data_received(event, at)
            case h2.events.RequestReceived():
                self._request_received(event)
            case h2.events.RemoteSettingsChanged():
                self._settings_changed(event, at)
            case h2.events.WindowUpdated():
                self._windows_grew(event.stream_id)
            case h2.events.PingAckReceived():
                waiting = self._pings.pop(bytes(event.ping_data or b""), None)
                if waiting is not None:
                    waiting[1](waiting[0], at)
            case h2.events.ConnectionTerminated():
                self._go_away(event, at)
            case h2.events.AlternativeServiceAvailable():
                self.alternative_service = (event.field_value or b"").decode("latin-1")
            case _:
                self._handle_on_stream(event, at)

    def _handle_on_stream(self, event: h2.events.Event, at: Arrival) -> None:
        """What concerns one stream; of the rest nothing is to be known."""
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        match event:
            case h2.events.ResponseReceived() | h2.events.InformationalResponseReceived() if stream:
                stream.answered(decoded(event.headers), at)
            case h2.events.StreamEnded() if stream is not None:
                stream.peer_ended(StreamEnd("fin", "END_STREAM", at))
            case h2.events.StreamReset():
                if stream is not None:
                    code = int(event.error_code or 0)
                    stream.unprocessed = code == REFUSED_STREAM
                    stream.finished(StreamEnd("rst-stream", error_name(code), at, code))

    def _data_received(self, event: h2.events.DataReceived, at: Arrival) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            self.acknowledge(event.stream_id or 0, event.flow_controlled_length or 0)
        else:
            stream.data_received(bytes(event.data or b""), at, event.flow_controlled_length or 0)

    def _settings_changed(self, event: h2.events.RemoteSettingsChanged, at: Arrival) -> None:
        changed = {int(code): each.new_value for code, each in event.changed_settings.items()}
        first = self.peer_settings is None
        if changed.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) == 0 and self.enable_connect_protocol:
            self.notices.withdrawn(at)
        self.peer_settings = {**(self.peer_settings or {}), **changed}
        self._settings_at = self._settings_at or at
        if first or self.protocol.remote_settings.enable_connect_protocol:
            self.enable_connect_protocol = bool(
                self.protocol.remote_settings.enable_connect_protocol
            )
        self._windows_grew(0)

    def _request_received(self, event: h2.events.RequestReceived) -> None:
        if self._on_request is None:
            return
        stream = self.streams[event.stream_id] = Http2Stream(self, event.stream_id)
        self._on_request(stream, decoded(event.headers))

    def _windows_grew(self, stream_id: int | None) -> None:
        grown = [self.streams.get(stream_id)] if stream_id else list(self.streams.values())
        for stream in grown:
            if stream is not None:
                stream.flush()

    def _go_away(self, event: h2.events.ConnectionTerminated, at: Arrival) -> None:
        code, last = int(event.error_code or 0), event.last_stream_id or 0
        debug = (event.additional_data or b"")[:_DEBUG_BYTES].decode("utf-8", "backslashreplace")
        self.goaway = StreamEnd("goaway", debug, at, code)
        for stream in tuple(self.streams.values()):
            if self._client and stream.stream_id > last:
                self._leave_out(stream, self.goaway)
        if self._client and self.streams:
            self.notices.goaway(self.goaway)

    def _leave_out(self, stream: Http2Stream, goaway: StreamEnd) -> None:
        """End a stream that the peer will not serve (RFC 9113, 6.8)."""
        stream.unprocessed = goaway.code == NO_ERROR
        stream.finished(goaway)

    def _violated(self, message: str, code: int) -> None:
        """End the connection because the peer broke a rule; the GOAWAY that says so is queued."""
        if self.ended is not None:
            return
        self.violation = message
        self._end(StreamEnd("http2-error", message, now(), code))
        self.flush(stamp=False)
        self.stream.close()

    def stream_ended(self, end: StreamEnd) -> None:
        """The connection below is over: so are all streams, by the GOAWAY that announced it."""
        if self._first and self._client and self.peer_settings is None:
            self.not_http2 = self._first[:64]
        if self.goaway is not None and end.how != "local":
            end = self.goaway._replace(at=end.at)
        self._end(end)
        if end.how != "local":
            self.stream.close()

    def _end(self, end: StreamEnd) -> None:
        if self.ended is not None:
            return
        self.ended = end
        for stream in tuple(self.streams.values()):
            stream.finished(end, with_connection=True)
        self._pings.clear()
        self._changed.set()
        if self._on_end is not None:
            self._on_end(end)

    def writable(self) -> None:
        """The stream below has sent everything."""
        for stream in tuple(self.streams.values()):
            stream.writable()

    # -- what streams use ----------------------------------------------------------------------

    def flush(self, *, stamp: bool, record: SendRecord | None = None) -> SendRecord:
        """Send what the protocol has queued."""
        data = self.protocol.data_to_send()
        if not data and record is None:
            return SendRecord(monotonic_ns())
        return self.stream.write(data, stamp=stamp, record=record)

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Grant the peer `size` bytes more."""
        if self.ended is not None or not size:
            return
        try:
            self.protocol.acknowledge_received_data(size, stream_id)
        except (H2Error, ValueError):
            return  # the stream is gone, and with it its window
        if not self._receiving:
            self.flush(stamp=False)

    def forget(self, stream: Http2Stream) -> None:
        """A stream is over; without streams, so is a connection that nobody keeps open."""
        self.streams.pop(stream.stream_id, None)
        self._changed.set()
        if not (self.streams or self.keep_open):
            self.close()

    def release(self) -> None:
        """End it once it has no streams."""
        self.keep_open = False
        if not self.streams:
            self.close()

    def changed(self) -> None:
        """Something that is waited for may have happened."""
        self._changed.set()

    # -- endings -------------------------------------------------------------------------------

    def go_away(self, code: int = NO_ERROR, debug: bytes = b"") -> None:
        """Send a GOAWAY; what is open goes on."""
        if self.ended is None:
            from hyperframe.frame import GoAwayFrame

            last = max(self.protocol.highest_inbound_stream_id, 0)
            frame = GoAwayFrame(0, last, code, additional_data=debug)
            self.stream.write(frame.serialize(), stamp=False)

    def close(self, code: int = NO_ERROR, debug: bytes = b"") -> None:
        """GOAWAY, then the end of the connection, and of its streams."""
        self.go_away(code, debug)
        self._end(StreamEnd("local", "closed by us", now()))
        self.stream.close()

    def abort(self) -> None:
        """Leave at once, with RST."""
        self._end(StreamEnd("local", "closed by us", now()))
        self.stream.reset()
