"""What is fuzzed: one function a target, each taking any bytes and raising only for a defect.

The first byte chooses the variant, the second how the rest is cut into reads, so that a fuzzer
reaches every role and every cut from one corpus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Role, State
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.events import BinaryMessage, Event, TextMessage, Violation
from wsdiag.protocol.frames import Frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.transport.http2.connection import Http2Connection
from wsdiag.transport.http2.protocol import client_protocol
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, SendRecord
from wsdiag.transport.stream.stream import Stream

LIMIT = 1 << 16
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def split(data: bytes) -> tuple[int, list[bytes]]:
    """The variant, and the rest cut into reads of the size that the second byte says."""
    variant, size = (data[:2] + b"\0\0")[:2]
    rest = data[2:]
    size = size or max(len(rest), 1)
    return variant, [rest[at : at + size] for at in range(0, len(rest), size)]


def parser(data: bytes) -> None:
    """Frames do not depend on the cut, and hold no more than came."""
    variant, reads = split(data)
    role = Role.SERVER if variant & 1 else Role.CLIENT
    assert _parse(role, variant, reads) == _parse(role, variant, [b"".join(reads)])


def _parse(role: Role, variant: int, reads: list[bytes]) -> tuple[list[Frame], str]:
    machine = FrameParser(role, max_frame_size=LIMIT, rsv1_allowed=bool(variant & 2))
    frames = [frame for read in reads for frame in machine.feed(read)]
    assert sum(len(frame.payload) for frame in frames) <= sum(map(len, reads))
    return frames, repr(machine.violation)


def connection(data: bytes) -> None:
    """Messages with and without deflate: bounded, one Violation at most, whatever the cut."""
    variant, reads = split(data)
    assert _converse(variant, reads) == _converse(variant, [b"".join(reads)])


def _converse(variant: int, reads: list[bytes]) -> tuple[list[Event], object]:
    role = Role.SERVER if variant & 1 else Role.CLIENT
    bits = 8 + (variant >> 3 & 7)
    forget = bool(variant & 4)
    codec = PerMessageDeflate(role, forget, forget, bits, bits) if variant & 2 else None
    machine = Connection(role, deflate=codec, max_message_size=LIMIT, mask=lambda: b"mask")
    events = [event for read in reads for event in machine.receive_data(read)]
    assert sum(isinstance(event, Violation) for event in events) <= 1
    assert all(_size(event) <= LIMIT for event in events)
    assert len(machine.data_to_send()) < 1 << 14
    events += machine.receive_eof()
    assert machine.state is State.CLOSED
    return events, machine.close_sent


def _size(event: Event) -> int:
    if isinstance(event, TextMessage):
        return len(event.text)
    return len(event.data) if isinstance(event, BinaryMessage) else 0


def client_handshake(data: bytes) -> None:
    """Any answer is accepted or refused with a HandshakeError, whatever the cut."""
    variant, reads = split(data)
    assert _judge_answer(variant, reads)


def _judge_answer(variant: int, reads: list[bytes]) -> str:
    """How the handshake ended, in a word."""
    offer = DeflateOffer() if variant & 1 else None
    machine = ClientHandshake("h", "/", key=KEY, subprotocols=["a", "b"], deflate_offer=offer)
    machine.request()
    try:
        for read in reads:
            if machine.receive(read) is not None:
                return "accepted"
        machine.receive_eof()
    except HandshakeError as error:
        return error.code
    raise AssertionError("neither accepted nor refused")


def server_handshake(data: bytes) -> None:
    """Any request is taken, or refused with a whole HTTP answer."""
    variant, reads = split(data)
    machine = ServerHandshake(subprotocols=["a"])
    try:
        for read in reads:
            request = machine.receive(read)
            if request is not None:
                answer = b"HTTP/1.1 404"
                if request.is_upgrade:
                    answer, _ = machine.accept(request, deflate=bool(variant & 1))
                break
        else:
            return
    except HandshakeError as error:
        answer = error.reply
    assert answer.startswith((b"HTTP/1.1 1", b"HTTP/1.1 4", b"HTTP/1.1 505"))


class Wire:
    """What an HTTP/2 connection needs of the stream below it: nothing arrives, nothing leaves."""

    def __init__(self) -> None:
        self.peer, self.ended, self.tls, self.written = "", None, None, 0
        self.closed = False

    unsent = 0
    read_size = 8192
    kernel_stamps = False

    def start(self, handler: object) -> None: ...
    def resume_reading(self) -> None: ...

    def write(self, data: bytes, *, stamp: bool = True, record: object = None) -> SendRecord:
        self.written += len(data)
        return SendRecord(0)

    def close(self) -> None:
        self.closed = True

    reset = close


class Reader:
    """Takes what a stream brings."""

    def __init__(self) -> None:
        self.taken, self.ends = 0, 0

    def data_received(self, data: bytes, at: Arrival) -> None:
        self.taken += len(data)

    def stream_ended(self, end: StreamEnd) -> None:
        self.ends += 1


def http2(data: bytes) -> None:
    """Whatever a server sends: one end, a named violation, bounded answers and memory."""
    variant, reads = split(data)
    asyncio.run(_over_http2(variant, reads))


async def _over_http2(variant: int, reads: list[bytes]) -> None:
    wire, reader = Wire(), Reader()
    machine = Http2Connection(cast(Stream, wire), client_protocol(), keep_open=bool(variant & 1))
    came = 0
    stream = None
    for read in reads:
        came += len(read)
        machine.data_received(read, Arrival(0))
        if stream is None and machine.ended is None and machine.peer_settings is not None:
            stream, _ = machine.request([(":method", "CONNECT"), (":path", "/")])
            if variant & 2:
                stream.pause_reading()
            stream.start(reader)
            stream.write(b"hello")
    assert (machine.violation is None) or (machine.ended is not None and wire.closed)
    assert machine.violation != ""
    assert reader.ends <= 1
    assert wire.written <= 2000 + 8 * came
    if stream is not None:
        assert reader.taken + stream.held_bytes <= came
    machine.stream_ended(StreamEnd("fin", "", Arrival(0)))
    assert machine.ended is not None
    assert not machine.streams


TARGETS: dict[str, Callable[[bytes], None]] = {
    "parser": parser,
    "connection": connection,
    "client_handshake": client_handshake,
    "server_handshake": server_handshake,
    "http2": http2,
}
