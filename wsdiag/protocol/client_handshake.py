"""The client's half of the opening handshake (RFC 6455, 4.1): ask, then judge the answer."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import h11

from wsdiag.protocol.content import body_text
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.protocol.headers import format_extension, get_all, parse_extensions
from wsdiag.protocol.http import (
    BLANK_LINE,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    HeaderLimiter,
    HeadError,
    Headers,
    InterimAnswers,
    Response,
    accept_key,
    has_token,
    join_values,
    parse_head,
)

if TYPE_CHECKING:
    from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate

# How much of a refusal's body is kept for the diagnosis.
MAX_BODY_BYTES = 4096
_EXCERPT_BYTES = 80

# What servers say that got a request without our Upgrade: the header named as missing or wrong, in
# the words of ws, websockets, gorilla, coder, aiohttp, Tornado, actix, axum, Ratchet and others.
# The word alone proves nothing: clients that are too old are told to upgrade as well.
_UPGRADE_MISSED = re.compile(
    r"""\b(missing|invalid|no|incorrect|expected|requires?|without)\b[^.<\n]{0,40}
        \bupgrade\W?\W?(hdr|header)
    |header:?\W{0,2}(upgrade|connection)\b
    |\bupgrade\W{0,2}(request\ )?header\b[^.<\n]{0,40}\b(missing|not|must|required|invalid)\b
    |\bupgrade\W{1,3}(only\ )?to\W{1,3}websocket|connection\W{1,3}must\ be\W{1,3}upgrade
    |\btoken\ not\ found\ in\W{1,3}(connection|upgrade)\b
    |\bconnection\ header\b[^.<\n]{0,60}\bupgrade\b
    |\bupgrade\ request\ required\b|\bmissing\ upgrade\s*$
    |\b(websocket|connection)\ upgrade\ (is\ |was\ |must\ be\ )?(expected|required|requested)
    |\b(expected|requires?|expects|not)\ (an?\ )?(upgrade:?\ )?web\ ?socket
        (\ (upgrade|connection|request|handshake|protocol))?\s{0,3}[.!"]?\s{0,3}$
    |\byou\ need\ a\ websocket\ client|\bupgrade\ failed\b""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_UPGRADE_REQUIRED = re.compile(r"\W*(426\W+)?upgrade required\W*", re.IGNORECASE)
_OLD_CLIENT = re.compile(
    r"\b(client|app|application|sdk|api|plugin|minimum|min)[ _-]?version(?!\"\s?:\s?\"v\d)"
    r"|\bout-?dated|\btoo old|\bversion[^.<\n]{0,40}\b(not|un|no longer )supported"
    r"|\bplease (update|upgrade)",
    re.IGNORECASE,
)
_MATCHED_CHARS = 2048
_FINAL = re.compile(rb"HTTP/\d\.\d +([2-9]|101)")


def new_key() -> str:
    """A fresh Sec-WebSocket-Key: 16 random bytes in Base64 (RFC 6455, 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


class Accepted(NamedTuple):
    """The connection is open; `trailing`: bytes after the 101, frames already."""

    response: Response
    subprotocol: str | None
    extensions: list[str]
    deflate: PerMessageDeflate | None
    trailing: bytes


class ClientHandshake:
    """One request and its answer.

    `headers` are the user's: one with the name of ours replaces it, with an empty value removes it.
    """

    def __init__(
        self,
        host_header: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        deflate_offer: DeflateOffer | None = None,
        key: str | None = None,
        user_agent: str | None = None,
    ) -> None:
        self.target = target
        self.response: Response | None = None
        self.interim = InterimAnswers()
        """Those before it."""
        self._offer = deflate_offer
        own: Headers = [
            ("Host", host_header),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", new_key() if key is None else key),
            ("Sec-WebSocket-Version", "13"),
        ]
        own += [("Sec-WebSocket-Protocol", ", ".join(subprotocols))] if subprotocols else []
        if deflate_offer is not None:
            from wsdiag.protocol.deflate import offer_header

            own.append(("Sec-WebSocket-Extensions", offer_header(deflate_offer)))
        own += [("Origin", origin)] if origin is not None else []
        own += [("User-Agent", user_agent)] if user_agent is not None else []
        self.request_headers = _override(own, headers)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * MAX_HEAD_BYTES)
        self._limiter = HeaderLimiter()
        self._received = b""
        self._head = bytearray()
        self._framed = True

    def request(self) -> bytes:
        """The request's bytes. Raises LocalProtocolError for a header that HTTP cannot carry."""
        raw = [(name.encode(), _encode_value(value)) for name, value in self.request_headers]
        try:
            head = self._http.send(
                h11.Request(method="GET", target=self.target.encode(), headers=raw)
            )
            end = self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            # h11 quotes the value that it refuses, which may be a token with a line end after it
            problem = _refused_header(raw) or str(error)
            raise LocalProtocolError(f"cannot send this request: {problem}") from None
        return (head or b"") + (end or b"")

    def receive(self, data: bytes) -> Accepted | None:
        """Take bytes; None: more are needed. Raises HandshakeError."""
        if not data:
            return None
        self._received += data[: _EXCERPT_BYTES - len(self._received)]
        if not self._received.startswith(b"HTTP/"[: len(self._received)]):
            message = f"the server does not speak HTTP, its answer begins {self._received!r}"
            raise HandshakeError("not-http", message, "RFC 9112, 4")
        if self.response is not None:
            self._body(data)
            return None
        try:
            self._limiter.feed(data)
        except HeadError as error:
            raise self._bad_head(data, error) from None
        searched = max(0, len(self._head) - 3)
        self._head += data
        while (end := BLANK_LINE.search(self._head, searched)) is not None:
            head, rest = bytes(self._head[: end.end()]), bytes(self._head[end.end() :])
            response = self._read_head(head)
            if response.status == 101:
                return self._judge(response, rest)
            if response.status >= 200:
                self.response = response
                self._frame_body(response)
                self._body(rest)
                return None
            self.interim.add(response)
            self._head, searched = bytearray(rest), 0
        return None

    @property
    def begun(self) -> bytes:
        """The final answer's beginning, as far as its head has come without its end.

        After interim answers it may be one more of them, until its status says that it is final.
        """
        if self.interim.count and not _FINAL.match(self._head):
            return b""
        return bytes(self._head[:_EXCERPT_BYTES])

    def receive_eof(self) -> None:
        """The stream ended, or the caller gives up: raises what is known of the answer."""
        if self.response is not None:
            raise self._refused(self.response)
        message = "the server closed the connection without an answer"
        if self._received:
            message = f"the server closed the connection inside its answer {self._received!r}"
        raise HandshakeError("closed-early", message)

    def _bad_head(self, data: bytes, error: HeadError) -> HandshakeError:
        """What is wrong with a head, with this data behind what has come of it."""
        if not error.too_large:
            return HandshakeError("bad-response", f"the answer: {error}", error.section)
        *heads, rest = BLANK_LINE.split(bytes(self._head) + data)
        responses = [parse_head(head) for head in heads]
        interim = [each for each in responses if each is not None and 101 != each.status < 200]
        if not (self.interim.count or interim) or len(interim) < len(heads) or _FINAL.match(rest):
            return HandshakeError("headers-too-large", f"the answer: {error}", error.section)
        for each in interim:
            self.interim.add(each)
        message = f"only interim answers came ({self.interim}), and no other: {error}"
        return HandshakeError("endless-interim", message, "RFC 9110, 15.2")

    def _read_head(self, head: bytes) -> Response:
        response = parse_head(head)
        if response is None:
            line = head.partition(b"\n")[0].rstrip(b"\r")[:_EXCERPT_BYTES]
            message = f"the answer is not well-formed HTTP, its status line is {line!r}"
            raise HandshakeError("bad-response", message, "RFC 9112, 4")
        count = len(response.headers) + len(response.malformed)
        if count > MAX_HEADERS:
            message = f"{count} headers in the answer, the limit is {MAX_HEADERS}"
            raise HandshakeError("headers-too-large", message, "RFC 9110, 5.4")
        return response

    def _frame_body(self, response: Response) -> None:
        """Let h11 find where the body ends; where it cannot, what comes is the body."""
        lines = [f"HTTP/{response.version} {response.status}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        try:
            self._http.receive_data("\r\n".join([*lines, "", ""]).encode("latin-1"))
            self._framed = isinstance(self._http.next_event(), h11.Response)
        except h11.RemoteProtocolError:
            self._framed = False

    def _body(self, data: bytes) -> None:
        """Take bytes of a refusal's body. Raises HandshakeError when that is enough."""
        response = self.response
        assert response is not None
        chunks, done = ([], False) if self._framed else ([data], False)
        try:
            if self._framed and data:
                self._http.receive_data(data)
            while self._framed and not done:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    break
                done = not isinstance(event, h11.Data)
                if isinstance(event, h11.Data):
                    chunks.append(bytes(event.data))
        except h11.RemoteProtocolError:  # a broken body: the head is what counts
            done = True
        body = (response.body + b"".join(chunks))[:MAX_BODY_BYTES]
        self.response = replace(response, body=body)
        if done or len(body) == MAX_BODY_BYTES:
            raise self._refused(self.response)

    def _refused(self, response: Response) -> HandshakeError:
        """An answer that is not 101: a refusal, or a server that never saw our Upgrade."""
        status = f"{response.status} {response.reason}".strip()
        versions = response.header("Sec-WebSocket-Version")
        if versions is not None and "13" not in versions:
            message = f"the server speaks WebSocket version {versions}, not 13 ({status})"
            return HandshakeError("bad-version", message, "RFC 6455, 4.4", response=response)
        if _upgrade_missed(response):
            message = f"the server did not see our Upgrade header: it answered {status}"
            return HandshakeError("upgrade-stripped", message, response=response)
        message = f"the server answered {status} instead of 101"
        return HandshakeError("http-status", message, response=response)

    def _judge(self, response: Response, trailing: bytes) -> Accepted:
        """The six checks that RFC 6455, 4.1 asks of a 101."""
        self.response = response
        self._check_single(response)
        self._check_upgrade(response)
        self._check_accept(response)
        extensions, deflate = self._check_extensions(response)
        subprotocol = self._check_subprotocol(response)
        return Accepted(response, subprotocol, extensions, deflate, trailing)

    def _check_single(self, response: Response) -> None:
        """Headers that have one value must come once (RFC 6455, 4.2.2; 11.3)."""
        for name in ("Upgrade", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"):
            values = get_all(response.headers, name)
            if len(values) > 1:
                message = (
                    f"the {response.status} has {len(values)} {name} headers: {', '.join(values)}"
                )
                raise self._bad("header-twice", message)

    def _check_upgrade(self, response: Response) -> None:
        upgrade = response.header("Upgrade")
        if upgrade is None or upgrade.lower() != "websocket":
            raise self._bad("bad-upgrade", f"the 101 has {_seen('Upgrade', upgrade)}")
        if not has_token(response.headers, "Connection", "upgrade"):
            value = response.header("Connection")
            lacks = ", without the token upgrade" if value else ""
            raise self._bad("bad-connection", f"the 101 has {_seen('Connection', value)}{lacks}")

    def _check_accept(self, response: Response) -> None:
        accept = response.header("Sec-WebSocket-Accept")
        if accept is None:
            raise self._bad("missing-accept", "the 101 has no Sec-WebSocket-Accept")
        expected = accept_key(join_values(self.request_headers, "Sec-WebSocket-Key") or "")
        if accept != expected:
            message = f"Sec-WebSocket-Accept is {accept!r}, our key makes it {expected!r}"
            raise self._bad("bad-accept", message)

    def _check_extensions(self, response: Response) -> tuple[list[str], PerMessageDeflate | None]:
        value = response.header("Sec-WebSocket-Extensions")
        if value is None:
            return [], None
        from wsdiag.protocol.deflate import NAME, parse_response

        deflate: PerMessageDeflate | None = None
        names: list[str] = []
        try:
            for name, parameters in parse_extensions(value):
                if name != NAME or self._offer is None:
                    raise self._bad("extension-not-offered", f"extension {name} was not offered")
                if deflate is not None:
                    raise self._bad("extension-invalid", f"extension {name} granted twice")
                deflate = parse_response(parameters, self._offer)
                names.append(format_extension(name, parameters))
        except ValueError as error:  # of the header's grammar, or of the extension's parameters
            raise self._bad("extension-invalid", f"Sec-WebSocket-Extensions: {error}") from None
        return names, deflate

    def _check_subprotocol(self, response: Response) -> str | None:
        chosen = response.header("Sec-WebSocket-Protocol")
        if not chosen:  # an empty one is none, as browsers have it
            return None
        offered = (join_values(self.request_headers, "Sec-WebSocket-Protocol") or "").split(",")
        if chosen not in [name.strip() for name in offered]:
            raise self._bad("subprotocol-not-offered", f"subprotocol {chosen!r} was not offered")
        return chosen

    def _bad(self, code: str, message: str) -> HandshakeError:
        return HandshakeError(code, message, response=self.response)


def _upgrade_missed(response: Response) -> bool:
    """Whether the answer says that no request to upgrade to WebSocket reached the server."""
    if response.status not in (400, 426):
        return False
    text = body_text(response.headers, response.body)[:_MATCHED_CHARS]
    if _OLD_CLIENT.search(text):
        return False
    if _UPGRADE_MISSED.search(text):
        return True
    upgrade = response.header("Upgrade")
    if response.status == 400 or upgrade is None:
        return response.status == 426 and _UPGRADE_REQUIRED.fullmatch(text) is not None
    return "websocket" in upgrade.lower()


def _override(own: Headers, users: Sequence[tuple[str, str]]) -> Headers:
    """Our headers, each replaced by the user's of the same name, as in curl(1)."""
    given = {name.lower() for name, _ in users}
    names = {name.lower() for name, _ in own}
    kept = [(name, value) for name, value in own if name.lower() not in given]
    return kept + [(name, value) for name, value in users if value or name.lower() not in names]


def _refused_header(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Which header HTTP cannot carry, without its value; None when it is not a single one."""
    for name, value in headers:
        try:
            h11.Request(method="GET", target="/", headers=[(name, value)], http_version="1.0")
        except h11.LocalProtocolError as error:
            if str(error).startswith("Illegal header value"):
                return f"the value of {name.decode()} has a control character or a line end"
    return None


def _encode_value(value: str) -> bytes:
    """ISO-8859-1 where that is enough, as HTTP has it, else UTF-8 (RFC 9110, 5.5)."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")


def _seen(name: str, value: str | None) -> str:
    if not value:
        return f"no {name} header" if value is None else f"an empty {name} header"
    return f"{name}: {value}"
