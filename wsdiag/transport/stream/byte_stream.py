"""What a session needs of the stream under it: a TCP connection's, or one stream of HTTP/2 or 3."""

from __future__ import annotations

from typing import Protocol

from wsdiag.transport.stream.ends import StreamEnd, StreamHandler
from wsdiag.transport.stream.stamps import Arrival, SendRecord
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.tcp import TcpInfo
from wsdiag.transport.tls.layer import TlsLayer


class ByteStream(Protocol):
    """Bytes both ways, with times, and two independent ends (see `stream.py`)."""

    multiplexed: bool
    """Whether it is one of the streams that a connection may carry."""
    ended: StreamEnd | None
    """How the incoming side ended; None while it is open."""
    peer: str
    bytes_in: int
    """Bytes received: from the wire, or in DATA frames."""
    last_received: int
    """When bytes last came, in monotonic ns; at first, when the stream began."""

    def start(self, handler: StreamHandler) -> None:
        """Report to `handler` from now on; called again, the new handler takes over.

        An end that came before is told as well, after all that came before it.
        """

    def unread(self, data: bytes, at: Arrival) -> None:
        """Give back what belongs to the next handler."""

    def pause_reading(self) -> None:
        """Let back-pressure reach the peer."""

    def resume_reading(self) -> None:
        """Read again."""

    def write(self, data: bytes, *, stamp: bool = True) -> SendRecord:
        """Send `data`; never raises. `stamp`: ask the kernel for times."""

    def half_close(self) -> None:
        """End our side once what is queued has left; reading goes on."""

    def close(self, *, close_notify: bool = True) -> None:
        """Send what is queued (for a bounded time), then close."""

    def reset(self) -> None:
        """Drop everything and tell the peer so: RST, or RST_STREAM."""

    def close_silently(self) -> None:
        """Close so that the peer does not notice, where that can be done."""

    def freeze(self, *, blackholed: bool = False) -> bool:
        """Neither read, write, answer nor close any more; whether TCP is silent as well."""

    @property
    def tcp(self) -> Stream | None:
        """The TCP connection: itself, or what carries it; None where that is no TCP."""

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer, when there is one."""

    @property
    def half_closed(self) -> bool:
        """Whether we have ended our side, or will once the queue is empty."""

    @property
    def kernel_stamps(self) -> bool:
        """Whether the kernel stamps what leaves and arrives."""

    @property
    def unsent(self) -> int:
        """Bytes that wait in our own queues."""

    @property
    def bytes_out(self) -> int:
        """Bytes written so far, what is queued included."""

    @property
    def last_activity(self) -> int:
        """When bytes last crossed, either way, in monotonic ns."""

    def tcp_info(self) -> TcpInfo | None:
        """TCP_INFO now; None where there is none."""

    def acknowledged(self, sent: SendRecord | None = None) -> bool | None:
        """Whether TCP has acknowledged what was `sent`; None when that cannot be known.

        Without `sent`, or where it was sent without a stamp: all that was written.
        """

    def set_keepalive(self, interval_s: float | None) -> None:
        """TCP keepalive every `interval_s` seconds (whole ones), or none. Raises OSError."""
