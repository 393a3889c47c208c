"""Large messages of which only the beginning is kept: as strict, and bounded however they come."""

from __future__ import annotations

import zlib

import pytest

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.events import BinaryMessage, Event, Ping, TextMessage, Violation
from wsdiag.protocol.frames import Frame, encode_frame

KEEP, SIZE, READ = 1000, 200_000, 8192
TEXT = ("aé💩" * SIZE)[:SIZE].encode()


def fragments(opcode: int, data: bytes, *, rsv1: bool = False) -> bytes:
    pieces = [data[at : at + 3001] for at in range(0, len(data), 3001)]
    made = [
        encode_frame(0 if n else opcode, piece, fin=False, rsv1=rsv1 and not n)
        for n, piece in enumerate(pieces)
    ]
    return b"".join([*made[:3], encode_frame(9, b"p"), *made[3:], encode_frame(0, b"")])


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


STREAMS = {
    "a frame of text": encode_frame(1, TEXT),
    "fragments of text": fragments(1, TEXT),
    "a frame of compressed text": encode_frame(1, packed(TEXT), rsv1=True),
    "fragments of compressed text": fragments(1, packed(TEXT), rsv1=True),
    "a binary frame": encode_frame(2, TEXT),
    "binary fragments": fragments(2, TEXT),
    "compressed binary": encode_frame(2, packed(TEXT), rsv1=True),
}


def received(stream: bytes, read: int = READ) -> tuple[list[Event], int, list[Frame]]:
    """The events, the most that was held between two reads, and the frames."""
    frames: list[Frame] = []
    connection = Connection(
        Role.CLIENT,
        deflate=PerMessageDeflate(Role.CLIENT),
        keep_of_message=KEEP,
        on_frame=lambda _, frame: frames.append(frame),
    )
    events, held = [], 0
    for at in range(0, len(stream), read):
        events += connection.receive_data(stream[at : at + read])
        held = max(held, connection.held_bytes)
    return events, held, frames


@pytest.mark.parametrize("read", [1000, READ])
@pytest.mark.parametrize("name", STREAMS)
def test_the_beginning_is_kept_and_no_more(name: str, read: int) -> None:
    short = encode_frame(1, b"after")
    events, held, frames = received(STREAMS[name] + short, read)
    assert held <= 2 * KEEP
    message, after = (e for e in events if not isinstance(e, Ping))
    assert after == TextMessage("after")
    if isinstance(message, BinaryMessage):
        assert message == BinaryMessage(TEXT[:KEEP], len(TEXT) - KEEP)
    else:
        kept = TEXT[:KEEP].decode(errors="ignore")
        assert message == TextMessage(kept, len(TEXT) - len(kept.encode()))
    wire = sum(len(f.payload) + f.dropped for f in frames if f.opcode in (0, 1, 2))
    assert wire == (len(packed(TEXT)) if "compressed" in name else len(TEXT)) + len("after")


@pytest.mark.parametrize("bad", ["frame", "fragments", "compressed"])
def test_what_is_dropped_is_checked(bad: str) -> None:
    data = TEXT + b"\xff" + TEXT
    stream = {
        "frame": encode_frame(1, data),
        "fragments": fragments(1, data),
        "compressed": encode_frame(1, packed(data), rsv1=True),
    }[bad]
    events, _, _ = received(stream)
    (violation,) = (e for e in events if not isinstance(e, Ping))
    assert isinstance(violation, Violation)
    assert f"from byte {len(TEXT)} " in violation.error.message


def test_a_character_that_is_not_finished_is_refused_though_it_was_dropped() -> None:
    events, _, _ = received(encode_frame(1, TEXT + "é".encode()[:1]))
    assert isinstance(events[-1], Violation)


def test_a_violation_keeps_nothing_of_the_message() -> None:
    connection = Connection(Role.CLIENT, max_message_size=SIZE)
    part = encode_frame(0, bytes(SIZE // 4), fin=False)
    connection.receive_data(encode_frame(2, bytes(SIZE // 2), fin=False) + part + part)
    assert connection.held_bytes == SIZE
    events = connection.receive_data(part)
    assert isinstance(events[-1], Violation)
    assert connection.held_bytes == 0


def test_what_is_held_counts_a_frame_that_is_not_whole() -> None:
    connection = Connection(Role.SERVER)
    connection.receive_data(encode_frame(2, bytes(SIZE), mask=b"abcd")[: SIZE // 2])
    assert SIZE // 2 - 20 < connection.held_bytes < SIZE // 2
