"""An endpoint that drops connections exactly as told, as a behaviour of the scripted server."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.integration.scripted import ScriptedClient, ScriptedServer
from wsdiag.protocol.frames import encode_frame

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
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
    part_every_s: float | None = None
    """It sends a message without end, a byte at a time; its Pongs would have to wait for that."""
    bad_frame_after_s: float | None = None
    close_at_once: int | None = None


class Endpoint:
    """A running endpoint; `url` reaches it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.clean_closes = 0
        self.server = ScriptedServer(
            lambda client: _Connection(self, client).run(),
            headers=behaviour.headers,
            limit=behaviour.most,
        )

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def connections(self) -> int:
        return len(self.server.clients)

    @property
    def most_open(self) -> int:
        return self.server.most_open

    async def die(self, at_s: float) -> None:
        """Kill all connections at this time, and listen again where it restarts."""
        await asyncio.sleep(at_s)
        self.server.kill()
        if self.behaviour.restarts:
            await self.server.start()


class _Connection:
    """One client: what came and went when, and what ends it."""

    def __init__(self, endpoint: Endpoint, client: ScriptedClient) -> None:
        self.endpoint, self.behaviour, self.client = endpoint, endpoint.behaviour, client
        self.loop = asyncio.get_running_loop()
        self.opened_s = self.received_s = self.sent_s = self.loop.time()
        idle = self.behaviour.idle_s
        self.idle_s = idle(client.number + 1) if callable(idle) else idle

    async def run(self) -> None:
        tasks = [asyncio.create_task(work) for work in (self.read(), self.guard(), self.push())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def send(self, opcode: int, payload: bytes = b"") -> None:
        self.client.send(opcode, payload)
        self.sent_s = self.loop.time()

    async def push(self) -> None:
        """What it sends by itself."""
        behaviour = self.behaviour
        if behaviour.welcome is not None:
            self.send(TEXT, behaviour.welcome.encode())
        if behaviour.close_at_once is not None:
            self.send(CLOSE, struct.pack("!H", behaviour.close_at_once))
        if behaviour.bad_frame_after_s is not None:
            await asyncio.sleep(behaviour.bad_frame_after_s)
            self.client.writer.write(b"\xff\x00")
        if behaviour.part_every_s is not None:
            self.client.writer.write(b"\x82\x7f" + struct.pack("!Q", 1 << 20))
        while behaviour.part_every_s is not None:
            await asyncio.sleep(behaviour.part_every_s)
            self.client.writer.write(b"x")
        every = behaviour.ping_every_s or behaviour.text_every_s
        while every is not None:
            await asyncio.sleep(every)
            self.send(PING if behaviour.ping_every_s else TEXT, b"news")
        await asyncio.Event().wait()

    async def read(self) -> None:
        """What it answers."""
        behaviour = self.behaviour
        async for frame in self.client.frames():
            if not behaviour.only_messages_count or frame.opcode == TEXT:
                self.received_s = self.loop.time()
            if frame.opcode == PING and behaviour.answers_pings:
                self.send(PONG, frame.payload)
            elif frame.opcode == TEXT and behaviour.echo:
                self.send(TEXT, frame.payload)
            elif frame.opcode == CLOSE:
                self.endpoint.clean_closes += 1
                self.client.send(CLOSE, frame.payload)
                return

    def last_activity_s(self) -> float:
        if self.behaviour.only_messages_count or self.behaviour.counts == "client":
            return self.received_s
        if self.behaviour.counts == "server":
            return self.sent_s
        return max(self.received_s, self.sent_s)

    async def guard(self) -> None:
        """Drop the connection when it has been idle, or has lived, too long."""
        lifetime_s = self.behaviour.lifetime_s
        while True:
            dues = []
            if self.idle_s is not None:
                dues.append(self.last_activity_s() + self.idle_s)
            if lifetime_s is not None:
                dues.append(self.opened_s + lifetime_s)
            if not dues:
                await asyncio.Event().wait()
            left = min(dues) - self.loop.time()
            if left <= 0:
                await self.drop(self.behaviour.how)
                return
            await asyncio.sleep(left)

    async def drop(self, how: How) -> None:
        close = struct.pack("!H", self.behaviour.code) + self.behaviour.reason.encode()
        writer = self.client.writer
        if how == "rst":
            self.client.reset()
        elif how == "close":
            self.client.send(CLOSE, close)
            await asyncio.sleep(0.05)
        elif how == "bye":
            self.client.send(TEXT, b"you are too quiet")
            await asyncio.sleep(0.02)
            self.client.send(CLOSE, close)
            await asyncio.sleep(0.05)
        elif how == "cut":
            writer.write(encode_frame(CLOSE, close)[:3])
        elif how == "half":
            writer.write_eof()
            await asyncio.sleep(60)
        elif how == "silent":
            writer.transport.pause_reading()
            await asyncio.sleep(600)


@asynccontextmanager
async def endpoint(**behaviour: Any) -> AsyncIterator[Endpoint]:
    """A running endpoint, stopped at the end."""
    running = Endpoint(Behaviour(**behaviour))
    await running.server.start()
    at_s = running.behaviour.dies_at_s
    death = None if at_s is None else asyncio.create_task(running.die(at_s))
    try:
        yield running
    finally:
        if death is not None:
            death.cancel()
        await running.server.stop()
