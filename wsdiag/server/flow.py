"""The way out: bytes pass from a connection through the faults' gates to the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class Out(Protocol):
    """A gate for outgoing bytes; `held` counts those it keeps back."""

    @property
    def held(self) -> int:
        """Bytes kept back here and in the gates behind."""
        ...

    def write(self, data: bytes) -> None:
        """Take bytes that leave after all that were written before."""
        ...

    def end(self, action: Action) -> None:
        """Run `action` (a close) once all that was written before has left."""
        ...


class Queue:
    """A gate with memory: what waits here leaves in order, by whatever rule `release` follows."""

    __slots__ = ("_behind", "_held", "_waiting")

    def __init__(self, behind: Out) -> None:
        self._behind = behind
        self._waiting: deque[bytes | Action] = deque()
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes kept back here and in the gates behind."""
        return self._held + self._behind.held

    @property
    def empty(self) -> bool:
        """Whether nothing waits here."""
        return not self._waiting

    def put(self, item: bytes | Action) -> None:
        """Keep bytes, or an action that waits for them."""
        self._waiting.append(item)
        if isinstance(item, bytes):
            self._held += len(item)

    def push_back(self, data: bytes) -> None:
        """Put bytes back at the front."""
        self._waiting.appendleft(data)
        self._held += len(data)

    def take(self) -> bytes | Action:
        """Take the oldest item; IndexError when empty."""
        item = self._waiting.popleft()
        if isinstance(item, bytes):
            self._held -= len(item)
        return item

    def forward(self, item: bytes | Action) -> None:
        """Pass one item on to the gate behind."""
        if isinstance(item, bytes):
            self._behind.write(item)
        else:
            self._behind.end(item)

    def release(self) -> None:
        """Pass everything on at once."""
        while self._waiting:
            self.forward(self.take())

    def discard(self) -> None:
        """Forget what waits here."""
        self._waiting.clear()
        self._held = 0
