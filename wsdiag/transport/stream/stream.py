"""A byte stream over a non-blocking socket, plain or TLS, whose reads and writes carry times.

Theory of operation
-------------------

*Callbacks, no task.* A stream reports to one handler (`StreamHandler`) from the event loop; it has
no task of its own, so one design serves the client's one connection and the server's ten thousand.
Nothing here writes unless asked: an idle connection stays idle.

*Two directions, two ends.* What the peer did to end its side is a `StreamEnd`, reported to the
handler once and kept as `ended`; after `fin` we may go on writing. What we did is a `StreamState`,
with its transitions as a table (`ends.py`):

    OPEN --half_close--> HALF_CLOSED --close--> CLOSING --queue empty, or 5 s--> CLOSED

where `close` may come without a `half_close` before it, and `reset` or `close_silently` lead from
any state to CLOSED at once. The two ends are independent: either may come first. When we close,
the handler is notified as well (`local`), but later, from the event loop: whoever closes is often
in the middle of iterating over what it received.

*Reading* is on while three things hold: we have not closed, the peer's side has not ended, and
nobody asked for a pause. `_watch_input` is called wherever one of them changes. A pause is how
backpressure reaches the peer: its bytes stay in the kernel's buffer, and TCP's window closes.

*Writing.* `write` may be called in any state and never raises: what comes too late is dropped, and
the stream's end says why. An error met while writing does not end the stream by itself, but the
kernel reports a socket's error once: the next read returns a plain end of input, which `_why` then
replaces by the write's error. One case is the reverse: EPIPE says that the peer's FIN was there
before its RST, so that FIN is what ended the stream.

*Closing by FIN* needs care: close(2) with bytes unread in the kernel's buffer sends RST instead
(RFC 2525, 2.17), and the peer may lose the last bytes we sent. So FIN is sent by shutdown(2), and a
bounded amount is read first.

*TLS* sits between the handler and the send buffer (`tls_stream.py`). Bytes that came before a
handler, or before TLS, was there to take them wait in `_unclaimed`.

*Times.* Every read carries the moment it returned and, where the kernel was asked (`timestamps`),
the moment its last byte arrived; a write returns a `SendRecord` whose kernel moments are filled in
when the error queue reports them (`timestamping.py`). Under TLS, too, these are the times of what
is on the wire.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns
from typing import Any

from wsdiag.transport.stream.blackhole import accept_incoming, close_silently, drop_incoming
from wsdiag.transport.stream.ends import (
    TRANSITIONS,
    StreamEnd,
    StreamHandler,
    StreamState,
    StreamStep,
    end_of,
    end_of_input,
    end_of_tls,
)
from wsdiag.transport.stream.send_buffer import SendBuffer
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now, round_trip_ns
from wsdiag.transport.stream.tcp import (
    ICMP_ERRORS,
    TcpInfo,
    endpoints_of,
    keep_alive,
    receive_buffer_bytes,
    report_icmp_errors,
    set_hop_limit,
    take_icmp_error,
    tcp_info,
    unacknowledged_bytes,
    unread_bytes,
)
from wsdiag.transport.stream.throttle import ReadThrottle
from wsdiag.transport.stream.timestamping import TxTimestamps, enable
from wsdiag.transport.stream.tls_stream import HandshakeCallback, TlsStream
from wsdiag.transport.tls.layer import TlsLayer

CHUNK = 8192
"""A callback's share: as the smallest frames, or inflated a thousandfold, it takes 20 to 40 ms."""
READ_LEAST = 512
LINGER_S = 5.0
_UNREAD_READS = 16  # of what nobody will read: bounded, or a flood would hold the loop


