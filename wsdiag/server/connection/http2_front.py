"""HTTP/2 at the server: a connection whose requests become pending upgrades of their own.

Each request is a stream, and each stream is to faults what a connection is over HTTP/1.1: the same
classes serve it, on another byte stream. Two things differ. A request comes as a header block, and
an extended CONNECT is its upgrade (RFC 8441); an answer leaves as one, without what HTTP/2 has no
place for. And a fault may act on the connection as a whole, by the `http2` of its channel.

Without TLS nobody tells what a client will speak: `sniff` looks at its first bytes, which are
HTTP/2's preface or a request line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.headers import HeaderSyntaxError, get_all, parse_extensions, parse_tokens
from wsdiag.protocol.http import Headers, Request
from wsdiag.server.connection.channel import ConnectionOwner, ServerChannel
from wsdiag.server.connection.pending_upgrade import PendingUpgrade
from wsdiag.server.reply import HandshakeResponse, Reply
from wsdiag.transport.http2.connection import Http2Connection
from wsdiag.transport.http2.protocol import server_protocol
from wsdiag.transport.http2.stream import Http2Stream
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR = 0x1
# RFC 9113, 8.2.2: they are about a connection of HTTP/1.1
_HOP_BY_HOP = (
    *("connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"),
    "sec-websocket-accept",
)


class Sniffer:
    """Reads a plain connection's first bytes, and hands it on: `http2` or `http1`."""

    def __init__(
        self,
        owner: ConnectionOwner,
        stream: Stream,
        http2: Callable[[Stream], None],
        http1: Callable[[Stream], None],
    ) -> None:
        self._owner, self.stream, self._http2, self._http1 = owner, stream, http2, http1
        self._first = b""
        self._timer = asyncio.get_running_loop().call_later(
            owner.options.handshake_timeout, self.stop
        )
        owner.on_opened(self)

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Decide as soon as the bytes tell."""
        self._first += data
        if self._first.startswith(PREFACE):
            self._hand_on(self._http2, at)
        elif not PREFACE.startswith(self._first):
            self._hand_on(self._http1, at)

    def _hand_on(self, to: Callable[[Stream], None], at: Arrival) -> None:
        self._done()
        self.stream.unread(self._first, at)
        to(self.stream)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client left before it said anything."""
        self._done()
        self.stream.close()

    def stop(self) -> None:
        """The server stops, or the client took too long to say anything."""
        self.stream.close()

    def _done(self) -> None:
        self._timer.cancel()
        self._owner.on_closed(self)


class Http2Front:
    """A client's HTTP/2 connection, until it ends."""

    def __init__(
        self,
        owner: ConnectionOwner,
        number: int,
        stream: Stream,
        accept: Callable[[Http2Connection, Http2Stream, Headers], None],
        *,
        advertise: bool = True,
    ) -> None:
        """`accept` gets each request; `advertise`: whether SETTINGS allow extended CONNECT."""
        self.owner, self.number, self.stream = owner, number, stream
        self._connection = Http2Connection(
            stream,
            server_protocol(enable_connect=advertise),
            on_request=lambda request, headers: accept(self._connection, request, headers),
            on_end=self._ended,
            keep_open=True,
            deferred=True,
        )

    def start(self) -> None:
        """Serve, beginning with what has come already."""
        self._connection.start()

    def _ended(self, end: StreamEnd) -> None:
        connection = self._connection
        if connection.violation is not None:
            self.owner.emit(self.number, "violation", {"message": connection.violation})
        self.owner.on_closed(self)

    def stop(self) -> None:
        """The server stops: no new streams, and the end once the last is over."""
        self._connection.keep_open = False
        if self._connection.streams:
            self._connection.go_away()
        else:
            self._connection.close()


class PendingStream(PendingUpgrade):
    """A request over HTTP/2: its header block is all of it."""

    def __init__(
        self,
        owner: ConnectionOwner,
        number: int,
        connection: Http2Connection,
        stream: Http2Stream,
        *,
        full: bool,
    ) -> None:
        super().__init__(owner, number, stream, full=full)
        self._connection, self._http2_stream = connection, stream

    def begin(self, header_block: Headers) -> None:
        """Serve the request."""
        try:
            request = request_of(header_block)
        except HandshakeError as error:
            self.emit("refused", code=error.code, message=error.message)
            self._answer(Reply(400, body=error.message.encode() + b"\n"))
            return
        self.take(request)

    def send_reply(self, reply: Reply) -> None:
        """The reply's head, and its body if it has one; bytes that are no HTTP end the stream."""
        if reply.status is None:
            code = PROTOCOL_ERROR if reply.reset_code is None else reply.reset_code
            self._http2_stream.reset(code)
            return
        status = 200 if reply.status == 101 else reply.status
        headers = [(":status", str(status))]
        headers += [
            (name.lower(), value)
            for name, value in reply.complete_headers()
            if name.lower() not in _HOP_BY_HOP
        ]
        self._connection.respond(self._http2_stream, headers)
        if reply.status != 101:
            self.stream.write(reply.body, stamp=False)

    def channel_of(self, channel: ServerChannel, response: HandshakeResponse) -> None:
        """Give it the connection that its faults may act on; a window is set before the answer."""
        channel.http2 = self._http2_stream
        if response.window is not None:
            self._connection.set_window(response.window)


def request_of(header_block: Headers) -> Request:
    """The request that a header block is. Raises HandshakeError for a bad extended CONNECT."""
    pseudo: dict[str, str] = {name: value for name, value in header_block if name.startswith(":")}
    headers = [("Host", pseudo[":authority"])] if ":authority" in pseudo else []
    headers += [(name, value) for name, value in header_block if not name.startswith(":")]
    method, target = pseudo.get(":method", "GET"), pseudo.get(":path", "/")
    if pseudo.get(":protocol") != "websocket":
        return Request(target, headers, method, version="2")
    version = get_all(headers, "Sec-WebSocket-Version")
    if version != ["13"]:
        message = f"Sec-WebSocket-Version is {', '.join(version) or 'missing'}, not 13"
        raise HandshakeError("bad-version", message, "RFC 8441, 5")
    request = Request(target, headers, "GET", is_upgrade=True, version="2")
    try:
        parse_extensions(request.header("Sec-WebSocket-Extensions") or "")
        offered = parse_tokens(request.header("Sec-WebSocket-Protocol") or "")
    except HeaderSyntaxError as error:
        raise HandshakeError("bad-request", str(error), "RFC 8441, 5") from None
    return replace(request, offered_subprotocols=offered)
