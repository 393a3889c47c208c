"""The phases of HTTP/2: SETTINGS, then the extended CONNECT (RFC 8441), as a browser does them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.extended_connect import ExtendedConnect, response_of
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.content import has_content, with_body
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.dial.upgrade import authority, handshake_arguments, prepare
from wsdiag.transport.report import DialError, Http2Facts, Progress
from wsdiag.transport.stream.ends import StreamEnd, error_name
from wsdiag.transport.stream.stamps import Arrival, round_trip_ns
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.protocol.http import Response
    from wsdiag.transport.http2.connection import Http2Connection
    from wsdiag.transport.http2.stream import Http2Stream
MAX_CONCURRENT_STREAMS = 3
PROTOCOL_ERROR = 1


def require_http2() -> None:
    """Raises DialError where the library for HTTP/2 is not installed."""
    try:
        import wsdiag.transport.http2.connection  # noqa: F401
    except ImportError:
        message = "HTTP/2 needs an extra: pip install 'wsdiag[http2]'"
        raise DialError("usage", "url", "http2-extra-missing", message) from None


async def begin(stream: Stream, facts: Http2Facts, progress: Progress) -> Http2Connection:
    """The `settings` phase: our preface out, the server's SETTINGS in. Raises DialError."""
    from wsdiag.transport.http2.connection import Http2Connection
    from wsdiag.transport.http2.protocol import client_protocol, setting_names

    alpn = None if stream.tls is None else stream.tls.object.selected_alpn_protocol()
    if stream.tls is not None and alpn != "h2":
        chosen = f"chose {alpn}" if alpn else "chose nothing"
        message = f"the server does not offer HTTP/2: ALPN {chosen}"
        raise _error("http2-not-offered", message, "settings", alpn=alpn or "")
    connection = Http2Connection(stream, client_protocol(), keep_open=True)
    try:
        at = await connection.settled()
    except BaseException:
        connection.abort()
        raise
    if at is None:
        raise _ended(connection, "settings", alpn or "", progress)
    progress.took_ns = round_trip_ns(connection.preface, at)[0]
    progress.ended_ns = at.kernel_ns or at.mono_ns
    facts.settings = tuple(setting_names(connection.peer_settings or {}))
    facts.enable_connect_protocol = connection.enable_connect_protocol
    return connection


async def extended_connect(
    connection: Http2Connection,
    handshake: ExtendedConnect,
    target: Target,
    options: DialOptions,
    facts: Http2Facts,
    progress: Progress,
) -> tuple[Http2Stream, Accepted, Arrival]:
    """The `upgrade` phase: CONNECT, and its answer judged. Raises DialError.

    A server that does not advertise extended CONNECT is asked all the same, for what that tells; it
    has failed whatever it answers, because a browser would not ask.
    """
    try:
        stream, response, at = await _ask(connection, handshake, progress)
    except DialError:
        if not connection.enable_connect_protocol:
            raise _not_advertised("no") from None
        raise
    # a browser's connection is older than its WebSockets: it has seen later SETTINGS too
    advertised = facts.enable_connect_protocol = connection.enable_connect_protocol
    facts.alternative_service = connection.alternative_service or response.header("alt-svc")
    facts.content = response.status == 200 and await has_content(
        stream, response, connection.until, progress
    )
    if not advertised:
        stream.reset()
        accepts = response.status == 200 and not facts.content
        raise _not_advertised("yes" if accepts else "no", response)
    facts.status = response.status
    try:
        return stream, handshake.judge(response, content=facts.content), at
    except HandshakeError as error:
        failure = progress.failure = failures.extended_connect(error, response)
        if facts.opened:
            stream.reset()
        else:
            if response.status == 400:
                facts.opens_with_key = await _opens_with_key(connection, target, options)
            if facts.opens_with_key:
                failure.code = "http2-key-needed"
                failure.message += "; it opens with a Sec-WebSocket-Key, which no browser sends"
            else:
                failure.response = await with_body(stream, response, connection.until, progress)
        raise failure from error


async def _ask(
    connection: Http2Connection, handshake: ExtendedConnect, progress: Progress
) -> tuple[Http2Stream, Response, Arrival]:
    """Send a CONNECT; the head of its answer, and when it came. Raises DialError."""
    headers = [*handshake.pseudo_headers, *handshake.request_headers]
    stream, sent = connection.request(headers)
    stream.pause_reading()
    try:
        await connection.until(lambda: stream.answer is not None or stream.ended is not None)
    except asyncio.CancelledError:  # a GOAWAY lets streams go on that it does not leave out
        progress.facts["interim"] = str(stream.interim)
        if connection.goaway is not None:
            progress.failure = _gone_away(connection.goaway)
        raise
    if stream.answer is None or stream.answered_at is None:
        failure = _stream_ended(connection, stream, progress)
        failure.unprocessed = stream.unprocessed
        raise failure
    at = stream.answered_at
    if progress.took_ns is None:
        progress.took_ns = round_trip_ns(sent, at)[0]
        progress.ended_ns = at.kernel_ns or at.mono_ns
    try:
        return stream, response_of(stream.answer, "2"), at
    except HandshakeError as error:
        stream.reset(PROTOCOL_ERROR)
        raise violated(f"{error.message} ({error.section})") from error


