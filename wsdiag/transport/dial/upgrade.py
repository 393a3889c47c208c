"""The opening handshake over a stream: our request out, the server's answer judged."""

from __future__ import annotations

import asyncio
from typing import Any

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.transport.dial import failures, netrc
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import basic_auth
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, Progress
from wsdiag.transport.stream.stamps import Arrival, round_trip_ns
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded
from wsdiag.version import __version__

_BEGINNING = 64


def prepare(target: Target, options: DialOptions) -> tuple[ClientHandshake, bytes]:
    """The handshake and its request. Raises DialError for a header that HTTP cannot carry."""
    handshake = ClientHandshake(
        authority(target, options), target.path_and_query, **handshake_arguments(target, options)
    )
    try:
        return handshake, handshake.request()
    except LocalProtocolError as error:
        raise DialError("usage", "upgrade", "bad-header", str(error)) from None


def authority(target: Target, options: DialOptions) -> str:
    """The host that the request is for: the target's, or the user's own Host header."""
    hosts = [value for name, value in options.headers if name.lower() == "host"]
    return hosts[-1] if hosts else target.host_header


def handshake_arguments(target: Target, options: DialOptions) -> dict[str, Any]:
    """What the opening handshake says whichever version of HTTP carries it."""
    offer = None
    if options.compression:
        from wsdiag.protocol.deflate import DeflateOffer

        offer = DeflateOffer()
    own_agent = f"wsdiag/{__version__}"
    return {
        "headers": _request_headers(target, options),
        "subprotocols": options.subprotocols,
        "origin": options.origin,
        "deflate_offer": offer,
        "user_agent": own_agent if options.user_agent is None else options.user_agent or None,
    }


def _request_headers(target: Target, options: DialOptions) -> list[tuple[str, str]]:
    headers = [each for each in options.headers if each[0].lower() not in ("host", "cookie")]
    cookies = [value for name, value in options.headers if name.lower() == "cookie" and value]
    cookies += options.cookies
    names = {name.lower() for name, _ in headers}
    user = options.user or target.userinfo
    if options.netrc:
        user = netrc.find(options.netrc, target.host.partition("%")[0], user)
    if "authorization" not in names:
        if options.bearer is not None:
            headers.append(("Authorization", f"Bearer {options.bearer}"))
        elif user is not None:
            headers.append(("Authorization", basic_auth(user)))
    if cookies:  # one header of them all (RFC 6265, 5.4)
        headers.append(("Cookie", "; ".join(cookies)))
    return headers


async def upgrade(
    stream: Stream, handshake: ClientHandshake, request: bytes, progress: Progress | None = None
) -> tuple[Accepted, Arrival]:
    """The `upgrade` phase: what was agreed, and when the answer arrived. Raises DialError.

    Its time ends with the answer's head: a refusal's body is not waited for as a part of it.
    """
    progress = progress or Progress()
    reader = StreamReader(stream)
    sent = stream.write(request)
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
            if len(first_bytes) < _BEGINNING:
                first_bytes = (first_bytes + data)[:_BEGINNING]
            progress.facts["received"] = progress.facts.get("received", 0) + len(data)
            if progress.failure is None:
                progress.took_ns = round_trip_ns(sent, at)[0]
                progress.ended_ns = at.kernel_ns or at.mono_ns
            accepted = handshake.receive(data)
            progress.facts["began"] = failures.first_line(handshake.begun)
            progress.facts["interim"] = str(handshake.interim)
            if accepted is not None:
                return accepted, at
            if handshake.response is not None:
                progress.failure = _refusal(handshake, first_bytes)
    except asyncio.CancelledError:  # the deadline: did the request arrive at all?
        if (acknowledged := stream.acknowledged()) is not None:
            progress.facts["acknowledged"] = "yes" if acknowledged else "no"
        raise
    except StreamReaderEnded as ended:
        raise _ended(handshake, ended, first_bytes, progress) from ended
    except HandshakeError as error:
        raise failures.handshake(error, first_bytes) from error


def _refusal(handshake: ClientHandshake, first_bytes: bytes) -> DialError | None:
    """What the answer's head says already."""
    try:
        handshake.receive_eof()
    except HandshakeError as error:
        return failures.handshake(error, first_bytes)
    return None


def _ended(
    handshake: ClientHandshake, ended: StreamReaderEnded, first_bytes: bytes, progress: Progress
) -> DialError:
    """An end may complete an answer whose body has no length, or cut it short."""
    alert = failures.tls_alert(ended.end, progress.facts)
    if alert is not None and handshake.response is None:
        return alert
    try:
        handshake.receive_eof()
        failure = failures.closed_in_handshake(ended)
    except HandshakeError as error:
        failure = failures.handshake(error, first_bytes, ended.end)
    failure.facts = {**progress.facts, **failure.facts}
    return failure
