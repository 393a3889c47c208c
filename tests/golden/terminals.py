"""Terminals that are no terminals: streams whose encoding and size tests choose."""

from __future__ import annotations

import io

from wsdiag.render.base.redact import Redactor
from wsdiag.render.base.terminal import Terminal


class Screen(io.StringIO):
    """A stream that claims to be a terminal, or not."""

    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty, self._encoding = tty, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


def terminal(
    width: int = 80,
    *,
    ascii_only: bool = False,
    tty: bool = False,
    color: str = "never",
    quiet: bool = False,
    verbose: bool = False,
    secrets: tuple[str, ...] = (),
) -> Terminal:
    encoding = "ascii" if ascii_only else "utf-8"
    return Terminal(
        color=color,  # type: ignore[arg-type]
        quiet=quiet,
        verbose=verbose,
        redactor=Redactor(secrets),
        stdout=Screen(tty=tty, encoding=encoding),
        stderr=Screen(tty=tty, encoding=encoding),
        environ={"TERM": "xterm-256color", "TZ": "UTC"},
        width=width,
    )


def out(terminal: Terminal) -> str:
    """What stdout got, without the blanks at the ends of lines."""
    return _trimmed(terminal.out.file._stream.getvalue())  # type: ignore[attr-defined]


def err(terminal: Terminal) -> str:
    """What stderr got."""
    return _trimmed(terminal.err.file._stream.getvalue())  # type: ignore[attr-defined]


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))
