"""The parser against a table of wire bytes, each with the rule it keeps or breaks."""

import pytest

from tests.unit.protocol.wire import cuts, raw
from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.frames import Frame, encode_frame
from wsdiag.protocol.parser import FrameParser

LEGAL = [
    ("8105 48656c6c6f", [Frame(True, Opcode.TEXT, b"Hello")]),
    ("8200", [Frame(True, Opcode.BINARY, b"")]),
    (
        "0103 48656c | 8002 6c6f",
        [Frame(False, Opcode.TEXT, b"Hel"), Frame(True, Opcode.CONT, b"lo")],
    ),
    (
        "0200 | 8900 | 0000 | 8a01 78 | 8000",
        [
            Frame(False, Opcode.BINARY, b""),
            Frame(True, Opcode.PING, b""),
            Frame(False, Opcode.CONT, b""),
            Frame(True, Opcode.PONG, b"x"),
            Frame(True, Opcode.CONT, b""),
        ],
    ),
    ("8802 03e8", [Frame(True, Opcode.CLOSE, b"\x03\xe8")]),
    ("827e 007e" + "00" * 126, [Frame(True, Opcode.BINARY, bytes(126))]),
]

# What breaks a rule, and the section that states it. Each is a header alone: no payload follows.
ILLEGAL = [
    ("a100", "reserved bit", "RFC 6455, 5.2", 1002),
    ("9100", "reserved bit", "RFC 6455, 5.2", 1002),
    ("c100", "reserved bit", "RFC 6455, 5.2", 1002),
    ("f800", "reserved bit", "RFC 6455, 5.2", 1002),
    ("8300", "reserved opcode 0x3", "RFC 6455, 5.2", 1002),
    ("8700", "reserved opcode 0x7", "RFC 6455, 5.2", 1002),
    ("8b00", "reserved opcode 0xb", "RFC 6455, 5.2", 1002),
    ("8f00", "reserved opcode 0xf", "RFC 6455, 5.2", 1002),
    ("0800", "fragmented control", "RFC 6455, 5.5", 1002),
    ("0900", "fragmented control", "RFC 6455, 5.5", 1002),
    ("897e", "more than 125", "RFC 6455, 5.5", 1002),
    ("887f", "more than 125", "RFC 6455, 5.5", 1002),
    ("8000", "without a message", "RFC 6455, 5.4", 1002),
    ("0000", "without a message", "RFC 6455, 5.4", 1002),
    ("0100 8100", "inside a fragmented", "RFC 6455, 5.4", 1002),
    ("0100 0200", "inside a fragmented", "RFC 6455, 5.4", 1002),
    ("827e 007d", "fewest possible", "RFC 6455, 5.2", 1002),
    ("827f 000000000000ffff", "fewest possible", "RFC 6455, 5.2", 1002),
    ("827f 8000000000000000", "top bit", "RFC 6455, 5.2", 1002),
    ("827f ffffffffffffffff", "top bit", "RFC 6455, 5.2", 1002),
    ("8180", "masked frame from a server", "RFC 6455, 5.1", 1002),
    ("81fe", "masked frame from a server", "RFC 6455, 5.1", 1002),
    ("827e 03e9", "frame of 1001 bytes, the limit is 1000", "RFC 6455, 10.4", 1009),
    ("827f 7fffffffffffffff", "the limit is 1000", "RFC 6455, 10.4", 1009),
]


@pytest.mark.parametrize(("wire", "frames"), LEGAL)
def test_legal_streams_however_cut(wire: str, frames: list[Frame]) -> None:
    for chunks in cuts(raw(wire)):
        parser = FrameParser(Role.CLIENT)
        assert [frame for chunk in chunks for frame in parser.feed(chunk)] == frames
        assert parser.violation is None
        assert parser.pending == 0


@pytest.mark.parametrize(("wire", "message", "section", "code"), ILLEGAL)
def test_illegal_headers_fail_before_any_payload(
    wire: str, message: str, section: str, code: int
) -> None:
    for chunks in cuts(raw(wire)):
        parser = FrameParser(Role.CLIENT, max_frame_size=1000)
        for chunk in chunks:
            parser.feed(chunk)
        assert parser.violation is not None
        assert message in parser.violation.message
        assert (parser.violation.section, parser.violation.code) == (section, code)
        said = parser.violation.described("the client")
        assert said.startswith("the client sent too large" if code == 1009 else "the client broke")


