"""TCP reassembly: whatever order segments come in, and however often, the bytes are the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.capture.flow import Flow
from wsdiag.packets.tcp import ACK, FIN, RST, SYN

LATE_NS = 60_000_000
ENDS = ((b"\x0a\0\0\x01", 1), (b"\x0a\0\0\x02", 2))


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.bytes = [b"", b""]
        self.gaps: list[tuple[int, int]] = []
        self.ends: list[tuple[str, int]] = []
        self.survivals = 0

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes of an end."""
        self.bytes[number] += data

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Missing bytes of an end; shown as question marks."""
        self.gaps.append((number, size))
        self.bytes[number] += b"?" * size

    def fin(self, number: int, time_ns: int, hop_limit: int) -> None:
        """An end's FIN."""
        self.ends.append(("fin", number))

    def survived(self, time_ns: int) -> None:
        """A reset was ignored."""
        self.survivals += 1

    def rst(self, number: int, time_ns: int, hop_limit: int) -> None:
        """A reset."""
        self.ends.append(("rst", number))


def begin(seq: int = 0xFFFFFFF0) -> tuple[Flow, Listener]:
    """A flow whose client has sent its SYN; its sequence numbers wrap soon."""
    flow, listener = Flow(ENDS, 0), Listener()
    flow.listener = listener
    flow.segment(0, 0, seq, 0, SYN, 1000, 64, b"", 0)
    return flow, listener


def feed(flow: Flow, seq: int, data: bytes, *, at: int = 1, flags: int = ACK) -> None:
    """A segment of the client's."""
    flow.segment(0, at, seq % 2**32, 0, flags, 1000, 64, data, len(data))


