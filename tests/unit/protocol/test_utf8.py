"""UTF-8 in pieces: every sequence is refused at the byte that makes it impossible, not later."""

import pytest

from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.utf8 import Utf8Validator, decode_text, is_viable

VALID = ["", "$", "£", "€", "𐍈", "κόσμε", "\u0800", "\ud7ff", "\ue000", "\uffff"]
VALID += ["\U00010000", "\U0010ffff"]

# The bytes, and how many of them can be read before the sequence is beyond repair.
IMPOSSIBLE = [
    ("80", 1),
    ("bf", 1),
    ("c0", 1),
    ("c1", 1),
    ("f5", 1),
    ("ff", 1),
    ("c241", 2),
    ("c2c2", 2),
    ("e080", 2),
    ("e09f", 2),
    ("eda0", 2),
    ("edbf", 2),
    ("e28228", 3),
    ("f080", 2),
    ("f08f", 2),
    ("f490", 2),
    ("f4bf", 2),
    ("f09d28", 3),
    ("f09d9228", 4),
    ("41e08080", 3),
]


@pytest.mark.parametrize("text", VALID)
def test_valid_text_passes_a_byte_at_a_time(text: str) -> None:
    validator = Utf8Validator()
    for octet in text.encode():
        validator.feed(bytes([octet]))
    validator.finish()


@pytest.mark.parametrize(("wire", "needed"), IMPOSSIBLE)
def test_fails_at_the_first_impossible_byte(wire: str, needed: int) -> None:
    data = bytes.fromhex(wire)
    validator = Utf8Validator()
    for octet in data[: needed - 1]:
        validator.feed(bytes([octet]))
    with pytest.raises(ProtocolViolation) as caught:
        validator.feed(data[needed - 1 : needed])
    assert (caught.value.code, caught.value.section) == (1007, "RFC 6455, 8.1")


@pytest.mark.parametrize(("wire", "needed"), IMPOSSIBLE)
def test_the_offence_is_worded_alike_however_it_is_found(wire: str, needed: int) -> None:
    data = bytes.fromhex(wire)
    with pytest.raises(ProtocolViolation) as whole:
        decode_text(data)
    with pytest.raises(ProtocolViolation) as pieces:
        feed_bytewise(data)
    assert whole.value == pieces.value


def test_agrees_with_pythons_decoder_on_every_three_byte_sequence_of_interest() -> None:
    interesting = (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1)
    more = (0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF)
    octets = interesting + more
    for head in ((a, b, c) for a in octets for b in octets for c in octets):
        data = bytes(head)
        # Viable for ever means: some of these endings makes it valid.
        endings = ("", "80", "8080", "a080", "808080", "908080")
        repairable = any(_valid(data + bytes.fromhex(tail)) for tail in endings)
        assert _passes(data) == repairable, data.hex()


def _valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def feed_bytewise(data: bytes) -> None:
    validator = Utf8Validator()
    for octet in data:
        validator.feed(bytes([octet]))


def _passes(data: bytes) -> bool:
    try:
        feed_bytewise(data)
    except ProtocolViolation:
        return False
    return True


def test_an_unfinished_sequence_is_an_error_only_at_the_end() -> None:
    validator = Utf8Validator()
    validator.feed(b"abc\xe2\x82")
    with pytest.raises(ProtocolViolation, match="byte 3"):
        validator.finish()


@pytest.mark.parametrize(("tail", "viable"), [(b"", True), (b"\xe2\x82", True), (b"\x80", False)])
def test_viable_tails(tail: bytes, viable: bool) -> None:
    assert is_viable(tail) is viable
