"""Real TLS flows without a network: Python's ssl as client and server, and what each one sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.certs import Authority, Cert
from wsdiag.capture.tls.flow import TlsFlow
from wsdiag.capture.tls.key_log import KeyLog

Sent = tuple[int, bytes]


@dataclass
class Recorded:
    """A flow's bytes in the order of their sending (number 0 is the client), and its secrets."""

    sent: list[Sent] = field(default_factory=list)
    key_log: bytes = b""
    cipher: str = ""

    def log(self) -> KeyLog:
        log = KeyLog()
        log.add(self.key_log)
        return log


class Plaintext:
    """A listener that keeps what it is told: bytes, and None for a gap."""

    def __init__(self) -> None:
        self.told: tuple[list[bytes | None], list[bytes | None]] = ([], [])

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        self.told[number].append(data)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        assert size == 0
        self.told[number].append(None)

    def text(self, number: int) -> bytes:
        return b"".join(b"<gap>" if part is None else part for part in self.told[number])


class Pair:
    """A client and a server that have shaken hands."""

    def __init__(
        self,
        directory: Path,
        ca: Authority,
        version: ssl.TLSVersion,
        suite: str | None = None,
        *,
        cert: Cert | None = None,
        session: ssl.SSLSession | None = None,
        server_context: ssl.SSLContext | None = None,
    ) -> None:
        log = directory / "keys.txt"
        log.unlink(missing_ok=True)
        self.client_context = ssl.create_default_context(cafile=str(ca.pem))
        self.client_context.keylog_filename = str(log)
        self.client_context.set_alpn_protocols(["http/1.1"])
        self.server_context = server_context or make_server_context(ca, cert)
        for context in (self.client_context, self.server_context):
            context.minimum_version = context.maximum_version = version
            if suite is not None and version == ssl.TLSVersion.TLSv1_2:
                context.set_ciphers(f"{suite}:@SECLEVEL=0")
        self._bios = [ssl.MemoryBIO() for _ in range(4)]
        to_client, from_client, to_server, from_server = self._bios
        self.ends = (
            self.client_context.wrap_bio(
                to_client, from_client, server_hostname="localhost", session=session
            ),
            self.server_context.wrap_bio(to_server, from_server, server_side=True),
        )
        self._log = log
        self.recorded = Recorded()
        waiting = [0, 1]
        while waiting:
            for number in list(waiting):
                try:
                    self.ends[number].do_handshake()
                    waiting.remove(number)
                except ssl.SSLWantReadError:
                    pass
                self._carry()
        cipher = self.ends[0].cipher()
        assert cipher is not None
        self.recorded.cipher = cipher[0]

    def send(self, number: int, data: bytes) -> None:
        """Application data from one end, read by the other."""
        self.ends[number].write(data)
        self._carry()
        received = b""
        while len(received) < len(data):
            received += self.ends[1 - number].read(1 << 20)
        assert received == data

    def close(self, first: int) -> None:
        """close_notify of both, that of `first` first."""
        for number in (first, 1 - first):
            try:
                self.ends[number].unwrap()
            except ssl.SSLWantReadError:
                pass
            self._carry()

    def _carry(self) -> None:
        to_client, from_client, to_server, from_server = self._bios
        for number, (source, target) in enumerate(
            ((from_client, to_server), (from_server, to_client))
        ):
            data = source.read()
            if data:
                self.recorded.sent.append((number, data))
                target.write(data)
        self.recorded.key_log = self._log.read_bytes() if self._log.exists() else b""


def make_server_context(ca: Authority, cert: Cert | None = None) -> ssl.SSLContext:
    made = cert or ca.cert()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def records(data: bytes) -> list[bytes]:
    """A direction's bytes, record by record."""
    found = []
    while data:
        end = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:end])
        data = data[end:]
    return found


def read(
    sent: Sequence[Sent | tuple[int, int]],
    log: KeyLog | None,
    cut: Callable[[bytes], list[bytes]] = lambda data: [data],
) -> tuple[TlsFlow, Plaintext]:
    """A flow as the reassembly tells it; a number in place of bytes is the size of a gap."""
    listener = Plaintext()
    flow = TlsFlow(log, listener)
    for at, (number, what) in enumerate(sent):
        if isinstance(what, int):
            flow.gap(number, at, what)
            continue
        for part in cut(what):
            flow.data(number, at, part)
    flow.finish()
    return flow, listener
