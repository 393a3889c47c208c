"""Segments that were captured before the bytes which they acknowledge.

Whoever captures with several queues, or on several interfaces, may get an answer before what it
answers. Taken as they come, the bytes would seem to be missing, and a Close frame's answer would be
the first Close. So such a segment waits until the bytes come, for a moment; then they are missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from wsdiag.capture.direction import DirectionState, after

_LATE_NS = 50_000_000
_MOST_HELD = 64
_DATA = 3
"""Where the payload is in what `Flow` gives as the rest."""


class _Held(NamedTuple):
    number: int
    time_ns: int
    ack: int
    rest: tuple[Any, ...]


class Early:
    """Those of one flow. `take` gets each segment whose turn has come: number, time, what it
    acknowledges, and the `rest` that was given."""

    __slots__ = ("_states", "_take", "held")

    def __init__(
        self,
        states: tuple[DirectionState, DirectionState],
        take: Callable[[int, int, int, tuple[Any, ...]], None],
    ) -> None:
        self.held: deque[_Held] = deque()
        self._states, self._take = states, take

    def holds(self, number: int, time_ns: int, ack: int, rest: tuple[Any, ...]) -> bool:
        """Whether a segment has to wait; then it does."""
        state, peer = self._states[number], self._states[1 - number]
        if state.acknowledged is None or peer.position is None or peer.finished:
            return False
        if after(ack, peer.position) <= 0:
            return False
        self.held.append(_Held(number, time_ns, ack, rest))
        if len(self.held) > _MOST_HELD:
            self.release(None)
        return True

    def held_bytes(self) -> int:
        """How many bytes of payload wait."""
        return sum(len(each.rest[_DATA]) for each in self.held)

    def release(self, time_ns: int | None) -> None:
        """Give up those that wait no longer; None: all of them."""
        waiting = -1
        while len(self.held) != waiting:  # one may bring what another waits for
            waiting = len(self.held)
            for _ in range(waiting):
                each = self.held.popleft()
                position = self._states[1 - each.number].position
                late = time_ns is None or time_ns - each.time_ns > _LATE_NS
                if late or position is None or after(each.ack, position) <= 0:
                    self._take(*each)
                else:
                    self.held.append(each)
