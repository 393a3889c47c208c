"""The connection: messages, control frames, closing both ways, and what it refuses to send."""

from collections.abc import Callable

import pytest

from tests.unit.protocol.wire import cuts, feed, offence, pair, pump, raw
from wsdiag.protocol.codes import Opcode, Role, State
from wsdiag.protocol.connection import MAX_QUEUED_PONGS, Connection
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Ping, Pong, TextMessage, Violation
from wsdiag.protocol.frames import Frame, encode_frame


def test_a_conversation_in_both_directions() -> None:
    client, server = pair()
    client.send_text("héllo")
    client.send_binary(b"\x00\xff")
    assert pump(client, server) == [TextMessage("héllo"), BinaryMessage(b"\x00\xff")]
    server.send_text("world")
    assert pump(server, client) == [TextMessage("world")]


def test_fragments_are_joined_with_control_frames_in_between() -> None:
    client, server = pair()
    client.send_text("one ", fin=False)
    client.ping(b"p")
    client.send_continuation("two ", fin=False)
    client.pong(b"q")
    client.send_continuation("three")
    assert pump(client, server) == [Ping(b"p"), Pong(b"q"), TextMessage("one two three")]
    assert pump(server, client) == [Pong(b"p")]


def test_a_code_point_may_be_split_over_fragments() -> None:
    client, server = pair()
    client.send_text(b"\xe2", fin=False)
    client.send_continuation(b"\x82", fin=False)
    client.send_continuation(b"\xac")
    assert pump(client, server) == [TextMessage("€")]


def test_a_message_is_told_from_the_moment_its_header_came_to_its_end() -> None:
    client = Connection(Role.CLIENT)
    seen = []
    for piece in ("82 02", "78", "79", "01 01 78", "89 00", "80 01", "78", "89 02 78", "79"):
        client.receive_data(raw(piece))
        seen.append(client.inside_message)
    # whole frame in pieces; a fragment, a Ping, the last fragment in pieces; a Ping in pieces
    assert seen == [True, True, False, True, True, True, False, False, False]


def test_client_frames_are_masked_with_the_given_keys_and_server_frames_are_not() -> None:
    client = Connection(Role.CLIENT, mask=lambda: b"\x01\x02\x03\x04")
    client.send_text("A")
    assert client.data_to_send() == raw("8181 01020304 40")
    server = Connection(Role.SERVER)
    server.send_text("A")
    assert server.data_to_send() == raw("8101 41")


def test_a_ping_is_answered_unless_told_otherwise() -> None:
    client = Connection(Role.CLIENT, auto_pong=False)
    assert client.receive_data(raw("8901 78")) == [Ping(b"x")]
    assert client.data_to_send() == b""


def test_closing_started_by_us() -> None:
    client, server = pair()
    client.close(1001, "going")
    assert client.state.value == "closing"
    assert pump(client, server) == [Close(1001, "going")]
    assert server.state.value == "closing"
    assert pump(server, client) == [Close(1001)]
    assert server.state is State.CLOSED
    assert client.state is State.CLOSED
    assert client.close_sent == (1001, "going")
    assert client.close_received == (1001, "")


def test_closing_started_by_both_at_once() -> None:
    client, server = pair()
    client.close(1000)
    server.close(1001)
    from_client, from_server = client.data_to_send(), server.data_to_send()
    assert client.receive_data(from_server) == [Close(1001)]
    assert server.receive_data(from_client) == [Close(1000)]
    assert client.data_to_send() == server.data_to_send() == b""
    assert client.state is server.state is State.CLOSED


def test_without_auto_close_the_answer_can_wait() -> None:
    server = Connection(Role.SERVER, auto_close=False)
    server.receive_data(encode_frame(Opcode.CLOSE, b"\x03\xe8", mask=bytes(4)))
    assert server.state.value == "closing"
    server.send_text("one more thing")
    server.close(1000)
    assert server.state is State.CLOSED
    assert server.data_to_send() == encode_frame(1, b"one more thing") + raw("8802 03e8")


def test_data_that_crosses_our_close_is_still_delivered_but_pings_are_not_answered() -> None:
    client = Connection(Role.CLIENT)
    client.close()
    client.data_to_send()
    events = client.receive_data(raw("8101 41 | 8900 | 8802 03e8"))
    assert events == [TextMessage("A"), Ping(b""), Close(1000)]
    assert client.data_to_send() == b""


def test_a_violation_is_told_last_and_answered_with_its_code() -> None:
    for chunks in cuts(raw("8101 41 | 8300 | 8101 42")):
        client = Connection(Role.CLIENT, mask=lambda: bytes(4))
        events = feed(client, chunks)
        assert events[0] == TextMessage("A")
        assert len(events) == 2
        payload = (1002).to_bytes(2, "big") + offence(events).message.encode()
        assert client.data_to_send() == encode_frame(8, payload, mask=bytes(4))
        assert client.state is State.CLOSED


@pytest.mark.parametrize("end", ["8802 03e8", "8300"])
def test_what_came_before_a_close_or_an_offence_can_still_be_answered(end: str) -> None:
    client = Connection(Role.CLIENT, mask=lambda: bytes(4))
    assert client.receive_data(raw("8101 41") + raw(end))[0] == TextMessage("A")
    assert client.data_to_send(conclude=False) == b""
    client.send_text("A")
    wire = client.data_to_send()
    assert wire.startswith(encode_frame(1, b"A", mask=bytes(4)) + b"\x88")
    assert client.state is State.CLOSED


