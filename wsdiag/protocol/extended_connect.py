"""The client's opening handshake over HTTP/2 and HTTP/3: extended CONNECT (RFC 8441, RFC 9220)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake, new_key
from wsdiag.protocol.codes import Role
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.http import Headers, Response
from wsdiag.protocol.parser import FrameParser

if TYPE_CHECKING:
    from wsdiag.protocol.deflate import DeflateOffer

# Headers that belong to a connection of HTTP/1.1 (RFC 9113, 8.2.2; RFC 8441, 5), and our Host,
# which is :authority.
_OF_HTTP1 = frozenset(
    (
        *("host", "upgrade", "connection", "keep-alive", "proxy-connection", "transfer-encoding"),
        *("sec-websocket-key", "te"),
    )
)
# Their refusals say more of the way through proxies than of the endpoint.
_OF_THE_WAY = (101, 400, 405, 426, 501, 505)
MALFORMED = "its answer is malformed"
_STATUS, _INTERIM = re.compile("[1-9][0-9]{2}"), re.compile("1[0-9]{2}")
_MALFORMED_SECTIONS = {"2": "RFC 9113, 8.3.2", "3": "RFC 9114, 4.3.2"}


class ExtendedConnect(ClientHandshake):
    """One request and its answer; a browser's: without Sec-WebSocket-Key unless `with_key`."""

    def __init__(
        self,
        authority: str,
        target: str,
        *,
        scheme: str,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        deflate_offer: DeflateOffer | None = None,
        user_agent: str | None = None,
        with_key: bool = False,
    ) -> None:
        super().__init__(
            authority,
            target,
            headers=headers,
            subprotocols=subprotocols,
            origin=origin,
            deflate_offer=deflate_offer,
            user_agent=user_agent,
        )
        self.pseudo_headers: Headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", scheme),
            (":authority", authority),
            (":path", target),
        ]
        self.request_headers = [
            (name.lower(), value)
            for name, value in self.request_headers
            if name.lower() not in _OF_HTTP1
        ]
        if with_key:
            self.request_headers.append(("sec-websocket-key", new_key()))

    def judge(self, response: Response, *, content: bool = False) -> Accepted:
        """What a 200 agreed to. Raises HandshakeError for any other answer, or a bad one.

        `content`: the answer is one as to any request.
        """
        self.response = response
        if response.status == 200 and content:
            message = "the server answered 200 with content, and opened no stream"
            raise HandshakeError("http-status", message, "RFC 8441, 5", response=response)
        if response.status != 200:
            status = f"{response.status} {response.reason}".strip()
            code = "http2-status" if response.status in _OF_THE_WAY else "http-status"
            message = f"the server answered {status} instead of 200"
            raise HandshakeError(code, message, "RFC 8441, 4", response=response)
        self._check_single(response)
        extensions, deflate = self._check_extensions(response)
        subprotocol = self._check_subprotocol(response)
        return Accepted(response, subprotocol, extensions, deflate, b"")


def is_ordinary(response: Response, data: bytes, *, ended: bool) -> bool:
    """Whether a 200 is an answer as to any request: `data` followed it, and is no frame.

    Where that is all of it (`ended`) it need not be text.
    """
    if response.header("Content-Type") is None:  # what follows is judged as a WebSocket's
        return False
    if not data:
        return ended
    parser = FrameParser(Role.CLIENT, rsv1_allowed=True)
    if parser.feed(data) or parser.violation is None:
        return False
    encoded = response.header("Content-Encoding") is not None
    return ended or encoded or bool(parser.violation.excerpt)


def is_interim(header_block: Headers) -> bool:
    """Whether a header block is an answer before the final one; HTTP/2 has no 101."""
    status = next((value for name, value in header_block if name == ":status"), "")
    return status != "101" and _INTERIM.fullmatch(status) is not None


def response_of(header_block: Headers, version: str) -> Response:
    """The answer that a header block of HTTP/2 or HTTP/3 is. Raises HandshakeError."""
    from http import HTTPStatus

    status = next((value for name, value in header_block if name == ":status"), None)
    if status is None or _STATUS.fullmatch(status) is None:
        seen = f"its :status is {status!r}, no status code" if status else "it has no :status"
        raise HandshakeError("malformed", f"{MALFORMED}: {seen}", _MALFORMED_SECTIONS[version])
    try:
        phrase = HTTPStatus(int(status)).phrase
    except ValueError:
        phrase = ""
    headers = [(name, value) for name, value in header_block if not name.startswith(":")]
    # HTTP/2 has no reason phrases: the standard's own is for people
    return Response(int(status), phrase, headers, version=version)
