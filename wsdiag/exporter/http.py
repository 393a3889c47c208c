"""HTTP/1.1 for scrapers, bounded in every direction: whoever reaches the port may be hostile.

head          16 KiB, and 10 s from the first byte (or from connecting) to its end
body          none is wanted: a request that has one is answered 413, and the connection ended
connections   so many at once; beyond, the one that has been idle longest makes room, or else the
              oldest one whose request is not complete
requests      one at a time on a connection: nothing more is read until it is answered
answers       handed to the stream in pieces, so that a slow reader holds a reference to bytes
              that all readers share, no copy; a minute for all of it, then the connection goes
idleness      two minutes between two requests: longer than people scrape apart
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

import h11

from wsdiag.transport.listen import Listener, ServerTls, listen
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

MAX_HEAD = 16 * 1024
MAX_DROPPED = 1024 * 1024
MAX_CONNECTIONS = 512
HEAD_S, ANSWER_S, IDLE_S = 10.0, 60.0, 120.0
_PIECE = 64 * 1024
_LINGER_S = 1.0
_SHOWN = 200


@dataclass(slots=True)
class HttpRequest:
    """A request without a body; names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    peer: str


@dataclass(slots=True)
class HttpAnswer:
    """A response; its length is added."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer]]
OnRefused = Callable[[str, str], None]
"""Called with a peer's address and what it did."""


