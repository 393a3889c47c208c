"""The server's half of the opening handshake (RFC 6455, 4.2): read, judge, accept or refuse."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

import h11

from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate, accept_offer
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.protocol.headers import HeaderSyntaxError, get_all, parse_extensions, parse_tokens
from wsdiag.protocol.http import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    HeaderLimiter,
    HeadError,
    Headers,
    Request,
    accept_key,
    decode_headers,
    has_token,
)

_SECTION = "RFC 6455, 4.2.1"


class ServerHandshake:
    """One request and our answer to it; `subprotocols` in our order of preference."""

    def __init__(self, *, subprotocols: Sequence[str] = ()) -> None:
        self.subprotocols = tuple(subprotocols)
        self.trailing = b""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MAX_HEAD_BYTES)
        self._limiter = HeaderLimiter()

    def receive(self, data: bytes) -> Request | None:
        """Take bytes; the request once its head is whole.

        A request that asks for no WebSocket is returned with `is_upgrade` False. Raises
        HandshakeError, with the `reply` to send, for one that asks wrongly or is not HTTP.
        """
        try:
            self._limiter.feed(data)
            self._http.receive_data(data)
            event = self._http.next_event()
        except HeadError as error:
            code, status = "bad-request", 400
            if error.too_large:
                code, status = "headers-too-large", 431
            raise _error(code, f"the request: {error}", status) from None
        except h11.RemoteProtocolError as error:
            message = f"not well-formed HTTP: {str(error)[:80]}"
            raise _error("bad-request", message, 400) from None
        if not isinstance(event, h11.Request):
            return None
        return self._judge(event)

    def receive_eof(self) -> None:
        """The stream ended before the request did: raises HandshakeError ("closed-early")."""
        raise HandshakeError("closed-early", "the client closed the connection", _SECTION)

    def accept(
        self,
        request: Request,
        *,
        subprotocol: str | None = None,
        deflate: bool | DeflateOffer = True,
        headers: Sequence[tuple[str, str]] = (),
        accept_key: str | None = None,
    ) -> tuple[bytes, PerMessageDeflate | None]:
        """The 101 and the codec that it promises.

        `headers` replace ours of the same name; `accept_key` writes a wrong Sec-WebSocket-Accept,
        for tests of clients; the rest as for `accept_headers`.
        """
        own, codec = self.accept_headers(request, subprotocol=subprotocol, deflate=deflate)
        wrong = [] if accept_key is None else [("Sec-WebSocket-Accept", accept_key)]
        return encode_response(101, own, [*wrong, *headers]), codec

    def accept_headers(
        self,
        request: Request,
        *,
        subprotocol: str | None = None,
        deflate: bool | DeflateOffer = True,
    ) -> tuple[Headers, PerMessageDeflate | None]:
        """The headers of the 101, for callers that change them first, and the codec they promise.

        `subprotocol` None: the first of ours that was offered. `deflate`: whether to take
        permessage-deflate, or what to ask for when taking it. LocalProtocolError for a request
        that does not ask for an upgrade.
        """
        if not request.is_upgrade:
            raise LocalProtocolError("this request asks for no WebSocket")
        headers: Headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_key(request.key or "")),
        ]
        chosen = subprotocol or self.choose_subprotocol(request)
        if chosen:
            headers.append(("Sec-WebSocket-Protocol", chosen))
        if deflate is False:
            return headers, None
        wanted = DeflateOffer() if deflate is True else deflate
        offers = parse_extensions(request.header("Sec-WebSocket-Extensions") or "")
        agreed = accept_offer(offers, wanted)
        if agreed is None:
            return headers, None
        return [*headers, ("Sec-WebSocket-Extensions", agreed[0])], agreed[1]

    def reject(
        self, status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> bytes:
        """A whole HTTP answer that ends the connection."""
        return refusal(status, headers, body)

    def choose_subprotocol(self, request: Request) -> str | None:
        """The first of our subprotocols that the client offered."""
        offered = request.offered_subprotocols
        return next((name for name in self.subprotocols if name in offered), None)

    def _judge(self, event: h11.Request) -> Request:
        headers = decode_headers(event.headers.raw_items())
        if len(headers) > MAX_HEADERS:
            message = f"{len(headers)} headers in the request, the limit is {MAX_HEADERS}"
            raise _error("headers-too-large", message, 431)
        method, target = event.method.decode(), event.target.decode("latin-1")
        request = Request(target, headers, method)
        if not _wants_websocket(headers):
            return request
        if event.http_version < b"1.1":
            raise _error("bad-request", "a WebSocket needs HTTP/1.1", 505)
        self.trailing = bytes(self._http.trailing_data[0])
        return _judge_upgrade(request)


def _wants_websocket(headers: Headers) -> bool:
    upgrade = has_token(headers, "Upgrade", "websocket")
    return upgrade or bool(get_all(headers, "Sec-WebSocket-Key"))


def _judge_upgrade(request: Request) -> Request:
    """What RFC 6455, 4.2.1 asks of a client's opening handshake."""
    headers = request.headers
    if request.method != "GET":
        message = f"method {request.method}, a WebSocket upgrade requires GET"
        raise _error("bad-request", message, 405, [("Allow", "GET")])
    if not has_token(headers, "Upgrade", "websocket"):
        message = "no Upgrade: websocket header; a proxy on the way may have removed it"
        raise _error("upgrade-stripped", message, 426, [("Upgrade", "websocket")])
    if not has_token(headers, "Connection", "upgrade"):
        message = "no upgrade in the Connection header; a proxy on the way may have removed it"
        raise _error("bad-connection", message, 426, [("Upgrade", "websocket")])
    if get_all(headers, "Sec-WebSocket-Version") != ["13"]:
        version = request.header("Sec-WebSocket-Version")
        message = f"Sec-WebSocket-Version is {version}, only version 13 is supported"
        raise _error("bad-version", message, 426, [("Sec-WebSocket-Version", "13")])
    try:
        parse_extensions(request.header("Sec-WebSocket-Extensions") or "")
        offered = parse_tokens(request.header("Sec-WebSocket-Protocol") or "")
    except HeaderSyntaxError as error:
        raise _error("bad-request", str(error), 400) from None
    return replace(request, is_upgrade=True, key=_read_key(headers), offered_subprotocols=offered)


def _read_key(headers: Headers) -> str:
    """The key: 16 bytes in Base64, exactly once."""
    keys = get_all(headers, "Sec-WebSocket-Key")
    try:
        sound = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16
    except (binascii.Error, ValueError):
        sound = False
    if not sound:
        message = "Sec-WebSocket-Key must be 16 bytes in Base64, once"
        raise _error("bad-request", message, 400)
    return keys[0]


def _error(
    code: str, message: str, status: int, headers: Sequence[tuple[str, str]] = ()
) -> HandshakeError:
    body = message.encode("latin-1", "replace") + b"\n"
    return HandshakeError(code, message, _SECTION, reply=refusal(status, headers, body))


def refusal(status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """A whole HTTP answer that ends the connection; `headers` replace ours of the same name."""
    own = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    return encode_response(status, own, headers) + body


def encode_response(status: int, own: Headers, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A head as bytes; `headers` replace ours of the same name.

    No header is checked: `serve` must be able to write bad ones.
    """
    given = {name.lower() for name, _ in headers}
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    lines += [f"{name}: {value}" for name, value in own if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
