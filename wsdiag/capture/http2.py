"""HTTP/2 in a capture, as far as it carries WebSockets (RFC 9113, RFC 8441).

Each WebSocket is a stream: an extended CONNECT with `:protocol` websocket, answered with 200, then
DATA frames that carry what TCP would over HTTP/1.1. Frames are walked in both directions; header
blocks are decoded in the order of their coming, as HPACK's tables depend on all that came before
(RFC 7541), by the package hpack. So a direction of which bytes are missing cannot be read further,
unless they lie within one DATA frame. Streams that are no WebSocket are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from wsdiag.capture.http import Head
from wsdiag.judgement.recorded.facts import EndKind

if TYPE_CHECKING:
    from hpack import Decoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NEEDS_HPACK = "HTTP/2 was not read: that needs pip install 'wsdiag[http2]'"
_DATA, _HEADERS, _RST_STREAM, _GOAWAY, _CONTINUATION = 0, 1, 3, 7, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_MOST_FRAME = 1 << 20
_MOST_BLOCK = 1 << 18
_MOST_STREAMS = 1024
_MOST_TABLE = 1 << 20


class Http2Stream(Protocol):
    """What is told of one extended CONNECT."""

    def answered(self, head: Head, time_ns: int) -> None:
        """The response's head: 200 opens it."""

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes of DATA frames."""

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes that the capture lacks; 0: nobody knows how many, nor what follows."""

    def ended(self, number: int, time_ns: int, how: EndKind, code: int | None) -> None:
        """`end-stream`, `rst-stream` or `goaway`, and their error code."""


