"""Finding the end of TCP, and what a changed path does to the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from wsdiag.packets.copies import Copy
from wsdiag.probes.path.hops import MOST_HOPS, Asked, SegmentHops, search_end
from wsdiag.transport.path.flow_tracer import FlowTracer, HopAnswer, HopQuestion


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("end", [*range(1, 20), 33, MOST_HOPS])
@pytest.mark.parametrize("silent", [(), (1,), (2, 4), (7, 8, 9)])
def test_the_end_is_found_in_few_questions(end: int, silent: tuple[int, ...]) -> None:
    asked: list[int] = []

    async def ask(hop: int) -> Asked:
        asked.append(hop)
        if hop >= end:
            return "end"
        return None if hop in silent else "router"

    assert run(search_end(ask)) == end
    assert len(asked) <= 2 * end.bit_length() + 1
    assert max(asked) <= 2 * end


def test_an_end_that_does_not_answer_is_not_found() -> None:
    async def ask(hop: int) -> Asked:
        return "router" if hop < 3 else None

    assert run(search_end(ask)) is None


class Path:
    """Stands for a tracer: answers as a path of so many routers would."""

    address = "10.9.9.2"

    def __init__(self, end: int, silent: tuple[int, ...] = (), refused: int | None = None) -> None:
        self.end, self.silent, self.refused = end, silent, refused
        self.on_answer: Callable[[HopQuestion], None] = lambda _: None
        self.under_way = self.most_under_way = 0

    async def ask(
        self, hops: Iterable[int], timeout_s: float, *, lost: bool = False
    ) -> list[HopQuestion]:
        asked = [HopQuestion(hop, Copy(b"", 0, 0, 0, 0), 0) for hop in hops]
        self.under_way += len(asked)
        self.most_under_way = max(self.most_under_way, self.under_way)
        for question in asked:
            hop = question.hop_limit
            if self.refused is not None and hop >= self.refused:
                address = f"10.9.{self.refused - 1}.2"
                question.answer = HopAnswer("unreachable", address, 1.0, "kernel", None, 63)
            elif hop >= self.end:
                question.answer = HopAnswer("tcp-end", self.address, 9.0, "kernel", None, 60)
            elif hop not in self.silent:
                question.answer = HopAnswer("router", f"10.9.{hop}.2", 1.0, "kernel", None, 63)
            if question.answer is not None:
                self.on_answer(question)
        await asyncio.sleep(0)
        self.under_way -= len(asked)
        return asked


def rounds(path: Path, hops: SegmentHops, count: int) -> None:
    async def work() -> None:
        for number in range(count):
            await hops.round(number + 1)

    run(work())


def test_each_hop_is_asked_once_a_round_one_at_a_time() -> None:
    path = Path(4, silent=(2,))
    hops = SegmentHops(cast(FlowTracer, path))
    run(hops.find_end())
    rounds(path, hops, 3)
    assert hops.end == 4
    assert {hop: (row.sent, row.received) for hop, row in hops.rows.items()} == {
        1: (3, 3),
        2: (3, 0),
        3: (3, 3),
    }
    assert (hops.end_row.sent, hops.end_row.received, hops.end_row.hop) == (3, 3, 4)
    assert path.most_under_way == 1


def test_beyond_who_refuses_nothing_is_claimed() -> None:
    hops = SegmentHops(cast(FlowTracer, Path(8, refused=3)))
    run(hops.find_end())
    rounds(cast(Path, hops._tracer), hops, 2)
    assert hops.end is None
    assert sorted(hops.rows) == [1, 2]
    assert min(hops.refused.items()) == (3, "10.9.2.2")
    assert hops.end_row.received == 0


def test_a_path_that_becomes_longer_or_shorter_is_followed() -> None:
    path = Path(4)
    hops = SegmentHops(cast(FlowTracer, path))
    run(hops.find_end())
    rounds(path, hops, 1)
    path.end = 6
    rounds(path, hops, 1)
    assert hops.end == 6
    assert hops.rows[4].address == "10.9.4.2"
    assert hops.rows[5].address == "10.9.5.2"
    path.end = 3
    rounds(path, hops, 2)
    assert hops.end == 3
    assert sorted(hops.rows) == [1, 2]
    assert hops.end_row.sent == hops.end_row.received == 4
