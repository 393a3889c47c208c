"""How a command ends: its exit code, signals, and a stdout that nobody reads any more."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsdiag.exit_codes import ExitCode as ExitCode

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal


def leave_quietly() -> None:
    """After `| head`: nobody reads stdout any more, and flushing it at exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def when_unread(terminal: Terminal, stop: Callable[[], None] = lambda: None) -> None:
    """Call `stop` when a reader of stdout leaves; what is printed after that goes nowhere, and the
    exit code is the command's."""

    def unread() -> None:
        leave_quietly()
        stop()

    terminal.stdout.on_closed = unread


def stop_signals() -> list[signal.Signals]:
    """Those that end a command in good order; SIGHUP is ignored under nohup(1)."""
    stops = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        stops.append(hangup)
    return stops


def print_answer(text: str) -> None:
    """Print what needs no measuring (help, a script, a schema); a reader that left is no error."""
    try:
        sys.stdout.buffer.write(text.encode())  # UTF-8 in any locale
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()
