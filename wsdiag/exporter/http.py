"""HTTP/1.1 for scrapers, bounded in every direction: whoever reaches the port may be hostile.

head          16 KiB, and 10 s from the first byte (or from connecting) to its end
body          none is wanted: a request that has one is answered 413, and the connection ended
connections   so many at once; beyond, the one that has been idle longest makes room, or else the
              oldest one whose request is not complete, or else the slowest reader
requests      one at a time on a connection: nothing more is read until it is answered
answers       handed to the stream in pieces, so that a slow reader holds a reference to bytes
              that all readers share, no copy; a minute for all of it, then the connection goes
idleness      two minutes between two requests: longer than people scrape apart

One connection is in http_connection.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wsdiag.exporter.http_connection import LINGER_S, Handler, HttpConnection, OnRefused
from wsdiag.transport.listen import Listener, ServerTls, listen
from wsdiag.transport.stream.stream import Stream

MAX_CONNECTIONS = 512
MAX_WAITING = 8
"""Different answers: a thousand targets' metrics are 3 MiB, and every scrape has its own."""
HEAD_S, ANSWER_S, IDLE_S = 10.0, 60.0, 120.0


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
        sent a whole request, or else that has not read its answer: a scraper does both at once."""
        for connection in self._connections:
            if connection.idle:
                connection.close()
                return True
        for connection in self._connections:
            if not connection.answering:
                connection.abort()
                return True
        for connection in self._connections:
            if connection.unread is not None:
                connection.too_slow()
                return True
        return False

    def touched(self, connection: HttpConnection) -> None:
        """It became idle, or its request is complete: the last of its kind to make room."""
        if connection in self._connections:
            self._connections[connection] = self._connections.pop(connection)

    def waits(self, connection: HttpConnection) -> None:
        """Its answer waits for its reader: the oldest of too many is not kept any longer."""
        waiting = [each for each in self._connections if each.unread is not None]
        if len({id(each.unread) for each in waiting}) > MAX_WAITING:
            oldest = waiting[0].unread
            for each in waiting:
                if each.unread is oldest:
                    each.too_slow()

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
            async with asyncio.timeout(LINGER_S):
                while self._connections:
                    self._changed.clear()
                    await self._changed.wait()
        for connection in list(self._connections):
            connection.abort()


def server_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    """How to speak TLS; None: not at all."""
    return None if cert is None else ServerTls(cert, key, client_ca=client_ca)
