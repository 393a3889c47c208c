"""Pings of one end that may still be answered, oldest first: as many as are worth remembering.

A Pong costs its sender three bytes. Whether a Ping waits for it is known without looking at each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

_MOST = 1024
A_PING = 320
"""About how many bytes one takes."""


class OpenPings:
    """`forgotten`: how many had to make room and are unanswered for good."""

    __slots__ = ("_payloads", "_waiting", "forgotten")

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes | None, float]] = deque()
        self._payloads: dict[bytes | None, int] = {}
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, payload: bytes | None, at_s: float) -> None:
        """A Ping; None: its payload was not read."""
        if len(self._waiting) >= _MOST:
            self._take()
            self.forgotten += 1
        self._waiting.append((payload, at_s))
        self._payloads[payload] = self._payloads.get(payload, 0) + 1

    def answer(self, payload: bytes | None) -> float | None:
        """A Pong answers its Ping, and those before it need no answer any more (RFC 6455, 5.5.3):
        when that Ping was sent; None: there is none."""
        if payload not in self._payloads:
            return None
        while True:
            sent, at_s = self._take()
            if sent == payload:
                return at_s

    def _take(self) -> tuple[bytes | None, float]:
        first = self._waiting.popleft()
        left = self._payloads.pop(first[0]) - 1
        if left:
            self._payloads[first[0]] = left
        return first

    def oldest(self, most: int) -> Iterator[float]:
        """When the first of them were sent."""
        return (at_s for _, at_s in islice(self._waiting, most))

    @property
    def unanswered(self) -> int:
        """How many were never answered so far."""
        return self.forgotten + len(self._waiting)
