"""Segments that were captured before the bytes which they acknowledge.

Whoever captures with several queues, or on several interfaces, may get an answer before what it
answers. Taken as they come, the bytes would seem to be missing, and a Close frame's answer would be
the first Close. So such a segment waits until the bytes come, for a moment; then they are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wsdiag.capture.direction import DirectionState, after

_LATE_NS = 50_000_000
_MOST_HELD = 64


class Early(NamedTuple):
    """A segment that waits; its members are named as in `Flow.segment`."""

    number: int
    time_ns: int
    ack: int
    seq: int
    flags: int
    hop_limit: int
    data: bytes
    size: int
    identity: bytes


class EarlySegments:
    """Those of one flow. `take` gets each one whose turn has come."""

    __slots__ = ("_states", "_take", "held")

    def __init__(
        self, states: tuple[DirectionState, DirectionState], take: Callable[[Early], None]
    ) -> None:
        self.held: list[Early] = []  # a deque takes 760 bytes for nothing
        self._states, self._take = states, take

    def has_to_wait(self, number: int, ack: int) -> bool:
        """Whether a segment from end `number` with that acknowledgement came too early."""
        state, peer = self._states[number], self._states[1 - number]
        if state.acknowledged is None or peer.position is None or peer.finished:
            return False
        return after(ack, peer.position) > 0

    def hold(self, segment: Early) -> None:
        """Let one wait; where too many do, none waits any longer."""
        self.held.append(segment)
        if len(self.held) > _MOST_HELD:
            self.release(None)

    def held_bytes(self) -> int:
        """How many bytes of payload wait."""
        return sum(len(each.data) for each in self.held)

    def release(self, time_ns: int | None) -> None:
        """Give up those that wait no longer; None: all of them."""
        waiting = -1
        while len(self.held) != waiting:  # one may bring what another waits for
            waiting = len(self.held)
            for _ in range(waiting):
                each = self.held.pop(0)
                position = self._states[1 - each.number].position
                late = time_ns is None or time_ns - each.time_ns > _LATE_NS
                if late or position is None or after(each.ack, position) <= 0:
                    self._take(each)
                else:
                    self.held.append(each)
