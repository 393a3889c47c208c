"""An event loop whose timers fire when they are due, not up to two milliseconds later.

epoll_wait(2) sleeps whole milliseconds. `selectors` rounds up to one, Python's epoll object rounds
its quotient up once more, and a Ping due in 9.2 ms leaves after 10 or 11. An epoll descriptor can
be waited for like any other, and select(2) counts microseconds, so it does the sleeping.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

_SELECTABLE = 1024  # FD_SETSIZE: select(2) takes no descriptor from here on


def event_loop(*, hires: bool = True) -> asyncio.AbstractEventLoop:
    """A new loop with `add_reader`, which the stamped stream needs (on Windows too).

    `hires`: timers to the microsecond, for a second system call whenever I/O ends a wait.
    """
    if hires and sys.platform.startswith("linux"):
        return asyncio.SelectorEventLoop(HiresSelector())
    return asyncio.SelectorEventLoop()


if sys.platform.startswith("linux"):

    class HiresSelector(selectors.EpollSelector):
        """epoll that sleeps to the microsecond."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """The ready ones; waits `timeout` seconds at most, and without end for None."""
            own = self.fileno()
            if timeout is None or timeout <= 0 or own >= _SELECTABLE:
                return super().select(timeout)
            ready, _, _ = select.select([own], [], [], timeout)
            return super().select(0) if ready else []
