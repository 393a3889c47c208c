"""The proxy phase: HTTP CONNECT on h11 (RFC 9110, 9.3.6), or SOCKS5 (RFC 1928)."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import Any

import h11

from wsdiag.protocol.http import MAX_HEAD_BYTES, HeaderLimiter, HeadError, Response, decode_headers
from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import Proxy, basic_auth
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded, do_handshake
from wsdiag.transport.tls import trust
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.version import __version__

MAX_BODY = 4096


def client_context(proxy: Proxy, options: DialOptions) -> ssl.SSLContext | None:
    """For a proxy with TLS of its own: trusted as the target is, but never shown our certificate.

    Raises DialError. Made before the proxy's phase, whose time is the network's.
    """
    if proxy.scheme != "https":
        return None
    try:
        return trust.client_context(replace(options, cert=None, key=None))
    except trust.TrustError as error:
        raise failures.trust_options(error, "proxy") from error


async def start_tls(stream: Stream, proxy: Proxy, context: ssl.SSLContext) -> None:
    """TLS with the proxy itself. Raises DialError."""
    try:
        await do_handshake(
            stream, TlsLayer(context, server_hostname=proxy.host), ssl.SSLObject.version
        )
    except StreamReaderEnded as ended:
        message = f"the proxy ended the TLS handshake ({ended.end.how})"
        raise _error("proxy-tls", message, how=ended.end.how) from ended
    except ssl.SSLCertVerificationError as error:
        raise _error("proxy-cert", error.verify_message, wanted=proxy.host) from error
    except ssl.SSLError as error:
        raise _error("proxy-tls", trust.error_text(error)) from error


class ConnectRequest:
    """A CONNECT request that has not been sent yet."""

    def __init__(self, proxy: Proxy, target: Target) -> None:
        host = target.host.partition("%")[0]
        self.authority = f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"
        self.first_line = f"CONNECT {self.authority} HTTP/1.1"
        self.headers = [("Host", self.authority), ("User-Agent", f"wsdiag/{__version__}")]
        if proxy.user is not None:
            self.headers.append(("Proxy-Authorization", basic_auth(proxy.user)))
        self.has_credentials = proxy.user is not None


async def connect(stream: Stream, request: ConnectRequest) -> Response:
    """Make `stream`, connected to an HTTP proxy, reach the target; the proxy's answer.

    Raises DialError, with the answer and the first bytes of its body where it was a refusal.
    """
    reader = StreamReader(stream)
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * MAX_HEAD_BYTES)
    head = h11.Request(method="CONNECT", target=request.authority, headers=request.headers)
    stream.write((http.send(head) or b"") + (http.send(h11.EndOfMessage()) or b""))
    try:
        response = await _answer(reader, http)
        if 200 <= response.status < 300:
            reader.keep(await _beyond(reader, response, bytes(http.trailing_data[0])))
            return response
        response = replace(response, body=await _body(reader, http))
    except StreamReaderEnded as ended:
        message = f"the proxy ended the connection instead of answering ({ended.end.how})"
        raise _error("proxy-closed", message, how=ended.end.how) from ended
    except (h11.RemoteProtocolError, HeadError) as error:
        message = f"the proxy's answer is not HTTP: {error}"
        raise _error("proxy-not-http", message) from error
    raise _refused(response, request)


async def _answer(reader: StreamReader, http: h11.Connection) -> Response:
    limiter = HeaderLimiter()  # h11 takes quadratic time over long runs of blanks
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            headers = decode_headers(event.headers.raw_items())
            return Response(event.status_code, event.reason.decode("latin-1"), headers)
        if event is h11.NEED_DATA:
            data, _ = await reader.read()
            limiter.feed(data)
            http.receive_data(data)
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError(f"unexpected {type(event).__name__}")


async def _beyond(reader: StreamReader, response: Response, trailing: bytes) -> bytes:
    """What came after an answer that agrees, `trailing` included.

    Raises DialError for a web page, of a web server or captive portal that was taken for a proxy:
    an agreeing answer has no content (RFC 9110, 9.3.6), and an endpoint waits for its client.
    """
    length = response.header("Content-Length") or ""
    kind = response.header("Content-Type") or ""
    if length == "0" or not (length or kind or response.header("Transfer-Encoding")):
        return trailing
    try:
        body = trailing or (await reader.read_soon())[0]
    except (TimeoutError, StreamReaderEnded):
        return b""
    if failures.is_tls(body):
        return body
    status = f"{response.status} {response.reason}".strip()
    message = f"it answered CONNECT by a page ({status}{', ' if kind else ''}{kind})"
    response = replace(response, body=body[:MAX_BODY])
    raise _error("proxy-is-web-server", message, response, status=response.status)


async def _body(reader: StreamReader, http: h11.Connection) -> bytes:
    body = b""
    # The refusal stands however its body ends: cut off, or in chunks that are none.
    with suppress(StreamReaderEnded, TimeoutError, h11.RemoteProtocolError):
        while len(body) < MAX_BODY:
            event = http.next_event()
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif event is h11.NEED_DATA:
                data, _ = await reader.read_soon()
                http.receive_data(data)
            else:
                break
    return body[:MAX_BODY]


def _refused(response: Response, request: ConnectRequest) -> DialError:
    status = response.status
    code = "proxy-auth" if status == 407 else f"proxy-http-{status}"
    schemes = [v for n, v in response.headers if n.lower() == "proxy-authenticate"]
    basic_too = any(scheme.lower().startswith("basic") for scheme in schemes)
    return _error(
        code,
        f"{status} {response.reason}".strip(),
        response,
        status=status,
        schemes=", ".join(schemes),
        basic="yes" if basic_too or not schemes else "no",
        credentials="sent" if request.has_credentials else "none",
    )


class _Connected:
    """What python-socks connects to the proxy with: a socket that is connected already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_where: object) -> socket.socket:
        """The socket to speak SOCKS on; python-socks closes it when that fails."""
        return self._sock


async def connect_socks(sock: socket.socket, proxy: Proxy, host: str, port: int) -> socket.socket:
    """Make `sock`, connected to a SOCKS5 proxy, reach host:port, by python-socks.

    Raises DialError, and closes the socket.
    """
    from python_socks import ProxyError, ProxyTimeoutError, ProxyType
    from python_socks.async_.asyncio import Proxy as SocksProxy

    host = host.partition("%")[0]
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
        return await way.connect(host, port, timeout=86400)
    except (ProxyError, ProxyTimeoutError, OSError) as error:
        sock.close()
        code = "proxy-socks-auth" if "auth" in str(error).lower() else "proxy-socks"
        raise _error(code, getattr(error, "strerror", None) or str(error)) from error
    except UnicodeDecodeError as error:  # python-socks reads the address, which nobody needs
        sock.close()
        raise _error("proxy-socks", "the bound address in its answer is no text") from error
    except BaseException:
        sock.close()
        raise


def require_socks(host: str, options: DialOptions) -> None:
    """Raises DialError for a name that is none, and where the library for it is not installed."""
    try:
        if len(host.encode("idna")) > 255:  # RFC 1928, 5, has a byte for the length
            raise UnicodeError("name too long")
    except UnicodeError as error:
        raise failures.name_resolution(host, error, options) from error
    try:
        import python_socks.async_.asyncio  # noqa: F401
    except ImportError:
        message = "SOCKS proxies need an extra: pip install 'wsdiag[socks]'"
        raise DialError("usage", "proxy", "socks-extra-missing", message) from None


def _error(code: str, message: str, response: Response | None = None, **facts: Any) -> DialError:
    return DialError("proxy", "proxy", code, message, response=response, **facts)
