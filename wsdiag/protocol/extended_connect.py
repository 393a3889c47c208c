"""The client's opening handshake over HTTP/2 and HTTP/3: extended CONNECT (RFC 8441, RFC 9220)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake, new_key
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.http import Headers, Response

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

    def judge(self, response: Response) -> Accepted:
        """What a 200 agreed to. Raises HandshakeError for any other answer, or a bad one."""
        self.response = response
        if response.status != 200:
            status = f"{response.status} {response.reason}".strip()
            code = "http2-status" if response.status in _OF_THE_WAY else "http-status"
            message = f"the server answered {status} instead of 200"
            raise HandshakeError(code, message, "RFC 8441, 4", response=response)
        self._check_single(response)
        extensions, deflate = self._check_extensions(response)
        subprotocol = self._check_subprotocol(response)
        return Accepted(response, subprotocol, extensions, deflate, b"")


def response_of(header_block: Headers, version: str, body: bytes = b"") -> Response | None:
    """The answer that a header block of HTTP/2 or HTTP/3 is; None without a status."""
    from http import HTTPStatus

    status = next((value for name, value in header_block if name == ":status"), "")
    if len(status) != 3 or not status.isdecimal():
        return None
    try:
        phrase = HTTPStatus(int(status)).phrase
    except ValueError:
        phrase = ""
    headers = [(name, value) for name, value in header_block if not name.startswith(":")]
    # HTTP/2 has no reason phrases: the standard's own is for people
    return Response(int(status), phrase, headers, body, version)
