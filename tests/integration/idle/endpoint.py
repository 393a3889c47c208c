"""An endpoint that drops connections exactly as told: raw sockets, handshake by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
How = Literal["fin", "rst", "close", "half", "cut", "silent", "bye"]


@dataclass(kw_only=True)
class Behaviour:
    """What the endpoint does; seconds. `idle_s` may differ from connection to connection."""

    idle_s: float | Callable[[int], float] | None = None
    counts: Literal["both", "client", "server"] = "both"
    lifetime_s: float | None = None
    how: How = "fin"
    code: int = 1000
    reason: str = ""
    ping_every_s: float | None = None
    text_every_s: float | None = None
    answers_pings: bool = True
    echo: bool = False
    only_messages_count: bool = False
    welcome: str | None = None
    most: int | None = None
    """Connections at once; beyond, HTTP 429."""
    headers: tuple[tuple[str, str], ...] = ()
    dies_at_s: float | None = None
    """Seconds after its start at which it kills all connections and stops listening."""
    restarts: bool = False
    """After dying it listens again."""
    bad_frame_after_s: float | None = None
    close_at_once: int | None = None


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """An unmasked frame of at most 125 bytes of payload."""
    return bytes([0x80 | opcode, len(payload)]) + payload


@dataclass
class Endpoint:
    """A running endpoint; `url` reaches it."""

    behaviour: Behaviour
    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    first_bytes: list[float] = field(default_factory=list)
    clean_closes: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.behaviour.dies_at_s is not None:
            self._spawn(self._die(self.behaviour.dies_at_s))

    def _spawn(self, work) -> asyncio.Task[None]:  # type: ignore[no-untyped-def]
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _die(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            reset(writer)
        if self.behaviour.restarts:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, reuse_address=True
            )

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            # Cancelled only by stop(): asyncio.streams would print that as an error.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._handshake(reader, writer)
        finally:
            self._writers.discard(writer)
            with suppress(ConnectionError):
                writer.close()

    async def _handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if self.behaviour.most is not None and self.open >= self.behaviour.most:
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        key = next(v for k, v in lines.items() if k.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.behaviour.headers).encode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n" + extra + b"\r\n"
        )
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await _Talk(self, reader, writer, self.connections).run()
        finally:
            self.open -= 1


class _Talk:
    """One upgraded connection."""

    def __init__(
        self,
        endpoint: Endpoint,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self.endpoint, self.behaviour = endpoint, endpoint.behaviour
        self.reader, self.writer = reader, writer
        self.loop = asyncio.get_running_loop()
        self.born = self.heard = self.spoke = self.loop.time()
        idle = self.behaviour.idle_s
        self.idle_s = idle(number) if callable(idle) else idle

    async def run(self) -> None:
        tasks = [asyncio.create_task(work) for work in (self.read(), self.guard(), self.chat())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def say(self, data: bytes) -> None:
        self.writer.write(data)
        self.spoke = self.loop.time()

    async def chat(self) -> None:
        behaviour = self.behaviour
        if behaviour.welcome is not None:
            self.say(frame(1, behaviour.welcome.encode()))
        if behaviour.close_at_once is not None:
            self.say(frame(8, struct.pack("!H", behaviour.close_at_once)))
        if behaviour.bad_frame_after_s is not None:
            await asyncio.sleep(behaviour.bad_frame_after_s)
            self.say(b"\xff\x00")
        every = behaviour.ping_every_s or behaviour.text_every_s
        while every is not None:
            await asyncio.sleep(every)
            self.say(frame(9, b"hi") if behaviour.ping_every_s else frame(1, b"news"))
        await asyncio.Event().wait()

    async def read(self) -> None:
        while True:
            head = await self.reader.readexactly(2)
            length = head[1] & 0x7F
            assert length < 126
            mask = await self.reader.readexactly(4)
            payload = bytes(
                b ^ mask[i % 4] for i, b in enumerate(await self.reader.readexactly(length))
            )
            opcode = head[0] & 0x0F
            if not self.behaviour.only_messages_count or opcode == 1:
                self.heard = self.loop.time()
            if opcode == 9 and self.behaviour.answers_pings:
                self.say(frame(10, payload))
            elif opcode == 1 and self.behaviour.echo:
                self.say(frame(1, payload))
            elif opcode == 8:
                self.endpoint.clean_closes += 1
                self.writer.write(frame(8, payload))
                return

    def last(self) -> float:
        if self.behaviour.only_messages_count:
            return self.heard
        both = {"both": max(self.heard, self.spoke), "client": self.heard, "server": self.spoke}
        return both[self.behaviour.counts]

    async def guard(self) -> None:
        behaviour = self.behaviour
        while True:
            dues = []
            if self.idle_s is not None:
                dues.append(self.last() + self.idle_s)
            if behaviour.lifetime_s is not None:
                dues.append(self.born + behaviour.lifetime_s)
            if not dues:
                await asyncio.Event().wait()
            left = min(dues) - self.loop.time()
            if left <= 0:
                await self.drop(behaviour.how)
                return
            await asyncio.sleep(left)

    async def drop(self, how: How) -> None:
        last_frame = frame(
            8, struct.pack("!H", self.behaviour.code) + self.behaviour.reason.encode()
        )
        if how == "rst":
            reset(self.writer)
        elif how == "close":
            self.writer.write(last_frame)
            await asyncio.sleep(0.05)
        elif how == "bye":
            self.writer.write(frame(1, b"you are too quiet"))
            await asyncio.sleep(0.02)
            self.writer.write(last_frame)
            await asyncio.sleep(0.05)
        elif how == "cut":
            self.writer.write(last_frame[:3])
        elif how == "half":
            self.writer.write_eof()
            await asyncio.sleep(60)
        elif how == "silent":
            self.writer.transport.pause_reading()
            await asyncio.sleep(600)


def reset(writer: asyncio.StreamWriter) -> None:
    """End with RST."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def endpoint(**behaviour) -> AsyncIterator[Endpoint]:  # type: ignore[no-untyped-def]
    """A running endpoint, stopped at the end."""
    running = Endpoint(Behaviour(**behaviour))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