def test_an_answer_that_is_due_gives_way_to_a_close_of_our_own() -> None:
    client = Connection(Role.CLIENT, mask=lambda: bytes(4))
    client.receive_data(raw("8802 03e8"))
    client.close(1001)
    assert client.data_to_send() == encode_frame(8, raw("03e9"), mask=bytes(4))
    assert client.state is State.CLOSED


def test_no_answer_is_due_on_a_stream_that_ended() -> None:
    client = Connection(Role.CLIENT)
    client.receive_data(raw("8802 03e8"))
    client.receive_eof()
    assert client.data_to_send() == b""


def test_a_violation_while_closing_sends_no_second_close() -> None:
    client = Connection(Role.CLIENT)
    client.close()
    client.data_to_send()
    assert offence(client.receive_data(raw("8300"))).code == 1002
    assert client.data_to_send() == b""
    assert client.state is State.CLOSED


@pytest.mark.parametrize(
    ("wire", "cut"),
    [("", False), ("8101 41", False), ("81", True), ("8105 4142", True), ("0101 41", False)],
)
def test_eof_inside_a_frame_is_a_violation(wire: str, cut: bool) -> None:
    client = Connection(Role.CLIENT)
    client.receive_data(raw(wire))
    events = client.receive_eof()
    assert [type(event) for event in events] == ([Violation] if cut else [])
    assert client.state is State.CLOSED


def test_eof_after_the_closing_handshake_is_quiet() -> None:
    client, server = pair()
    client.close()
    pump(client, server)
    pump(server, client)
    assert client.receive_eof() == server.receive_eof() == []


def test_every_frame_passes_the_hook_in_both_directions() -> None:
    seen: list[tuple[str, Frame]] = []
    server = Connection(Role.SERVER, on_frame=lambda way, frame: seen.append((way, frame)))
    server.receive_data(encode_frame(Opcode.PING, b"x", mask=bytes(4)))
    assert seen == [
        ("received", Frame(True, Opcode.PING, b"x", masked=True)),
        ("sent", Frame(True, Opcode.PONG, b"x")),
    ]


AFTER_CLOSE: list[Callable[[Connection], None]] = [
    lambda connection: connection.send_text("x"),
    lambda connection: connection.send_binary(b"x"),
    lambda connection: connection.send_continuation(b"x"),
    lambda connection: connection.ping(),
    lambda connection: connection.pong(),
    lambda connection: connection.close(),
]


@pytest.mark.parametrize("call", AFTER_CLOSE)
def test_nothing_may_follow_our_close(call: Callable[[Connection], None]) -> None:
    client = Connection(Role.CLIENT)
    client.close()
    sent = client.data_to_send()
    assert sent
    with pytest.raises(LocalProtocolError):
        call(client)
    assert client.data_to_send() == b""


@pytest.mark.parametrize("call", AFTER_CLOSE)
def test_nothing_may_be_sent_on_a_stream_that_ended(call: Callable[[Connection], None]) -> None:
    client = Connection(Role.CLIENT)
    client.receive_eof()
    with pytest.raises(LocalProtocolError):
        call(client)


REFUSED: list[Callable[[Connection], None]] = [
    lambda connection: connection.ping(bytes(126)),
    lambda connection: connection.pong(bytes(126)),
    lambda connection: connection.send_continuation(b"x"),
    lambda connection: connection.send_text(b"\xff"),
    lambda connection: connection.send_text("\ud800"),
    lambda connection: connection.send_text("x", compress=True),
    lambda connection: connection.close(1006),
    lambda connection: connection.close(1005, "why"),
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_illegal_is_refused_and_leaves_the_connection_open(
    call: Callable[[Connection], None],
) -> None:
    client = Connection(Role.CLIENT, mask=lambda: bytes(4))
    with pytest.raises(LocalProtocolError):
        call(client)
    assert client.data_to_send() == b""
    client.send_text("still here")
    assert client.data_to_send() == encode_frame(1, b"still here", mask=bytes(4))


def test_no_second_message_inside_a_fragmented_one() -> None:
    client = Connection(Role.CLIENT)
    client.send_text("a", fin=False)
    with pytest.raises(LocalProtocolError, match="continuation"):
        client.send_binary(b"b")


def test_text_fragments_must_make_utf8_together() -> None:
    client = Connection(Role.CLIENT)
    client.send_text(b"\xe2\x82", fin=False)
    with pytest.raises(LocalProtocolError, match="UTF-8"):
        client.send_continuation(b"A")


def test_raw_bytes_go_out_in_their_turn_whatever_the_state() -> None:
    server = Connection(Role.SERVER)
    server.send_text("a")
    server.send_raw(b"\xff")
    server.close()
    server.send_raw(b"\xfe")
    assert server.data_to_send() == raw("8101 61 | ff | 8802 03e8 | fe")


def test_a_ping_flood_in_one_read_costs_a_bounded_queue_and_answers_the_last() -> None:
    server = Connection(Role.SERVER)
    flood = b"".join(encode_frame(9, b"%d" % i, mask=bytes(4)) for i in range(10_000))
    assert len(server.receive_data(flood)) == 10_000
    pongs = Connection(Role.CLIENT).receive_data(server.data_to_send())
    assert len(pongs) == MAX_QUEUED_PONGS + 1
    assert pongs[-1] == Pong(b"9999")
    assert server.data_to_send() == b""


def test_a_held_ping_is_not_answered_behind_our_close() -> None:
    server = Connection(Role.SERVER)
    server.receive_data(encode_frame(9, b"", mask=bytes(4)) * (MAX_QUEUED_PONGS + 5))
    server.close()
    assert server.data_to_send().endswith(raw("8802 03e8"))
