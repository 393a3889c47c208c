"""How late this process's event loop is: the premise of tests whose truth is a matter of time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import pytest

T = TypeVar("T")
_EVERY_S, _NOTED_S = 0.01, 0.02
_AT_ONCE = 3
LATE_S = 0.6
"""By so much a machine may be late where a timeout of seconds is looked for."""


class LagMeter:
    """While entered, notes when the loop did not run: `gaps` as (begin, end) in Unix time."""

    def __init__(self) -> None:
        self.gaps: list[tuple[float, float]] = []

    async def __aenter__(self) -> LagMeter:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            due = time.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            if (now := time.time()) - due > _NOTED_S:
                self.gaps.append((due, now))

    @property
    def worst_s(self) -> float:
        """The longest gap."""
        return max((end - begin for begin, end in self.gaps), default=0.0)

    @property
    def total_s(self) -> float:
        """All gaps together."""
        return sum(end - begin for begin, end in self.gaps)

    def touches(self, begin: float, end: float) -> bool:
        """Whether a gap lies in this time, in whole or in part."""
        return touched(self.gaps, begin, end)


def touched(gaps: Iterable[tuple[float, float]], begin: float, end: float) -> bool:
    """Whether one of these gaps lies in this time, in whole or in part."""
    return any(since < end and until > begin for since, until in gaps)


def overlap_s(gaps: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    """How much of this time lies in these gaps."""
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in gaps)


class Outcomes(dict[str, T]):
    """What each of these works finds `in_time`, done when one is first asked for.

    With it go the two after it, which are most likely asked for next; a dozen in one loop would
    make each other late. What came too late skips the test.
    """

    def __init__(
        self, works: Mapping[str, Callable[[], Awaitable[T]]], good_s: float, most_s: float
    ) -> None:
        super().__init__()
        self._works, self._good_s, self._most_s = works, good_s, most_s
        self._late: dict[str, str] = {}

    def __missing__(self, name: str) -> T:
        if name not in self._late:
            names = list(self._works)
            asyncio.run(self._play(names[names.index(name) :][:_AT_ONCE]))
        if name in self._late:
            pytest.skip(self._late[name])
        return self[name]

    async def _play(self, names: Sequence[str]) -> None:
        async def one(name: str) -> None:
            try:
                self[name] = await in_time(self._works[name], self._good_s, self._most_s)
            except pytest.skip.Exception as late:
                self._late[name] = late.msg or ""

        await asyncio.gather(*(one(n) for n in names if n not in self and n not in self._late))


async def in_time(work: Callable[[], Awaitable[T]], good_s: float, most_s: float = math.inf) -> T:
    """What `work` found in the best of three tries; one whose loop was late by `good_s` is enough.

    Where the loop was later than `most_s` in all of them, the machine does not bear the test.
    """
    tries: list[tuple[float, T]] = []
    while len(tries) < 3 and (not tries or tries[-1][0] > good_s):
        async with LagMeter() as lag:
            result = await work()
        tries.append((lag.worst_s, result))
    late_s, best = min(tries, key=lambda one: one[0])
    if late_s > most_s:
        pytest.skip(f"short of CPU: late by {late_s:.1f} s, and this holds up to {most_s:g} s")
    return best
