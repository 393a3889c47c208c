"""Filters hold outgoing bytes back, and never change their order; a close waits for them too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from wsdiag.server.filters import CutFilter, DelayFilter, HoldFilter, Item, RateFilter


class End:
    """The end of the chain: what arrived, an action as its name."""

    buffered_bytes = 0

    def __init__(self) -> None:
        self.arrived: list[bytes | str] = []

    def write(self, item: Item) -> None:
        if isinstance(item, bytes):
            self.arrived.append(item)
        else:
            item()

    def close(self) -> None:
        self.arrived.append("close")


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_a_later_write_with_a_shorter_delay_does_not_overtake() -> None:
    async def test() -> None:
        end, delays, drained = End(), iter((0.5, 0.0)), asyncio.Event()
        delay = DelayFilter(end, drained.set, partial(next, delays))
        for item in (b"first", b"second", end.close):
            delay.write(item)
        assert (end.arrived, delay.buffered_bytes) == ([], 11)
        await drained.wait()
        assert (end.arrived, delay.buffered_bytes) == ([b"first", b"second", "close"], 0)

    run(test)


def test_a_rate_cuts_what_is_longer_than_a_piece() -> None:
    async def test() -> None:
        end, loop, all_sent = End(), asyncio.get_running_loop(), asyncio.Event()
        rate, began = RateFilter(end, lambda: None, rate=100, piece=2), loop.time()
        rate.write(b"abcde")
        rate.write(all_sent.set)
        await all_sent.wait()
        assert end.arrived == [b"ab", b"cd", b"e"]
        assert loop.time() - began >= 0.049  # the last byte takes its time too

    run(test)


def test_what_is_discarded_never_arrives_and_what_is_released_does_at_once() -> None:
    async def test() -> None:
        end = End()
        delay = DelayFilter(end, lambda: None, lambda: 60.0)
        delay.write(b"lost")
        delay.discard()
        delay.write(b"kept")
        delay.release()
        assert (end.arrived, delay.buffered_bytes) == ([b"kept"], 0)

    run(test)


def test_a_shut_filter_keeps_bytes_and_closes() -> None:
    end = End()
    hold = HoldFilter(end)
    hold.write(b"before")
    hold.shut()
    hold.write(b"after")
    hold.write(end.close)
    assert (end.arrived, hold.buffered_bytes) == ([b"before"], 5)
    hold.open()
    assert end.arrived == [b"before", b"after", "close"]


def test_a_cut_runs_after_its_bytes_and_nothing_follows() -> None:
    end = End()
    cut = CutFilter(end, 4, lambda: end.arrived.append("cut"))
    for item in (b"abc", b"def", end.close, b"ghi"):
        cut.write(item)
    assert end.arrived == [b"abc", b"d", "cut"]
