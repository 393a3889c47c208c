"""How a stream ends, read from what the socket said."""

from __future__ import annotations

import errno
import os
from typing import Literal, NamedTuple

from wsdiag.transport.stamps import Stamp, now

How = Literal["fin", "rst", "tls-eof", "tls-close", "timeout", "error", "local"]

# A connection whose retransmissions went unanswered ends with ETIMEDOUT, or with the reason that
# ICMP gave meanwhile (Linux tcp_write_err: sk_err_soft).
_UNANSWERED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class End(NamedTuple):
    """How a stream ended: `tls-eof` is TCP's end without close_notify, `local` our own doing."""

    how: How
    detail: str
    at: Stamp


def end_of(error: OSError, when: str = "") -> End:
    """What an error of the socket says about the connection's end."""
    how: How = "error"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        how = "rst"
    elif error.errno in _UNANSWERED:
        how = "timeout"
    words = os.strerror(error.errno) if error.errno else str(error)
    return End(how, f"{words} {when}".strip(), now())
