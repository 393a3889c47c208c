"""How much one turn of the event loop reads: a flood of tiny frames holds up nobody's timer."""

from __future__ import annotations

import asyncio
import socket
import zlib
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.connection.pending_upgrade import PendingUpgrade, _Phase
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import CHUNK, Stream

MOST_EVENTS = 256
MOST_INFLATED = 600 * 1024


async def turns(flood: bytes, count: int) -> tuple[list[int], Stream]:
    """How many events each turn had, for as many turns, of a peer that never stops."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream, events, enough = Stream(ours), [], asyncio.Event()

    def came(_: Arrival) -> None:
        events.append(0)
        if len(events) > count:
            enough.set()

    def heard(_: Received) -> None:
        if events:
            events[-1] += 1

    async def send() -> None:
        loop = asyncio.get_running_loop()
        while True:
            await loop.sock_sendall(theirs, flood)

    session = Session(stream, Connection(Role.CLIENT), on_data=came)
    session.push(heard, lambda _: None)
    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(60):
            await enough.wait()
        return events[:count], stream
    finally:
        sending.cancel()
        stream.reset()
        theirs.close()


@pytest.mark.parametrize("opcode", [1, 9, 10])
def test_a_turn_reads_few_tiny_frames(opcode: int) -> None:
    events, stream = asyncio.run(turns(encode_frame(opcode, b"") * 5000, 20))
    assert max(events[1:]) <= MOST_EVENTS + 1, events  # the first one tells how small they are
    assert stream.read_size < CHUNK


def test_frames_of_ordinary_size_are_read_in_whole_chunks() -> None:
    _, stream = asyncio.run(turns(encode_frame(2, bytes(1000)) * 50, 20))
    assert stream.read_size == CHUNK


def test_a_turn_inflates_little_of_a_bomb() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(bytes(15 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)

    async def go() -> list[int]:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            deflate = PerMessageDeflate(Role.CLIENT)
            seen, stream = [0], Stream(ours)
            enough = asyncio.Event()

            def came(_: Arrival) -> None:
                if seen[-1] != deflate.decoded_to:
                    seen.append(deflate.decoded_to)
                if len(seen) > 10:
                    enough.set()

            session = Session(stream, Connection(Role.CLIENT, deflate=deflate), on_data=came)
            session.push(lambda _: None, lambda _: None)
            await asyncio.get_running_loop().sock_sendall(
                theirs, encode_frame(2, bomb[:-4], rsv1=True) * 2
            )
            async with asyncio.timeout(60):
                await enough.wait()
            stream.reset()
            return [b - a for a, b in pairwise(seen)]

    inflated = asyncio.run(go())
    assert max(inflated[1:]) < MOST_INFLATED, inflated  # the first one tells how it inflates


def test_a_queue_of_large_messages_pauses_the_stream() -> None:
    """Whoever does not read its events holds few megabytes of them, and loses none."""

    async def go() -> tuple[bool, int]:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            paused = asyncio.Event()

            class Watched(Stream):
                def pause_reading(self) -> None:
                    paused.set()
                    super().pause_reading()

            stream = Watched(ours)
            session = Session(stream, Connection(Role.CLIENT))
            loop = asyncio.get_running_loop()
            message = encode_frame(2, bytes(3 << 20))
            sending = asyncio.create_task(loop.sock_sendall(theirs, message * 4))
            async with asyncio.timeout(60):
                await paused.wait()
                await asyncio.sleep(0.05)
                queued = len(session._events)
                read = [await session.receive() for _ in range(4)]
                await sending
            stream.reset()
            assert None not in read
            return queued == 2, len(read)

    assert asyncio.run(go()) == (True, 4)


def test_a_turn_gives_tls_no_more_than_a_chunk() -> None:
    """300 KeyUpdates fit into it; each costs a derivation of keys, and perhaps an answer."""

    async def go() -> list[int]:
        ours, theirs = socket.socketpair()
        with theirs:
            given: list[int] = []
            enough = asyncio.Event()

            def receive(data: bytes) -> bytes:
                given.append(len(data))
                if sum(given) >= 100_000:
                    enough.set()
                return b""

            layer: Any = SimpleNamespace(
                established=True, failure=None, closed=False, below=None,
                handshake=lambda _data: b"", receive=receive, take=lambda: b"",
            )  # fmt: skip
            theirs.setblocking(False)
            stream = Stream(ours)
            stream.start_tls(layer, lambda _how: None)
            sending = asyncio.create_task(
                asyncio.get_running_loop().sock_sendall(theirs, bytes(200_000))
            )
            async with asyncio.timeout(60):
                await enough.wait()
            stream.reset()
            sending.cancel()
            return given

    assert max(asyncio.run(go())) <= CHUNK


def test_frames_before_the_upgrade_are_held_up_to_a_chunk() -> None:
    """While `serve --upstream` dials: all of them are read in one callback afterwards."""

    async def go() -> int:
        paused: list[bool] = []
        stream: Any = SimpleNamespace(pause_reading=lambda: paused.append(True))
        options = SimpleNamespace(subprotocols=(), handshake_timeout=60)
        owner: Any = SimpleNamespace(options=options)
        pending = PendingUpgrade(owner, 1, stream, full=False)
        pending._phase = _Phase.WAITING
        held = 0
        while not paused:
            pending.data_received(bytes(512), Arrival(0))
            held += 512
        pending._timer.cancel()
        return held

    assert asyncio.run(go()) <= CHUNK
