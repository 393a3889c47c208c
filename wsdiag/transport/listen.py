"""Accepting connections: each becomes a `Stream`, after its TLS handshake if it has one."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wsdiag.transport.stream.blackhole import accept_incoming, drop_incoming
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.tcp import format_address
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.trust import TrustError, error_text, load_chain

_PER_WAKE = 128
_BACKLOG = 4096
_EXHAUSTED_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class ServerTls:
    """A server's certificate chain and key (PEM); how long a client's handshake may take, in s."""

    cert: Path
    key: Path | None = None
    handshake_timeout: float = 10.0
    alpn: tuple[str, ...] = ("http/1.1",)
    client_ca: Path | None = None
    """Whoever has no certificate of this CA is turned away."""

    def context(self) -> ssl.SSLContext:
        """The context for all connections. Raises TrustError for unusable files."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_chain(context, self.cert, self.key, None, "a server's key must not be")
        context.set_alpn_protocols(list(self.alpn))
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(cafile=self.client_ca)
            except (OSError, ssl.SSLError) as error:
                message = f"{self.client_ca}: {error_text(error)}"
                raise TrustError("--client-ca", message) from error
        return context


class Listener:
    """A listening socket; `host` and `port` are the ones it really has."""

    def __init__(
        self,
        sock: socket.socket,
        on_stream: Callable[[Stream], None],
        tls: ServerTls | None = None,
        intercept: Callable[[Stream], bool] | None = None,
        on_starved: Callable[[OSError], None] | None = None,
    ) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self._sock, self._on_stream = sock, on_stream
        self._loop = asyncio.get_running_loop()
        self._context = tls.context() if tls is not None else None
        self._timeout = tls.handshake_timeout if tls is not None else 0.0
        self._intercept, self._on_starved = intercept, on_starved
        self._blackholed = False
        self._in_handshake: set[Stream] = set()
        self._loop.add_reader(sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_PER_WAKE):
            try:
                sock, address = self._sock.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    # the queue stays readable: wait, or the loop would spin
                    self._loop.remove_reader(self._sock)
                    self._loop.call_later(_EXHAUSTED_PAUSE_S, self._resume)
                    if self._on_starved is not None:
                        self._on_starved(error)
                return
            with suppress(OSError):  # the peer may be gone already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = Stream(sock, peer=format_address(address))
            if self._intercept is not None and self._intercept(stream):
                continue
            if self._context is None:
                self._on_stream(stream)
            else:
                self._start_tls(stream, self._context)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._accept)

    def _start_tls(self, stream: Stream, context: ssl.SSLContext) -> None:
        self._in_handshake.add(stream)
        timer = self._loop.call_later(self._timeout, stream.reset)

        def done(failure: ssl.SSLError | StreamEnd | None) -> None:
            timer.cancel()
            self._in_handshake.discard(stream)
            if failure is None:
                self._on_stream(stream)
            else:
                stream.close()

        stream.start_tls(TlsLayer(context, server_side=True), done)

    @property
    def handshakes(self) -> int:
        """How many clients are at their TLS handshakes."""
        return len(self._in_handshake)

    def set_blackhole(self, blackholed: bool) -> bool:
        """Leave every SYN unanswered, or answer again; False where the kernel cannot."""
        if blackholed == self._blackholed:
            return True
        self._blackholed = blackholed
        return (drop_incoming if blackholed else accept_incoming)(self._sock)

    def close(self) -> None:
        """Accept no more; handshakes under way are reset, streams already handed out live on."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        self._sock.close()
        for stream in tuple(self._in_handshake):
            stream.reset()


async def listen(
    host: str,
    port: int,
    *,
    on_stream: Callable[[Stream], None],
    tls: ServerTls | None = None,
    intercept: Callable[[Stream], bool] | None = None,
    on_starved: Callable[[OSError], None] | None = None,
) -> Listener:
    """Listen on `host`:`port` (0: any free one). Raises OSError, and TrustError for `tls`.

    `host` "": on every address, of IPv6 too where this machine has it.

    `intercept` is asked first, before TLS: True when it has taken the stream. `on_starved` is
    called, again and again, while new connections wait for file descriptors or memory.
    """
    everywhere = False
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
        everywhere = host == "::"
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if everywhere:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        return Listener(sock, on_stream, tls, intercept, on_starved)
    except BaseException:
        sock.close()
        raise
