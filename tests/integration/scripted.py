"""A server whose every move a test writes down, on our own codec: for behaviour no library has."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic_ns

import pytest
from hyperframe.frame import HeadersFrame

from wsdiag.protocol.codes import Role
from wsdiag.protocol.frames import Frame, encode_frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.transport.stream.stamps import SendRecord
from wsdiag.transport.stream.stream import Stream


class ScriptedClient:
    """One client after its upgrade: `frames()` come in, `send()` writes any frame."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number, self.writer = number, writer
        self.seen: list[Frame] = []
        self._reader = reader
        self._parser = FrameParser(Role.SERVER, max_message_size=2**24, rsv1_allowed=False)

    async def frames(self) -> AsyncIterator[Frame]:
        """Frames as they come, until the client is gone."""
        while data := await self._reader.read(65536):
            for frame in self._parser.feed(data):
                self.seen.append(frame)
                yield frame

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Write one frame."""
        self.writer.write(encode_frame(opcode, payload))

    def reset(self) -> None:
        """End with RST."""
        with suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[ScriptedClient], Awaitable[None]]


class ScriptedServer:
    """Runs `script` for each client; ends its connection, by FIN, when the script returns.

    `headers`: more for the 101. `limit`: connections at once; beyond, HTTP 429. `receives`: how
    many bytes TCP takes that the script does not read.
    """

    def __init__(
        self,
        script: Script,
        *,
        headers: Sequence[tuple[str, str]] = (),
        limit: int | None = None,
        receives: int | None = None,
    ) -> None:
        self.clients: list[ScriptedClient] = []
        self.open: set[ScriptedClient] = set()
        self.most_open = 0
        self.port = 0
        self._script, self._headers, self._limit = script, headers, limit
        self._receives = receives
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receives is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receives)
        sock.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._serve, sock=sock)
        self.port = sock.getsockname()[1]

    def kill(self) -> None:
        """Stop listening, and reset every connection."""
        assert self._server is not None
        self._server.close()
        for client in self.open:
            client.reset()

    async def stop(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # Cancelled only by stop(): asyncio.streams would print that as an error.
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._upgrade(reader, writer)
        finally:
            self._tasks.discard(task)
            with suppress(ConnectionError):
                writer.close()

    async def _upgrade(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handshake, request = ServerHandshake(), None
        while request is None:
            data = await reader.read(65536)
            if not data:  # gone before it asked for anything
                return
            request = handshake.receive(data)
        if self._limit is not None and len(self.open) >= self._limit:
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(handshake.accept(request, headers=self._headers)[0])
        client = ScriptedClient(len(self.clients), reader, writer)
        self.clients.append(client)
        self.open.add(client)
        self.most_open = max(self.most_open, len(self.open))
        try:
            await self._script(client)
        finally:
            self.open.discard(client)


def note_what_tcp_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long ago that left whose acknowledgement is asked for, each time from now on; seconds.

    All that was written may have left this very moment: 0.
    """
    ages_s: list[float] = []
    acknowledged = Stream.acknowledged

    def noted(stream: Stream, sent: SendRecord | None = None) -> bool | None:
        ages_s.append(0.0 if sent is None else (monotonic_ns() - sent.mono_ns) / 1e9)
        return acknowledged(stream, sent)

    monkeypatch.setattr(Stream, "acknowledged", noted)
    return ages_s


async def read_connect(reader: asyncio.StreamReader) -> None:
    """Read an HTTP/2 client's preface and its frames, until it has sent an extended CONNECT."""
    await reader.readuntil(b"SM\r\n\r\n")
    kind = None
    while kind != HeadersFrame.type:
        head = await reader.readexactly(9)
        kind = head[3]
        await reader.readexactly(int.from_bytes(head[:3], "big"))


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[str, list[ScriptedClient]]]:
    """(URL, the clients so far) of a server that runs `script` for each client."""
    server = ScriptedServer(script)
    await server.start()
    try:
        yield server.url, server.clients
    finally:
        await server.stop()
