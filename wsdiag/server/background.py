"""A server in a thread of its own, for tests whose client lives in any other."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from wsdiag.server.options import ServerOptions
from wsdiag.server.server import Server
from wsdiag.transport.tls.trust import TrustError

_START_TIMEOUT_S = 30.0
ServerEvent = tuple[int, str, dict[str, Any]]


class BackgroundServer:
    """A running server. `url` has no trailing slash; `events` grows as things happen."""

    def __init__(self, options: ServerOptions) -> None:
        """Start it. Raises what `Server.start` raises, and TimeoutError."""
        self.events: list[ServerEvent] = []
        self.url = ""
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._loop = asyncio.SelectorEventLoop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(options,), daemon=True)
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S):
            raise TimeoutError("the server did not start")
        if self._failure is not None:
            raise self._failure

    def _run(self, options: ServerOptions) -> None:
        try:
            self._loop.run_until_complete(self._serve(options))
        finally:
            self._loop.close()

    async def _serve(self, options: ServerOptions) -> None:
        self.server = Server(options, self._note)
        try:
            await self.server.start()
            self.url = self.server.url
        except (OSError, ValueError, TrustError) as error:
            self._failure = error
            return
        finally:
            self._started.set()
        await self._stop.wait()
        await self.server.stop()

    def _note(self, number: int, event: str, data: dict[str, Any]) -> None:
        with self._changed:
            self.events.append((number, event, data))
            self._changed.notify_all()

    def count(self, event: str) -> int:
        """How often an event happened: `open`, `close`, `drop`, `refused`…"""
        with self._changed:
            return sum(name == event for _, name, _ in self.events)

    def wait(self, event: str, timeout: float = 10.0) -> dict[str, Any]:
        """The first event of a name, waiting `timeout` seconds for it. Raises TimeoutError."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: [data for _, name, data in self.events if name == event], timeout
            )
        if not found:
            raise TimeoutError(f"no event {event!r} within {timeout:g} s")
        return found[0]

    def forget(self) -> None:
        """Forget all events so far."""
        with self._changed:
            self.events.clear()

    def stop(self) -> None:
        """Close all connections in good order, and wait until that is done."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
