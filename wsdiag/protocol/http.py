"""The two halves of an opening handshake as values: header names and order as they were sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from wsdiag.protocol.headers import get_all

Headers = list[tuple[str, str]]
RawHeaders = Iterable[tuple[bytes, bytes]]

# Bounds on what a peer can make us hold before it is judged.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 256

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Bytes that no header may carry (RFC 9110, 5.5). They are refused before h11 sees them: its
# pattern takes quadratic time over a long run of blanks before one.
_FORBIDDEN = re.compile(rb"[\x00\x0b\x0c]|\r(?!\n)(?!\Z)")
BLANK_LINE = re.compile(rb"\n\r?\n")


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1(key.encode("latin-1", "replace") + _GUID, usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


def join_values(headers: Headers, name: str) -> str | None:
    """All values of a header joined with ", " (RFC 9110, 5.3), or None."""
    values = get_all(headers, name)
    return ", ".join(values) if values else None


def has_token(headers: Headers, name: str, token: str) -> bool:
    """Whether a header that is a list names `token`; case does not matter (RFC 6455, 4.1)."""
    values = ",".join(get_all(headers, name)).lower().split(",")
    return token.lower() in (value.strip(" \t") for value in values)


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
    version: str = "1.1"
    """Of HTTP; over HTTP/2 an extended CONNECT is what an upgrade is (RFC 8441)."""

    @property
    def path(self) -> str:
        """The target up to its question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target after its first question mark; empty without one."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """All values of a header joined with ", ", or None."""
        return join_values(self.headers, name)


@dataclass(frozen=True, slots=True)
class Response:
    """A server's answer; `body` holds the first bytes of a refusal (bounded)."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    version: str = "1.1"
    """Of HTTP, as its status line says."""
    malformed: tuple[str, ...] = ()
    """Lines of its head that are no header (RFC 9112, 5), and were passed over."""

    def header(self, name: str) -> str | None:
        """All values of a header joined with ", ", or None."""
        return join_values(self.headers, name)


@dataclass(slots=True)
class InterimAnswers:
    """The answers before the final one (RFC 9110, 15.2: 1xx but 101), however many come."""

    count: int = 0
    last: str = ""

    def add(self, response: Response) -> None:
        """One more."""
        self.count += 1
        self.last = f"{response.status} {response.reason}".strip()

    def __str__(self) -> str:
        return self.last if self.count < 2 else f"{self.count} of them, the last {self.last}"


_FOLD = re.compile(rb"\r?\n[ \t]+")
_STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) +(\d{3})(?: +(.*))?")
_HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)", re.DOTALL)


def parse_head(head: bytes) -> Response | None:
    """A response's head, up to its blank line; None when its first line is no status line.

    As browsers do, it passes over lines that are no headers, and takes a name with blanks before
    its colon; both are kept in `malformed`. A folded line (RFC 9112, 5.2) goes with the one before.
    """
    first, *lines = _FOLD.sub(b" ", head.rstrip(b"\r\n")).split(b"\n")
    status = _STATUS_LINE.fullmatch(first.rstrip(b"\r"))
    if status is None:
        return None
    headers: Headers = []
    malformed: list[str] = []
    for line in (line.rstrip(b"\r") for line in lines):
        name_part, colon, rest = line.partition(b":")
        found = _HEADER_LINE.fullmatch(name_part.rstrip(b" \t") + colon + rest)
        if found is not None:
            headers.append((found[1].decode("latin-1"), found[2].decode("latin-1").rstrip(" \t")))
        if found is None or name_part != found[1]:
            malformed.append(line.decode("latin-1"))
    version, code, reason = (part or b"" for part in status.groups())
    return Response(
        int(code),
        reason.decode("latin-1"),
        headers,
        version=version.decode(),
        malformed=tuple(malformed),
    )


class HeadError(Exception):
    """A head that need not be parsed; `section` is the rule, `too_large` says which fault."""

    def __init__(self, message: str, section: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.section = section
        self.too_large = too_large


class HeaderLimiter:
    """Follows the head of a message as it arrives, and bounds what a parser has to look at."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._earlier = 0
        self._done = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises HeadError for a head over 64 KiB or with a forbidden byte.

        What follows an interim answer (RFC 9110, 15.2: 1xx but 101) is a head again.
        """
        while not self._done and data:
            start = max(0, len(self._head) - 3)
            self._head += data
            end = BLANK_LINE.search(self._head, start)
            stop = len(self._head) if end is None else end.end()
            if self._earlier + stop > MAX_HEAD_BYTES:
                message = f"headers exceed {MAX_HEAD_BYTES // 1024} KiB"
                raise HeadError(message, "RFC 9110, 5.4", too_large=True)
            bad = _FORBIDDEN.search(self._head, start, stop)
            if bad is not None:
                raise HeadError(f"byte 0x{bad[0][0]:02x} in a header", "RFC 9110, 5.5")
            data = bytes(self._head[stop:])
            del self._head[stop:]
            if end is None:
                continue
            status = self._head[9:12]
            if status[:1] == b"1" and status != b"101" and self._head.startswith(b"HTTP/"):
                self._earlier += len(self._head)
                self._head = bytearray()
            else:
                self._done = True
