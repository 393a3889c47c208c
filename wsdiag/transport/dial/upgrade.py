"""The opening handshake over a stream: our request out, the server's answer judged."""

from __future__ import annotations

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import basic_auth
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded
from wsdiag.version import __version__


def prepare(target: Target, options: DialOptions) -> tuple[ClientHandshake, bytes]:
    """The handshake and its request. Raises DialError for a header that HTTP cannot carry."""
    offer = None
    if options.compression:
        from wsdiag.protocol.deflate import DeflateOffer

        offer = DeflateOffer()
    hosts = [value for name, value in options.headers if name.lower() == "host"]
    handshake = ClientHandshake(
        hosts[-1] if hosts else target.host_header,
        target.path_and_query,
        headers=_request_headers(target, options),
        subprotocols=options.subprotocols,
        origin=options.origin,
        deflate_offer=offer,
        user_agent=f"wsdiag/{__version__}"
        if options.user_agent is None
        else options.user_agent or None,
    )
    try:
        return handshake, handshake.request()
    except LocalProtocolError as error:
        raise DialError("usage", "upgrade", "bad-header", str(error)) from None


def _request_headers(target: Target, options: DialOptions) -> list[tuple[str, str]]:
    headers = [each for each in options.headers if each[0].lower() not in ("host", "cookie")]
    cookies = [value for name, value in options.headers if name.lower() == "cookie" and value]
    cookies += options.cookies
    names = {name.lower() for name, _ in headers}
    user = options.user or target.userinfo
    if "authorization" not in names:
        if options.bearer is not None:
            headers.append(("Authorization", f"Bearer {options.bearer}"))
        elif user is not None:
            headers.append(("Authorization", basic_auth(user)))
    if cookies:  # one header of them all (RFC 6265, 5.4)
        headers.append(("Cookie", "; ".join(cookies)))
    return headers


async def upgrade(
    stream: Stream, handshake: ClientHandshake, request: bytes
) -> tuple[Accepted, Arrival]:
    """The `upgrade` phase: what was agreed, and when the answer arrived. Raises DialError."""
    reader = StreamReader(stream)
    stream.write(request)
    first_bytes = b""
    try:
        while True:
            if handshake.response is None:
                data, at = await reader.read()
            else:
                try:
                    data, at = await reader.read_soon()
                except TimeoutError:
                    handshake.receive_eof()  # raises what the head says
                    raise
            first_bytes = first_bytes or data[:64]
            accepted = handshake.receive(data)
            if accepted is not None:
                return accepted, at
    except StreamReaderEnded as ended:
        raise _ended(handshake, ended, first_bytes) from ended
    except HandshakeError as error:
        raise failures.handshake(error, first_bytes) from error


def _ended(handshake: ClientHandshake, ended: StreamReaderEnded, first_bytes: bytes) -> DialError:
    """An end may complete an answer whose body has no length, or cut it short."""
    if (alert := failures.tls_alert(ended.end)) is not None:
        return alert
    try:
        handshake.receive_eof()
    except HandshakeError as error:
        return failures.handshake(error, first_bytes, ended.end)
    return failures.closed_in_handshake(ended)
