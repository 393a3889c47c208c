"""Keys typed while a view owns the terminal: read one by one, without echo and without waiting.

Ctrl-C, Ctrl-Z and Ctrl-\\ stay signals. A process in the background must not touch the terminal's
input: reading would stop it (SIGTTIN), and so would changing its mode (SIGTTOU).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
from typing import Any

try:
    import termios
except ImportError:  # Windows: no keys
    termios = None  # type: ignore[assignment]

_MOST = 64
# Arrows and function keys (ECMA-48 control sequences, SS3), and Alt with a key.
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]?|O?.?)")


def in_foreground(fd: int) -> bool:
    """Whether this process may read the terminal; true where it has no job control."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except (OSError, AttributeError):
        return True


class Keyboard:
    """Standard input as keys between `take()` and `give_back()`, if it is a terminal at all."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = _stdin() if fd is None else fd
        self._before: list[Any] | None = None

    def take(self) -> None:
        """Have keys at once rather than lines, and without echo."""
        if termios is None or self._fd is None or self._before is not None:
            return
        if not os.isatty(self._fd) or not in_foreground(self._fd):
            return
        with contextlib.suppress(termios.error):
            before = termios.tcgetattr(self._fd)
            mode = termios.tcgetattr(self._fd)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[3] |= termios.NOFLSH  # Ctrl-C would throw away what is being drawn, too
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSANOW, mode)
            self._before = before

    def give_back(self) -> None:
        """Leave the terminal as it was found. Harmless when repeated."""
        if self._before is None or self._fd is None:
            return
        before, self._before = self._before, None
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def read(self) -> str:
        """The keys typed since the last call, without those that are escape sequences."""
        if self._before is None or self._fd is None or not in_foreground(self._fd):
            return ""
        try:
            if not select.select([self._fd], [], [], 0)[0]:
                return ""
            typed = os.read(self._fd, _MOST)
        except (OSError, ValueError):
            typed = b""
        if not typed:  # the terminal is gone
            self._fd = None
        return _ESCAPES.sub("", typed.decode("ascii", "ignore"))


def _stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or replaced by a test
        return None
