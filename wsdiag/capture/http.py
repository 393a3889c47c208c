"""HTTP/1 in a capture, as far as it leads to a WebSocket: heads, and bodies passed over.

A connection may carry any number of plain requests before the one that upgrades it (a proxy's
pool does), and tunnels (CONNECT) before that. Heads are split off and bodies skipped by their
framing (RFC 9112, 6); nothing of a body is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wsdiag.protocol.headers import HeaderSyntaxError, get_all, parse_extensions

MOST_HEAD = 1 << 16
_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ")
_HTTP_1 = b"HTTP/1."
_SCHEMES: dict[str, Literal["ws", "wss"]] = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}
_AUTHORITY = re.compile(r"[^/?#]*")


@dataclass(slots=True)
class Head:
    """A request's or a response's head: its first line, split, and its headers as sent."""

    first: tuple[str, str, str]
    headers: list[tuple[str, str]]

    @property
    def status(self) -> int:
        """A response's status; 0 where its line has none."""
        return int(self.first[1]) if self.first[1].isdecimal() and len(self.first[1]) == 3 else 0

    def has(self, name: str, token: str) -> bool:
        """Whether a header lists a token, whatever its case."""
        return any(token in value.lower() for value in get_all(self.headers, name))

    def wants_websocket(self) -> bool:
        """Whether a request asks for the upgrade."""
        return self.has("upgrade", "websocket")

    def subprotocol(self) -> str | None:
        """A response's Sec-WebSocket-Protocol."""
        return next(iter(get_all(self.headers, "sec-websocket-protocol")), None)

    def extensions(self) -> list[str]:
        """A response's Sec-WebSocket-Extensions, one by one as they are written."""
        return [
            part.strip()
            for value in get_all(self.headers, "sec-websocket-extensions")
            for part in value.split(",")
            if part.strip()
        ]


class HeadReader:
    """One direction: `feed` bytes, get its heads; what follows a head that `stop()`ped stays."""

    def __init__(self, *, requests: bool) -> None:
        self.held = b""
        """Bytes behind the last head while it is stopped."""
        self.failed = False
        """No HTTP, or none that can be followed."""
        self._requests = requests
        self._body: int | None = 0  # bytes left; None: until the end of the connection
        self._chunked = False
        self.stopped = False

    def feed(self, data: bytes) -> Head | None:
        """The next head, if these bytes complete one; call again with b"" for more."""
        if self.failed or self.stopped:
            self.held = (self.held + data)[: 4 * MOST_HEAD] if not self.failed else b""
            return None
        self.held += data
        while not self.failed:
            if self._body is None:
                self.held = b""
                return None
            if self._body:
                took = min(self._body, len(self.held))
                self.held, self._body = self.held[took:], self._body - took
                if self._body:
                    return None
            if self._chunked and not self._next_chunk():
                return None
            if not self._chunked:
                return self._head()
        return None

    def gap(self, size: int) -> bool:
        """Bytes are missing; whether they lie in a body, so that the position is still known."""
        if self._body is None:
            return True
        if self._body >= size > 0 and not self.held:
            self._body -= size
            return True
        self.failed = True
        return False

    def cut(self) -> Head | None:
        """The head of which the rest is missing, as far as it came; nothing behind it is read."""
        lines, complete, rest = self.held.rpartition(b"\r\n")
        block, self.held, self.failed = lines if complete else rest, b"", False
        self.stop()
        return parse_head(block, requests=self._requests)

    def stop(self) -> None:
        """What follows the last head may not be HTTP: keep it, and read no further."""
        self.stopped = True

    def go_on(self, *, has_body: bool, head: Head) -> None:
        """The last head's body follows, framed as its headers say."""
        self.stopped = False
        self._body, self._chunked = 0, False
        if not has_body:
            return
        if head.has("transfer-encoding", "chunked"):
            self._chunked = True
            return
        lengths = get_all(head.headers, "content-length")
        if lengths:
            self._body = int(lengths[0]) if lengths[0].isdecimal() else None
        elif not self._requests:
            self._body = None

    def _head(self) -> Head | None:
        stop = self.held.find(b"\r\n\r\n")
        if stop < 0:
            if len(self.held) > MOST_HEAD or not self._may_be_head():
                self.failed, self.held = True, b""
            return None
        block, self.held = self.held[:stop], self.held[stop + 4 :]
        head = parse_head(block, requests=self._requests)
        self.failed = head is None
        return head

    def _may_be_head(self) -> bool:
        start = self.held.lstrip(b"\r\n")[:8]
        kinds = _METHODS if self._requests else (_HTTP_1,)
        return not start or any(kind.startswith(start) or start.startswith(kind) for kind in kinds)

    def _next_chunk(self) -> bool:
        """The next chunk's length; False while its line is not complete."""
        line, found, rest = self.held.partition(b"\r\n")
        if not found:
            self.failed = len(self.held) > MOST_HEAD
            return False
        size = line.split(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            self.failed = True
            return False
        if length == 0:  # trailers, then an empty line
            stop = self.held.find(b"\r\n\r\n")
            if stop < 0:
                self.failed = len(self.held) > MOST_HEAD
                return False
            self.held, self._chunked = self.held[stop + 4 :], False
            return True
        self.held, self._body = rest, length + 2
        return True


class Target(NamedTuple):
    """A request target, split; `scheme` and `authority` are those of absolute-form."""

    scheme: Literal["ws", "wss"] | None
    authority: str | None
    path: str
    """With its query."""


def split_target(target: str) -> Target:
    """A request target in any form (RFC 9112, 3.2): proxies are sent absolute URLs, and HAProxy and
    others log requests of HTTP/2 as such."""
    name, found, rest = target.partition("://")
    scheme = _SCHEMES.get(name.lower())
    if not found or scheme is None:
        return Target(None, None, target)
    authority = _AUTHORITY.match(rest)[0]  # type: ignore[index]
    path = rest[len(authority) :]
    path = path if path.startswith("/") else "/" + path
    return Target(scheme, authority.rpartition("@")[2] or None, path)


def begins_request(data: bytes) -> bool:
    """Whether bytes begin as a request does."""
    return data.startswith(_METHODS)


def begins_response(data: bytes) -> bool:
    """Whether bytes begin as a response does."""
    return data.startswith(_HTTP_1)


def parse_head(block: bytes, *, requests: bool) -> Head | None:
    """A head without its empty line; None where its first line is no HTTP/1."""
    lines = block.decode("latin-1").lstrip("\r\n").split("\r\n")
    parts = [*lines[0].split(" ", 2), "", ""]
    if not (parts[2] if requests else parts[0]).startswith("HTTP/1."):
        return None
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
        elif headers and line[:1] in (" ", "\t"):
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
    return Head((parts[0], parts[1], parts[2]), headers)


def deflate_parameters(head: Head) -> dict[str, str | None] | None:
    """The parameters of permessage-deflate in a response; None: it was not agreed on."""
    try:
        found = parse_extensions(", ".join(get_all(head.headers, "sec-websocket-extensions")))
    except HeaderSyntaxError:
        return None
    for name, parameters in found:
        if name.lower() == "permessage-deflate":
            return dict(parameters)
    return None
