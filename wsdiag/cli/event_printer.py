"""Events of what runs on and on (`serve`, `exporter`), printed beside its work, never before it.

A reader that is slow or sleeps holds up no connection: its events wait, then the newest are left
out and counted. A reader of stdout that has left ends the run, as everywhere; a full disk does not.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections import deque
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal

_MOST_WAITING = 10_000
_LAST_S = 1.0


class EventPrinter:
    """Prints records: as NDJSON on stdout, or by `show` as lines for people on stderr.

    `left_out` makes the record that says how many were left out.
    """

    def __init__(
        self,
        terminal: Terminal,
        *,
        json: bool,
        show: Callable[[Terminal, Any], None],
        left_out: Callable[[int], Any],
    ) -> None:
        self._terminal = terminal
        self._file = terminal.out.file if json else terminal.err.file
        self._show = terminal.json if json else lambda record: show(terminal, record)
        self._waiting: deque[Any] = deque()
        self._make_left_out, self._left_out = left_out, 0
        self._watched: int | None = None

    def print(self, record: Any, *, quiet_too: bool = False) -> None:
        """Print one record as soon as there is room for it; `-q`: only those marked `quiet_too`."""
        if self._terminal.quiet and not quiet_too:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._left_out += 1
            return
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._waiting.append(self._make_left_out(left_out))
        self._waiting.append(record)
        self._print()

    def finish(self) -> None:
        """Print what is left to a reader that is merely slow."""
        while self._waiting and has_room(self._file, _LAST_S):
            self._print()

    def _print(self) -> None:
        while self._waiting and has_room(self._file):
            record = self._waiting.popleft()
            try:
                self._show(record)
            except OSError:  # a full disk, say: what runs is worth more than its log
                pass
        self._watch(bool(self._waiting))

    def _watch(self, full: bool) -> None:
        """Go on when somebody reads."""
        if full and self._watched is None:
            self._watched = self._file.fileno()
            asyncio.get_running_loop().add_writer(self._watched, self._print)
        elif not full and self._watched is not None:
            asyncio.get_running_loop().remove_writer(self._watched)
            self._watched = None


def has_room(file: IO[str], within_s: float = 0.0) -> bool:
    """Whether a line can be written without waiting; only pipes can be full."""
    try:
        number = file.fileno()
        if not stat.S_ISFIFO(os.fstat(number).st_mode):
            return True
        return bool(select.select([], [number], [], within_s)[1])
    except (OSError, ValueError):  # no file descriptor, or (Windows) none that select knows
        return True
