"""Reading that Ctrl-C ends as if the input had ended there, so that what was read is judged.

A read from a pipe may wait for hours, and Python resumes it behind a signal's handler. So stdin is
waited for together with a pipe of our own, into which the handler writes.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from wsdiag.cli.exit import stop_signals

_PATIENCE_S = 0.5


class InterruptibleInput:
    """Opens sources (`-`: stdin) whose reads give no more once `stop` was called."""

    def __init__(self) -> None:
        self.stopped = False
        self._stopped_s = 0.0
        self._wake, self._signal = os.pipe()

    def open(self, name: str) -> io.RawIOBase:
        """A source's bytes. OSError."""
        if name == "-":
            return _Input(io.FileIO(sys.stdin.fileno(), closefd=False), self)
        return _Input(io.FileIO(name, opener=_open_at_once), self)

    def stop(self) -> None:
        """From here on nothing more is read."""
        self.stopped, self._stopped_s = True, time.monotonic()
        with suppress(OSError):  # the timer may come when all is over
            os.write(self._signal, b"\0")

    @property
    def late(self) -> bool:
        """Whether it was stopped a while ago: what is left to say has to be short."""
        return self.stopped and time.monotonic() - self._stopped_s > _PATIENCE_S

    def wait(self, file: io.FileIO) -> bool:
        """Wait for input; False: reading was stopped."""
        if not self.stopped and sys.platform != "win32":
            if hasattr(select, "poll"):  # select() knows no descriptor beyond 1023
                poll = select.poll()
                for each in (file.fileno(), self._wake):
                    poll.register(each, select.POLLIN)
                poll.poll()
            else:
                select.select([file.fileno(), self._wake], [], [])
        return not self.stopped

    def close(self) -> None:
        """Give the pipe back; nothing can be stopped any more."""
        os.close(self._wake)
        os.close(self._signal)


class _Input(io.RawIOBase):
    def __init__(self, file: io.FileIO, inputs: InterruptibleInput) -> None:
        self._file, self._inputs = file, inputs

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while self._inputs.wait(self._file):
            if (count := self._file.readinto(buffer)) is not None:  # None: nothing there after all
                return count
        return 0


def _open_at_once(name: str, flags: int) -> int:
    """Open a FIFO, too, without waiting for a writer: Python would resume that behind a signal."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def interruptible(inputs: InterruptibleInput, max_time_s: float | None = None) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP stop the inputs, and so does the end of `max_time_s`.

    The second signal ends the process as usual, but for SIGHUP: kernel and shell both send one.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        interrupts = number in (signal.SIGINT, signal.SIGTERM)
        signal.signal(number, signal.SIG_DFL if interrupts else signal.SIG_IGN)
        inputs.stop()

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    timer = None if max_time_s is None else threading.Timer(max_time_s, inputs.stop)
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
        inputs.close()
