"""A byte stream over a non-blocking socket, plain or TLS, whose reads and writes carry times.

Callback-driven and without a task of its own: it serves the client's one connection as well as
the server's ten thousand. Nothing here ever writes unless asked: an idle connection stays idle.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns
from typing import Literal, Protocol

from wsdiag.transport.stamps import SentMark, Stamp, now
from wsdiag.transport.tcpinfo import TcpInfo, tcp_info, unacknowledged_bytes
from wsdiag.transport.timestamping import CMSG_SPACE, Departures, enable
from wsdiag.transport.tls import TlsLayer

CHUNK = 65536
LINGER_S = 5.0

How = Literal["fin", "rst", "tls-eof", "tls-close", "timeout", "error", "local"]


@dataclass(frozen=True, slots=True)
class End:
    """How a stream ended: `tls-eof` is TCP's end without close_notify, `local` our own doing."""

    how: How
    detail: str
    at: Stamp


class Sink(Protocol):
    """Who a stream reports to; its `writable()`, if it has one, hears of an emptied queue."""

    def data_received(self, data: bytes, at: Stamp) -> None:
        """Bytes came; plaintext under TLS."""

    def stream_ended(self, end: End) -> None:
        """Nothing more will come. Writing may still work after `fin`: closing is the sink's job."""


