"""The pulling end of a stream, for the conversations before a session: proxy and upgrade."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, now
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.tls.layer import TlsLayer

BODY_WAIT_S = 1.0

T = TypeVar("T")


class StreamReaderEnded(Exception):
    """The stream ended while something was still awaited; `received`: bytes it brought before."""

    def __init__(self, end: StreamEnd, received: int) -> None:
        super().__init__(end.how)
        self.end, self.received = end, received


class StreamReader:
    """A handler that hands out one chunk at a time; the stream is paused between two of them."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._arrived: asyncio.Future[tuple[bytes, Arrival]] | None = None
        self._kept: list[tuple[bytes, Arrival]] = []
        self._received = 0
        self._body_until: float | None = None
        stream.pause_reading()
        stream.start(self)

    async def read(self) -> tuple[bytes, Arrival]:
        """The next bytes and when they arrived. Raises StreamReaderEnded."""
        if self._kept:
            return self._kept.pop(0)
        if self.stream.ended is not None:
            raise StreamReaderEnded(self.stream.ended, self._received)
        self._arrived = asyncio.get_running_loop().create_future()
        self.stream.resume_reading()
        return await self._arrived

    async def read_soon(self) -> tuple[bytes, Arrival]:
        """The next bytes of a refusal's body: it only helps, and some servers never end it.

        Raises TimeoutError a second after the first call, however much came since.
        """
        if self._body_until is None:
            self._body_until = asyncio.get_running_loop().time() + BODY_WAIT_S
        async with asyncio.timeout_at(self._body_until):
            return await self.read()

    def keep(self, data: bytes) -> None:
        """Give back bytes that were read too many: the stream's next handler gets them first."""
        if data:
            self.stream.unread(data, now())

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Hand a chunk to the read that waits for it."""
        self.stream.pause_reading()
        self._received += len(data)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result((data, at))
        else:
            self._kept.append((data, at))

    def stream_ended(self, end: StreamEnd) -> None:
        """Fail the read that waits."""
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_exception(StreamReaderEnded(end, self._received))


async def do_handshake(
    stream: Stream, layer: TlsLayer, look: Callable[[ssl.SSLObject], T]
) -> tuple[int, T]:
    """TLS over the stream; ns from the ClientHello's departure to the last record's arrival.

    `look` takes what was negotiated as soon as it is: OpenSSL forgets it when a fatal alert comes
    right behind. Raises ssl.SSLError, or StreamReaderEnded when the stream ends first.
    """
    done: asyncio.Future[tuple[int, T]] = asyncio.get_running_loop().create_future()

    def finished(failure: ssl.SSLError | StreamEnd | None) -> None:
        if done.done():
            return
        if failure is None:
            stream.pause_reading()
            done.set_result((stream.handshake_ns, look(layer.object)))
        elif isinstance(failure, StreamEnd):
            done.set_exception(StreamReaderEnded(failure, layer.received))
        else:
            done.set_exception(failure)

    stream.resume_reading()
    stream.start_tls(layer, finished)
    return await done
