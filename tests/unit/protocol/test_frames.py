"""The encoder against the wire bytes of RFC 6455, 5.7, and the lies it must be able to tell."""

from typing import Any

import pytest

from tests.unit.protocol.wire import raw
from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.frames import encode_frame

KEY = raw("37fa213d")


@pytest.mark.parametrize(
    ("opcode", "payload", "options", "wire"),
    [
        (Opcode.TEXT, b"Hello", {}, "8105 48656c6c6f"),
        (Opcode.TEXT, b"Hello", {"mask": KEY}, "8185 37fa213d 7f9f4d5158"),
        (Opcode.TEXT, b"Hel", {"fin": False}, "0103 48656c"),
        (Opcode.CONT, b"lo", {}, "8002 6c6f"),
        (Opcode.PING, b"Hello", {}, "8905 48656c6c6f"),
        (Opcode.PONG, b"Hello", {"mask": KEY}, "8a85 37fa213d 7f9f4d5158"),
    ],
)
def test_examples_of_rfc_6455_section_5_7(
    opcode: int, payload: bytes, options: dict[str, Any], wire: str
) -> None:
    assert encode_frame(opcode, payload, **options) == raw(wire)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "8200"),
        (125, "827d"),
        (126, "827e 007e"),
        (256, "827e 0100"),
        (65535, "827e ffff"),
        (65536, "827f 0000000000010000"),
    ],
)
def test_lengths_take_the_fewest_bytes(size: int, header: str) -> None:
    wire = encode_frame(Opcode.BINARY, b"x" * size)
    assert wire == raw(header) + b"x" * size


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        ({"length": 5}, "8205 61"),
        ({"length": (1 << 63) | 1}, "827f 8000000000000001 61"),
        ({"length_bits": 16}, "827e 0001 61"),
        ({"length_bits": 64}, "827f 0000000000000001 61"),
        ({"rsv1": True, "rsv2": True, "rsv3": True}, "f201 61"),
    ],
)
def test_it_writes_what_no_parser_may_take(options: dict[str, Any], wire: str) -> None:
    assert encode_frame(Opcode.BINARY, b"a", **options) == raw(wire)


def test_it_writes_reserved_opcodes_and_fragmented_control_frames() -> None:
    assert encode_frame(0xB, b"") == raw("8b00")
    assert encode_frame(Opcode.PING, b"x" * 126, fin=False)[:4] == raw("097e 007e")
