"""Reading no faster than so many bytes a second: a slow client, made on purpose.

What is not read stays in the kernel's buffer until that is full; then TCP's window closes, and the
rest stays with the sender. Small reads with short pauses keep the pace even.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

_READS_A_SECOND = 50
_LARGEST = 65536
_SHORTEST_PAUSE_S = 0.001


class ReadThrottle:
    """Pauses a stream's reading after each read, for as long as its bytes should have taken."""

    __slots__ = ("_free_at_s", "_loop", "_pause", "_rate", "_resume", "size")

    def __init__(
        self,
        rate: float,
        loop: AbstractEventLoop,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        """`rate` in bytes a second."""
        self._rate, self._loop, self._pause, self._resume = rate, loop, pause, resume
        self._free_at_s = loop.time()
        self.size = max(1, min(_LARGEST, int(rate / _READS_A_SECOND)))
        """The most to read at once, in bytes."""

    def took(self, count: int) -> None:
        """Account for a read."""
        now_s = self._loop.time()
        self._free_at_s = max(self._free_at_s, now_s) + count / self._rate
        if self._free_at_s - now_s > _SHORTEST_PAUSE_S:
            self._pause()
            self._loop.call_at(self._free_at_s, self._resume)
