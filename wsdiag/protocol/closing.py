"""The closing handshake (RFC 6455, 5.5.1 and 7): payloads, and the state as a table."""

from __future__ import annotations

from enum import Enum

from wsdiag.protocol.codes import INVALID_DATA, NO_STATUS, State, is_sendable
from wsdiag.protocol.errors import LocalProtocolError, ProtocolViolation

MAX_REASON_BYTES = 123


class Step(Enum):
    """What moves a connection from one state to the next."""

    SENT_CLOSE = "sent a Close"
    GOT_CLOSE = "received a Close"
    FAILED = "the peer broke a rule"
    ENDED = "the byte stream ended"


# A Close is sent once and read once, and a violation ends the reading as a Close does: in CLOSING,
# either step is the one that was missing.
TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.OPEN, Step.SENT_CLOSE): State.CLOSING,
    (State.OPEN, Step.GOT_CLOSE): State.CLOSING,
    (State.OPEN, Step.FAILED): State.CLOSING,
    (State.OPEN, Step.ENDED): State.CLOSED,
    (State.CLOSING, Step.SENT_CLOSE): State.CLOSED,
    (State.CLOSING, Step.GOT_CLOSE): State.CLOSED,
    (State.CLOSING, Step.FAILED): State.CLOSED,
    (State.CLOSING, Step.ENDED): State.CLOSED,
    (State.CLOSED, Step.ENDED): State.CLOSED,
}


def cut_reason(reason: str) -> bytes:
    """The reason as UTF-8 of at most 123 bytes, never ending inside a code point (5.5)."""
    data = reason.encode("utf-8", "replace")
    if len(data) <= MAX_REASON_BYTES:
        return data
    return data[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()


def encode_close(code: int | None, reason: str = "") -> bytes:
    """A Close payload; code None or 1005: without one. Raises LocalProtocolError."""
    if code is None or code == NO_STATUS:
        if reason:
            raise LocalProtocolError("a Close without a code cannot carry a reason")
        return b""
    if not is_sendable(code):
        raise LocalProtocolError(f"close code {code} must not be sent (RFC 6455, 7.4.1)")
    return code.to_bytes(2, "big") + cut_reason(reason)


def decode_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a Close payload. Raises ProtocolViolation (5.5.1, 7.4)."""
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolViolation("Close payload of one byte", "RFC 6455, 5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise ProtocolViolation(f"close code {code} must not be sent", "RFC 6455, 7.4")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        cut = " (it ends in the middle of a character)" if "end of data" in error.reason else ""
        said = payload[2:].decode("utf-8", "replace")
        message = f"the reason of Close {code} is not valid UTF-8{cut}: {said!r}"
        raise ProtocolViolation(message, "RFC 6455, 5.5.1", INVALID_DATA) from None
