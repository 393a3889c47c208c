"""The sending half of a stream: a queue before the socket, flushed as the kernel takes it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from wsdiag.transport.stream.ends import StreamEnd, end_of
from wsdiag.transport.stream.stamps import SendRecord
from wsdiag.transport.stream.timestamping import TxTimestamps


class SendBuffer:
    """Bytes on their way out; a write with a record is a send(2) of its own, to be reported."""

    __slots__ = (
        "_loop",
        "_on_empty",
        "_on_writable",
        "_queue",
        "_sock",
        "_tolerated",
        "_tx_timestamps",
        "_watching",
        "after_fin",
        "failure",
        "last_sent",
        "total",
        "unsent",
    )

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        tx_timestamps: TxTimestamps | None,
        on_writable: Callable[[], None],
        on_empty: Callable[[], None],
        tolerated: Callable[[OSError], bool] = lambda _: False,
    ) -> None:
        """`on_writable`: a queue that had to wait is empty; `on_empty`: any queue is, or failed.

        `tolerated`: whether to send on after this error.
        """
        self._tolerated = tolerated
        self._sock, self._loop, self._tx_timestamps = sock, loop, tx_timestamps
        self._on_writable, self._on_empty = on_writable, on_empty
        self._queue: deque[tuple[memoryview, bool]] = deque()
        self._watching = False
        self.total = 0
        """Bytes ever queued: the offset on the wire of the next one."""
        self.unsent = 0
        self.last_sent = 0
        """When the kernel last took bytes, in monotonic ns."""
        self.failure: StreamEnd | None = None
        """Why nothing can be sent any more."""
        self.after_fin = False
        """Whether the peer had ended its side before sending failed."""

    def put(self, data: bytes, record: SendRecord | None = None) -> None:
        """Send or queue; `record` gets the offset on the wire and, by the kernel, its times."""
        if not data or self.failure is not None:
            return
        self.total += len(data)
        self.unsent += len(data)
        stamped = False
        if record is not None:
            record.end = self.total
            if self._tx_timestamps is not None:
                stamped = True
                self._tx_timestamps.track(record)
        self._queue.append((memoryview(data), stamped))
        if not self._watching:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._queue:
                self._send_first()
        except (BlockingIOError, InterruptedError):
            self._watch(True)
            if self._tx_timestamps is not None:
                self._tx_timestamps.drain()  # its reports wake the writer as well
            return
        except OSError as error:
            if self._tolerated(error):
                self._watch(True)
                return
            # a RST alone is ECONNRESET; EPIPE, that a FIN came before it (Linux, tcp_reset)
            self.after_fin = isinstance(error, BrokenPipeError)
            self.fail(end_of(error, "on write"))
            return
        self._watch(False)
        self._on_empty()

    def _send_first(self) -> None:
        view, stamped = self._queue[0]
        if stamped and self._tx_timestamps is not None:
            taken = self._tx_timestamps.send(view)
        else:
            taken = self._sock.send(view)
        self.unsent -= taken
        if taken == len(view):
            self._queue.popleft()
        else:
            self._queue[0] = (view[taken:], stamped)
        self.last_sent = monotonic_ns()
        if stamped and self._tx_timestamps is not None:
            self._tx_timestamps.drain()

    def _writable(self) -> None:
        self._flush()
        if not self._queue and self.failure is None:
            self._on_writable()

    def _watch(self, on: bool) -> None:
        if on is self._watching:
            return
        self._watching = on
        if on:
            self._loop.add_writer(self._sock, self._writable)
        else:
            self._loop.remove_writer(self._sock)

    def fail(self, why: StreamEnd) -> None:
        """Drop what is queued and all that will be put."""
        if self.failure is None:
            self.failure = why
        self.clear()
        self._on_empty()

    def clear(self) -> None:
        """Drop what is queued and stop watching the socket."""
        self._queue.clear()
        self.unsent = 0
        if self._sock.fileno() >= 0:
            self._watch(False)
