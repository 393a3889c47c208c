"""What arrived between two moments, and for how long that is known."""

from __future__ import annotations

import tracemalloc

from wsdiag.transport.stream.inbound import KEPT_NS, Inbound, InboundProfile

SECOND_NS = 1_000_000_000


def profile(seconds: int, size: int = 100) -> InboundProfile:
    """A connection on which so many bytes come once a second."""
    made = InboundProfile()
    for second in range(seconds):
        made.add(size, second * SECOND_NS, inside_frame=False)
    return made


def test_a_connection_that_carries_little_keeps_no_hours_of_it() -> None:
    tracemalloc.start()
    made = profile(10)
    before = tracemalloc.get_traced_memory()[0]
    for second in range(10, 5000):
        made.add(100, second * SECOND_NS, inside_frame=False)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000
    assert made.total == 500_000


def test_the_last_minute_is_known_whole() -> None:
    made, end = profile(500), 499 * SECOND_NS
    begin = end - KEPT_NS + SECOND_NS
    assert made.between(begin, end) == Inbound(100 * (KEPT_NS // SECOND_NS), 1000.0, 0.0)


def test_what_is_not_known_any_more_counts_as_a_pause() -> None:
    found = profile(500).between(499 * SECOND_NS - 3 * KEPT_NS, 499 * SECOND_NS)
    assert found.pause_ms >= 2 * KEPT_NS / 1e6 - 1000