class Stream:
    """One connection. Every method must be called from the event loop's thread."""

    multiplexed = False

    __slots__ = (
        "_handler",
        "_linger",
        "_loop",
        "_on_icmp_error",
        "_paused",
        "_send_buffer",
        "_sock",
        "_state",
        "_throttle",
        "_tls",
        "_tx_timestamps",
        "_unclaimed",
        "bytes_in",
        "ended",
        "last_received",
        "peer",
        "read_size",
    )

    def __init__(self, sock: socket.socket, *, peer: str = "", timestamps: bool = False) -> None:
        """Own `sock`, connected and without a byte sent; `timestamps`: ask the kernel for them."""
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._tx_timestamps = TxTimestamps(sock) if timestamps and enable(sock) else None
        self._send_buffer = SendBuffer(
            sock, self._loop, self._tx_timestamps, self._writable, self._sent_all, self._tolerated
        )
        self._on_icmp_error: Callable[[], None] | None = None
        self._handler: StreamHandler | None = None
        self._tls: TlsStream | None = None
        self._unclaimed: tuple[bytes, Arrival] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._state = StreamState.OPEN
        self._paused = False
        self._throttle: ReadThrottle | None = None
        self.read_size = CHUNK
        """What one read takes at most, in bytes; who reads tiny frames takes fewer."""
        self.ended: StreamEnd | None = None
        """How the incoming side ended; None while it is open."""
        self.peer = peer
        self.bytes_in = 0
        """Bytes received from the wire."""
        self.last_received = monotonic_ns()
        """When bytes last came, in monotonic ns; at first, when the stream began."""

    def start(self, handler: StreamHandler) -> None:
        """Report to `handler` from now on, an end that came already too."""
        self._handler = handler
        if self._unclaimed is not None:
            unclaimed, self._unclaimed = self._unclaimed, None
            handler.data_received(*unclaimed)
        self._watch_input()
        if self.ended is not None:
            handler.stream_ended(self.ended)

    def start_tls(self, layer: TlsLayer, done: HandshakeCallback) -> None:
        """Do TLS's handshake; `done` gets None, the TLS error, or the end of the stream."""
        self._tls, self._handler = TlsStream(layer, self._send_buffer, self.write, done), None
        self._watch_input()
        unclaimed, self._unclaimed = self._unclaimed, None
        self._tls.do_handshake(*(unclaimed or (b"", now())))

    def unread(self, data: bytes, at: Arrival) -> None:
        """Give back what belongs to the next handler, or to TLS."""
        self._unclaimed = data, at

    def _step(self, step: StreamStep) -> bool:
        """Take a step in the stream's life; False where this state does not know it."""
        reached = TRANSITIONS.get((self._state, step))
        if reached is None:
            return False
        if self._state is not StreamState.CLOSING and reached is not StreamState.HALF_CLOSED:
            # Deferred: the caller may still be iterating over what it received.
            self._loop.call_soon(self._input_ended, StreamEnd("local", "closed by us", now()))
        self._state = reached
        return True

    # -- in ------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Leave what comes in the kernel's buffer: the peer will be slowed down by TCP."""
        if not self._paused:
            self._paused = True
            self._watch_input()

    def resume_reading(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._watch_input()

    def set_read_rate(self, rate: float | None) -> None:
        """Read no faster than so many bytes a second from here on; None: as fast as they come."""
        self._throttle = None
        if rate is not None:
            self._throttle = ReadThrottle(rate, self._loop, self.pause_reading, self.resume_reading)

    def _watch_input(self) -> None:
        if self._state is StreamState.CLOSED:
            return
        if self._paused or self.ended is not None or self._state is StreamState.CLOSING:
            self._loop.remove_reader(self._sock)
        else:
            self._loop.add_reader(self._sock, self._on_readable)

    def _on_readable(self) -> None:
        try:
            most = self.read_size
            if self._throttle is not None:
                most = min(most, self._throttle.size)
            if self._tx_timestamps is None:
                data, at = self._sock.recv(most), now()
            else:
                data, at = self._tx_timestamps.receive(most)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if not self._tolerated(error):
                self._input_ended(self._why(end_of(error)))
            return
        if not data:
            self._input_ended(self._why(end_of_input(at, tls=self._tls is not None)))
            return
        self.bytes_in += len(data)
        self.last_received = at.mono_ns
        if self._throttle is not None:
            self._throttle.took(len(data))
        if self._tls is not None:
            self._receive_tls(self._tls, data, at)
        elif self._handler is not None:
            self._handler.data_received(data, at)

    def _tolerated(self, error: OSError) -> bool:
        """Whether an error is ICMP's that somebody waits for: the connection goes on."""
        if self._on_icmp_error is None or error.errno not in ICMP_ERRORS:
            return False
        self._on_icmp_error()
        return True

    def _receive_tls(self, tls: TlsStream, data: bytes, at: Arrival) -> None:
        plain = tls.receive(data, at)
        if plain and self._handler is None:
            self._unclaimed = plain, at
        elif plain and self._handler is not None:
            self._handler.data_received(plain, at)
        if (failure := tls.layer.failure) is not None:
            self._input_ended(end_of_tls(failure, at))
        elif tls.layer.closed:
            self._input_ended(StreamEnd("tls-close", "close_notify", at))

    def _why(self, read: StreamEnd) -> StreamEnd:
        """The end that a read found, or the error of a write that explains it."""
        failure = self._send_buffer.failure
        return read if failure is None or self._send_buffer.after_fin else failure

    def _input_ended(self, end: StreamEnd) -> None:
        if self.ended is not None:
            return
        self.ended = end
        self._watch_input()
        if end.how in ("rst", "tls-error", "timeout", "error"):
            self._send_buffer.fail(end)
        if self._tls is not None and self._tls.ended(end):
            return
        if self._handler is not None:
            self._handler.stream_ended(end)

    # -- out -----------------------------------------------------------------------------------

    def write(
        self, data: bytes, *, stamp: bool = True, record: SendRecord | None = None
    ) -> SendRecord:
        """Send `data`, queueing what the kernel does not take; `stamp`: ask the kernel for times.

        Never raises: after an error bytes are dropped, and the stream's end says why. `record`: of
        bytes that were asked for earlier, to be filled in.
        """
        record = record or SendRecord(monotonic_ns())
        if self._state is StreamState.OPEN:
            if self._tls is not None:
                data = self._tls.encrypt(data)
            self._send_buffer.put(data, record if stamp else None)
        return record

    def _writable(self) -> None:
        if (writable := getattr(self._handler, "writable", None)) is not None:
            writable()

    def _sent_all(self) -> None:
        if self._state is StreamState.CLOSING:
            self._close_by_fin()
        elif self._state is StreamState.HALF_CLOSED and self._send_buffer.failure is None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    # -- endings -------------------------------------------------------------------------------

    def half_close(self) -> None:
        """Send what is queued, then FIN (under TLS close_notify first); reading goes on."""
        self._send_close_notify()
        if self._step(StreamStep.HALF_CLOSE) and not self._send_buffer.unsent:
            self._sent_all()

    def close(self, *, close_notify: bool = True) -> None:
        """Send what is queued (for at most five seconds), then close.

        `close_notify=False`: without TLS's own end, as a cut connection looks.
        """
        if close_notify:
            self._send_close_notify()
        if not self._step(StreamStep.CLOSE):
            return
        self._watch_input()
        if self._send_buffer.unsent:
            self._linger = self._loop.call_later(LINGER_S, self.reset)
        else:
            self._close_by_fin()

    def _send_close_notify(self) -> None:
        if self._state is StreamState.OPEN and self.tls is not None and self.tls.established:
            self._send_buffer.put(self.tls.close_notify())

    def reset(self) -> None:
        """Drop everything and send RST, not FIN (SO_LINGER of zero seconds)."""
        if self._state is not StreamState.CLOSED:
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._shut(StreamStep.CUT)

    def close_silently(self) -> None:
        """Close without FIN or RST, as a black hole would; by RST where the kernel refuses that."""
        if self._state is not StreamState.CLOSED:
            self._loop.remove_reader(self._sock)
            self._send_buffer.clear()
            if close_silently(self._sock):
                self._shut(StreamStep.CUT)
            else:
                self.reset()

    def freeze(self, *, blackholed: bool = False) -> bool:
        """Become a black hole: from now on nothing is read, written, answered or closed.

        `blackholed`: nor does TCP acknowledge; returns whether the kernel can do that.
        """
        self.pause_reading()
        dropping = blackholed and drop_incoming(self._sock)
        self._send_buffer.fail(StreamEnd("local", "frozen", now()))
        return dropping

    def vanish(self) -> bool:
        """Be gone, as a machine without power: nothing is read, and TCP acknowledges nothing.

        False where the kernel does not do that (not Linux, no CAP_NET_ADMIN).
        """
        self.pause_reading()
        return drop_incoming(self._sock)

    def reappear(self) -> None:
        """Be there again after `vanish`."""
        accept_incoming(self._sock)
        self.resume_reading()

    def _close_by_fin(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            for _ in range(_UNREAD_READS):
                if not self._sock.recv(CHUNK):
                    break
        self._shut(StreamStep.SENT_ALL)

    def _shut(self, step: StreamStep) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._send_buffer.clear()
            self._sock.close()
        self._step(step)

    # -- the way there -------------------------------------------------------------------------

    def endpoints(self) -> tuple[tuple[str, int], tuple[Any, ...]] | None:
        """Our (address, port) and the peer's address, of TCP; None where there is no such thing."""
        try:
            return endpoints_of(self._sock)
        except OSError:
            return None

    def set_hop_limit(self, hops: int | None) -> None:
        """The TTL or hop limit of what is sent from now on; None: the system's. Raises OSError."""
        set_hop_limit(self._sock, hops)

    def expect_icmp_errors(self, on_error: Callable[[], None] | None) -> None:
        """Report ICMP errors about this connection to `on_error`; None: no longer. OSError."""
        report_icmp_errors(self._sock, on_error is not None)
        self._on_icmp_error = on_error

    def take_icmp_error(self) -> bool:
        """Whether ICMP has reported an error of this connection since the last call."""
        return take_icmp_error(self._sock)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def tcp(self) -> Stream:
        """Itself; of a stream of HTTP/2, the connection that carries it."""
        return self

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer, when there is one."""
        return None if self._tls is None else self._tls.layer

    @property
    def handshake_ns(self) -> int:
        """How long TLS's handshake took, once it is over: from the first record to the last."""
        assert self._tls is not None
        return round_trip_ns(self._tls.began, self._tls.finished)[0]

    @property
    def half_closed(self) -> bool:
        """Whether we have ended our side with FIN, or will once the queue is empty."""
        return self._state is StreamState.HALF_CLOSED

    @property
    def kernel_stamps(self) -> bool:
        """Whether the kernel was asked for timestamps, and agreed."""
        return self._tx_timestamps is not None

    @property
    def unsent(self) -> int:
        """Bytes that wait in our own queue, as they go on the wire."""
        return self._send_buffer.unsent

    @property
    def bytes_out(self) -> int:
        """Bytes written so far, as they go on the wire; what is queued included."""
        return self._send_buffer.total

    @property
    def last_activity(self) -> int:
        """When bytes last crossed the socket, either way, in monotonic ns."""
        return max(self.last_received, self._send_buffer.last_sent)

    @property
    def unread_bytes(self) -> int | None:
        """Bytes that came and wait in the kernel's receive queue for us to read; None: unknown."""
        return unread_bytes(self._sock)

    @property
    def receive_room_bytes(self) -> int | None:
        """What that queue holds at most, its bookkeeping included; None: unknown."""
        return receive_buffer_bytes(self._sock)

    def tcp_info(self) -> TcpInfo | None:
        """TCP_INFO now; None where there is none."""
        return tcp_info(self._sock)

    def acknowledged(self, sent: SendRecord | None = None) -> bool | None:
        """Whether TCP has acknowledged what was `sent`, or all (see byte_stream.py)."""
        end = self.bytes_out if sent is None or not sent.end else sent.end
        taken = self.bytes_out - self.unsent
        if taken < end:
            return False
        left = unacknowledged_bytes(self._sock)
        return None if left is None else taken - left >= end

    def set_keepalive(self, interval_s: float | None) -> None:
        """TCP keepalive every `interval_s` seconds (whole ones), or none. Raises OSError."""
        keep_alive(self._sock, interval_s)
