"""What one read brought is answered by one write, and costs no task and no timer."""

from __future__ import annotations

import asyncio

import pytest

from wsdiag.server import Server, ServerOptions
from wsdiag.server.connection.client_connection import ClientConnection
from wsdiag.transport.stream.stream import Stream

MESSAGES = 100


class ScriptedSocket:
    """Hands out one read, and keeps what each call of `send` was given."""

    def __init__(self, incoming: bytes) -> None:
        self.incoming = incoming
        self.sent: list[bytes] = []

    def setblocking(self, _: bool) -> None: ...

    def fileno(self) -> int:
        return 1 << 20  # no real one

    def recv(self, _: int) -> bytes:
        data, self.incoming = self.incoming, b""
        return data

    def send(self, data: bytes) -> int:
        self.sent.append(bytes(data))
        return len(data)


def masked_text(text: bytes) -> bytes:
    """A client's text message, its mask all zeros."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


@pytest.mark.parametrize("ping", [False, True])
def test_a_hundred_messages_in_one_read_leave_in_one_write(ping: bool) -> None:
    texts = [f"message {number}".encode() for number in range(MESSAGES)]
    incoming = b"".join(masked_text(text) for text in texts)
    if ping:
        incoming += b"\x89\x82" + bytes(4) + b"hi"
    sock = ScriptedSocket(incoming)

    async def answer() -> tuple[int, int]:
        stream = Stream(sock)  # type: ignore[arg-type]
        peer = ClientConnection(Server(ServerOptions()), 1, stream, None)
        stream._handler = peer
        peer.set_faults([])
        stream._on_readable()
        loop = asyncio.get_running_loop()
        return len(asyncio.all_tasks()), len(loop._scheduled)  # type: ignore[attr-defined]

    tasks, timers = asyncio.run(answer())
    expected = b"".join(bytes([0x81, len(text)]) + text for text in texts)
    assert sorted(b"".join(sock.sent)) == sorted(expected + (b"\x8a\x02hi" if ping else b""))
    assert len(sock.sent) == 1
    assert tasks == 1, "the test's own"
    assert timers == 0
