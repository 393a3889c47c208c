"""How much one turn of the event loop reads: a flood of tiny frames holds up nobody's timer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.frames import encode_frame
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import CHUNK, Stream

MOST_EVENTS = 256


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
