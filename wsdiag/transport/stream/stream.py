"""A byte stream over a non-blocking socket, plain or TLS, whose reads and writes carry times.

Callback-driven and without a task of its own: it serves the client's one connection as well as
the server's ten thousand. Nothing here ever writes unless asked: an idle connection stays idle.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from time import monotonic_ns

from wsdiag.transport.stream.blackhole import close_silently, drop_incoming
from wsdiag.transport.stream.ends import StreamEnd, StreamHandler, end_of, end_of_input
from wsdiag.transport.stream.keepalive import keep_alive
from wsdiag.transport.stream.send_buffer import SendBuffer
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now
from wsdiag.transport.stream.tcpinfo import TcpInfo, tcp_info, unacknowledged_bytes
from wsdiag.transport.stream.timestamping import TxTimestamps, enable
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.tls_stream import HandshakeCallback, TlsStream

CHUNK = 65536
LINGER_S = 5.0
_UNREAD_READS = 16  # of what nobody will read, so that a flood does not hold the loop


class Stream:
    """One connection. Every method must be called from the event loop's thread."""

    __slots__ = (
        "_closing",
        "_departures",
        "_early",
        "_end",
        "_half_closed",
        "_linger",
        "_loop",
        "_outbox",
        "_paused",
        "_reading",
        "_sink",
        "_sock",
        "_tls",
        "bytes_in",
        "last_received",
        "peer",
    )

    def __init__(self, sock: socket.socket, *, peer: str = "", timestamps: bool = False) -> None:
        """Own `sock`, connected and without a byte sent; `timestamps`: ask the kernel for them."""
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._departures = TxTimestamps(sock) if timestamps and enable(sock) else None
        self._outbox = SendBuffer(
            sock, self._loop, self._departures, self._writable, self._sent_all
        )
        self._sink: StreamHandler | None = None
        self._tls: TlsStream | None = None
        self._early: tuple[bytes, Arrival] | None = None  # came before the sink they are for
        self._end: StreamEnd | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._reading = self._paused = self._closing = self._half_closed = False
        self.peer = peer
        self.bytes_in = 0
        """Bytes received from the wire."""
        self.last_received = monotonic_ns()
        """When bytes last came, in monotonic ns; at first, when the stream began."""

    def start(self, sink: StreamHandler) -> None:
        """Report to `sink` from now on; called again, the new sink takes over."""
        self._sink = sink
        if self._early is not None:
            early, self._early = self._early, None
            sink.data_received(*early)
        self._read_on()

    def start_tls(self, layer: TlsLayer, done: HandshakeCallback) -> None:
        """Shake hands; `done` gets None, the TLS error, or the end of the stream."""
        self._tls, self._sink = TlsStream(layer, self._outbox, self.write, done), None
        self._read_on()
        early, self._early = self._early, None
        self._tls.do_handshake(early[0] if early is not None else b"")

    def unread(self, data: bytes, at: Arrival) -> None:
        """Give back what belongs to the next sink, or to TLS."""
        self._early = data, at

    # -- in ------------------------------------------------------------------------------------

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

    def _on_readable(self) -> None:
        try:
            if self._departures is None:
                data, at = self._sock.recv(CHUNK), now()
            else:
                data, at = self._departures.receive(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._ended(self._why(end_of(error)))
            return
        if not data:
            self._ended(self._why(end_of_input(at, tls=self._tls is not None)))
            return
        self.bytes_in += len(data)
        self.last_received = at.mono_ns
        if self._tls is not None:
            self._receive_tls(self._tls, data, at)
        elif self._sink is not None:
            self._sink.data_received(data, at)

    def _receive_tls(self, tls: TlsStream, data: bytes, at: Arrival) -> None:
        try:
            plain = tls.receive(data)
        except ssl.SSLError as error:
            self._ended(StreamEnd("tls-error", f"TLS: {error.reason or error}", at))
            return
        if plain and self._sink is None:
            self._early = plain, at
        elif plain and self._sink is not None:
            self._sink.data_received(plain, at)
        if tls.layer.closed:
            self._ended(StreamEnd("tls-close", "close_notify", at))

    def _why(self, read: StreamEnd) -> StreamEnd:
        """Sending takes the socket's error, and reading then meets a plain end."""
        sent = self._outbox.failure
        return read if sent is None or self._outbox.after_fin else sent

    def _ended(self, end: StreamEnd) -> None:
        if self._end is not None:
            return
        self._end = end
        self._read_off()
        if end.how in ("rst", "tls-error", "timeout", "error"):
            self._outbox.fail(end)
        if self._tls is not None and self._tls.ended(end):
            return
        if self._sink is not None:
            self._sink.stream_ended(end)

    # -- out -----------------------------------------------------------------------------------

    def write(self, data: bytes, *, stamp: bool = True) -> SendRecord:
        """Send `data`, queueing what the kernel does not take; `stamp`: have its departure told.

        Never raises: after an error bytes are dropped, and the stream's end says why.
        """
        mark = SendRecord(monotonic_ns())
        if self._closing or self._half_closed:
            return mark
        if self._tls is not None:
            data = self._tls.encrypt(data)
        self._outbox.put(data, mark if stamp else None)
        return mark

    def _writable(self) -> None:
        if (writable := getattr(self._sink, "writable", None)) is not None:
            writable()

    def _sent_all(self) -> None:
        if self._closing:
            self._end_by_fin()
        elif self._half_closed and self._outbox.failure is None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    # -- endings -------------------------------------------------------------------------------

    def half_close(self) -> None:
        """Send what is queued, then FIN (under TLS close_notify first); reading goes on."""
        if self._half_closed or self._closing:
            return
        self._say_goodbye()
        self._half_closed = True
        if not self._outbox.unsent:
            self._sent_all()

    def _say_goodbye(self) -> None:
        if self._tls is not None and self._tls.layer.established and not self._half_closed:
            self._outbox.put(self._tls.layer.close_notify())

    def close(self, *, goodbye: bool = True) -> None:
        """Send what is queued (for at most five seconds), then close.

        `goodbye=False`: without TLS's close_notify, as a cut connection looks.
        """
        if self.closed:
            return
        self._read_off()
        if goodbye:
            self._say_goodbye()
        self._begin_closing()
        if self._outbox.unsent:
            self._linger = self._loop.call_later(LINGER_S, self.reset)
        else:
            self._end_by_fin()

    def reset(self) -> None:
        """Drop everything and send RST, not FIN (SO_LINGER of zero seconds)."""
        if self._sock.fileno() < 0:
            return
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._begin_closing()
        self._shut()

    def close_silently(self) -> None:
        """Close without a word, as a black hole would; by RST where the kernel refuses that."""
        if self._sock.fileno() < 0:
            return
        self._read_off()
        self._outbox.forget()
        self._begin_closing()
        if not close_silently(self._sock):
            self.reset()

    def _begin_closing(self) -> None:
        if not self._closing:
            self._closing = True
            # Not at once: who closes is in the middle of something.
            self._loop.call_soon(self._ended, StreamEnd("local", "closed by us", now()))

    def freeze(self, *, blackholed: bool = False) -> bool:
        """Become a black hole: from now on nothing is read, written, answered or closed.

        `blackholed`: nor does TCP acknowledge; returns whether the kernel can do that.
        """
        self.pause_reading()
        deafened = blackholed and drop_incoming(self._sock)
        self._outbox.fail(StreamEnd("local", "frozen", now()))
        return deafened

    def _end_by_fin(self) -> None:
        """Close by FIN; close(2) alone answers bytes that nobody read with RST (RFC 2525, 2.17)."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            for _ in range(_UNREAD_READS):
                if not self._sock.recv(CHUNK):
                    break
        self._shut()

    def _shut(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._sock.fileno() >= 0:
            self._read_off()
            self._outbox.forget()
            self._sock.close()

    # -- facts ---------------------------------------------------------------------------------

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer, when there is one."""
        return None if self._tls is None else self._tls.layer

    @property
    def ended(self) -> StreamEnd | None:
        """How the incoming side ended; None while it is open."""
        return self._end

    @property
    def closed(self) -> bool:
        """Whether the socket is closed, or will be once the queue is empty."""
        return self._closing or self._sock.fileno() < 0

    @property
    def half_closed(self) -> bool:
        """Whether we have ended (or are about to end) our side with FIN."""
        return self._half_closed

    @property
    def kernel_stamps(self) -> bool:
        """Whether the kernel was asked for timestamps, and agreed."""
        return self._departures is not None

    @property
    def unsent(self) -> int:
        """Bytes that wait in our own queue, as they go on the wire."""
        return self._outbox.unsent

    @property
    def bytes_out(self) -> int:
        """Bytes written so far, as they go on the wire; what is queued included."""
        return self._outbox.total

    @property
    def last_activity(self) -> int:
        """When bytes last crossed the socket, either way, in monotonic ns."""
        return max(self.last_received, self._outbox.last_sent)

    @property
    def write_error(self) -> StreamEnd | None:
        """Why writing does not work any more, also when that began after the peer's FIN."""
        return self._outbox.failure

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
        keep_alive(self._sock, interval_s)
