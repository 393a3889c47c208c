"""Faults of the opening handshake: refused, redirected, or answered wrongly."""

from __future__ import annotations

import base64

from wsdiag.protocol.deflate import DeflateOffer
from wsdiag.protocol.http import Request
from wsdiag.server.fault import Fault, fault
from wsdiag.server.params import LOCATION, REDIRECT, SECONDS, TEXT, TOKEN, choice, param, whole
from wsdiag.server.reply import HandshakeResponse, Reply


@fault("status", "handshake")
class Status(Fault):
    """Answers with this HTTP status."""

    status: int = param(403, whole(200, 599, "STATUS"), "the status")
    body: str = param("", TEXT, "the answer's body")
    retry_after: float | None = param(None, SECONDS, "a Retry-After header", name="retry-after")

    def answer(self, request: Request) -> Reply | None:
        """Refuse."""
        body = self.body or f"wsdiag serve was asked for status {self.status}"
        reply = Reply(self.status, body=body.encode() + b"\n")
        if self.status == 401:
            reply.set_header("WWW-Authenticate", 'Basic realm="wsdiag"')
        if self.retry_after is not None:
            reply.set_header("Retry-After", f"{self.retry_after:.0f}")
        return reply


@fault("redirect", "handshake")
class Redirect(Fault):
    """Redirects this many times, then echoes; with to=URL always."""

    times: int = param(1, whole(0, 100), "how often")
    to: str | None = param(None, LOCATION, "where to")
    status: int = param(302, REDIRECT, "which status")

    def answer(self, request: Request) -> Reply | None:
        """Send the client on."""
        if self.to is None and self.times == 0:
            return None
        query = f"?status={self.status}" if self.status != 302 else ""
        location = self.to or f"/redirect/{self.times - 1}{query}"
        return Reply(self.status, [("Location", location)], f"see {location}\n".encode())


@fault("auth/basic", "handshake")
class Auth(Fault):
    """401 without the right user and password (RFC 7617)."""

    user: str = param("user", TEXT, "the user who is let in")
    password: str = param("password", TEXT, "the user's password")

    def answer(self, request: Request) -> Reply | None:
        """Compare the credentials."""
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if scheme.lower() == "basic" and token.strip() == wanted:
            return None
        challenge = ("WWW-Authenticate", 'Basic realm="wsdiag", charset="UTF-8"')
        return Reply(401, [challenge], b"user and password required\n")


@fault("subprotocol", "handshake", option="require-subprotocol")
class Subprotocol(Fault):
    """Takes the first subprotocol offered, or the one named; 400 without."""

    pick: str | None = param(None, TOKEN, "required subprotocol")

    def answer(self, request: Request) -> Reply | None:
        """Refuse when the right one was not offered."""
        offered = request.offered_subprotocols
        if not request.is_upgrade or (self.pick in offered if self.pick else offered):
            return None
        wanted = f"subprotocol {self.pick}" if self.pick else "a subprotocol"
        return Reply(400, body=f"offer {wanted} in Sec-WebSocket-Protocol\n".encode())

    def negotiate(self, response: HandshakeResponse, request: Request) -> None:
        """Take it."""
        response.subprotocol = self.pick or request.offered_subprotocols[0]


@fault("deflate", "handshake")
class Deflate(Fault):
    """Permessage-deflate or 400; windows and takeover as asked (RFC 7692)."""

    server_bits: int | None = param(None, whole(8, 15), "our window", name="server-bits")
    client_bits: int | None = param(None, whole(8, 15), "the client's window", name="client-bits")
    takeover: str = param("yes", choice("yes", "no"), "keep the window from message to message")

    def answer(self, request: Request) -> Reply | None:
        """Refuse clients that do not offer it."""
        offered = request.header("Sec-WebSocket-Extensions") or ""
        if not request.is_upgrade or "permessage-deflate" in offered:
            return None
        return Reply(400, body=b"offer permessage-deflate in Sec-WebSocket-Extensions\n")

    def negotiate(self, response: HandshakeResponse, request: Request) -> None:
        """Ask for these parameters."""
        forget = self.takeover == "no"
        response.deflate = DeflateOffer(forget, forget, self.server_bits, self.client_bits)


@fault("bad/accept", "breaks rules")
class BadAccept(Fault):
    """A wrong Sec-WebSocket-Accept, or none (RFC 6455, 4.2.2)."""

    with_: str = param("wrong", choice("wrong", "none"), "what is wrong with it", name="with")

    def rewrite(self, reply: Reply) -> None:
        """Put in the answer to another key."""
        wrong = None if self.with_ == "none" else "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        reply.set_header("Sec-WebSocket-Accept", wrong)


@fault("bad/upgrade", "breaks rules")
class BadUpgrade(Fault):
    """A 101 with a wrong or missing Upgrade header (RFC 6455, 4.1)."""

    with_: str = param("wrong", choice("wrong", "none"), "what is wrong with it", name="with")

    def rewrite(self, reply: Reply) -> None:
        """Put in another protocol, or leave it out."""
        reply.set_header("Upgrade", None if self.with_ == "none" else "h2c")


@fault("bad/connection", "breaks rules")
class BadConnection(Fault):
    """A 101 without `upgrade` in Connection (RFC 6455, 4.1)."""

    def rewrite(self, reply: Reply) -> None:
        """Put in another token."""
        reply.set_header("Connection", "keep-alive")


@fault("bad/subprotocol", "breaks rules")
class BadSubprotocol(Fault):
    """A subprotocol that was not offered (RFC 6455, 4.1)."""

    def rewrite(self, reply: Reply) -> None:
        """Put it in."""
        reply.set_header("Sec-WebSocket-Protocol", "never.offered")


@fault("bad/extension", "breaks rules")
class BadExtension(Fault):
    """An extension that was not offered (RFC 6455, 4.1)."""

    def rewrite(self, reply: Reply) -> None:
        """Put it in."""
        reply.set_header("Sec-WebSocket-Extensions", "x-never-offered")


@fault("bad/http", "breaks rules")
class BadHttp(Fault):
    """An answer that is not HTTP."""

    def answer(self, request: Request) -> Reply | None:
        """Speak another protocol."""
        return Reply(None, body=b"220 mail.example.test ESMTP ready\r\n")
