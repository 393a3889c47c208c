"""An event loop whose time is made up: it never waits, so that minutes pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def advance(self, seconds: float) -> None:
        # Rounded up, or the loop would wake before its time, again and again.
        self.now_ns += max(1, int(seconds * 1e9) + 1)


class _Selector(selectors.SelectSelector):
    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen in this world")
        self._clock.advance(timeout)  # nothing takes no time, or what waits for it would spin
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for timers only; `monotonic_ns` is its clock."""

    def __init__(self) -> None:
        self._made_up = _Clock()
        super().__init__(_Selector(self._made_up))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._made_up.now_ns / 1e9

    def monotonic_ns(self) -> int:
        return self._made_up.now_ns


def run_virtually(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, in no time."""
    failed: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: failed.append(context))
    try:
        result = loop.run_until_complete(work)
    finally:
        loop.close()
    assert not failed, failed
    return result
