"""A relay of plain bytes between two TCP connections, with faults in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsdiag.server.link import QUEUE_HIGH, QUEUE_LOW, DropMode, Link, drop_stream
from wsdiag.transport.dial.race import RaceLost, connect_first
from wsdiag.transport.dial.resolve import lookup
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.server.server import Server

_CONNECT_TIMEOUT_S = 10.0
HOLD_UPSTREAM = 4
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


def raw_address(upstream: str) -> tuple[str, int]:
    """Host and port of `tcp://host:port`, `host:port` or a WebSocket URL; ValueError otherwise."""
    parts = urlsplit(upstream if "://" in upstream else f"tcp://{upstream}")
    port = parts.port or _PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError(f"{upstream!r} is not an upstream: write tcp://HOST:PORT")
    return parts.hostname, port


async def connect_tcp(host: str, port: int) -> Stream:
    """A stream to the first address that answers. OSError or TimeoutError."""
    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
        try:
            sock, _ = await connect_first(await lookup(host, port, None))
        except RaceLost as lost:
            raise lost.failures[0][1] from None
    return Stream(sock, peer=f"{host}:{port}")


class RawLink(Link):
    """Bytes of a client on their way to the upstream and back."""

    __slots__ = ("_ended", "_upstream")

    def __init__(self, server: Server, number: int, stream: Stream) -> None:
        super().__init__(server, number, stream)
        self._upstream: Stream | None = None
        self._ended = False

    def join(self, upstream: Stream) -> None:
        """Both sides are connected: bytes may flow."""
        self._upstream = upstream
        upstream.start(_Upstream(self))

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the client."""
        if self.armed:
            self.stream.reset()
        elif not self.over and self._upstream is not None:
            self.arrived(len(data))
            self._upstream.write(data, stamp=False)
            if self._upstream.unsent > QUEUE_HIGH:
                self.hold(HOLD_UPSTREAM)

    def upstream_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self.send(data)
        if self._upstream is not None and self.out.held > QUEUE_HIGH:
            self._upstream.pause_reading()

    def upstream_writable(self) -> None:
        """The upstream has taken all there was."""
        self.release(HOLD_UPSTREAM)

    def eased(self) -> None:
        """Read on, from both sides."""
        super().eased()
        if self._upstream is not None and self.out.held <= QUEUE_LOW and not self.over:
            self._upstream.resume_reading()

    def upstream_ended(self, end: StreamEnd) -> None:
        """The upstream's end becomes the client's, behind the bytes before it."""
        if self.over or end.how == "local":
            return
        if end.how == "rst":
            self.over = True
            self.stream.reset()
        else:
            self.out.end(self.stream.half_close)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client's end becomes the upstream's; half-closed connections stay half-closed."""
        if self.armed and end.how != "local":
            self.stream.reset()
            return
        if end.how in ("fin", "tls-eof", "tls-close") and not self.over and self._upstream:
            self._upstream.half_close()
            if self._upstream.ended is None:
                return
        self._finish(end)

    def _finish(self, end: StreamEnd) -> None:
        if self._ended:
            return
        self._ended = self.over = True
        self.end_faults()
        if self._upstream is not None:
            self._end_upstream(self._upstream, end)
        self.stream.close()
        self.server.gone(self)
        self.emit(
            "close",
            how=self.dropped or end.how,
            duration_s=round(self.loop.time() - self.started_at, 3),
            bytes_in=self.stream.bytes_in,
            bytes_out=self.stream.bytes_out,
        )

    def _end_upstream(self, upstream: Stream, end: StreamEnd) -> None:
        """The upstream follows the client, unless a fault has ended it already (`abandon`)."""
        if self.dropped in (None, "close"):
            drop_stream(upstream, "rst" if end.how == "rst" else "fin")
        elif self.dropped == "rst-on-write":
            upstream.reset()

    def both_ended(self) -> None:
        """After FINs in both directions nothing is left."""
        if self._upstream is not None and self._upstream.ended and self.stream.ended:
            self._finish(self.stream.ended)

    def abandon(self, how: DropMode) -> None:
        """A fault dropped the client: the upstream sees the same."""
        if self._upstream is not None:
            drop_stream(self._upstream, "silent" if how == "rst-on-write" else how)
        if how not in ("silent", "hang", "rst-on-write"):
            self._finish_half_closed()

    def close(self, code: int | None, reason: str) -> None:
        """There is no Close frame at this level: end TCP."""
        self.over = True
        self.end_faults()
        self.stream.close()
        self._finish_half_closed()

    def _finish_half_closed(self) -> None:
        """A stream tells of its end once: where the client sent FIN before, it has."""
        if self.stream.ended is not None:
            self.loop.call_soon(self._finish, self.stream.ended)

    def stop(self) -> None:
        """The server goes away."""
        if self.dropped in ("silent", "hang"):
            self.let_go(self.stream)
            if self._upstream is not None:
                self.let_go(self._upstream)
        else:
            self.stream.close()
            self._finish_half_closed()


class _Upstream:
    """The upstream's side of a raw link."""

    __slots__ = ("_link",)

    def __init__(self, link: RawLink) -> None:
        self._link = link

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the upstream."""
        self._link.upstream_received(data)

    def writable(self) -> None:
        """The upstream has taken all there was."""
        self._link.upstream_writable()

    def stream_ended(self, end: StreamEnd) -> None:
        """The upstream's stream is over."""
        self._link.upstream_ended(end)
        self._link.both_ended()
