"""A server of ours in a thread, for clients of any kind in the test's own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wsdiag.server import Server, ServerOptions


class Serving:
    """A running server; `events` grows as things happen."""

    def __init__(self, options: ServerOptions) -> None:
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self._options = options
        self._ready = threading.Event()
        self._changed = threading.Condition()
        self._loop = asyncio.SelectorEventLoop()
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self.server = Server(self._options, self._note)
        try:
            await self.server.start()
        except BaseException as error:
            self._error = error
            self._ready.set()
            return
        self.url = self.server.url
        self._ready.set()
        await self._stop.wait()
        await self.server.stop()

    def _note(self, number: int, event: str, data: dict[str, Any]) -> None:
        with self._changed:
            self.events.append((number, event, data))
            self._changed.notify_all()

    def wait(self, event: str, timeout: float = 15.0) -> dict[str, Any]:
        """The first event of this name, waiting for it."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(name == event for _, name, _ in self.events), timeout
            ), f"no {event} in {self.events}"
            return next(data for _, name, data in self.events if name == event)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)
            assert not self._thread.is_alive(), "the server did not stop"


@contextmanager
def serving(**options: Any) -> Iterator[Serving]:
    """A server with these options, stopped at the end."""
    running = Serving(ServerOptions(**options))
    try:
        yield running
    finally:
        running.stop()
