"""What arrived while a Ping was under way: how much, without a pause or not, and from a queue?

A Pong stands behind all that its endpoint wrote before it. Whether it had to wait for that shows in
how the bytes came: without a pause as long as most of the wait, and cut at the sizes of segments
and of our reads rather than of messages. A sender that has more to send than fits fills segments,
which then end inside frames; one that keeps up leaves none unfinished, however much it sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

SLICE_NS = 2_000_000
_SLICES = 16_384
KEPT_NS = 60_000_000_000
"""Hardly a Ping is under way for longer; a connection that carries little would keep hours."""
FULL_READ = 60_000
"""A read of so many bytes is one that left more to be read."""


@dataclass(slots=True)
class _Slice:
    began_ns: int
    ended_ns: int
    size: int
    queued: int


class Inbound(NamedTuple):
    """What arrived between two moments."""

    size: int = 0
    """Bytes."""
    pause_ms: float = 0.0
    """The longest time in which none arrived."""
    queued_share: float = 0.0
    """The share of them that came in reads which ended inside a frame, or left more to read."""


class InboundProfile:
    """A connection's arrivals in slices of 2 ms: the last minute, or 32 s where all are full."""

    __slots__ = ("_slices", "total")

    def __init__(self) -> None:
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self.total = 0

    def add(self, size: int, at_ns: int, *, inside_frame: bool) -> None:
        """Note a read, in monotonic ns; `inside_frame`: it ended inside one."""
        queued = size if inside_frame or size >= FULL_READ else 0
        self.total += size
        last = self._slices[-1] if self._slices else None
        if last is not None and at_ns - last.began_ns < SLICE_NS:
            last.ended_ns = at_ns
            last.size += size
            last.queued += queued
        else:
            while self._slices and at_ns - self._slices[0].ended_ns > KEPT_NS:
                self._slices.popleft()
            self._slices.append(_Slice(at_ns, at_ns, size, queued))

    def between(self, begin_ns: int, end_ns: int) -> Inbound:
        """What arrived from one moment to another, a slice at either end included whole."""
        size = queued = longest_ns = 0
        later_ns = end_ns
        for one in reversed(self._slices):
            if one.ended_ns < begin_ns:
                break
            if one.began_ns > end_ns:
                continue
            size += one.size
            queued += one.queued
            longest_ns = max(longest_ns, later_ns - one.ended_ns)
            later_ns = max(one.began_ns, begin_ns)
        longest_ns = max(longest_ns, later_ns - begin_ns)
        return Inbound(size, longest_ns / 1e6, queued / size if size else 0.0)
