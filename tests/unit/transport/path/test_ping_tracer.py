"""A small TTL is taken back, whatever happens in between."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.transport.path.ping_tracer import PingTracer
from wsdiag.transport.session import Session
from wsdiag.transport.stream.stream import Stream

DEFAULT_TTL = socket.socket().getsockopt(socket.IPPROTO_IP, socket.IP_TTL)


class Pinging:
    """Stands for a session: notes with which TTL its Ping left, and may fail to send it."""

    ended = None

    def __init__(self, sock: socket.socket, error: BaseException | None = None) -> None:
        self.sock, self.stream, self._error = sock, Stream(sock), error
        self.left_with: int | None = None

    def ping(self, payload: bytes) -> None:
        self.left_with = self.sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
        if self._error is not None:
            raise self._error
        self.stream.write(payload)

    def tcp_info(self) -> Any:
        return self.stream.tcp_info()


async def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


def test_the_ping_leaves_with_the_small_ttl_and_nothing_else_does() -> None:
    async def main() -> None:
        ours, theirs = await connected()
        session = Pinging(ours)
        traced = await PingTracer(cast(Session, session)).ask(3)
        assert session.left_with == 3
        assert ours.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == DEFAULT_TTL
        assert traced.reached  # loopback has no routers
        session.stream.reset()
        theirs.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "error", [LocalProtocolError("closing"), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_the_ttl_is_taken_back_when_it_is_cut_short(error: BaseException) -> None:
    async def main() -> None:
        ours, theirs = await connected()
        session = Pinging(ours, error)
        with pytest.raises(type(error)):
            await PingTracer(cast(Session, session)).ask(2)
        assert session.left_with == 2
        assert ours.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == DEFAULT_TTL
        session.stream.reset()
        theirs.close()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
