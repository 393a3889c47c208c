"""How a command ends: its exit code, and a stdout that nobody reads any more."""

from __future__ import annotations

import os
import sys

from wsdiag.exit_codes import ExitCode as ExitCode


def leave_quietly() -> None:
    """After `| head`: nobody reads stdout any more, and flushing it at exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_answer(text: str) -> None:
    """Print what needs no measuring (help, a script, a schema); a reader that left is no error."""
    try:
        sys.stdout.buffer.write(text.encode())  # UTF-8 in any locale
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()
