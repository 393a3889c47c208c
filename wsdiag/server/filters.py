"""Filters for outgoing bytes, a chain from the connection to the stream: each may hold bytes back.

A close must not overtake bytes that a filter still holds, so it travels the same way: an `Item` is
bytes, or an action that runs when it arrives at the stream, after all bytes before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]
Item = bytes | Action

TIMER_SLACK_S = 0.0005
"""Timers may fire this early by the loop's own resolution; waiting again would only add to it."""
_SLICE_S = 0.02


class OutputFilter(Protocol):
    """One link of the chain."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait here and further on."""

    def write(self, item: Item) -> None:
        """Forward an item, or keep it for later; the order is never changed."""


class QueueFilter:
    """A filter with memory: bytes and actions wait here, and leave in order."""

    def __init__(self, next_filter: OutputFilter) -> None:
        self._next = next_filter
        self._waiting: deque[tuple[float, Item]] = deque()
        self._buffered = 0

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait here and further on."""
        return self._buffered + self._next.buffered_bytes

    def write(self, item: Item) -> None:
        """Forward an item, or keep it: what makes one filter different from another."""
        raise NotImplementedError

    def put(self, item: Item, due: float = 0.0) -> None:
        """Keep an item; `due` is the loop's time at which it may leave."""
        self._waiting.append((due, item))
        if isinstance(item, bytes):
            self._buffered += len(item)

    def pop(self) -> Item:
        """Remove the oldest item; IndexError when empty."""
        _, item = self._waiting.popleft()
        if isinstance(item, bytes):
            self._buffered -= len(item)
        return item

    def release(self) -> None:
        """Forward everything at once."""
        while self._waiting:
            self._next.write(self.pop())

    def discard(self) -> None:
        """Forget what waits here."""
        self._waiting.clear()
        self._buffered = 0


class TimedFilter(QueueFilter):
    """A queue that a timer empties, item by item when each is `due`."""

    def __init__(self, next_filter: OutputFilter, on_drained: Action) -> None:
        super().__init__(next_filter)
        self._loop, self._on_drained = asyncio.get_running_loop(), on_drained
        self._timer: asyncio.TimerHandle | None = None

    def due(self) -> float:
        """The loop's time at which the oldest item may leave."""
        return self._waiting[0][0]

    def write(self, item: Item) -> None:
        """Keep an item until its time."""
        self.put(item)
        self._pump()

    def _pump(self) -> None:
        now = self._loop.time()
        while self._waiting and self.due() <= now + TIMER_SLACK_S:
            self._next.write(self.pop())
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_later(max(self.due() - now, 0.0), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()
        self._on_drained()

    def discard(self) -> None:
        """Forget what waits here, and the timer."""
        super().discard()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class DelayFilter(TimedFilter):
    """Holds each write back for a delay of its own; order is kept, as TCP would."""

    def __init__(
        self, next_filter: OutputFilter, on_drained: Action, draw: Callable[[], float]
    ) -> None:
        super().__init__(next_filter, on_drained)
        self._draw = draw

    def put(self, item: Item, due: float = 0.0) -> None:
        """Keep an item until its time, never before those that came earlier."""
        due = self._loop.time() + (self._draw() if isinstance(item, bytes) else 0.0)
        super().put(item, max(due, self._waiting[-1][0]) if self._waiting else due)


class RateFilter(TimedFilter):
    """Forwards `rate` bytes per second, in pieces of `piece` bytes (0: what 20 ms allow)."""

    def __init__(
        self, next_filter: OutputFilter, on_drained: Action, rate: float, piece: int = 0
    ) -> None:
        super().__init__(next_filter, on_drained)
        self._rate = rate
        self._piece = piece or max(1, int(rate * _SLICE_S))
        self._free_at = 0.0

    def due(self) -> float:
        """When all pieces before have taken their time."""
        return self._free_at

    def put(self, item: Item, due: float = 0.0) -> None:
        """Keep an item; time in which nothing waited is not made up for."""
        if not self._waiting:
            self._free_at = max(self._free_at, self._loop.time())
        super().put(item)

    def pop(self) -> Item:
        """Remove a piece of the oldest item, whose time passes from now on."""
        item = super().pop()
        if isinstance(item, bytes):
            # a line knows no frames: it cuts where its capacity ends
            while len(item) < self._piece and self._waiting:
                following = self._waiting[0][1]
                if not isinstance(following, bytes):
                    break
                item += following
                super().pop()
            item, rest = item[: self._piece], item[self._piece :]
            if rest:
                self._waiting.appendleft((0.0, rest))
                self._buffered += len(rest)
            self._free_at += len(item) / self._rate
        return item


class HoldFilter(QueueFilter):
    """Forwards everything, except while it is shut."""

    def __init__(self, next_filter: OutputFilter) -> None:
        super().__init__(next_filter)
        self._shut = False

    def write(self, item: Item) -> None:
        """Forward an item, or keep it while shut."""
        if self._shut:
            self.put(item)
        else:
            self._next.write(item)

    def shut(self) -> None:
        """Keep everything from now on."""
        self._shut = True

    def open(self) -> None:
        """Forward what waited, and everything from now on."""
        self._shut = False
        self.release()


class CutFilter(QueueFilter):
    """Forwards `count` bytes, then runs `cut` once and drops the rest."""

    def __init__(self, next_filter: OutputFilter, count: int, cut: Action) -> None:
        super().__init__(next_filter)
        self._left = count
        self._cut: Action | None = cut

    def write(self, item: Item) -> None:
        """Forward an item up to the count; an action is forwarded unless the cut came first."""
        if self._cut is None:
            return
        if not isinstance(item, bytes):
            self._next.write(item)
            return
        passed = item[: self._left]
        self._left -= len(passed)
        if passed:
            self._next.write(passed)
        if self._left == 0:
            cut, self._cut = self._cut, None
            self._next.write(cut)
