"""Files that a command writes: refused before the run where that is known, else told after it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wsdiag.cli.exit import ExitCode

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal


def refuse_unwritable(path: Path, option: str) -> None:
    """A usage error, before anything is measured, for a file that could not be written then."""
    try:
        if path.is_file():  # to open a pipe and close it again would end its reader
            path.open("a").close()
        elif not path.exists():  # nothing is left of it, even if we are killed here
            import tempfile

            tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent).close()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot write {path}: {error.strerror}", param_hint=option
        ) from None


def with_files(terminal: Terminal, code: int) -> int:
    """The exit code of what was measured, and 1 instead of 0 where a file is not whole: each of
    those is told."""
    for error in terminal.unwritten:
        with suppress(OSError):  # stderr may be one of them
            terminal.log(f"error: cannot write {error.filename}: {error.strerror}")
    return code or (ExitCode.NO_ANSWER if terminal.unwritten else ExitCode.OK)
