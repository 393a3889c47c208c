"""A view that owns the whole terminal while a probe runs, drawn by a thread of its own.

Why a thread: writing to a terminal blocks as long as the terminal likes (a slow link, Ctrl-S), and
on the event loop that would hold back the next Ping. A thread blocks alone. What is left is the
interpreter lock, which a drawing thread keeps for one switch interval at most: it is shortened to a
millisecond while a view is up. The loop hands events over by appending to a deque and never waits.

Why the alternate screen: on a resize terminals reflow what is on the normal one, and a view
that is drawn over its own lines tears. Each frame is one write, and marked as such for terminals
that can present it at once (synchronized output).

Keys are read by the same thread, between two frames. q is everybody's: it ends the run as Ctrl-C
does. While the process is stopped (Ctrl-Z) the terminal is the shell's: `suspend()` gives it back
whole, and `resume()` takes it again, as soon as the process is in the foreground.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from itertools import zip_longest

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment

from wsdiag.render.base.keys import Keyboard, in_foreground

FRAMES_PER_SECOND = 10
_SWITCH_INTERVAL_S = 0.001
_SHARE_OF_A_CORE = 0.12
"""Large terminals and slow machines get fewer frames rather than more of the processor."""
_COLOR_SYSTEMS = {
    "standard": "STANDARD",
    "256": "EIGHT_BIT",
    "truecolor": "TRUECOLOR",
    "windows": "WINDOWS",
}

Lines = list[list[Segment]]
Draw = Callable[[int, int, bool], Lines | None]
"""(columns, rows, resized) -> lines no wider than that, or None: the frame before still holds."""


class LiveScreen:
    """Shows `draw()` at most ten times a second between `start()` and `stop()`."""

    def __init__(
        self, console: Console, draw: Draw, on_key: Callable[[str], None] | None = None
    ) -> None:
        """`on_key`: is called with each key but q, on the drawing thread."""
        self._console = console
        self._draw = draw
        self._on_key = on_key
        self._keyboard = Keyboard()
        self._suspended = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._interval = sys.getswitchinterval()
        self._size = (0, 0)
        self._drawn: list[str] = []
        name = console.color_system
        self._colors = ColorSystem[_COLOR_SYSTEMS[name]] if name else None

    def start(self) -> None:
        """Take the screen and begin to draw."""
        if self._thread is not None:
            return
        self._stopping, self._size, self._drawn = False, (0, 0), []
        if not self._suspended:
            self._take()
        atexit.register(self.stop)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._thread = threading.Thread(target=self._run, name="wsdiag-view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the screen back. Harmless when repeated, and when the terminal is gone."""
        if self._thread is None:
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=2)
        self._thread = None
        sys.setswitchinterval(self._interval)
        atexit.unregister(self.stop)
        if not self._suspended:
            with contextlib.suppress(OSError, ValueError):
                self._console.control(Control.show_cursor(True), Control.alt_screen(False))
                self._console.file.flush()
        self._keyboard.give_back()
        self._suspended = False

    def suspend(self) -> None:
        """Give the screen back until `resume()`."""
        if self._thread is not None:
            self.stop()
            self._suspended = True

    def resume(self) -> None:
        """Take the screen again, and draw all of it; whoever stopped the process may have too."""
        if self._thread is not None:
            self.suspend()
        if self._suspended:
            self.start()

    def _take(self) -> None:
        self._keyboard.take()  # first: until then Ctrl-C may throw away what is written
        self._console.control(Control.alt_screen(True), Control.show_cursor(False))

    def _may_draw(self) -> bool:
        """False in the background after `resume()`, where the terminal is somebody else's."""
        if self._suspended and in_foreground(self._console.file.fileno()):
            self._suspended = False
            self._take()
        return not self._suspended

    def _press(self, keys: str) -> None:
        for key in keys:
            if key == "q":
                os.kill(os.getpid(), signal.SIGINT)
            elif self._on_key is not None:
                self._on_key(key)

    def _run(self) -> None:
        # a terminal that went away ends the view, not the measurement
        with contextlib.suppress(OSError, ValueError):
            while not self._stopping:
                begin_s = time.thread_time()
                if self._may_draw():
                    self._press(self._keyboard.read())
                    self._frame()
                cost_s = time.thread_time() - begin_s
                self._wake.wait(max(1 / FRAMES_PER_SECOND, cost_s / _SHARE_OF_A_CORE))
                self._wake.clear()

    def _frame(self) -> None:
        width, height = self._console.size
        resized = (width, height) != self._size
        lines = self._draw(width, height, resized)
        if lines is not None:
            self._size = (width, height)
            self._console.file.write(self._ansi(lines[:height], clear=resized))
            self._console.file.flush()

    def _ansi(self, lines: Lines, *, clear: bool) -> str:
        """One frame as one write: the lines that differ from the frame before."""
        drawn = ["".join([self._styled(segment) for segment in line]) for line in lines]
        before = [] if clear else self._drawn
        self._drawn = drawn
        changed = [
            f"\x1b[{row};1H\x1b[K{text}"
            for row, (text, old) in enumerate(zip_longest(drawn, before, fillvalue=""), 1)
            if text != old
        ]
        erase, body = "\x1b[2J" if clear else "", "".join(changed)
        # DEC private mode 2026: terminals that know it present what is in between at once
        return f"\x1b[?2026h{erase}{body}\x1b[?2026l"

    def _styled(self, segment: Segment) -> str:
        # rich's own way from segments to text measures each of them several times over, and took
        # two thirds of a frame
        if segment.style is None or self._colors is None:
            return segment.text
        return segment.style.render(segment.text, color_system=self._colors)
