"""Faults of the opening handshake: refused, redirected, or answered wrongly."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wsdiag.protocol.deflate import DeflateOffer
from wsdiag.protocol.server_handshake import refusal
from wsdiag.server.fault import Fault, Group
from wsdiag.server.params import SECONDS, TEXT, Kind, choice, param, whole
from wsdiag.server.terms import Terms, with_header

if TYPE_CHECKING:
    from wsdiag.protocol.http import Request


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or not text or set(text) & set(' ,;"'):
        raise ValueError(text)
    return text


def _location(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


TOKEN = Kind("NAME", "a name without spaces, commas or quotes", _token, free=True)
LOCATION = Kind("URL", "a URL or path without spaces", _location, free=True)


@dataclass(slots=True, kw_only=True)
class Status(Fault):
    """Answers with an HTTP status instead of the upgrade."""

    name: ClassVar[str] = "status"
    group: ClassVar[Group] = "handshake"
    summary: ClassVar[str] = "answers with this HTTP status"

    status: int = param(403, whole(200, 599, "STATUS"), "the status")
    body: str = param("", TEXT, "the answer's body")
    retry_after: float | None = param(None, SECONDS, "a Retry-After header", name="retry-after")

    def answer(self, request: Request) -> bytes | None:
        """Refuse."""
        headers = [("WWW-Authenticate", 'Basic realm="wsdiag"')] if self.status == 401 else []
        if self.retry_after is not None:
            headers.append(("Retry-After", f"{self.retry_after:.0f}"))
        body = self.body or f"wsdiag serve was asked for status {self.status}"
        return refusal(self.status, headers, body.encode() + b"\n")


@dataclass(slots=True, kw_only=True)
class Redirect(Fault):
    """Redirects some times before it upgrades."""

    name: ClassVar[str] = "redirect"
    group: ClassVar[Group] = "handshake"
    summary: ClassVar[str] = "redirects so many times, then echoes; with to=URL always"

    times: int = param(1, whole(0, 100), "how often")
    to: str | None = param(None, LOCATION, "where to")
    status: int = param(
        302, Kind("STATUS", "301, 302, 303, 307 or 308", lambda t: _redirect_status(t)), "which"
    )

    def answer(self, request: Request) -> bytes | None:
        """Send the client on."""
        if self.to is None and self.times == 0:
            return None
        left = self.times - 1
        query = f"?status={self.status}" if self.status != 302 else ""
        location = self.to or f"/redirect/{left}{query}"
        return refusal(self.status, [("Location", location)], f"see {location}\n".encode())


def _redirect_status(text: str) -> int:
    if text not in ("301", "302", "303", "307", "308"):
        raise ValueError(text)
    return int(text)


@dataclass(slots=True, kw_only=True)
class Auth(Fault):
    """Asks for Basic authentication."""

    name: ClassVar[str] = "auth/basic"
    group: ClassVar[Group] = "handshake"
    summary: ClassVar[str] = "401 without the right user and password (RFC 7617)"

    user: str = param("user", TEXT, "who may")
    password: str = param("password", TEXT, "with which password")

    def answer(self, request: Request) -> bytes | None:
        """Compare the credentials."""
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if scheme.lower() == "basic" and token.strip() == wanted:
            return None
        challenge = ("WWW-Authenticate", 'Basic realm="wsdiag", charset="UTF-8"')
        return refusal(401, [challenge], b"user and password, please\n")


@dataclass(slots=True, kw_only=True)
class Subprotocol(Fault):
    """Chooses a subprotocol, and insists on it."""

    name: ClassVar[str] = "subprotocol"
    option: ClassVar[str | None] = "require-subprotocol"
    group: ClassVar[Group] = "handshake"
    summary: ClassVar[str] = "takes the first subprotocol offered, or the one named; 400 without"

    pick: str | None = param(None, TOKEN, "the only one that will do")

    def answer(self, request: Request) -> bytes | None:
        """Refuse when the right one was not offered."""
        offered = request.offered_subprotocols
        if not request.is_upgrade or (self.pick in offered if self.pick else offered):
            return None
        wanted = f"subprotocol {self.pick}" if self.pick else "a subprotocol"
        return refusal(400, (), f"offer {wanted} in Sec-WebSocket-Protocol\n".encode())

    def agree(self, terms: Terms, request: Request) -> None:
        """Take it."""
        terms.subprotocol = self.pick or request.offered_subprotocols[0]


@dataclass(slots=True, kw_only=True)
class Deflate(Fault):
    """Insists on permessage-deflate, with these parameters."""

    name: ClassVar[str] = "deflate"
    group: ClassVar[Group] = "handshake"
    summary: ClassVar[str] = "permessage-deflate or 400; windows and takeover as asked (RFC 7692)"

    server_bits: int | None = param(None, whole(8, 15), "our window", name="server-bits")
    client_bits: int | None = param(None, whole(8, 15), "the client's window", name="client-bits")
    takeover: str = param("yes", choice("yes", "no"), "keep the window from message to message")

    def answer(self, request: Request) -> bytes | None:
        """Refuse clients that do not offer it."""
        offered = request.header("Sec-WebSocket-Extensions") or ""
        if not request.is_upgrade or "permessage-deflate" in offered:
            return None
        return refusal(400, (), b"offer permessage-deflate in Sec-WebSocket-Extensions\n")

    def agree(self, terms: Terms, request: Request) -> None:
        """State our wishes."""
        forget = self.takeover == "no"
        terms.deflate = DeflateOffer(forget, forget, self.server_bits, self.client_bits)


@dataclass(slots=True, kw_only=True)
class BadAccept(Fault):
    """Proves the wrong thing."""

    name: ClassVar[str] = "bad/accept"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "a wrong Sec-WebSocket-Accept, or none (RFC 6455, 4.2.2)"

    with_: str = param("wrong", choice("wrong", "none"), "what is wrong with it", name="with")

    def rewrite(self, reply: bytes) -> bytes:
        """Put in the answer to another key."""
        wrong = None if self.with_ == "none" else "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        return with_header(reply, "Sec-WebSocket-Accept", wrong)


@dataclass(slots=True, kw_only=True)
class BadUpgrade(Fault):
    """Switches to another protocol, or does not say to which."""

    name: ClassVar[str] = "bad/upgrade"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "a 101 with a wrong or missing Upgrade header (RFC 6455, 4.1)"

    with_: str = param("wrong", choice("wrong", "none"), "what is wrong with it", name="with")

    def rewrite(self, reply: bytes) -> bytes:
        """Put in another protocol, or leave it out."""
        return with_header(reply, "Upgrade", None if self.with_ == "none" else "h2c")


@dataclass(slots=True, kw_only=True)
class BadConnection(Fault):
    """Does not say that the connection is upgraded."""

    name: ClassVar[str] = "bad/connection"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "a 101 without `upgrade` in Connection (RFC 6455, 4.1)"

    def rewrite(self, reply: bytes) -> bytes:
        """Put in another token."""
        return with_header(reply, "Connection", "keep-alive")


@dataclass(slots=True, kw_only=True)
class BadSubprotocol(Fault):
    """Chooses a subprotocol that was not offered."""

    name: ClassVar[str] = "bad/subprotocol"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "a subprotocol that was not offered (RFC 6455, 4.1)"

    def rewrite(self, reply: bytes) -> bytes:
        """Put it in."""
        return with_header(reply, "Sec-WebSocket-Protocol", "never.offered")


@dataclass(slots=True, kw_only=True)
class BadExtension(Fault):
    """Chooses an extension that was not offered."""

    name: ClassVar[str] = "bad/extension"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "an extension that was not offered (RFC 6455, 4.1)"

    def rewrite(self, reply: bytes) -> bytes:
        """Put it in."""
        return with_header(reply, "Sec-WebSocket-Extensions", "x-never-offered")


@dataclass(slots=True, kw_only=True)
class BadHttp(Fault):
    """Answers with something that is not HTTP."""

    name: ClassVar[str] = "bad/http"
    group: ClassVar[Group] = "breaks rules"
    summary: ClassVar[str] = "an answer that is not HTTP"

    def answer(self, request: Request) -> bytes | None:
        """Speak another protocol."""
        return b"220 mail.example.test ESMTP ready\r\n"