@pytest.mark.parametrize(("wire", "message", "section", "code"), ILLEGAL)
def test_what_came_before_an_offence_is_delivered_and_nothing_behind_it(
    wire: str, message: str, section: str, code: int
) -> None:
    parser = FrameParser(Role.CLIENT, max_frame_size=1000)
    frames = parser.feed(raw("8900") + raw(wire) + raw("8a00"))
    assert frames[0] == Frame(True, Opcode.PING, b"")
    assert Frame(True, Opcode.PONG, b"") not in frames
    assert parser.feed(raw("8a00")) == []


def test_a_server_takes_masked_frames_only() -> None:
    parser = FrameParser(Role.SERVER)
    frame = encode_frame(Opcode.TEXT, b"Hello", mask=raw("37fa213d"))
    assert parser.feed(frame) == [Frame(True, Opcode.TEXT, b"Hello", masked=True)]
    assert parser.feed(raw("8100")) == []
    assert parser.violation is not None
    assert "unmasked frame from a client" in parser.violation.message


RSV1 = [
    ("c100", None),
    ("4100 | 8000", None),
    ("4100 | 8900 | 8000", None),
    ("4100 | c000", "RSV1 set on a continuation frame"),
    ("c900", "RSV1 set on a control frame"),
    ("c800", "RSV1 set on a control frame"),
    ("e100", "reserved bit"),
    ("d100", "reserved bit"),
]


@pytest.mark.parametrize(("wire", "message"), RSV1)
def test_rsv1_belongs_on_first_frames_only(wire: str, message: str | None) -> None:
    for chunks in cuts(raw(wire)):
        parser = FrameParser(Role.CLIENT, rsv1_allowed=True)
        for chunk in chunks:
            parser.feed(chunk)
        if message is None:
            assert parser.violation is None
        else:
            assert parser.violation is not None
            assert message in parser.violation.message


def test_a_message_is_bounded_over_its_fragments_at_the_header_that_exceeds() -> None:
    parser = FrameParser(Role.CLIENT, max_message_size=10)
    first = encode_frame(Opcode.TEXT, b"x" * 6, fin=False)
    assert len(parser.feed(first + encode_frame(Opcode.CONT, b"y" * 4, fin=False))) == 2
    parser.feed(raw("8001"))
    assert parser.violation is not None
    assert "at least 11 bytes, the limit is 10" in parser.violation.message
    assert parser.violation.code == 1009


def test_the_next_message_has_the_whole_budget_again() -> None:
    parser = FrameParser(Role.CLIENT, max_message_size=10)
    fragments = encode_frame(Opcode.TEXT, b"x" * 6, fin=False) + encode_frame(0, b"y" * 4)
    assert len(parser.feed(fragments * 3)) == 6
    assert parser.violation is None


def test_a_compressed_message_has_its_own_bound() -> None:
    limits = {"max_message_size": 10, "max_compressed_size": 20, "rsv1_allowed": True}
    parser = FrameParser(Role.CLIENT, **limits)  # type: ignore[arg-type]
    assert len(parser.feed(encode_frame(Opcode.BINARY, b"x" * 20, rsv1=True))) == 1
    parser.feed(raw("020b"))
    assert parser.violation is not None
    assert "limit is 10" in parser.violation.message


@pytest.mark.parametrize(("wire", "pending"), [("", 0), ("82", 1), ("8205 61", 3), ("8205", 2)])
def test_pending_counts_what_is_held(wire: str, pending: int) -> None:
    parser = FrameParser(Role.CLIENT)
    parser.feed(raw(wire))
    assert parser.pending == pending


def test_peek_shows_each_payload_byte_once_and_unmasked() -> None:
    wire = encode_frame(Opcode.BINARY, b"abcdefghij", mask=b"\x01\x02\x03\x04")
    parser = FrameParser(Role.SERVER)
    seen = b""
    for at in range(len(wire) - 1):
        assert parser.feed(wire[at : at + 1]) == []
        seen += parser.peek()
    assert seen == b"abcdefghi"
    assert parser.peek() == b""
