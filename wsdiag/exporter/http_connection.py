"""One client of the exporter's port: its requests, one at a time, and their answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

import h11

from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

MAX_HEAD = 16 * 1024
MAX_DROPPED = 1024 * 1024
LINGER_S = 1.0
_PIECE = 64 * 1024
_NOTHING = memoryview(b"")
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


class Server(Protocol):
    """What a connection knows of its server; times in s."""

    handler: Handler
    on_refused: OnRefused
    head_s: float
    answer_s: float
    idle_s: float
    stopping: bool
    statuses: Counter[int]

    def touched(self, connection: HttpConnection) -> None:
        """It became idle, or its request is complete."""

    def waits(self, connection: HttpConnection) -> None:
        """Its answer waits for its reader."""

    def gone(self, connection: HttpConnection) -> None:
        """It has ended."""


class HttpConnection:
    """One client: requests in, one at a time, and their answers out."""

    def __init__(self, server: Server, stream: Stream) -> None:
        self._server, self._stream = server, stream
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = _NOTHING
        self._ending = False
        self._dropped = 0
        self.idle = True
        """Whether nothing of a request has come since the last answer."""
        self._timer = self._loop.call_later(server.head_s, self.too_slow)

    @property
    def answering(self) -> bool:
        """Whether a request is complete and its answer is not."""
        return self._task is not None

    @property
    def unread(self) -> object | None:
        """The answer whose reader has not taken it yet, but for what the stream holds."""
        return self._left.obj if len(self._left) else None

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
                self._server.touched(self)
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
        self._left = _NOTHING if head_only else memoryview(answer.body)
        self.writable()
        if self.unread is not None:
            self._server.waits(self)

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
        self._task, self._left = None, _NOTHING  # an empty part of an answer holds all of it
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
        self._limit(LINGER_S)

    # -- time and ends -------------------------------------------------------------------------

    def _limit(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.too_slow)

    def too_slow(self) -> None:
        """It takes too long over what it is at."""
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
        self._left = _NOTHING
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