class Stream:
    """One connection. Every method must be called from the event loop's thread."""

    __slots__ = (
        "_closing", "_departures", "_end", "_half_closing", "_handshaken", "_linger", "_loop",
        "_paused", "_queue", "_reading", "_sink", "_sock", "_stalled", "_tls", "_writing",
        "bytes_in", "bytes_out", "last_activity", "peer", "unsent", "write_error",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, *, peer: str = "", timestamps: bool = False) -> None:
        """Own `sock`, connected and without a byte sent; `timestamps`: ask the kernel for them."""
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._departures = Departures(sock) if timestamps and enable(sock) else None
        self._sink: Sink | None = None
        self._tls: TlsLayer | None = None
        self._handshaken: Callable[[ssl.SSLError | End | None], None] | None = None
        self._queue: deque[tuple[memoryview, bool]] = deque()
        self._stalled: list[bytes] = []
        self._end: End | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._reading = self._writing = self._paused = False
        self._closing = self._half_closing = False
        self.peer = peer
        self.unsent = 0
        """Bytes that wait in our own queue, as they go on the wire."""
        self.bytes_in = self.bytes_out = 0
        """Bytes on the wire; outgoing ones count when they are queued."""
        self.last_activity = monotonic_ns()
        """When bytes last crossed the socket, either way, in monotonic ns."""
        self.write_error: End | None = None
        """Why writing stopped to work, also when that was after the peer's FIN."""

    # -- life ----------------------------------------------------------------------------------

    def start(self, sink: Sink) -> None:
        """Report to `sink` from now on; called again, the new sink takes over."""
        self._sink = sink
        self._read_on()

    def start_tls(self, layer: TlsLayer, done: Callable[[ssl.SSLError | End | None], None]) -> None:
        """Shake hands; `done` gets None, the TLS error, or the end of the stream."""
        self._tls, self._handshaken = layer, done
        self._read_on()
        self._shake_hands(b"")

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer, when there is one."""
        return self._tls

    @property
    def ended(self) -> End | None:
        """How the incoming side ended; None while it is open."""
        return self._end

    @property
    def closed(self) -> bool:
        """Whether the socket is closed (or about to be, once the queue is empty)."""
        return self._closing or self._sock.fileno() < 0

    @property
    def half_closed(self) -> bool:
        """Whether we have ended (or are about to end) our side with FIN."""
        return self._half_closing

    @property
    def kernel_stamps(self) -> bool:
        """Whether the kernel was asked for timestamps, and agreed."""
        return self._departures is not None

    def pause_reading(self) -> None:
        """Leave what comes in the kernel's buffer: the peer will be slowed down by TCP."""
        self._paused = True
        self._read_off()

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        self._read_on()

    def _read_on(self) -> None:
        if not (self._reading or self._paused or self._end or self._closing):
            self._loop.add_reader(self._sock, self._on_readable)
            self._reading = True

    def _read_off(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._sock)
            self._reading = False

    # -- in ------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            data, at = self._receive()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._ended(self.write_error or _end_of(error))
            return
        if not data:
            self._ended(self.write_error or self._end_of_input(at))
            return
        self.bytes_in += len(data)
        self.last_activity = at.mono_ns
        if self._tls is not None:
            self._receive_tls(data, at)
        elif self._sink is not None:
            self._sink.data_received(data, at)

    def _receive(self) -> tuple[bytes, Stamp]:
        departures = self._departures
        if departures is None:
            return self._sock.recv(CHUNK), now()
        try:
            data, ancillary, _, _ = self._sock.recvmsg(CHUNK, CMSG_SPACE)
        finally:
            at = now()
            # Before the data are handed on: what they answer has left by now.
            departures.drain()
        return data, Stamp(at.mono_ns, departures.arrived(ancillary))

    def _end_of_input(self, at: Stamp) -> End:
        if self._tls is None:
            return End("fin", "", at)
        if self._tls.closed:
            return End("tls-close", "close_notify", at)
        return End("tls-eof", "TCP ended without close_notify", at)

    def _receive_tls(self, data: bytes, at: Stamp) -> None:
        assert self._tls is not None
        if self._handshaken is not None:
            self._shake_hands(data)
            if self._handshaken is not None or self._end is not None:
                return
            data = b""
        try:
            plain = self._tls.receive(data)
        except ssl.SSLError as error:
            self._enqueue(self._tls.take(), None)
            self._ended(End("error", f"TLS: {error.reason or error}", at))
            return
        self._answer_tls()
        if plain and self._sink is not None:
            self._sink.data_received(plain, at)
        if self._tls.closed:
            self._ended(End("tls-close", "close_notify", at))

    def _shake_hands(self, data: bytes) -> None:
        assert self._tls is not None
        failure: ssl.SSLError | None = None
        try:
            self._enqueue(self._tls.handshake(data), None)
        except ssl.SSLError as error:
            failure = error
            with suppress(ssl.SSLError):
                self._enqueue(self._tls.take(), None)  # the alert that says why
        done = self._handshaken
        if done is not None and (failure or self._tls.established):
            self._handshaken = None
            done(failure)

    def _answer_tls(self) -> None:
        """Send what TLS itself wants to say (key updates), and what had to wait for the peer."""
        assert self._tls is not None
        stalled, self._stalled = self._stalled, []
        for data in stalled:
            self.write(data)
        self._enqueue(self._tls.take(), None)

    def _ended(self, end: End) -> None:
        if self._end is not None:
            return
        self._end = end
        self._read_off()
        if end.how not in ("fin", "tls-close", "tls-eof"):
            self._drop_queue()
        if self._handshaken is not None:
            done, self._handshaken = self._handshaken, None
            done(end)
        elif self._sink is not None:
            self._sink.stream_ended(end)

    # -- out -----------------------------------------------------------------------------------

    def write(self, data: bytes, *, stamp: bool = True) -> SentMark:
        """Send `data`, queueing what the kernel does not take; `stamp`: have its departure told.

        Never raises: after an error bytes are dropped, and the stream's end says why.
        """
        mark = SentMark(monotonic_ns())
        wire = data
        if self._tls is not None:
            try:
                wire = self._tls.send(data)
            except ssl.SSLWantReadError:
                self._stalled.append(data)
                wire = self._tls.take()
            except ssl.SSLError as error:
                self._write_failed(End("error", f"TLS: {error.reason or error}", now()))
                return mark
        self._enqueue(wire, mark if stamp else None)
        return mark

    def _enqueue(self, wire: bytes, mark: SentMark | None) -> None:
        if not wire or self.write_error is not None or self._closing:
            return
        self.bytes_out += len(wire)
        self.unsent += len(wire)
        stamped = mark is not None and self._departures is not None
        if mark is not None:
            mark.end = self.bytes_out
            if self._departures is not None:
                self._departures.expect(mark)
        self._queue.append((memoryview(wire), stamped))
        if not self._writing:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._queue:
                self._send_first()
        except (BlockingIOError, InterruptedError):
            self._write_on()
            if self._departures is not None:
                self._departures.drain()  # its reports wake the writer as well
            return
        except OSError as error:
            self._write_failed(_end_of(error, "on write"))
            return
        if self._writing:
            self._write_off()
        if self._half_closing or self._closing:
            self._finish()

    def _send_first(self) -> None:
        view, stamped = self._queue[0]
        if stamped and self._departures is not None:
            taken = self._departures.send(view)
        else:
            taken = self._sock.send(view)
        self.unsent -= taken
        if taken == len(view):
            self._queue.popleft()
        else:
            self._queue[0] = (view[taken:], stamped)
        if stamped and self._departures is not None:
            self._departures.drain()
        self.last_activity = monotonic_ns()

    def _on_writable(self) -> None:
        self._flush()
        if not self._queue and (writable := getattr(self._sink, "writable", None)) is not None:
            writable()

    def _write_on(self) -> None:
        if not self._writing:
            self._loop.add_writer(self._sock, self._on_writable)
            self._writing = True

    def _write_off(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._sock)
            self._writing = False

    def _write_failed(self, end: End) -> None:
        # Sending has taken the socket's error, so reading will now meet a plain end: what was
        # received before it is still to be read, and this error is the truth about that end.
        self.write_error = end
        self._drop_queue()
        if self._closing:
            self._shut()

    def _drop_queue(self) -> None:
        self._queue.clear()
        self.unsent = 0
        if self._sock.fileno() >= 0:
            self._write_off()

    # -- endings -------------------------------------------------------------------------------

    def half_close(self) -> None:
        """Send what is queued, then FIN (under TLS close_notify first); reading goes on."""
        if self._half_closing or self._closing:
            return
        if self._tls is not None and self._tls.established:
            self._enqueue(self._tls.close_notify(), None)
        self._half_closing = True
        if not self._queue:
            self._finish()

    def close(self) -> None:
        """Send what is queued (for at most five seconds), then close."""
        if self.closed:
            return
        self._read_off()
        if self._tls is not None and self._tls.established and not self._half_closing:
            self._enqueue(self._tls.close_notify(), None)
        self._closing = True
        self._loop.call_soon(self._tell_local_end)
        if self._queue:
            self._linger = self._loop.call_later(LINGER_S, self.reset)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._closing:
            self._shut()
        elif self._half_closing:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Drop everything and send RST, not FIN (SO_LINGER of zero seconds)."""
        if self._sock.fileno() < 0:
            return
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._tell_local_end)
        self._shut()

    def freeze(self) -> None:
        """Become a black hole: from now on nothing is read, written, answered or closed."""
        self._paused = True
        self._read_off()
        self._drop_queue()
        self.write_error = End("local", "frozen", now())

    def _shut(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._sock.fileno() >= 0:
            self._read_off()
            self._drop_queue()
            self._sock.close()

    def _tell_local_end(self) -> None:
        self._ended(End("local", "closed by us", now()))

    # -- facts ---------------------------------------------------------------------------------

    def tcp_info(self) -> TcpInfo | None:
        """TCP_INFO now; None where there is none."""
        return tcp_info(self._sock)

    def acknowledged(self) -> bool | None:
        """Whether TCP has acknowledged all that was written; None when that cannot be known."""
        if self.unsent:
            return False
        left = unacknowledged_bytes(self._sock)
        return None if left is None else left == 0

    def set_keepalive(self, interval_s: float | None) -> None:
        """TCP keepalive every `interval_s` seconds (whole ones), or none. OSError if refused."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, interval_s is not None)
        if interval_s is None:
            return
        seconds = max(1, round(interval_s))
        for name, value in (("TCP_KEEPIDLE", seconds), ("TCP_KEEPINTVL", seconds),
                            ("TCP_KEEPCNT", 100)):  # fmt: skip
            if hasattr(socket, name):
                self._sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _end_of(error: OSError, when: str = "") -> End:
    """What an error of the socket says about the connection's end."""
    how: How = "error"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        how = "rst"
    elif isinstance(error, TimeoutError):
        how = "timeout"
    name = os.strerror(error.errno) if error.errno else str(error)
    return End(how, f"{name} {when}".strip(), now())
