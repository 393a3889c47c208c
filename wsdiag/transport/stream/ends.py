"""How a stream ends: the states of our own side, what the peer did, and who is notified."""

from __future__ import annotations

import errno
import os
import ssl
from enum import Enum
from typing import Literal, NamedTuple, Protocol

from wsdiag.transport.stream.stamps import Arrival, now
from wsdiag.transport.tls.layer import tls_reason

EndKind = Literal[
    "fin",
    "rst",
    "tls-eof",
    "tls-close",
    "tls-error",
    "rst-stream",
    "goaway",
    "http2-error",
    "timeout",
    "error",
    "local",
]


# RFC 9113, 7, in the order of their numbers
HTTP2_ERRORS = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


# RFC 9114, 8.1, from 0x100 on in the order of their numbers
_HTTP3_FIRST = 0x100
_HTTP3_ERRORS = (
    "H3_NO_ERROR",
    "H3_GENERAL_PROTOCOL_ERROR",
    "H3_INTERNAL_ERROR",
    "H3_STREAM_CREATION_ERROR",
    "H3_CLOSED_CRITICAL_STREAM",
    "H3_FRAME_UNEXPECTED",
    "H3_FRAME_ERROR",
    "H3_EXCESSIVE_LOAD",
    "H3_ID_ERROR",
    "H3_SETTINGS_ERROR",
    "H3_MISSING_SETTINGS",
    "H3_REQUEST_REJECTED",
    "H3_REQUEST_CANCELLED",
    "H3_REQUEST_INCOMPLETE",
    "H3_MESSAGE_ERROR",
    "H3_CONNECT_ERROR",
    "H3_VERSION_FALLBACK",
)
_ERROR_NAMES = dict(enumerate(HTTP2_ERRORS)) | dict(enumerate(_HTTP3_ERRORS, _HTTP3_FIRST))


def error_name(code: int) -> str:
    """The name of an error code of HTTP/2 (RFC 9113, 7) or HTTP/3: they share no number."""
    return _ERROR_NAMES.get(code, f"code 0x{code:x}")


def is_http3(code: int) -> bool:
    """Whether an error code is one of HTTP/3's."""
    return code >= _HTTP3_FIRST


class StreamState(Enum):
    """What we have done to end a stream; what the peer did is a `StreamEnd`, or None so far."""

    OPEN = "open"
    HALF_CLOSED = "half-closed"
    """Nothing more is written; FIN follows what is queued. Reading goes on."""
    CLOSING = "closing"
    """Neither read nor written; what is queued may still leave, for a bounded time."""
    CLOSED = "closed"


class StreamStep(Enum):
    """What takes a stream from one state to the next."""

    HALF_CLOSE = "half-close"
    CLOSE = "close"
    SENT_ALL = "sent-all"
    CUT = "cut"
    """By RST, or without a word; also when what is queued took too long."""


# What is not in here does nothing: closing twice, half-closing what is closing, sending after it.
TRANSITIONS: dict[tuple[StreamState, StreamStep], StreamState] = {
    (StreamState.OPEN, StreamStep.HALF_CLOSE): StreamState.HALF_CLOSED,
    (StreamState.OPEN, StreamStep.CLOSE): StreamState.CLOSING,
    (StreamState.OPEN, StreamStep.CUT): StreamState.CLOSED,
    (StreamState.HALF_CLOSED, StreamStep.CLOSE): StreamState.CLOSING,
    (StreamState.HALF_CLOSED, StreamStep.CUT): StreamState.CLOSED,
    (StreamState.CLOSING, StreamStep.SENT_ALL): StreamState.CLOSED,
    (StreamState.CLOSING, StreamStep.CUT): StreamState.CLOSED,
}

# A connection whose retransmissions went unanswered ends with ETIMEDOUT, or with the reason that
# ICMP gave meanwhile (Linux tcp_write_err: sk_err_soft).
_UNANSWERED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class StreamEnd(NamedTuple):
    """How a stream ended: `tls-eof` is TCP's end without close_notify, `local` our own doing.

    Of HTTP/2 are `rst-stream`, `goaway` and `http2-error` (the peer broke its rules), with `code`.
    """

    how: EndKind
    detail: str
    at: Arrival
    code: int | None = None


class StreamHandler(Protocol):
    """Who a stream reports to; `writable()`, if there is one, is called when the queue is empty."""

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes came; plaintext under TLS."""

    def stream_ended(self, end: StreamEnd) -> None:
        """Nothing more will come. After `fin` writing may still work: the handler has to close."""


def end_of_input(at: Arrival, *, tls: bool) -> StreamEnd:
    """What a read of no bytes says; under TLS close_notify should have come before."""
    if tls:
        return StreamEnd("tls-eof", NO_CLOSE_NOTIFY, at)
    return StreamEnd("fin", "", at)


NO_CLOSE_NOTIFY = "TCP ended without close_notify"
TLS_ERROR = "TLS: "
"""How the detail of a `tls-error` begins; OpenSSL's name for it follows."""


def end_of_tls(error: ssl.SSLError, at: Arrival) -> StreamEnd:
    """A fatal alert, or what came is no record of this connection."""
    return StreamEnd("tls-error", f"{TLS_ERROR}{tls_reason(error)}", at)


def end_of(error: OSError, when: str = "") -> StreamEnd:
    """What an error of the socket says about the connection's end."""
    how: EndKind = "error"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        how = "rst"
    elif error.errno in _UNANSWERED:
        how = "timeout"
    words = os.strerror(error.errno) if error.errno else str(error)
    return StreamEnd(how, f"{words} {when}".strip(), now())
