"""The `wsdiag` script: the quickest answers first, and a last line of defence."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from wsdiag.version import __version__

INTERRUPTED = 130
FAILED = 1
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def run() -> None:
    """Entry point of the `wsdiag` script; ends the process with the contract's exit codes."""
    _open_closed_streams()
    for name in ("SIGINT", "SIGTERM"):  # until a probe takes them over
        signal.signal(getattr(signal, name), _interrupted)
    try:
        _answer_or_run()
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


def _answer_or_run() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"wsdiag {__version__}", flush=True)  # without the 60 ms that typer takes to import
        return
    from wsdiag.cli.pages import answer

    gc.disable()  # what imports make stays; `run_async` turns it on again
    if (code := answer(sys.argv[1:])) is not None:
        sys.exit(code)
    _run_command()


def _run_command() -> None:
    from wsdiag.cli.quick import prepare

    if (command := prepare(sys.argv[1:])) is not None:
        command()
        return
    from wsdiag.cli.app import app

    app(prog_name="wsdiag")


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(INTERRUPTED)


def leave_quietly() -> None:
    """After `| head`: nobody reads stdout any more, and flushing it at exit must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_file(error: OSError) -> NoReturn:
    """A file of the user's (--save, --trace, a key…) that the system would not let us use."""
    print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
    sys.exit(FAILED)


def _report_full(error: OSError) -> NoReturn:
    """A disk is full: that of stdout or of a file; an error of writing does not say which."""
    print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
    print("hint: make room on the disk that stdout, --save or --trace writes to", file=sys.stderr)
    leave_quietly()
    sys.exit(FAILED)


def _report(error: Exception) -> NoReturn:
    """Say that this is our fault, in a line that a pipeline's log can carry."""
    kind = type(error).__name__
    print(f"error: wsdiag failed ({kind}: {error!s:.200})", file=sys.stderr)
    print("hint: this is a defect; WSDIAG_DEBUG=1 shows where it happened", file=sys.stderr)
    sys.exit(FAILED)
