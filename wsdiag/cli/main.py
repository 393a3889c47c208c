"""The `wsdiag` script: runs the command line, and reports what nobody else has caught."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from wsdiag.cli.exit import ExitCode, leave_quietly, print_answer, stop_signals
from wsdiag.version import __version__

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG, errno.EIO)


def run() -> None:
    """Entry point of the `wsdiag` script; ends the process with the contract's exit codes."""
    _open_closed_streams()
    for number in stop_signals():  # until a probe takes them over
        signal.signal(number, _interrupted)
    try:
        _run_command()
    except BrokenPipeError:
        leave_quietly()
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            _report_file(error)
        if isinstance(error, OSError) and error.errno in _FULL:
            _report_full(error)
        if os.environ.get("WSDIAG_DEBUG"):
            raise
        _report(error)


def _open_closed_streams() -> None:
    """Started with `>&-` there is no stream at all, and the next socket would get its number."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _run_command() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):  # typer takes three times as long to import
        print_answer(f"wsdiag {__version__}\n")
        return
    gc.disable()  # what imports make stays; `run_async` turns it on again
    from wsdiag.cli.app import app

    app(prog_name="wsdiag")


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(ExitCode.INTERRUPTED)


def _report_file(error: OSError) -> NoReturn:
    """A file of the user's (--save, --trace, a key…) that the system would not let us use."""
    print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
    sys.exit(ExitCode.NO_ANSWER)


def _report_full(error: OSError) -> NoReturn:
    """A disk is full: stdout's, as failures of files have their names."""
    print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
    print("hint: make room on the disk that stdout writes to", file=sys.stderr)
    leave_quietly()
    sys.exit(ExitCode.NO_ANSWER)


def _report(error: Exception) -> NoReturn:
    """Say that this is our fault, in two lines that a pipeline's log can carry."""
    kind = type(error).__name__
    print(f"error: wsdiag failed ({kind}: {error!s:.200})", file=sys.stderr)
    print(
        "hint: this is a bug in wsdiag, please report it; WSDIAG_DEBUG=1 shows where it happened",
        file=sys.stderr,
    )
    sys.exit(ExitCode.NO_ANSWER)
