"""Ctrl-C during a connect: what is awaited ends, and what is known is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Interrupt:
    """Called at a signal: ends the wait that may be cut; where there is none, the run."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._wait: asyncio.Timeout | None = None
        self.came = False

    def begin(self) -> None:
        """The task that calls is the run."""
        self._task = asyncio.current_task()

    def __call__(self) -> None:
        """SIGINT, SIGTERM or SIGHUP: the first, the second…"""
        self.came = True
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.reschedule(asyncio.get_running_loop().time())
        elif self._task is not None:
            self._task.cancel()

    @asynccontextmanager
    async def cuts(self) -> AsyncIterator[None]:
        """What is awaited within ends at an interrupt, and the run goes on behind it."""
        try:
            async with asyncio.timeout(None) as wait:
                self._wait = wait
                yield
        except TimeoutError:
            if not wait.expired():
                raise
        finally:
            self._wait = None
