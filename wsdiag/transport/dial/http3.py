"""The phases of HTTP/3: the QUIC handshake, SETTINGS, the extended CONNECT (RFC 9220)."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.extended_connect import ExtendedConnect, response_of
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.content import has_content, with_body
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, Http2Facts, Progress
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.tcp import Address, format_address
from wsdiag.transport.tls.trust import facts_of_certificate
from wsdiag.transport.tls.values import TlsFacts

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.transport.http3.connection import Http3Stream

_CRYPTO_ERROR = 0x100
_CERTIFICATE_ALERTS = (42, 43, 44, 45, 46, 48)
_CERT_EXPIRED = 45


def require_http3(target: Target, options: DialOptions) -> None:
    """Raises DialError where HTTP/3 cannot be: without TLS, through a Unix socket, no library."""
    if not target.secure:
        raise _usage("http3-needs-tls", "--http3 needs wss://: there is no HTTP/3 without TLS")
    if options.unix_socket is not None:
        raise _usage("http3-no-tcp", "--http3 goes over UDP: there is no Unix socket for it")
    try:
        import wsdiag.transport.http3.connection  # noqa: F401
    except ImportError:
        message = "HTTP/3 needs an extra: pip install 'wsdiag[http3]'"
        raise _usage("http3-extra-missing", message) from None


def refuse_proxy(url: str, why: str) -> DialError:
    """HTTP/3 does not go through a proxy."""
    message = f"--http3 does not go through a proxy, and {why} names {url}: -x '' connects directly"
    return _usage("http3-no-proxy", message)


async def handshake(
    addresses: list[Address], target: Target, options: DialOptions, progress: Progress
) -> Http3Stream:
    """The `quic` phase, with the first address that answers. Raises DialError."""
    from wsdiag.transport.http3.connection import Http3Stream
    from wsdiag.transport.http3.quic import configuration

    failure: DialError | None = None
    for address in addresses:
        try:
            stream = Http3Stream(configuration(options, target.tls_name), address)
        except (OSError, ValueError) as error:
            raise DialError("usage", "quic", "bad-tls-option", f"TLS options: {error}") from error
        where = format_address(address[1])
        try:
            await stream.connect()
            began_ns = monotonic_ns()
            await stream.shaken()
        except OSError as error:
            failure = _refused(where, error)
            continue
        except BaseException:
            stream.close()
            raise
        if stream.refused is not None:
            failure = _refused(where, stream.refused)
            stream.close_silently()
            continue
        if stream.handshaken is None:
            code, reason = stream.terminated or (0, "")
            stream.close_silently()
            raise _not_shaken(where, code, reason)
        progress.took_ns = stream.handshaken.mono_ns - began_ns
        progress.ended_ns = stream.handshaken.mono_ns
        return stream
    assert failure is not None
    raise failure


def tls_facts(stream: Http3Stream, options: DialOptions) -> TlsFacts:
    """What QUIC's TLS negotiated, and the server's certificate."""
    shown = facts_of_certificate(stream.certificate, verified=not options.insecure)
    return shown._replace(version="TLSv1.3", cipher=stream.cipher, alpn=stream.alpn)


async def settings(stream: Http3Stream, facts: Http2Facts, progress: Progress) -> None:
    """The `settings` phase: until the server's SETTINGS. Raises DialError."""
    began = stream.handshaken
    await stream.until(lambda: stream.settings is not None)
    if stream.settings is None or stream.settings_at is None or began is None:
        raise _ended(stream, "settings", "SETTINGS")
    progress.took_ns = max(0, stream.settings_at.mono_ns - began.mono_ns)
    progress.ended_ns = stream.settings_at.mono_ns
    facts.settings = stream.setting_names
    facts.enable_connect_protocol = stream.enable_connect_protocol


async def extended_connect(
    stream: Http3Stream, request: ExtendedConnect, facts: Http2Facts, progress: Progress
) -> tuple[Accepted, Arrival]:
    """The `upgrade` phase: CONNECT, and its answer judged. Raises DialError."""
    if not facts.enable_connect_protocol:
        message = "the server's SETTINGS do not allow WebSockets over HTTP/3 (RFC 9220)"
        raise _error("http3-not-advertised", message)
    stream.pause_reading()
    sent = stream.request([*request.pseudo_headers, *request.request_headers])
    try:
        await stream.until(lambda: stream.answer is not None)
    except asyncio.CancelledError:
        progress.facts["interim"] = str(stream.interim)
        raise
    if stream.answer is None or stream.answered_at is None:
        failure = _ended(stream, "upgrade", "an answer to the CONNECT")
        failure.unprocessed = stream.unprocessed
        raise failure
    at = stream.answered_at
    progress.took_ns, progress.ended_ns = at.mono_ns - sent.mono_ns, at.mono_ns
    try:
        response = response_of(stream.answer, "3")
    except HandshakeError as error:
        raise _violated(f"{error.message} ({error.section})") from error
    facts.status = response.status
    facts.content = response.status == 200 and await has_content(
        stream, response, stream.until, progress
    )
    facts.alternative_service = response.header("alt-svc")
    try:
        return request.judge(response, content=facts.content), at
    except HandshakeError as error:
        failure = progress.failure = failures.extended_connect(error, response)
        if not facts.opened:
            failure.response = await with_body(stream, response, stream.until, progress)
        raise failure from error


def _refused(where: str, error: OSError) -> DialError:
    kind = "refused" if isinstance(error, ConnectionRefusedError) else "connect"
    message = f"{where}: nothing answers QUIC on this UDP port ({error.strerror or error})"
    return DialError(kind, "quic", "quic-refused", message, address=where)  # type: ignore[arg-type]


def _not_shaken(where: str, code: int, reason: str) -> DialError:
    alert = code - _CRYPTO_ERROR
    said = reason or f"error 0x{code:x}"
    if alert in _CERTIFICATE_ALERTS:
        name = "cert-expired" if alert == _CERT_EXPIRED else "quic-cert"
        return DialError("cert", "quic", name, f"the certificate is not trusted: {said}")
    message = f"{where} ended the QUIC handshake: {said}"
    return DialError("tls", "quic", "quic-closed", message, address=where)


def _ended(stream: Http3Stream, phase: str, instead_of: str) -> DialError:
    if stream.violation is not None:
        return _violated(stream.violation, phase)
    end = stream.ended
    if end is not None and end.how == "rst-stream":
        message = f"the server reset the stream of the CONNECT: {end.detail}"
    elif stream.unprocessed:
        message = "the server takes no more requests on this HTTP/3 connection: GOAWAY"
    else:
        detail = "" if end is None else f" ({end.detail})"
        message = f"the connection ended instead of {instead_of}{detail}"
    return _error("http3-closed", message, phase)


def _violated(violation: str, phase: str = "upgrade") -> DialError:
    message = f"the server broke HTTP/3: {violation}"
    return DialError("protocol", phase, "http3-violation", message, violation=violation)


def _error(code: str, message: str, phase: str = "upgrade") -> DialError:
    return DialError("upgrade", phase, code, message)


def _usage(code: str, message: str) -> DialError:
    return DialError("usage", "url", code, message)
