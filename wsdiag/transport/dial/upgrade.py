"""The opening handshake over a stream: our request out, the server's answer judged."""

from __future__ import annotations

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.basic import basic
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.report import DialError, DialReport
from wsdiag.transport.dial.target import Target
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded
from wsdiag.version import __version__

_USER_AGENT = f"wsdiag/{__version__}"


async def upgrade(
    inbox: StreamReader, target: Target, options: DialOptions, report: DialReport
) -> tuple[Accepted, Arrival]:
    """Ask for the upgrade; what was agreed and when the answer arrived. DialError."""
    handshake = _handshake(target, options)
    try:
        request = handshake.request()
    except LocalProtocolError as error:
        raise DialError("usage", "upgrade", "bad-header", str(error), report) from None
    report.request_line = f"GET {target.path_and_query} HTTP/1.1"
    report.request_headers = tuple(handshake.request_headers)
    report.headers_sent(report.request_line, report.request_headers)
    inbox.stream.write(request)
    accepted, at = await _answer(inbox, handshake, report)
    _note(accepted, report)
    return accepted, at


async def _answer(
    inbox: StreamReader, handshake: ClientHandshake, report: DialReport
) -> tuple[Accepted, Arrival]:
    first_bytes = b""
    try:
        while True:
            data, at = await _read(inbox, handshake)
            first_bytes = first_bytes or data[:64]
            accepted = handshake.receive(data)
            if accepted is not None:
                return accepted, at
    except StreamReaderEnded as ended:
        raise _ended(handshake, ended, first_bytes, report) from ended
    except HandshakeError as error:
        raise failures.handshake(error, first_bytes, report) from error


async def _read(inbox: StreamReader, handshake: ClientHandshake) -> tuple[bytes, Arrival]:
    if handshake.response is None:
        return await inbox.read()
    try:
        return await inbox.read_soon()
    except TimeoutError:
        handshake.receive_eof()  # raises what the head says
        raise


def _ended(
    handshake: ClientHandshake, ended: StreamReaderEnded, first_bytes: bytes, report: DialReport
) -> DialError:
    """An end may complete an answer whose body has no length, or cut it short."""
    if (alert := failures.tls_alert(ended.end, report)) is not None:
        return alert
    try:
        handshake.receive_eof()
    except HandshakeError as error:
        return failures.handshake(error, first_bytes, report, ended.end)
    return failures.closed_in_handshake(ended, report)


def _handshake(target: Target, options: DialOptions) -> ClientHandshake:
    offer = None
    if options.compression:
        from wsdiag.protocol.deflate import DeflateOffer

        offer = DeflateOffer()
    return ClientHandshake(
        _host(target, options),
        target.path_and_query,
        headers=_headers(target, options),
        subprotocols=options.subprotocols,
        origin=options.origin,
        deflate_offer=offer,
        user_agent=_USER_AGENT if options.user_agent is None else options.user_agent or None,
    )


def _host(target: Target, options: DialOptions) -> str:
    given = [value for name, value in options.headers if name.lower() == "host"]
    return given[-1] if given else target.host_header


def _headers(target: Target, options: DialOptions) -> list[tuple[str, str]]:
    headers = [each for each in options.headers if each[0].lower() not in ("host", "cookie")]
    cookies = [value for name, value in options.headers if name.lower() == "cookie" and value]
    cookies += options.cookies
    names = {name.lower() for name, _ in headers}
    user = options.user or target.userinfo
    if "authorization" not in names:
        if options.bearer is not None:
            headers.append(("Authorization", f"Bearer {options.bearer}"))
        elif user is not None:
            headers.append(("Authorization", basic(user)))
    if cookies:  # one header of them all (RFC 6265, 5.4)
        headers.append(("Cookie", "; ".join(cookies)))
    return headers


def _note(accepted: Accepted, report: DialReport) -> None:
    response = accepted.response
    report.status, report.reason = response.status, response.reason
    report.headers = tuple(response.headers)
    report.subprotocol, report.extensions = accepted.subprotocol, tuple(accepted.extensions)
    report.headers_received(f"HTTP/1.1 {response.status} {response.reason}", report.headers)
