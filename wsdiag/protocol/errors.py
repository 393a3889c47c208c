"""What can go wrong, by whose fault: the peer's, our caller's, or the opening handshake's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag.protocol.codes import MESSAGE_TOO_BIG

if TYPE_CHECKING:
    from wsdiag.protocol.http import Response


class ProtocolViolation(Exception):
    """The peer broke a rule.

    `section` names it ("RFC 6455, 5.2"), `code` is the close code that answers it.
    """

    def __init__(
        self, message: str, section: str, code: int = 1002, *, excerpt: bytes = b""
    ) -> None:
        """`excerpt`: what came instead of a frame, where that tells more."""
        super().__init__(message)
        self.excerpt = excerpt
        self.message = message
        self.section = section
        self.code = code

    @property
    def too_large(self) -> bool:
        """Whether it is only a message over our own limit: RFC 6455 (10.4) sets none."""
        return self.code == MESSAGE_TOO_BIG

    def described(self, who: str) -> str:
        """What `who` did, and where the rule is, or the limit."""
        if self.too_large:
            return f"{who} sent too large a message: {self.message} (--max-message-size)"
        return f"{who} broke the protocol: {self}"

    def __str__(self) -> str:
        return f"{self.message} ({self.section})"

    def __repr__(self) -> str:
        return f"ProtocolViolation({self.message!r}, {self.section!r}, {self.code})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProtocolViolation) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((self.message, self.section, self.code))


class LocalProtocolError(Exception):
    """We were asked to send what the protocol or the connection's state forbids."""


class HandshakeError(Exception):
    """The opening handshake failed.

    `code` is a stable id ("http-status", "bad-accept"…), `section` the rule, `response` what the
    server answered (client role), `reply` the HTTP answer to send before closing (server role).
    """

    def __init__(
        self,
        code: str,
        message: str,
        section: str = "RFC 6455, 4.1",
        *,
        response: Response | None = None,
        reply: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.section = section
        self.response = response
        self.reply = reply

    def __str__(self) -> str:
        return f"{self.message} ({self.section})"
