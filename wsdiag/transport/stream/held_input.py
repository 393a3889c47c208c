"""What came of one stream of HTTP/2 or HTTP/3: held until its handler takes it, share by share.

A stream has no socket that could be left unread: the connection is read, whatever it carries. So
what comes of a stream whose handler is not there yet, or paused it, is held here. A delivery brings
no more than `_share()` of it, however much is held, and the next is a callback of its own: so
others have their turn.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque

from wsdiag.transport.stream.ends import StreamEnd, StreamHandler
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import CHUNK


class HeldInput:
    """The incoming side of a stream; a subclass says what taking and ending mean."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler: StreamHandler | None = None
        self._held: deque[tuple[memoryview, Arrival, int]] = deque()
        self.held_bytes = 0
        """Bytes that came and that no handler has taken."""
        self._paused = self._delivers_soon = False
        self.ended: StreamEnd | None = None

    def start(self, handler: StreamHandler) -> None:
        """Report to `handler` from now on; called again, the new handler takes over."""
        self._handler = handler
        self._deliver()

    def unread(self, data: bytes, at: Arrival) -> None:
        """Give back what belongs to the next handler."""
        self._held.appendleft((memoryview(data), at, 0))
        self.held_bytes += len(data)

    def pause_reading(self) -> None:
        """Hold what comes."""
        self._paused = True

    def resume_reading(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            if self._held or self.ended is not None:
                self._deliver_soon()

    @property
    def held(self) -> bytes:
        """What came while nobody was there to take it."""
        return b"".join(data for data, _, _ in self._held)

    def take_held(self) -> bytes:
        """What came while nobody was there to take it: a refusal's body."""
        held = self.held
        self._drop_held()
        return held

    def _share(self) -> int:
        """How many bytes a callback hands out."""
        return CHUNK

    def _taken(self, flow_bytes: int) -> None:
        """What took `flow_bytes` of the peer's window is no longer held."""

    @abstractmethod
    def _emptied(self, handler: StreamHandler) -> None:
        """Nothing is held any more: an end may be told."""

    def _hold(self, data: bytes, at: Arrival, flow_bytes: int) -> None:
        self._held.append((memoryview(data), at, flow_bytes))
        self.held_bytes += len(data)

    def _hand_out(self) -> None:
        """After what one read brought: hand it out, unless a callback for the rest is due."""
        if not self._delivers_soon:
            self._deliver()

    def _drop_held(self) -> None:
        for _, _, flow_bytes in self._held:
            self._taken(flow_bytes)
        self._held.clear()
        self.held_bytes = 0

    def _deliver_soon(self) -> None:
        if not self._delivers_soon:
            self._delivers_soon = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Hand out a callback's share; the rest has callbacks of its own."""
        self._delivers_soon, share = False, self._share()
        while self._held and self._handler is not None and not self._paused:
            if share <= 0:
                self._deliver_soon()
                return
            data, at, flow_bytes = self._held.popleft()
            if len(data) > share:
                self._held.appendleft((data[share:], at, flow_bytes))
                data, flow_bytes = data[:share], 0
            share -= len(data)
            self.held_bytes -= len(data)
            self._taken(flow_bytes)
            if data:
                self._handler.data_received(bytes(data), at)
        if not self._held and self._handler is not None:
            self._emptied(self._handler)
