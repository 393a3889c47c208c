"""The two streams a command prints to: what they can carry, what they may show, how wide they are.

Data goes to stdout, logs and progress to stderr. Everything from a peer passes `clean()` first.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from wsdiag.render.base.escape import defuse, escape, fold
from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.redact import Redactor, map_text
from wsdiag.render.base.streams import SafeStream

if TYPE_CHECKING:  # `-o json` draws nothing, so it does not wait for rich either
    from pathlib import Path

    from rich.console import Console, RenderableType
    from rich.text import Text

    from wsdiag.render.base.console import ColorMode
    from wsdiag.render.base.glyphs import Dots, Glyphs

T = TypeVar("T")

_SIZE = re.compile(r"[1-9][0-9]{0,3}")  # of COLUMNS and LINES, which rich would read otherwise
_MULTILINE = frozenset({"body", "hint"})
_DRAWN = " ▏▎▍▌▋▊▉█─│┤└┬┈✓✗╳⣿▲◆■●▶µ…"


class Terminal:
    """Consoles for stdout (`out`) and stderr (`err`), and the decisions that depend on them.

    `glyphs`: Unicode or ASCII, by stdout's encoding and locale. `live`: whether a live view may
    draw on stdout; `live_stderr`: whether a line on stderr may be erased again. `unwritten`: files
    that are not whole, a full disk's say, to be told when the run is over. Writing to a closed
    stdout raises BrokenPipeError, unless `stdout.on_closed` is set; a closed stderr is ignored.
    """

    def __init__(
        self,
        *,
        color: ColorMode = "auto",
        quiet: bool = False,
        verbose: bool = False,
        save: Sequence[Path] = (),
        log: Sequence[Path] = (),
        redactor: Redactor | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        width: int | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.quiet, self.verbose = quiet, verbose
        self.save_paths, self.log_paths = save, log
        self.unwritten: list[OSError] = []
        self.redactor = redactor or Redactor()
        environ = {
            name: value
            for name, value in environ.items()
            if name not in ("COLUMNS", "LINES") or _SIZE.fullmatch(value)
        }
        self._color, self._environ, self._width = color, environ, width
        self.stdout = SafeStream(stdout or sys.stdout, environ)
        self.stderr = SafeStream(stderr or sys.stderr, environ, on_closed=lambda: None)
        # the Linux console's font has blocks but no Braille
        self.dots: Dots = "block" if environ.get("TERM") == "linux" else "braille"
        draws = environ.get("TERM", "") not in ("", "dumb") and not quiet
        self.live = draws and self.stdout.isatty()
        self.live_stderr = draws and self.stderr.isatty()

    @cached_property
    def out(self) -> Console:
        """rich's console on stdout."""
        return self._console(self.stdout)

    @cached_property
    def err(self) -> Console:
        """rich's console on stderr."""
        return self._console(self.stderr)

    def _console(self, stream: SafeStream) -> Console:
        from wsdiag.render.base.console import make_console

        return make_console(stream, self._color, self._environ, self._width)

    @cached_property
    def glyphs(self) -> Glyphs:
        """What views draw with."""
        from wsdiag.render.base.glyphs import ASCII, UNICODE

        return UNICODE if self.stdout.carries(_DRAWN) else ASCII

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
        shown = escape(defuse(text), keep="\n" if name in _MULTILINE else "")
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
        self.stdout.write(to_line(to_record(result, self.redactor)))
        self.stdout.flush()

    def save(self, view: RenderableType, *, title: str = "wsdiag") -> None:
        """Write a view to each file of `--save`."""
        for path in self.save_paths:
            from wsdiag.render.base.picture import save_picture

            with self.writing(path):
                save_picture(view, path, title=title)

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """What cannot be written to this file ends the block, and is one of `unwritten`."""
        try:
            yield
        except OSError as error:
            name = os.fspath(path)
            if all(known.filename != name for known in self.unwritten):
                self.unwritten.append(OSError(error.errno, error.strerror, name))
