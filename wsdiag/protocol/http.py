"""The two halves of an opening handshake as values: header names and order as they were sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wsdiag.protocol.headers import get_all

Headers = list[tuple[str, str]]
RawHeaders = Iterable[tuple[bytes, bytes]]


def decode_headers(raw: RawHeaders) -> Headers:
    """Header names and values as text: ISO-8859-1, which loses no byte (RFC 9110, 5.5)."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]


@dataclass(frozen=True, slots=True)
class Request:
    """A client's opening handshake, or any other HTTP request; `target` is path and query."""

    target: str
    headers: Headers
    method: str = "GET"
    is_upgrade: bool = False
    key: str | None = None
    offered_subprotocols: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The target up to its question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target behind its first question mark; empty without one."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """All values of a header joined with ", ", or None."""
        values = get_all(self.headers, name)
        return ", ".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Response:
    """A server's answer; `body` holds the first bytes of a refusal (bounded)."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """All values of a header joined with ", ", or None."""
        values = get_all(self.headers, name)
        return ", ".join(values) if values else None