async def _opens_with_key(
    connection: Http2Connection, target: Target, options: DialOptions
) -> bool | None:
    """Whether the endpoint wants the header that HTTP/2 does not have; None: it cannot be asked."""
    if connection.ended is not None:
        return None
    try:
        stream, response, _ = await _ask(
            connection, handshake_for(target, options, with_key=True), Progress(took_ns=0)
        )
    except DialError:
        return None
    opens = response.status == 200 and not await has_content(
        stream, response, connection.until, Progress()
    )
    stream.reset()
    return opens


def handshake_for(
    target: Target, options: DialOptions, *, with_key: bool = False
) -> ExtendedConnect:
    """The request that a browser would send, or one with a Sec-WebSocket-Key. Raises DialError."""
    prepare(target, options)  # refuses what no header can carry
    arguments = handshake_arguments(target, options)
    return ExtendedConnect(
        authority(target, options),
        target.path_and_query,
        scheme="https" if target.secure else "http",
        with_key=with_key,
        **arguments,
    )


def _not_advertised(accepts: Literal["yes", "no"], response: Response | None = None) -> DialError:
    message = "the server's SETTINGS do not allow WebSockets over HTTP/2 (ENABLE_CONNECT_PROTOCOL)"
    if accepts == "yes":
        message += ", though it accepts them"
    return _error("http2-not-advertised", message, response=response, accepts=accepts)


def _ended(connection: Http2Connection, phase: str, alpn: str, progress: Progress) -> DialError:
    """The connection ended, or was no HTTP/2, before the server's SETTINGS."""
    end = connection.ended
    assert end is not None
    if (alert := failures.tls_alert(end, progress.facts)) is not None:
        return alert
    if connection.not_http2:
        first = connection.not_http2
        line = first.partition(b"\r\n")[0].decode("latin-1")
        message = f"ALPN chose h2, but HTTP/2 is not spoken: the answer begins {line!r}"
        if not alpn:
            message = f"the server does not speak HTTP/2 on this port: its answer begins {line!r}"
        code = "http2-preface" if alpn else "http2-not-spoken"
        return _error(code, message, phase, first_bytes=first)
    if connection.violation is not None:
        return violated(connection.violation, phase)
    how = failures.ended_how(end)
    message = f"the connection ended before the server's SETTINGS ({how})"
    if not alpn:
        return _error("http2-not-spoken", message, phase, how=how)
    return _error("http2-preface", message, phase, how=how)


def violated(violation: str, phase: str = "upgrade") -> DialError:
    """The server broke HTTP/2."""
    message = f"the server broke HTTP/2: {violation}"
    return DialError("protocol", phase, "http2-violation", message, violation=violation)


def _stream_ended(
    connection: Http2Connection, stream: Http2Stream, progress: Progress
) -> DialError:
    """No answer: RST_STREAM, GOAWAY or the connection's end came instead."""
    end = stream.ended
    assert end is not None
    if (alert := failures.tls_alert(end, progress.facts)) is not None:
        return alert
    if connection.violation is not None:
        return violated(connection.violation)
    if end.how == "rst-stream":
        message = f"the server reset the stream of the CONNECT: RST_STREAM {end.detail}"
        code = "http2-rst-stream"
        return _error(code, message, error_code=end.detail)
    if end.how == "error":  # it never left: our own HTTP/2 refused to send it
        most = (connection.peer_settings or {}).get(MAX_CONCURRENT_STREAMS)
        if most is None:
            return _error("http2-closed", f"the CONNECT cannot be sent: {end.detail}", how=end.how)
        message = f"the server's SETTINGS allow {most} streams at once (MAX_CONCURRENT_STREAMS)"
        return _error("http2-max-streams", f"{message}: the CONNECT was not sent", most=str(most))
    if end.how == "goaway":
        return _gone_away(end)
    how = failures.ended_how(end)
    message = f"the connection ended instead of an answer to the CONNECT ({how})"
    return _error("http2-closed", message, how=how)


def _gone_away(end: StreamEnd) -> DialError:
    name = error_name(end.code or 0)
    debug = f" ({end.detail!r})" if end.detail else ""
    message = f"the server ended the HTTP/2 connection: GOAWAY {name}{debug}"
    return _error("http2-goaway", message, error_code=name)


def _error(
    code: str,
    message: str,
    phase: str = "upgrade",
    *,
    response: Response | None = None,
    **facts: object,
) -> DialError:
    return DialError("upgrade", phase, code, message, response=response, **facts)
