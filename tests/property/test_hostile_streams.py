"""Ten thousand random and mutated streams: a Violation event at worst, never an exception."""

import random

import pytest

from tests.property.streams import receiver
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Role, State
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.events import Event, Violation
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake

STREAMS = 2500
LIMIT = 4096


def noise(rng: random.Random) -> bytes:
    """Random bytes that often begin like a frame."""
    first = rng.choice([0x81, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8A, 0xC1, rng.randrange(256)])
    return bytes([first]) + rng.randbytes(rng.randrange(40))


def frames(rng: random.Random, peer: Role) -> bytes:
    """A stream of arbitrary frames, many of them legal."""
    wire = b""
    codec = PerMessageDeflate(peer)
    for _ in range(rng.randrange(1, 8)):
        opcode = rng.choice([0, 0, 1, 1, 2, 2, 8, 9, 10, rng.randrange(16)])
        payload = rng.choice([b"", rng.randbytes(rng.randrange(200)), "é€😀".encode(), bytes(5000)])
        rsv1 = rng.random() < 0.4 and opcode in (1, 2)
        payload = codec.encode(payload) if rsv1 and rng.random() < 0.8 else payload
        fin = rng.random() < 0.7 or opcode > 7
        mask = rng.randbytes(4) if (peer is Role.CLIENT) is (rng.random() < 0.98) else None
        wire += encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)
    return wire


def mutate(rng: random.Random, wire: bytes) -> bytes:
    buffer = bytearray(wire)
    for _ in range(rng.randrange(4)):
        buffer[rng.randrange(len(buffer))] ^= 1 << rng.randrange(8)
    cut = rng.randrange(len(buffer)) + 1 if rng.random() < 0.3 else len(buffer)
    return bytes(buffer[:cut])


def chunks(rng: random.Random, wire: bytes) -> list[bytes]:
    size = rng.choice([1, 3, 64, len(wire)])
    return [wire[at : at + size] for at in range(0, len(wire), size)]


def swallow(connection: Connection, pieces: list[bytes]) -> None:
    """Feed it all; check what must hold of any stream."""
    violations: list[Event] = []
    for piece in pieces:
        events = connection.receive_data(piece)
        violations += [event for event in events if isinstance(event, Violation)]
        held = len(connection.data_to_send())
        assert held < 200 * 130
    violations += connection.receive_eof()
    assert len(violations) <= 1
    assert connection.state is State.CLOSED


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("peer", list(Role))
def test_streams_of_frames(peer: Role, deflate: bool) -> None:
    rng = random.Random(f"{peer}{deflate}")
    for _ in range(STREAMS):
        wire = rng.choice([noise(rng), frames(rng, peer), mutate(rng, frames(rng, peer))])
        connection = receiver(peer, deflate, max_message_size=LIMIT)
        swallow(connection, chunks(rng, wire))


@pytest.mark.parametrize("role", list(Role))
def test_the_parser_alone_never_raises(role: Role) -> None:
    rng = random.Random(str(role))
    for _ in range(STREAMS):
        parser = FrameParser(role, rsv1_allowed=rng.random() < 0.5)
        for piece in chunks(rng, noise(rng) + noise(rng)):
            parser.feed(piece)
            parser.peek()
        assert parser.pending >= 0


HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"
)
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="9"\r\n\r\n'
)


def test_mutated_answers_end_in_an_answer_or_a_handshake_error() -> None:
    rng = random.Random("answers")
    outcomes = {judge_answer(rng) for _ in range(STREAMS)}
    assert {None, "accepted", "bad-accept", "bad-upgrade", "bad-response"} <= outcomes


def judge_answer(rng: random.Random) -> str | None:
    handshake = ClientHandshake(
        "x", "/", key="dGhlIHNhbXBsZSBub25jZQ==", deflate_offer=DeflateOffer()
    )
    handshake.request()
    try:
        for piece in chunks(rng, mutate(rng, HEAD)):
            if handshake.receive(piece) is not None:
                return "accepted"
    except HandshakeError as error:
        return error.code
    return None


def test_mutated_requests_end_in_a_request_or_a_handshake_error() -> None:
    rng = random.Random("requests")
    outcomes = {judge_request(rng) for _ in range(STREAMS)}
    assert {None, "accepted", "bad-request", "upgrade-stripped", "bad-version"} <= outcomes


def judge_request(rng: random.Random) -> str | None:
    handshake = ServerHandshake()
    try:
        for piece in chunks(rng, mutate(rng, REQUEST)):
            if (request := handshake.receive(piece)) is not None:
                if request.is_upgrade:
                    handshake.accept(request)
                return "accepted" if request.is_upgrade else "plain"
    except HandshakeError as error:
        return error.code if error.reply.startswith(b"HTTP/1.1 4") else f"reply {error.reply!r}"
    return None
