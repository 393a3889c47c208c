"""What `connect` waits for, while it waits: one line on a terminal, gone before the result."""

from __future__ import annotations

import asyncio

from wsdiag.records.waits import AWAITED
from wsdiag.render.base.terminal import Terminal

_AFTER_S, _EVERY_S = 1.0, 0.5


class WaitingLine:
    """Called with each thing that is awaited; shown once it takes longer than a second."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._loop = terminal, asyncio.get_running_loop()
        self._what, self._since, self._shown = "", self._loop.time(), False
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, what: str) -> None:
        """From now on, `what` is awaited: a phase's name, or `messages`."""
        self._what, self._since = what, self._loop.time()
        self._erase()
        self._schedule(_AFTER_S)

    def _schedule(self, after_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, self._show)

    def _show(self) -> None:
        waited_s = self._loop.time() - self._since
        line = f"waiting for {AWAITED.get(self._what, self._what)}: {waited_s:.0f} s"
        self._write(f"\r\x1b[2K{line}")
        self._shown = True
        self._schedule(_EVERY_S)

    def _erase(self) -> None:
        if self._shown:
            self._write("\r\x1b[2K")
            self._shown = False

    def _write(self, text: str) -> None:
        self._terminal.stderr.write(text)
        self._terminal.stderr.flush()

    def end(self) -> None:
        """Nothing is awaited any more: the line is erased."""
        if self._timer is not None:
            self._timer.cancel()
        self._erase()
