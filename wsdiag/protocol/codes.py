"""Numbers of RFC 6455: opcodes, close codes, and the two enums every layer speaks of."""

from __future__ import annotations

from enum import Enum, IntEnum


class Opcode(IntEnum):
    """Frame opcodes (RFC 6455, 5.2); 3-7 and 11-15 are reserved."""

    CONT = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Role(Enum):
    """Which end of the connection we are; a client masks, a server must not (RFC 6455, 5.1)."""

    CLIENT = "client"
    SERVER = "server"


class State(Enum):
    """OPEN; CLOSING: one Close crossed, in one direction; CLOSED: both did, or it failed."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


NORMAL = 1000
NO_STATUS = 1005
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009

# The IANA registry of close codes, without those a Close frame must not carry (RFC 6455, 7.4.1).
_REGISTERED = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})

_NAMES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status received",
    1006: "abnormal closure",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failure",
}


def is_sendable(code: int) -> bool:
    """Whether a Close frame may carry this code (RFC 6455, 7.4): registered, or 3000 to 4999."""
    return code in _REGISTERED or 3000 <= code <= 4999


def close_code_name(code: int) -> str:
    """A close code in words: its registered name, or who may define it (RFC 6455, 7.4.2)."""
    if code in _NAMES:
        return _NAMES[code]
    if 3000 <= code <= 3999:
        return "registered by a library or framework"
    return "private use" if 4000 <= code <= 4999 else "reserved"


def is_known(code: int) -> bool:
    """Whether a close code is one of RFC 6455 or of IANA's registry."""
    return code in _NAMES
