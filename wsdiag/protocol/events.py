"""What a connection reports: messages, control frames, and the peer's first violation."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.protocol.errors import ProtocolViolation


@dataclass(slots=True, unsafe_hash=True)
class TextMessage:
    """A whole text message, inflated and decoded."""

    text: str
    dropped: int = field(default=0, repr=False)
    """Bytes after `text` that were not kept (`keep_of_message`)."""


@dataclass(slots=True, unsafe_hash=True)
class BinaryMessage:
    """A whole binary message, inflated."""

    data: bytes
    dropped: int = field(default=0, repr=False)
    """Bytes after `data` that were not kept (`keep_of_message`)."""


@dataclass(slots=True, unsafe_hash=True)
class Ping:
    """A Ping; its Pong is queued already unless `auto_pong` is off."""

    payload: bytes


@dataclass(slots=True, unsafe_hash=True)
class Pong:
    """A Pong, solicited or not (RFC 6455, 5.5.3)."""

    payload: bytes


@dataclass(slots=True, unsafe_hash=True)
class Close:
    """The peer's Close frame; `code` is None when it carried none (RFC 6455, 7.1.5)."""

    code: int | None
    reason: str = ""


@dataclass(slots=True, unsafe_hash=True)
class Violation:
    """The peer broke a rule; the Close that says so is pending, nothing more is read."""

    error: ProtocolViolation


Event = TextMessage | BinaryMessage | Ping | Pong | Close | Violation
