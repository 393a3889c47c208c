"""What `connect` finds out: one connection from name to clean close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from wsdiag.records.base import Error, Hop, Phases, optional


@dataclass(frozen=True, slots=True)
class TcpFacts:
    """TCP_INFO of the connection (Linux tcp(7)); behind a proxy it describes the first hop."""

    rtt_ms: float | None = None
    min_rtt_ms: float | None = None
    retransmits: int | None = None
    mss: int | None = None


@dataclass(frozen=True, slots=True)
class HttpInfo:
    """The answer to the opening handshake; `headers` as sent, in order (RFC 6455, 4.1)."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]] = ()
    body: str | None = optional()
    """First lines of a refusal's body (bounded)."""
    text: Sequence[str] | None = optional()
    """The same as a person would read it: lines without markup."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of the chain that the server presented; dates are RFC 3339."""

    subject: str
    issuer: str
    not_before: str
    not_after: str


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What TLS negotiated and whom the certificate names.

    `verified` is False under `-k`, and where verification failed.
    """

    version: str | None
    cipher: str | None
    alpn: str | None = None
    subject: str | None = None
    issuer: str | None = None
    sans: Sequence[str] = ()
    not_after: str | None = None
    expires_in_days: int | None = None
    verified: bool = True
    chain: Sequence[ChainLink] | None = optional()
    """As presented, the server's own certificate first; left out where Python does not tell."""


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """How the closing handshake went (RFC 6455, 7): the code seen, who ended TCP first."""

    code: int | None
    reason: str = ""
    clean: bool = False
    tcp_ended_by: Literal["server", "client"] | None = None


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """Record `connect.result`: one connection from name to clean close, or where it stopped."""

    type: ClassVar[str] = "connect.result"
    url: str
    ok: bool
    address: str | None = None
    proxy: str | None = None
    proxy_why: str | None = optional()
    """Which option or variable named the proxy, or kept one from being used."""
    phases: Phases = field(default_factory=Phases)
    http: HttpInfo | None = None
    tls: TlsInfo | None = optional()
    subprotocol: str | None = None
    extensions: Sequence[str] = ()
    tcp: TcpFacts | None = None
    hops: Sequence[Hop] = ()
    close: CloseInfo | None = None
    error: Error | None = None
    redirects: Sequence[str] | None = optional()
    """With -L: the URLs that sent us on, in order."""
    reached: str | None = optional()
    """With -L: the URL that all the rest is about, where it is not `url`."""
    request: Sequence[tuple[str, str]] | None = optional()
    """Our request headers, for `-v`."""
    notes: Sequence[str] = ()
    """Sentences worth reading: a certificate that ends soon, an old TLS version, no Pong…"""
