"""What serve answers to a request: a reply as a value, which faults may change, rendered once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from wsdiag.protocol.deflate import DeflateOffer
from wsdiag.protocol.headers import get_all
from wsdiag.protocol.server_handshake import encode_response, refusal


@dataclass(slots=True)
class Reply:
    """An HTTP response; `status` None: the bytes of `body` alone, which need not be HTTP.

    A reply other than 101 ends the connection: its length, its type (text) and `Connection: close`
    are added when it is rendered, unless `headers` say otherwise.
    """

    status: int | None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    reset_code: int | None = None
    """Over HTTP/2: RST_STREAM with this code instead of all that."""

    @classmethod
    def json(cls, status: int, value: Any) -> Reply:
        """A value as JSON, which no cache may keep."""
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        return cls(status, headers, json.dumps(value, indent=1).encode() + b"\n")

    def header(self, name: str) -> str | None:
        """All values of a header joined with ", ", or None."""
        return ", ".join(get_all(self.headers, name)) or None

    def set_header(self, name: str, value: str | None) -> None:
        """Replace a header, add it, or (None) leave it out."""
        self.headers = [each for each in self.headers if each[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    def complete_headers(self) -> list[tuple[str, str]]:
        """What is rendered, as pairs: for a header block of HTTP/2."""
        if self.status == 101:
            return self.headers
        given = {name.lower() for name, _ in self.headers}
        own = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(self.body))),
        ]
        return [pair for pair in own if pair[0] not in given] + self.headers

    def render(self) -> bytes:
        """The bytes to send."""
        if self.status is None:
            return self.body
        if self.status == 101:
            return encode_response(101, self.headers)
        return refusal(self.status, self.headers, self.body)


class Hang(Enum):
    """No answer at all: the connection stays open, and nothing is read or written any more."""

    ACKNOWLEDGED = auto()
    """The kernel still acknowledges what the client sends."""
    BLACKHOLED = auto()
    """Nor does TCP answer, where the kernel allows that."""


@dataclass(slots=True)
class HandshakeResponse:
    """What the 101 will agree to, for faults to change before it is written."""

    subprotocol: str | None
    deflate: DeflateOffer | None
    """What to ask for when taking permessage-deflate; None: it is declined."""
    window: int | None = None
    """Over HTTP/2: bytes that the client may send before it is granted more; None: as usual."""
