"""GOAWAY on an HTTP/3 control stream: however its bytes are cut, and whatever else comes."""

from __future__ import annotations

from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import FrameType, encode_frame
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capture.growth import assert_linear
from wsdiag.transport.http3.control import ControlStream

CONTROL, QPACK = 3, 7


def goaway(first: int) -> bytes:
    return encode_frame(FrameType.GOAWAY, encode_uint_var(first))


UNKNOWN = st.tuples(st.sampled_from([0x4, 0x21, 0x4040]), st.binary(max_size=300))


@given(
    st.lists(UNKNOWN, max_size=4),
    st.lists(st.integers(0, (1 << 62) - 1), min_size=1, max_size=3),
    st.lists(st.integers(0, 1500), max_size=8),
)
def test_the_last_one_counts_wherever_it_is_cut(
    others: list[tuple[int, bytes]], firsts: list[int], cuts: list[int]
) -> None:
    frames = b"".join(encode_frame(kind, data) for kind, data in others)
    data = b"\x00" + frames + b"".join(map(goaway, firsts)) + frames
    stream, at = ControlStream(), 0
    for cut in [*sorted(cuts), len(data)]:
        stream.received(CONTROL, data[at:cut])
        at = max(at, cut)
    assert stream.goaway == firsts[-1]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_taken(parts: list[bytes]) -> None:
    stream = ControlStream()
    for part in parts:
        stream.received(CONTROL, part)


def test_other_streams_are_none_of_its() -> None:
    stream = ControlStream()
    stream.received(QPACK, b"\x02" + goaway(0))
    stream.received(0, b"\x00" + goaway(0))
    assert stream.goaway is None


def test_frames_without_end_take_linear_time() -> None:
    """A megabyte may come at once, behind the first byte that was missing."""
    assert_linear(
        lambda size: ControlStream().received(CONTROL, b"\x00" + b"\x21\x00" * size), 1 << 15
    )
