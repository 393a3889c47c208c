"""A terminal of a given size with a program on it: what a person would see, keys, resizing."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

from tests.peers.process import clean_environment, die_with_parent, end


def _take_the_terminal() -> None:
    die_with_parent()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """Runs `argv` on a pseudo-terminal; `lines()` is the screen now, `raw` all that was written."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.raw = b""
        self._screen = pyte.Screen(columns, rows)
        self._feed = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        self._size(columns, rows)
        self.modes_before = termios.tcgetattr(slave)
        self._slave = slave
        self._process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=clean_environment({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})}),
            start_new_session=True,
            preexec_fn=_take_the_terminal,
        )

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the kernel sends the foreground process SIGWINCH."""
        self._screen.resize(rows, columns)
        self._size(columns, rows)

    def key(self, data: bytes) -> None:
        """Type; b"\\x03" is Ctrl-C."""
        os.write(self._master, data)

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def pump(self, seconds: float) -> None:
        """Let it draw for this long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: the program closed its terminal
                return
            self.raw += data
            self._feed.feed(data)

    def lines(self) -> list[str]:
        """The screen's rows, right-stripped."""
        return [row.rstrip() for row in self._screen.display]

    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines())

    @property
    def cursor_hidden(self) -> bool:
        """Whether the program has left the cursor invisible."""
        return bool(self._screen.cursor.hidden)

    def modes(self) -> list[object]:
        """The terminal's modes now (echo, canonical input …)."""
        return termios.tcgetattr(self._slave)

    def wait_for(self, seen: Callable[[str], bool], what: str, within_s: float = 30) -> None:
        """Let it draw until the screen satisfies `seen`."""
        deadline = time.monotonic() + within_s
        while not seen(self.text()):
            assert time.monotonic() < deadline, f"no {what} in {within_s} s:\n{self.text()}"
            assert self._process.poll() is None, f"ended before {what}:\n{self.text()}"
            self.pump(0.1)

    def wait_for_modes(self, wanted: list[object], within_s: float = 30) -> float:
        """Let it run until the terminal has these modes; the monotonic time then."""
        deadline = time.monotonic() + within_s
        while self.modes() != wanted:
            assert time.monotonic() < deadline, f"the terminal is not given back:\n{self.text()}"
            self.pump(0.1)
        self.pump(0.1)
        return time.monotonic()

    def wait(self, within_s: float = 30) -> int:
        """The exit code, once the program has ended by itself."""
        deadline = time.monotonic() + within_s
        while (code := self._process.poll()) is None:
            assert time.monotonic() < deadline, f"still running:\n{self.text()}"
            self.pump(0.1)
        self.pump(0.3)
        return code

    def hang_up(self, within_s: float = 30) -> int:
        """Close the terminal as its window's end does; the exit code, once the program has ended
        by itself."""
        os.close(self._master)
        self._master = -1
        return self._process.wait(within_s)

    def close(self) -> None:
        """End the program and give the terminal back."""
        end(self._process, grace_s=0.5)
        if self._master >= 0:
            os.close(self._master)
        os.close(self._slave)
