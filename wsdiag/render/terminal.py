"""The two streams a command prints to: what they can carry, what they may show, how wide they are.

Data goes to stdout, logs and progress to stderr. Everything from a peer passes `clean()` first.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from rich.console import Console, RenderableType
from rich.text import Text

from wsdiag.render.canvas import Dots
from wsdiag.render.escape import escape
from wsdiag.render.glyphs import ASCII, UNICODE, Glyphs, fold
from wsdiag.render.picture import save_picture
from wsdiag.render.records import to_line, to_record
from wsdiag.render.redact import Redactor
from wsdiag.render.walk import map_text

T = TypeVar("T")
ColorMode = Literal["auto", "always", "never"]

_MULTILINE = frozenset({"body", "hint"})
_PADDING = re.compile(r" +$", re.MULTILINE)  # a screen needs it to erase; a file or a diff does not
_DRAWN = "".join(UNICODE.bar) + "─│┤└┬┈✓✗╳⣿▲◆■●µ…"


class Terminal:
    """Consoles for stdout (`out`) and stderr (`err`), and the decisions that depend on them.

    `glyphs`: Unicode or ASCII, by stdout's encoding and locale. `live`: whether a live view may
    draw on stdout. Writing to a closed stdout raises BrokenPipeError; a closed stderr is ignored.
    """

    def __init__(
        self,
        *,
        color: ColorMode = "auto",
        quiet: bool = False,
        verbose: bool = False,
        save: Path | None = None,
        redactor: Redactor | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        width: int | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.quiet, self.verbose, self.save_path = quiet, verbose, save
        self.redactor = redactor or Redactor()
        out = SafeStream(stdout or sys.stdout, environ)
        err = SafeStream(stderr or sys.stderr, environ, ignore_closed=True)
        self.out = _console(out, color, environ, width)
        self.err = _console(err, color, environ, width)
        self.glyphs: Glyphs = UNICODE if out.carries(_DRAWN) else ASCII
        # the Linux console's font has blocks but no Braille
        self.dots: Dots = "block" if environ.get("TERM") == "linux" else "braille"
        self.live = out.isatty() and environ.get("TERM", "") not in ("", "dumb") and not quiet

    @property
    def width(self) -> int:
        """Columns of stdout; 80 where there is no terminal and COLUMNS does not say."""
        return self.out.width

    def clean(self, value: T) -> T:
        """A copy of a result for the eye: credentials masked, control characters visible."""
        return map_text(self.redactor.clean(value), self._show)

    def text(self, text: str) -> str:
        """One string from a peer, masked and escaped."""
        return self._show("", self.redactor.text(text))

    def _show(self, name: str, text: str) -> str:
        # tabs and line ends of a body are layout; anywhere else they could forge a line
        shown = escape(text, keep="\n" if name in _MULTILINE else "")
        return fold(shown) if self.glyphs.ascii else shown

    def print(self, view: RenderableType) -> None:
        """Print a view to stdout, laid out for its width."""
        self.out.print(view)

    def line(self, text: Text | str) -> None:
        """Print one line to stdout, whole and at once: never wrapped, flushed."""
        self.out.print(text, soft_wrap=True)
        self.out.file.flush()

    def log(self, text: Text | str) -> None:
        """Print one line to stderr."""
        self.err.print(text, soft_wrap=True)
        self.err.file.flush()

    def json(self, result: Any) -> None:
        """Write one result to stdout as an NDJSON record, flushed at once."""
        self.out.file.write(to_line(to_record(result, self.redactor)))
        self.out.file.flush()

    def save(self, view: RenderableType, *, title: str = "wsdiag") -> None:
        """Write a view to the file of `--save`, when one was asked for; OSError when it cannot."""
        if self.save_path is not None:
            save_picture(view, self.save_path, title=title)


class SafeStream:
    """A text stream that never fails to encode: what it cannot carry is folded or escaped."""

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str], *, ignore_closed: bool = False
    ) -> None:
        self._stream = stream
        self._ignore_closed = ignore_closed
        self.encoding = "ascii" if _plain_locale(environ) else stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write all of `text`; its length is returned."""
        shown = text if self.isatty() else _PADDING.sub("", text)
        try:
            self._stream.write(fold(shown, self.encoding))
        except BrokenPipeError:
            if not self._ignore_closed:
                raise
        return len(text)

    def flush(self) -> None:
        """Flush the stream beneath."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            if not self._ignore_closed:
                raise

    def isatty(self) -> bool:
        """Whether a terminal reads this."""
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor beneath; OSError where there is none."""
        return self._stream.fileno()

    def carries(self, text: str) -> bool:
        """Whether `text` can be written as it is."""
        return fold(text, self.encoding) == text


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the decision to the caller instead of exiting with 1 as rich does."""
        raise BrokenPipeError


def _plain_locale(environ: Mapping[str, str]) -> bool:
    # PEP 538 and 540 make Python write UTF-8 under LANG=C; the user asked for plain ASCII
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8"):
        return False
    coerced = environ.get("LC_CTYPE", "") in ("", "C", "POSIX", "C.UTF-8", "C.utf8", "UTF-8")
    chosen = environ.get("LC_ALL") or (environ.get("LANG") if coerced else "")
    return chosen in ("C", "POSIX")


def _console(
    stream: SafeStream, color: ColorMode, environ: Mapping[str, str], width: int | None
) -> Console:
    colored = _wants_color(stream, color, environ)
    return _Console(
        file=stream,  # type: ignore[arg-type]
        force_terminal=colored or stream.isatty(),
        color_system=_color_system(environ) if colored else None,
        no_color=not colored,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        _environ=environ,
    )


def _color_system(environ: Mapping[str, str]) -> Literal["auto", "standard"]:
    # a stream that is no terminal, as under --color always in CI, has no TERM to ask
    return "auto" if environ.get("TERM", "") not in ("", "dumb", "unknown") else "standard"


def _wants_color(stream: SafeStream, color: ColorMode, environ: Mapping[str, str]) -> bool:
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):  # https://no-color.org: present and not empty
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] not in ("0", "false")
    return stream.isatty() and environ.get("TERM", "") != "dumb"