class HttpServer:
    """Answers requests by `handler`; `on_refused` hears of those that were none."""

    def __init__(
        self,
        handler: Handler,
        on_refused: OnRefused,
        *,
        max_connections: int = MAX_CONNECTIONS,
        head_s: float = HEAD_S,
        answer_s: float = ANSWER_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self.handler, self.on_refused = handler, on_refused
        self.head_s, self.answer_s, self.idle_s = head_s, answer_s, idle_s
        self.stopping = False
        self.statuses: Counter[int] = Counter()
        """Of refusals that no handler saw."""
        self._max_connections = max_connections
        self._connections: dict[HttpConnection, None] = {}
        self._changed = asyncio.Event()
        self._listener: Listener | None = None

    async def start(
        self, host: str, port: int, tls: ServerTls | None, on_starved: Callable[[OSError], None]
    ) -> None:
        """Listen. OSError, and TrustError for unusable files of `tls`."""
        self._listener = await listen(
            host,
            port,
            on_stream=self._accept,
            tls=tls,
            intercept=self._crowded,
            on_starved=on_starved,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        assert self._listener is not None
        return self._listener.host, self._listener.port

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def _crowded(self, stream: Stream) -> bool:
        """Whether too many are at their TLS handshakes; this one is reset then."""
        if self._listener is None or self._listener.handshakes < self._max_connections:
            return False
        self.on_refused(stream.peer, f"more than {self._max_connections} TLS handshakes")
        stream.reset()
        return True

    def _accept(self, stream: Stream) -> None:
        if len(self._connections) >= self._max_connections:
            self.on_refused(stream.peer, f"more than {self._max_connections} connections")
            if not self._make_room():
                stream.reset()
                return
        connection = HttpConnection(self, stream)
        self._connections[connection] = None
        stream.start(connection)

    def _make_room(self) -> bool:
        """End the connection that has been idle longest; where none is, the oldest that has not
        sent a whole request: a scraper sends its own at once."""
        for connection in self._connections:
            if connection.idle:
                connection.close()
                return True
        for connection in self._connections:
            if not connection.answering:
                connection.abort()
                return True
        return False

    def touched(self, connection: HttpConnection) -> None:
        """It became idle: the last to make room."""
        if connection in self._connections:
            self._connections[connection] = self._connections.pop(connection)

    def gone(self, connection: HttpConnection) -> None:
        """It has ended."""
        self._connections.pop(connection, None)
        self._changed.set()

    async def stop(self) -> None:
        """Accept no more; what is being answered may end, for a second."""
        self.stopping = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            if connection.idle:
                connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while self._connections:
                    self._changed.clear()
                    await self._changed.wait()
        for connection in list(self._connections):
            connection.abort()


class HttpConnection:
    """One client: requests in, one at a time, and their answers out."""

    def __init__(self, server: HttpServer, stream: Stream) -> None:
        self._server, self._stream = server, stream
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = memoryview(b"")
        self._ending = False
        self._dropped = 0
        self.idle = True
        """Whether nothing of a request has come since the last answer."""
        self._timer = self._loop.call_later(server.head_s, self._too_slow)

    @property
    def answering(self) -> bool:
        """Whether a request is complete and its answer is not."""
        return self._task is not None

    # -- in ------------------------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes of a request."""
        if self._ending:
            self._dropped += len(data)
            if self._dropped > MAX_DROPPED:
                self._stream.pause_reading()
            return
        if self.idle:
            self.idle = False
            self._limit(self._server.head_s)
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._refuse_malformed(error)

    def _read(self) -> None:
        while not self._ending and self._task is None:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request = event
                names = dict(event.headers)
                if b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0":
                    self._refuse(413, "a request with a body")
            elif isinstance(event, h11.EndOfMessage):
                self.idle = False
                self._stream.pause_reading()
                self._limit(self._server.answer_s)
                self._task = self._loop.create_task(self._answer())
            elif isinstance(event, h11.ConnectionClosed):
                self.close()

    async def _answer(self) -> None:
        assert self._request is not None
        try:
            request = _request(self._request, self._stream.peer)
            answer = await self._server.handler(request)
        except Exception as error:
            self._server.on_refused(self._stream.peer, f"a bug: {type(error).__name__}: {error}")
            answer = HttpAnswer(500, b"internal error\n")
        if not self._ending:
            self._send(answer)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client left, or ended its side while it waits for an answer."""
        if end.how != "fin" or self._task is None:
            self.close()

    # -- out -----------------------------------------------------------------------------------

    def _send(self, answer: HttpAnswer) -> None:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *answer.headers,
        ]
        if self._server.stopping:
            headers.append(("Connection", "close"))
        self._write(_head(answer.status, headers))
        head_only = self._request is not None and self._request.method == b"HEAD"
        self._left = memoryview(b"" if head_only else answer.body)
        self.writable()

    def _write(self, event: h11.Event) -> None:
        self._stream.write(self._http.send(event) or b"", stamp=False)

    def writable(self) -> None:
        """The stream has taken all so far: the next piece, or the next request."""
        if self._task is None or self._ending:
            return
        while len(self._left) and not self._stream.unsent:
            piece, self._left = self._left[:_PIECE], self._left[_PIECE:]
            self._write(h11.Data(data=bytes(piece)))
        if not len(self._left) and not self._stream.unsent:
            self._sent()

    def _sent(self) -> None:
        self._task = None
        self._write(h11.EndOfMessage())
        if self._http.our_state is not h11.DONE or self._stream.ended is not None:
            self.close()
            return
        self._http.start_next_cycle()
        self.idle = True
        self._limit(self._server.idle_s)
        self._server.touched(self)
        try:
            self._read()
        except h11.RemoteProtocolError as error:
            self._refuse_malformed(error)
        if self._task is None:
            self._stream.resume_reading()

    def _refuse_malformed(self, error: h11.RemoteProtocolError) -> None:
        why, _, _ = str(error).partition(": bytearray(")  # Python's view of what was sent
        self._refuse(error.error_status_hint, why)

    def _refuse(self, status: int, why: str) -> None:
        """Answer what is no request that is served here, and end."""
        self._server.on_refused(self._stream.peer, why[:_SHOWN])
        self._server.statuses[status] += 1
        body = f"{why[:_SHOWN]}\n".encode()
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("Content-Length", str(len(body))), ("Connection", "close")]
            response = _head(status, headers)
            self._stream.write((self._http.send(response) or b"") + body, stamp=False)
        self._ending = True
        # what still comes is read and dropped for a moment: a RST could lose the answer
        self._stream.half_close()
        self._limit(_LINGER_S)

    # -- time and ends -------------------------------------------------------------------------

    def _limit(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.idle or self._ending:
            self.close()
            return
        what = "reads its answer too slowly" if self._task is not None else "sends too slowly"
        self._server.on_refused(self._stream.peer, what)
        self.abort()

    def close(self) -> None:
        """End by FIN."""
        self._end()
        self._stream.close()

    def abort(self) -> None:
        """End by RST."""
        self._end()
        self._stream.reset()

    def _end(self) -> None:
        self._ending = True
        self._left = memoryview(b"")
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._server.gone(self)


def _head(status: int, headers: list[tuple[str, str]]) -> h11.Response:
    reason = HTTPStatus(status).phrase.encode()
    headers = [("Date", formatdate(usegmt=True)), *headers]  # RFC 9110, 6.6.1
    return h11.Response(status_code=status, headers=headers, reason=reason)


def _request(request: h11.Request, peer: str) -> HttpRequest:
    target = request.target.decode("latin-1")
    if "://" in target[:8]:  # absolute-form (RFC 9112, 3.2.2)
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return HttpRequest(request.method.decode("latin-1"), path, query, headers, peer)


def server_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    """How to speak TLS; None: not at all."""
    return None if cert is None else ServerTls(cert, key, client_ca=client_ca)
