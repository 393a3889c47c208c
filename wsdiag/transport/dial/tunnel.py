"""Getting through a proxy: HTTP CONNECT on h11 (RFC 9110, 9.3.6), or SOCKS5 (RFC 1928)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import h11

from wsdiag.transport.dial.basic import basic
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import Proxy
from wsdiag.transport.dial.report import DialError, DialReport
from wsdiag.transport.dial.target import Target
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded, do_handshake
from wsdiag.transport.tls import trust
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.version import __version__

MAX_BODY = 4096


def tls_context(proxy: Proxy, options: DialOptions, report: DialReport) -> ssl.SSLContext | None:
    """For a proxy with TLS of its own: trusted as the target is, but never shown our certificate.

    DialError. Made before the proxy's phase, whose time is the network's.
    """
    if proxy.scheme != "https":
        return None
    try:
        return trust.client_context(replace(options, cert=None, key=None))
    except trust.TrustError as error:
        raise DialError(
            "usage",
            "proxy",
            "bad-tls-option",
            f"{error.option} {error.message}",
            report,
            option=error.option,
        ) from error


async def connect(
    stream: Stream,
    proxy: Proxy,
    target: Target,
    report: DialReport,
    context: ssl.SSLContext | None = None,
) -> None:
    """Make `stream`, connected to the proxy, one that reaches the target. DialError."""
    if context is not None:
        await _start_tls(stream, proxy, context, report)
    inbox = StreamReader(stream)
    http = h11.Connection(h11.CLIENT)
    inbox.stream.write(_request(http, proxy, target, report))
    try:
        response = await _answer(inbox, http)
        if not 200 <= response.status_code < 300:
            raise await _refused(inbox, http, response, proxy, report)
        _trace(response, report)
    except StreamReaderEnded as ended:
        message = f"the proxy ended the connection instead of answering ({ended.end.how})"
        raise _error("proxy-closed", message, report, how=ended.end.how) from ended
    except h11.RemoteProtocolError as error:
        raise _error(
            "proxy-not-http", f"the proxy's answer is not HTTP: {error}", report
        ) from error


async def _start_tls(
    stream: Stream, proxy: Proxy, context: ssl.SSLContext, report: DialReport
) -> None:
    try:
        layer = TlsLayer(context, server_hostname=proxy.host)
        await do_handshake(stream, layer)
    except StreamReaderEnded as ended:
        message = f"the proxy ended the TLS handshake ({ended.end.how})"
        raise _error("proxy-tls", message, report, how=ended.end.how) from ended
    except ssl.SSLCertVerificationError as error:
        raise _error("proxy-cert", error.verify_message, report, wanted=proxy.host) from error
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        raise _error("proxy-tls", words, report) from error


def _request(http: h11.Connection, proxy: Proxy, target: Target, report: DialReport) -> bytes:
    host = target.host.partition("%")[0]
    authority = f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"
    headers = [("Host", authority), ("User-Agent", f"wsdiag/{__version__}")]
    if proxy.user is not None:
        headers.append(("Proxy-Authorization", basic(proxy.user)))
    report.headers_sent(f"CONNECT {authority} HTTP/1.1", tuple(headers))
    head = http.send(h11.Request(method="CONNECT", target=authority, headers=headers))
    return (head or b"") + (http.send(h11.EndOfMessage()) or b"")


async def _answer(inbox: StreamReader, http: h11.Connection) -> h11.Response:
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            inbox.keep(http.trailing_data[0])
            return event
        if event is h11.NEED_DATA:
            data, _ = await inbox.read()
            http.receive_data(data)
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError(f"unexpected {type(event).__name__}")


def _trace(response: h11.Response, report: DialReport) -> tuple[tuple[str, str], ...]:
    """Tell the tracer of the proxy's answer; its headers."""
    reason = response.reason.decode("latin-1")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.headers.raw_items()
    )
    report.headers_received(f"HTTP/1.1 {response.status_code} {reason}".rstrip(), headers)
    return headers


async def _refused(
    inbox: StreamReader,
    http: h11.Connection,
    response: h11.Response,
    proxy: Proxy,
    report: DialReport,
) -> DialError:
    """The proxy's refusal, with the first bytes of its body."""
    report.headers = _trace(response, report)
    status, reason = response.status_code, response.reason.decode("latin-1")
    report.status, report.reason = status, reason
    report.body = await _body(inbox, http)
    code = "proxy-auth" if status == 407 else f"proxy-http-{status}"
    schemes = [v for n, v in report.headers if n.lower() == "proxy-authenticate"]
    basic_too = any(scheme.lower().startswith("basic") for scheme in schemes)
    return _error(
        code,
        f"{status} {reason}".strip(),
        report,
        status=status,
        schemes=", ".join(schemes),
        basic="yes" if basic_too or not schemes else "no",
        credentials="sent" if proxy.user is not None else "none",
    )


async def _body(inbox: StreamReader, http: h11.Connection) -> bytes:
    body = b""
    while len(body) < MAX_BODY:
        event = http.next_event()
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif event is h11.NEED_DATA:
            try:
                data, _ = await inbox.read_soon()
            except (StreamReaderEnded, TimeoutError):
                break
            http.receive_data(data)
        else:
            break
    return body[:MAX_BODY]


class _Connected:
    """python-socks' way to the proxy itself: a connection that we have made and timed already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_where: object) -> socket.socket:
        """The socket to speak SOCKS on; python-socks closes it when that fails."""
        return self._sock


async def socks(
    sock: socket.socket, proxy: Proxy, host: str, port: int, report: DialReport
) -> socket.socket:
    """Make `sock`, connected to a SOCKS5 proxy, reach host:port, by python-socks. DialError."""
    require_socks(report)
    from python_socks import ProxyError, ProxyTimeoutError, ProxyType
    from python_socks.async_.asyncio import Proxy as SocksProxy

    user, _, password = (proxy.user or "").partition(":")
    way = SocksProxy(
        ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        user or None,
        password or None,
        rdns=True,
        forward=_Connected(sock),  # type: ignore[arg-type]
    )
    try:
        # The dial's own deadline is the one that counts.
        return await way.connect(host.partition("%")[0], port, timeout=86400)
    except (ProxyError, ProxyTimeoutError, OSError) as error:
        code = "proxy-socks-auth" if "auth" in str(error).lower() else "proxy-socks"
        raise _error(code, str(error), report) from error


def require_socks(report: DialReport) -> None:
    """DialError where the library for SOCKS is not installed."""
    try:
        import python_socks.async_.asyncio  # noqa: F401
    except ImportError:
        message = "SOCKS proxies need an extra: pip install 'wsdiag[socks]'"
        raise DialError("usage", "proxy", "socks-extra-missing", message, report) from None


def _error(code: str, message: str, report: DialReport, **facts: object) -> DialError:
    return DialError("proxy", "proxy", code, message, report, **facts)
