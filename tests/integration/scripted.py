"""A server whose every move a test writes down, on our own codec: for behaviour no library has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from wsdiag.protocol.codes import Role
from wsdiag.protocol.frames import Frame, encode_frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake


class Visitor:
    """One client after its upgrade: `frames()` come in, `send()` writes any frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.number = 0
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


Script = Callable[[Visitor], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[str, list[Visitor]]]:
    """(URL, the visitors so far) of a server that runs `script` for each client."""
    visitors: list[Visitor] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            handshake, request = ServerHandshake(), None
            while request is None:
                request = handshake.receive(await reader.read(65536))
            writer.write(handshake.accept(request)[0])
            visitor = Visitor(reader, writer)
            visitor.number = len(visitors)
            visitors.append(visitor)
            await script(visitor)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", visitors
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
