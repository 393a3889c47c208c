"""Gates that hold outgoing bytes back: for a time, at a pace, or while shut."""

from __future__ import annotations

from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsdiag.server.flow import Action, Out, Queue

if TYPE_CHECKING:
    from wsdiag.server.link import Link

# Timers may fire this early by the loop's own resolution; waiting again would only add to it.
_EARLY_S = 0.0005
_SLICE_S = 0.02


class TimedGate(Queue):
    """A queue whose `pump` runs when its one timer fires; `shut` ends it."""

    __slots__ = ("_link", "_timer")

    def __init__(self, behind: Out, link: Link) -> None:
        super().__init__(behind)
        self._link = link
        self._timer: TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Take bytes that leave later."""
        self.put(data)
        self.pump()

    def end(self, action: Action) -> None:
        """Run `action` behind all bytes."""
        self.put(action)
        self.pump()

    def pump(self) -> None:
        """Let out what may leave now, and set the timer for the rest."""
        raise NotImplementedError

    def wake_in(self, delay: float) -> None:
        """Pump again `delay` seconds from now, unless that is planned already."""
        if self._timer is None:
            self._timer = self._link.loop.call_later(max(delay, 0.0), self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.pump()
        self._link.eased()

    def discard(self) -> None:
        """Forget what waits here, and the timer."""
        super().discard()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class DelayGate(TimedGate):
    """Holds everything back for a time drawn anew for each write; order is kept, as TCP would."""

    __slots__ = ("_draw", "_dues")

    def __init__(self, behind: Out, link: Link, draw: Callable[[], float]) -> None:
        super().__init__(behind, link)
        self._draw = draw
        self._dues: deque[float] = deque()

    def put(self, item: bytes | Action) -> None:
        """Keep an item until its time, never before those that came earlier."""
        due = self._link.loop.time() + (self._draw() if isinstance(item, bytes) else 0.0)
        self._dues.append(max(due, self._dues[-1]) if self._dues else due)
        super().put(item)

    def take(self) -> bytes | Action:
        """Take the oldest item; IndexError when empty."""
        self._dues.popleft()
        return super().take()

    def pump(self) -> None:
        """Let out what is due."""
        now = self._link.loop.time()
        while self._dues and self._dues[0] <= now + _EARLY_S:
            self.forward(self.take())
        if self._dues:
            self.wake_in(self._dues[0] - now)

    def discard(self) -> None:
        """Forget what waits here, and the timer."""
        self._dues.clear()
        super().discard()


class PaceGate(TimedGate):
    """Lets out `rate` bytes a second, in pieces of at most `piece` bytes (0: what 20 ms allow)."""

    __slots__ = ("_free_at", "_piece", "_rate")

    def __init__(self, behind: Out, link: Link, rate: float, piece: int = 0) -> None:
        super().__init__(behind, link)
        self._rate = rate
        self._piece = piece or max(1, int(rate * _SLICE_S))
        self._free_at = 0.0

    def put(self, item: bytes | Action) -> None:
        """Keep an item; time in which nothing waited is not made up for."""
        if self.empty:
            self._free_at = max(self._free_at, self._link.loop.time())
        super().put(item)

    def pump(self) -> None:
        """Let out what the pace allows by now."""
        now = self._link.loop.time()
        while not self.empty and self._free_at <= now + _EARLY_S:
            item = self.take()
            if isinstance(item, bytes):
                piece = item[: self._piece]
                if len(item) > len(piece):
                    self.push_back(item[len(piece) :])
                self._free_at += len(piece) / self._rate
                item = piece
            self.forward(item)
        if not self.empty:
            self.wake_in(self._free_at - now)


class HoldGate(Queue):
    """Lets everything through, except while `shut`."""

    __slots__ = ("_shut",)

    def __init__(self, behind: Out) -> None:
        super().__init__(behind)
        self._shut = False

    def write(self, data: bytes) -> None:
        """Pass bytes on, or keep them while shut."""
        self._pass(data)

    def end(self, action: Action) -> None:
        """Pass an action on, or keep it while shut."""
        self._pass(action)

    def shut(self, shut: bool) -> None:
        """Shut the gate, or open it and let out what waited."""
        self._shut = shut
        if not shut:
            self.release()

    def _pass(self, item: bytes | Action) -> None:
        if self._shut:
            self.put(item)
        else:
            self.forward(item)


class CutGate(Queue):
    """Lets `count` bytes through, then runs `cut` once and drops the rest."""

    __slots__ = ("_cut", "_left")

    def __init__(self, behind: Out, count: int, cut: Action) -> None:
        super().__init__(behind)
        self._left = count
        self._cut: Action | None = cut

    def write(self, data: bytes) -> None:
        """Pass bytes on until the count is reached."""
        if self._cut is None:
            return
        passed = data[: self._left]
        self._left -= len(passed)
        if passed:
            self.forward(passed)
        if self._left == 0:
            cut, self._cut = self._cut, None
            self.forward(cut)

    def end(self, action: Action) -> None:
        """Pass an action on, unless the cut came first."""
        if self._cut is not None:
            self.forward(action)
