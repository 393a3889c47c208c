"""A QUIC connection over UDP, as a client: its datagrams, its timer, its handshake."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from abc import abstractmethod
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, QuicEvent

from wsdiag.transport.stream.stamps import Arrival, now
from wsdiag.transport.stream.tcp import Address, format_address

if TYPE_CHECKING:
    from wsdiag.transport.tls.values import TlsOptions

NO_ERROR = 0x100  # RFC 9114, 8.1
# aioquic tells of every failed handshake in a log of its own; ours is told in the result.
logging.getLogger("quic").addHandler(logging.NullHandler())
logging.getLogger("quic").propagate = False


def configuration(options: TlsOptions, server_name: str) -> QuicConfiguration:
    """Whom to trust, by curl's options. Raises OSError and ValueError for unusable files."""
    config = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], server_name=options.sni or server_name
    )
    if options.insecure:
        config.verify_mode = ssl.CERT_NONE
    elif options.cacert is not None and options.cacert.is_dir():
        config.capath = str(options.cacert)
    elif options.cacert is not None:
        config.cafile = str(options.cacert)
    else:  # the system's, not a package's
        paths = ssl.get_default_verify_paths()
        config.cafile, config.capath = paths.cafile, paths.capath
    if options.cert is not None:
        config.load_cert_chain(options.cert, options.key, options.key_password)
    return config


class _Quic(QuicConnection):
    """Knows with which error H3Connection closed it: it tells nobody that the peer broke a rule."""

    violation: tuple[int, str] | None = None

    def close(
        self, error_code: int = NO_ERROR, frame_type: int | None = None, reason_phrase: str = ""
    ) -> None:
        """Close it; a `frame_type` says that QUIC itself does (RFC 9000, 19.19)."""
        if frame_type is None and error_code != NO_ERROR:
            self.violation = self.violation or (int(error_code), reason_phrase)
        super().close(error_code, frame_type, reason_phrase)


class QuicEndpoint(asyncio.DatagramProtocol):
    """Our end of one connection, to an address; what comes out of it is a subclass's."""

    def __init__(self, config: QuicConfiguration, address: Address) -> None:
        self._loop = asyncio.get_running_loop()
        self._quic = _Quic(configuration=config)
        self._address = address
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._at = now()
        self.handshaken: Arrival | None = None
        """When the QUIC handshake was complete."""
        self.alpn: str | None = None
        self.terminated: tuple[int, str] | None = None
        """Error code and reason with which the connection ended."""
        self.refused: OSError | None = None
        """What ICMP said instead of an answer."""
        self.peer = format_address(address[1])
        self.last_received = monotonic_ns()

    async def connect(self) -> None:
        """Send the first datagram. Raises OSError."""
        family, where = self._address
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(where)
            self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._quic.connect(where, self._loop.time())
        self._transmit()

    async def shaken(self) -> None:
        """Wait for the end of the QUIC handshake, or of the connection."""
        await self.until(lambda: self.handshaken)

    async def until(self, done: Callable[[], Any]) -> None:
        """Wait for something that the peer does, or for the end of the connection."""
        while not (done() or self.terminated or self.refused):
            self._changed.clear()
            await self._changed.wait()

    @property
    def cipher(self) -> str | None:
        """The cipher suite that was agreed on."""
        suite = self._quic.tls.key_schedule
        return None if suite is None else "TLS_" + suite.cipher_suite.name

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate, DER; None where it showed none."""
        from cryptography.hazmat.primitives.serialization import Encoding

        shown = self._quic.tls._peer_certificate
        return None if shown is None else shown.public_bytes(Encoding.DER)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram came."""
        self._at = now()
        self.last_received = self._at.mono_ns
        self._quic.receive_datagram(data, self._address[1], self._loop.time())
        self._take_events()

    def error_received(self, exc: Exception) -> None:
        """ICMP: nobody listens there, or the host cannot be reached."""
        if self.handshaken is None and isinstance(exc, OSError):
            self.refused = exc
            self._changed.set()

    def _take_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                self.handshaken, self.alpn = self._at, event.alpn_protocol
            elif isinstance(event, ConnectionTerminated):
                self.terminated = event.error_code, event.reason_phrase
            self._handle(event)
        self._transmit()
        self._changed.set()

    @abstractmethod
    def _handle(self, event: QuicEvent) -> None:
        """Act on an event of QUIC, which came at `_at`."""

    def _transmit(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data, _ in self._quic.datagrams_to_send(self._loop.time()):
            self._transport.sendto(data)
        if self._timer is not None:
            self._timer.cancel()
        at_s = self._quic.get_timer()
        self._timer = None if at_s is None else self._loop.call_at(at_s, self._on_timer)

    def _on_timer(self) -> None:
        self._at = now()
        self._quic.handle_timer(self._loop.time())
        self._take_events()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
