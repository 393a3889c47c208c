"""How a stream ends, read from what the socket said, and who is told of it."""

from __future__ import annotations

import errno
import os
from typing import Literal, NamedTuple, Protocol

from wsdiag.transport.stream.stamps import Arrival, now

EndKind = Literal["fin", "rst", "tls-eof", "tls-close", "tls-error", "timeout", "error", "local"]

# A connection whose retransmissions went unanswered ends with ETIMEDOUT, or with the reason that
# ICMP gave meanwhile (Linux tcp_write_err: sk_err_soft).
_UNANSWERED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class StreamEnd(NamedTuple):
    """How a stream ended: `tls-eof` is TCP's end without close_notify, `local` our own doing."""

    how: EndKind
    detail: str
    at: Arrival


class StreamHandler(Protocol):
    """Who a stream reports to; its `writable()`, if it has one, hears of an emptied queue."""

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes came; plaintext under TLS."""

    def stream_ended(self, end: StreamEnd) -> None:
        """Nothing more will come. Writing may still work after `fin`: closing is the sink's job."""


def end_of_input(at: Arrival, *, tls: bool) -> StreamEnd:
    """What a read of no bytes says; under TLS close_notify should have come before."""
    if tls:
        return StreamEnd("tls-eof", "TCP ended without close_notify", at)
    return StreamEnd("fin", "", at)


def end_of(error: OSError, when: str = "") -> StreamEnd:
    """What an error of the socket says about the connection's end."""
    how: EndKind = "error"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        how = "rst"
    elif error.errno in _UNANSWERED:
        how = "timeout"
    words = os.strerror(error.errno) if error.errno else str(error)
    return StreamEnd(how, f"{words} {when}".strip(), now())
