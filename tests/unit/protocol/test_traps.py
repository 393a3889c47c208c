"""Traps that WebSocket libraries are known to have fallen into, one test each."""

import time

import pytest

from tests.unit.protocol.wire import ZERO_MASK, cuts, feed, offence, pair, pump, raw
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Opcode, Role, State
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.events import BinaryMessage, Close, Ping, TextMessage
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.http import accept_key


def test_control_frame_between_compressed_fragments_keeps_the_inflaters_state() -> None:
    client, server = pair(deflate=True)
    for round_ in range(3):
        client.send_text("the same words again, ", fin=False)
        client.ping(b"between")
        client.send_continuation("the same words again", fin=False)
        client.ping(b"and again")
        client.send_continuation("!")
        whole = "the same words again, the same words again!"
        expected = [Ping(b"between"), Ping(b"and again"), TextMessage(whole)]
        assert pump(client, server) == expected, round_


@pytest.mark.parametrize("deflate", [False, True])
def test_control_frames_are_not_charged_to_the_message_budget(deflate: bool) -> None:
    codec = PerMessageDeflate(Role.CLIENT) if deflate else None
    client = Connection(Role.CLIENT, max_message_size=10, deflate=codec)
    ping = encode_frame(Opcode.PING, bytes(125))
    stream = encode_frame(Opcode.BINARY, bytes(5), fin=False) + ping * 3
    stream += encode_frame(Opcode.CONT, bytes(5)) + ping
    events = client.receive_data(stream)
    assert events == [Ping(bytes(125))] * 3 + [BinaryMessage(bytes(10)), Ping(bytes(125))]


def test_close_in_the_middle_of_a_fragmented_message_is_answered() -> None:
    server = Connection(Role.SERVER)
    stream = encode_frame(1, b"half", fin=False, mask=ZERO_MASK)
    stream += encode_frame(8, b"\x03\xe9", mask=ZERO_MASK)
    assert server.receive_data(stream) == [Close(1001)]
    assert server.data_to_send() == raw("8802 03e9")
    assert server.state is State.CLOSED


@pytest.mark.parametrize(
    ("payload", "echo"), [("", "8800"), ("03e8", "8802 03e8"), ("0fa0 62", "8802 0fa0")]
)
def test_close_is_echoed_with_its_own_code_even_when_empty(payload: str, echo: str) -> None:
    server = Connection(Role.SERVER)
    server.receive_data(encode_frame(8, raw(payload), mask=ZERO_MASK))
    assert server.data_to_send() == raw(echo)


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_close_codes_that_must_not_travel_are_refused_on_the_wire(code: int) -> None:
    client = Connection(Role.CLIENT)
    error = offence(client.receive_data(encode_frame(8, code.to_bytes(2, "big"))))
    assert (error.code, error.section) == (1002, "RFC 6455, 7.4")
    assert client.close_received is None


def test_one_byte_close_payload_is_refused_and_answered_with_1002() -> None:
    server = Connection(Role.SERVER)
    error = offence(server.receive_data(encode_frame(8, b"\x03", mask=ZERO_MASK)))
    assert error.section == "RFC 6455, 5.5.1"
    assert server.data_to_send()[2:4] == (1002).to_bytes(2, "big")


def test_after_a_close_nothing_is_read() -> None:
    for chunks in cuts(raw("8802 03e8 | 8101 41 | ffff ffff")):
        client = Connection(Role.CLIENT)
        assert feed(client, chunks) == [Close(1000)]
        assert client.receive_eof() == []


def test_frames_behind_the_101_in_the_same_segment_are_not_lost() -> None:
    handshake = ClientHandshake("h", "/", key="dGhlIHNhbXBsZSBub25jZQ==")
    handshake.request()
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key('dGhlIHNhbXBsZSBub25jZQ==')}\r\n\r\n"
    )
    accepted = handshake.receive(head.encode() + raw("8105 48656c6c6f | 8900"))
    assert accepted is not None
    client = Connection(Role.CLIENT)
    assert client.receive_data(accepted.trailing) == [TextMessage("Hello"), Ping(b"")]


def test_reason_that_ends_in_half_a_code_point_is_refused_with_1007() -> None:
    client = Connection(Role.CLIENT)
    error = offence(client.receive_data(encode_frame(8, b"\x03\xe8abc\xe2\x82")))
    assert (error.code, error.section) == (1007, "RFC 6455, 5.5.1")


def test_masks_of_zero_are_masks() -> None:
    server = Connection(Role.SERVER)
    for size in (0, 5, 5000):
        wire = encode_frame(Opcode.BINARY, bytes(size), mask=ZERO_MASK)
        assert server.receive_data(wire) == [BinaryMessage(bytes(size))]


@pytest.mark.parametrize("kind", ["one frame", "tiny frames", "text"])
def test_one_byte_reads_cost_linear_time(kind: str) -> None:
    """Ten times the reads may cost about ten times the time; quadratic would be a hundred."""

    def seconds(reads: int) -> float:
        opcode = Opcode.TEXT if kind == "text" else Opcode.BINARY
        if kind == "tiny frames":
            stream = encode_frame(opcode, b"x", mask=ZERO_MASK) * (reads // 7)
        else:
            stream = encode_frame(opcode, b"x" * reads, mask=ZERO_MASK)
        server = Connection(Role.SERVER)
        start = time.process_time()
        for at in range(len(stream)):
            server.receive_data(stream[at : at + 1])
        return time.process_time() - start

    small = min(seconds(10_000) for _ in range(3))
    # Three tries, since other work on the machine can only make a try slower.
    assert any(seconds(100_000) < 40 * max(small, 0.001) for _ in range(3))


def test_utf8_fails_at_the_first_impossible_byte_inside_an_unfinished_frame() -> None:
    """The frame claims 100 bytes; the third makes the text impossible; the rest never comes."""
    server = Connection(Role.SERVER)
    key = b"\x11\x22\x33\x44"
    wire = encode_frame(Opcode.TEXT, b"\xe0\x80" + bytes(98), mask=key)
    assert server.receive_data(wire[:7]) == []
    assert offence(server.receive_data(wire[7:8])).code == 1007


def test_text_whose_header_came_alone_does_not_make_the_next_binary_message_text() -> None:
    server = Connection(Role.SERVER)
    text = encode_frame(Opcode.TEXT, b"0", mask=ZERO_MASK)
    assert server.receive_data(text[:6]) == []
    assert server.receive_data(text[6:]) == [TextMessage("0")]
    binary = encode_frame(Opcode.BINARY, b"\x80", mask=ZERO_MASK)
    assert server.receive_data(binary[:-1]) == []
    assert server.receive_data(binary[-1:]) == [BinaryMessage(b"\x80")]


def test_binary_that_is_not_utf8_is_nobodys_business() -> None:
    server = Connection(Role.SERVER)
    wire = encode_frame(Opcode.BINARY, b"\xff" * 50, fin=False, mask=ZERO_MASK)
    wire += encode_frame(Opcode.CONT, b"\xfe" * 50, mask=ZERO_MASK)
    for octet in wire[:-1]:
        assert server.receive_data(bytes([octet])) == []
    assert server.receive_data(wire[-1:]) == [BinaryMessage(b"\xff" * 50 + b"\xfe" * 50)]