@given(
    st.binary(min_size=1, max_size=300),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
    st.integers(0, 2**32 - 1),
)
def test_order_repeats_and_overlaps_make_no_difference(
    data: bytes, size: int, chance: random.Random, seq: int
) -> None:
    flow, listener = begin(seq)
    pieces = []
    for at in range(0, len(data), size):
        back, ahead = chance.randrange(0, size), chance.randrange(0, size)
        start, stop = max(0, at - back), min(len(data), at + size + ahead)
        pieces.append((start, data[start:stop]))
    pieces += chance.sample(pieces, len(pieces) // 2)
    chance.shuffle(pieces)
    for start, piece in pieces:
        feed(flow, seq + 1 + start, piece)
    flow.close(2)
    assert listener.bytes[0] == data
    assert listener.gaps == []
    assert flow.states[0].bytes == len(data)


def test_a_hole_that_was_acknowledged_is_a_gap() -> None:
    flow, listener = begin(99)
    feed(flow, 100, b"abc")
    flow.segment(1, 2, 5000, 103, ACK, 1000, 64, b"", 0)
    feed(flow, 108, b"xyz")
    assert listener.bytes[0] == b"abc"
    flow.segment(1, 3, 5000, 111, ACK, 1000, 64, b"", 0)
    assert listener.gaps == []  # they may come a little later
    feed(flow, 111, b"!", at=3 + LATE_NS)
    assert (listener.bytes[0], listener.gaps) == (b"abc?????xyz!", [(0, 5)])
    assert flow.states[0].lost_bytes == 5


def test_bytes_that_only_their_acknowledgement_shows_are_a_gap() -> None:
    flow, listener = begin(99)
    feed(flow, 100, b"abc")
    flow.segment(1, 2, 5000, 103, ACK, 1000, 64, b"", 0)
    flow.segment(1, 3, 5000, 110, ACK, 1000, 64, b"", 0)
    assert listener.gaps == []
    feed(flow, 110, b"more", at=3 + LATE_NS)
    assert (listener.bytes[0], listener.gaps) == (b"abc???????more", [(0, 7)])


@given(st.randoms(use_true_random=False))
def test_what_is_captured_before_what_it_answers_waits(rng: random.Random) -> None:
    """Both ends answer each other; packets of one moment come in any order."""
    flow, listener = begin(99)
    flow.segment(1, 0, 499, 100, SYN | ACK, 1000, 64, b"", 0)
    flow.segment(0, 0, 100, 500, ACK, 1000, 64, b"", 0)
    told: list[tuple[int, int, int, int, bytes]] = []
    for n in range(20):  # each acknowledges what the other one said right before
        told.append((0, n, 100 + 4 * n, 500 + 4 * n, b"%04d" % n))
        told.append((1, n, 500 + 4 * n, 104 + 4 * n, b"%04d" % n))
    for first in range(0, len(told), 5):
        some = told[first : first + 5]
        rng.shuffle(some)
        for number, at, seq, ack, data in some:
            flow.segment(number, 1000 * at, seq, ack, ACK, 1000, 64, data, len(data))
    whole = b"".join(b"%04d" % n for n in range(20))
    assert (listener.bytes, listener.gaps) == ([whole, whole], [])
    assert [state.retransmits for state in flow.states] == [0, 0]


def test_a_reset_behind_which_the_talk_goes_on_is_none() -> None:
    flow, listener = begin(99)
    flow.segment(1, 0, 499, 100, SYN | ACK, 1000, 64, b"", 0)
    feed(flow, 100, b"abc")
    flow.segment(1, 2, 500, 103, ACK, 1000, 64, b"", 0)
    flow.segment(1, 3, 90_000, 0, RST, 0, 64, b"", 0)
    assert not flow.over  # it lies far outside of the window
    assert listener.survivals == 0
    feed(flow, 103, b"def", at=2 * LATE_NS)
    flow.segment(1, 3 * LATE_NS, 500, 106, ACK, 1000, 64, b"", 0)
    assert listener.survivals == 1
    flow.segment(1, 4 * LATE_NS, 500, 0, RST, 0, 64, b"", 0)
    assert flow.over


def test_a_hole_at_the_end_is_given_up() -> None:
    flow, listener = begin(99)
    feed(flow, 105, b"late")
    flow.close(9)
    assert listener.bytes[0] == b"?????late"


def test_the_store_is_bounded() -> None:
    flow, listener = begin(99)
    for n in range(3000):
        feed(flow, 101 + 1000 * n, b"x" * 1000)
    assert flow.states[0].stored_bytes <= 1 << 20
    assert len(listener.bytes[0]) == 3_000_001


def test_retransmissions_and_probes_are_counted_apart() -> None:
    flow, _ = begin(99)
    feed(flow, 100, b"abc")
    flow.segment(1, 2, 5000, 103, ACK, 0, 64, b"", 0)
    flow.segment(1, 3, 5000, 103, ACK, 0, 64, b"", 0)
    feed(flow, 102, b"c")  # keepalive: a byte from before, and everything is acknowledged
    feed(flow, 100, b"abc")
    state = flow.states[0]
    assert (state.keepalive_probes, state.retransmits) == (1, 1)
    assert flow.states[1].zero_windows == 1


@pytest.mark.parametrize("early", [False, True])
def test_a_fin_counts_when_everything_before_it_has_come(early: bool) -> None:
    flow, listener = begin(99)
    if early:
        feed(flow, 103, b"", flags=FIN | ACK)
        assert listener.ends == []
        feed(flow, 100, b"abc")
    else:
        feed(flow, 100, b"abc", flags=FIN | ACK)
    feed(flow, 104, b"")
    assert (listener.bytes[0], listener.ends) == (b"abc", [("fin", 0)])


def test_a_reset_ends_it() -> None:
    flow, listener = begin(99)
    feed(flow, 103, b"late")
    flow.segment(1, 2, 0, 0, RST, 0, 60, b"", 0)
    assert listener.ends == [("rst", 1)]
    assert listener.bytes[0] == b"???late"
    assert flow.over