class _Direction:
    """One direction: bytes of an unfinished frame, and header blocks' state."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.buffer = bytearray()
        self.dead = False
        """Bytes are missing: nothing that follows can be read."""
        self.passing: tuple[int, int] = (0, 0)
        """(stream, bytes) of a DATA frame of which a part was missing, still to come."""
        self.block: tuple[int, int, bytes] | None = None
        """(stream, flags, bytes) of a header block that goes on in CONTINUATION frames."""


class Http2Flow:
    """Both directions of an HTTP/2 connection. `open_stream` gets each extended CONNECT's head.
    ImportError without hpack."""

    def __init__(self, client: int, open_stream: Callable[[Head, int], Http2Stream]) -> None:
        from hpack import Decoder

        self._client, self._open_stream = client, open_stream
        self._directions = (_Direction(Decoder()), _Direction(Decoder()))
        for direction in self._directions:
            direction.decoder.max_allowed_table_size = _MOST_TABLE
        self._streams: dict[int, Http2Stream] = {}
        self._prefaced = False
        self.goaways: dict[int, int] = {}
        """By end: the error code of its GOAWAY."""
        self.failed = False
        """It cannot be read to its end: bytes are missing, or it is no HTTP/2."""
        self._half_ended: dict[int, int] = {}
        """Which end sent END_STREAM, by stream."""

    def open(self) -> Iterable[Http2Stream]:
        """The streams that have not ended."""
        return self._streams.values()

    def held(self) -> int:
        """How many bytes of unfinished frames and header blocks it keeps."""
        blocks = (each.block[2] for each in self._directions if each.block is not None)
        tables = (each.decoder.header_table_size for each in self._directions)
        return (
            sum(len(each.buffer) for each in self._directions) + sum(map(len, blocks)) + sum(tables)
        )

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes of the connection, in order, from an end."""
        direction = self._directions[number]
        if direction.dead:
            return
        stream, left = direction.passing
        if left:
            took = min(left, len(data))
            direction.passing = (stream, left - took)
            if stream in self._streams:
                self._streams[stream].data(number, time_ns, data[:took])
            data = data[took:]
        buffer = direction.buffer
        buffer += data
        if number == self._client and not self._prefaced:
            if len(buffer) < len(PREFACE):
                return
            self._prefaced = True
            del buffer[: len(PREFACE)]
        at = 0
        while len(buffer) - at >= 9 and not direction.dead:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if size > _MOST_FRAME:
                self._lost(number, time_ns)
                return
            if len(buffer) - at < 9 + size:
                break
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            payload = bytes(buffer[at + 9 : at + 9 + size])
            self._frame(number, time_ns, buffer[at + 3], buffer[at + 4], stream, payload)
            at += 9 + size
        del buffer[:at]

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes are missing; 0: nobody knows how many."""
        direction, buffer = self._directions[number], self._directions[number].buffer
        stream, left = direction.passing
        if not left and len(buffer) >= 9 and buffer[3] == _DATA and not buffer[4] & _PADDED:
            left = 9 + int.from_bytes(buffer[:3], "big") - len(buffer)
            stream = int.from_bytes(buffer[5:9], "big") & 0x7FFFFFFF
            if stream in self._streams and len(buffer) > 9:
                self._streams[stream].data(number, time_ns, bytes(buffer[9:]))
            buffer.clear()
        if not 0 < size <= left or buffer:
            self._lost(number, time_ns)
            return
        direction.passing = (stream, left - size)
        if stream in self._streams:
            self._streams[stream].gap(number, time_ns, size)

    def _lost(self, number: int, time_ns: int) -> None:
        direction = self._directions[number]
        if not direction.dead:
            direction.dead = self.failed = True
            direction.buffer.clear()
            for stream in self._streams.values():
                stream.gap(number, time_ns, 0)

    def _frame(
        self, number: int, time_ns: int, kind: int, flags: int, stream: int, payload: bytes
    ) -> None:
        direction = self._directions[number]
        if kind in (_DATA, _HEADERS) and flags & _PADDED:
            payload = payload[1 : max(len(payload) - payload[0], 1)] if payload else b""
        found = self._streams.get(stream)
        if kind == _DATA and found is not None:
            if payload:
                found.data(number, time_ns, payload)
            if flags & _END_STREAM:
                self._end_stream(stream, found, number, time_ns)
        elif kind == _HEADERS:
            payload = payload[5:] if flags & _PRIORITY else payload
            self._headers(number, time_ns, stream, flags, payload)
        elif kind == _CONTINUATION and direction.block is not None:
            stream, first_flags, block = direction.block
            if len(block) + len(payload) > _MOST_BLOCK:
                self._lost(number, time_ns)
                return
            flags = first_flags | (flags & _END_HEADERS)
            self._headers(number, time_ns, stream, flags, block + payload)
        elif kind == _RST_STREAM and found is not None and len(payload) == 4:
            found.ended(number, time_ns, "rst-stream", int.from_bytes(payload, "big"))
            self._forget(stream)
        elif kind == _GOAWAY and len(payload) >= 8:
            last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            code = self.goaways[number] = int.from_bytes(payload[4:8], "big")
            for each, opened in list(self._streams.items()):
                if each > last:
                    opened.ended(number, time_ns, "goaway", code)
                    self._forget(each)

    def _end_stream(self, stream: int, found: Http2Stream, number: int, time_ns: int) -> None:
        """An end has sent everything; the stream is over when both have."""
        found.ended(number, time_ns, "end-stream", None)
        if self._half_ended.setdefault(stream, number) != number:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        del self._streams[stream]
        self._half_ended.pop(stream, None)

    def _headers(self, number: int, time_ns: int, stream: int, flags: int, block: bytes) -> None:
        direction = self._directions[number]
        if not flags & _END_HEADERS:
            direction.block = (stream, flags, block)
            return
        direction.block = None
        try:
            fields = [
                (_text(field[0]), _text(field[1])) for field in direction.decoder.decode(block)
            ]
        except Exception:  # hpack raises errors of its own, and others for hostile bytes
            self._lost(number, time_ns)
            return
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        headers = [(name, value) for name, value in fields if not name.startswith(":")]
        found = self._streams.get(stream)
        if number != self._client:
            status = pseudo.get(":status", "")
            if found is not None and status and not status.startswith("1"):
                found.answered(Head(("HTTP/2", status, ""), headers), time_ns)
        elif (
            pseudo.get(":protocol") == "websocket"
            and found is None
            and len(self._streams) < _MOST_STREAMS
        ):
            headers.insert(0, ("host", pseudo.get(":authority", "")))
            head = Head(("CONNECT", pseudo.get(":path", "/"), "HTTP/2"), headers)
            self._streams[stream] = self._open_stream(head, time_ns)
        if found is not None and flags & _END_STREAM:
            self._end_stream(stream, found, number, time_ns)


def begins_settings(data: bytes) -> bool:
    """Whether a server's first bytes may be a SETTINGS frame, which need not wait for its client's
    preface."""
    return len(data) >= 9 and data[:2] == b"\0\0" and data[3] == 4 and not any(data[5:9])


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
