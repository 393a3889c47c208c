"""stdout and stderr as they really are: of some encoding, and perhaps closed, or a terminal's that
was hung up."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from typing import TextIO

from wsdiag.render.base.escape import fold

_PADDING = re.compile(r" +$", re.MULTILINE)


_STANDARD = (0, 1, 2)


def leave_terminals() -> bool:
    """Let standard streams lead nowhere whose terminal was hung up; whether there were any.

    What runs on it ends by SIGHUP, in good order, or goes on under nohup(1).
    """
    gone = [number for number in _STANDARD if _is_hung_up(number)]
    for number in gone:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, number)
        os.close(nowhere)
    return bool(gone)


def _is_hung_up(number: int) -> bool:
    try:
        os.write(number, b"")
    except OSError as error:
        return error.errno == errno.EIO
    return False


class SafeStream:
    """A text stream that never fails to encode: what it cannot carry is folded or escaped."""

    def __init__(
        self,
        stream: TextIO,
        environ: Mapping[str, str],
        *,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        self.on_closed = on_closed
        """Called when a write finds that nobody reads any more; None: BrokenPipeError is raised."""
        self.closed = False
        """Whether nobody reads any more, as far as a write has shown it."""
        self.encoding = "ascii" if _plain_locale(environ) else stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write all of `text`; its length is returned."""
        # blanks at the ends of lines are for a screen, to erase what stood there; records have none
        padded = " \n" in text or text.endswith(" ")
        shown = _PADDING.sub("", text) if padded and not self.isatty() else text
        try:
            self._stream.write(shown if shown.isascii() else self._carried(shown))
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Flush the underlying stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def isatty(self) -> bool:
        """Whether a terminal reads this."""
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor; OSError where it has none."""
        return self._stream.fileno()

    def carries(self, text: str) -> bool:
        """Whether `text` can be written as it is."""
        return self._carried(text) == text

    def _failed(self, error: OSError) -> None:
        """Raise it, unless nobody reads any more and that is no error."""
        if isinstance(error, BrokenPipeError) and self.on_closed is not None:
            self.closed = True
            self.on_closed()
        elif error.errno != errno.EIO or not leave_terminals():
            raise error

    def _carried(self, text: str) -> str:
        return fold(text, self.encoding)


def _plain_locale(environ: Mapping[str, str]) -> bool:
    # PEP 538 and 540 make Python write UTF-8 under LANG=C; the user asked for plain ASCII
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8"):
        return False
    coerced = environ.get("LC_CTYPE", "") in ("", "C", "POSIX", "C.UTF-8", "C.utf8", "UTF-8")
    chosen = environ.get("LC_ALL") or (environ.get("LANG") if coerced else "")
    return chosen in ("C", "POSIX")
