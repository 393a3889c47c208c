"""How a stream ends, read from what the socket said, and who is told of it."""

from __future__ import annotations

import errno
import os
from typing import Literal, NamedTuple, Protocol

from wsdiag.transport.stream.stamps import Stamp, now

How = Literal["fin", "rst", "tls-eof", "tls-close", "timeout", "error", "local"]

# A connection whose retransmissions went unanswered ends with ETIMEDOUT, or with the reason that
# ICMP gave meanwhile (Linux tcp_write_err: sk_err_soft).
_UNANSWERED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class End(NamedTuple):
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


def end_of_input(at: Stamp, *, tls: bool) -> End:
    """What a read of no bytes says; under TLS close_notify should have come before."""
    if tls:
        return End("tls-eof", "TCP ended without close_notify", at)
    return End("fin", "", at)


def end_of(error: OSError, when: str = "") -> End:
    """What an error of the socket says about the connection's end."""
    how: How = "error"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        how = "rst"
    elif error.errno in _UNANSWERED:
        how = "timeout"
    words = os.strerror(error.errno) if error.errno else str(error)
    return End(how, f"{words} {when}".strip(), now())
