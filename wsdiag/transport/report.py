"""What a dial found out, whether it succeeded or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from wsdiag.protocol.http import Response
    from wsdiag.transport.tls.values import TlsFacts

ErrorKind = Literal[
    "dns",
    "connect",
    "refused",
    "proxy",
    "tls",
    "cert",
    "upgrade",
    "redirect",
    "protocol",
    "timeout",
    "closed",
    "usage",
]


@dataclass(slots=True)
class Http2Facts:
    """What a dial over HTTP/2 or 3 found out about extended CONNECT (RFC 8441, RFC 9220)."""

    settings: tuple[tuple[str, int], ...] | None = None
    """The server's SETTINGS by name; None: none came."""
    enable_connect_protocol: bool | None = None
    """Whether they allow extended CONNECT; None: none came."""
    status: int | None = None
    """Of the answer to the first CONNECT, the one a browser would send."""
    content: bool = False
    """Whether a 200 came with content of its own, as to any other request."""
    opens_with_key: bool | None = None
    """Whether it opens with a Sec-WebSocket-Key; None: not tried."""
    alternative_service: str | None = None

    @property
    def opened(self) -> bool:
        """Whether the answer to the first CONNECT opened a WebSocket."""
        return self.status == 200 and not self.content


@dataclass(slots=True)
class DialReport:
    """One dial so far; `phases_ms` has the phases that happened: dns, tcp, proxy, tls, upgrade;
    over HTTP/2 settings as well, over HTTP/3 quic for tcp and tls.

    Of tcp, tls and upgrade it is the time on the wire, where the kernel tells it.
    """

    url: str
    address: str | None = None
    unanswered: tuple[tuple[str, float], ...] = ()
    """Addresses (`ip:port`) that were tried first and were silent, and for how many ms."""
    refused: tuple[tuple[str, str], ...] = ()
    """Addresses that were tried first and failed, and why."""
    proxy: str | None = None
    """The proxy's URL as given, password included: mask it before showing it."""
    proxy_why: str | None = None
    """Which option or environment variable named the proxy, or kept one from being used."""
    phases_ms: dict[str, float] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    """The options that were given, by their flags."""
    request_line: str = ""
    request_headers: tuple[tuple[str, str], ...] = ()
    status: int | None = None
    reason: str = ""
    http_version: str = "1.1"
    """Of the answer's status line."""
    malformed: tuple[str, ...] = ()
    """Lines of the answer's head that are no headers, and were passed over."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tls: TlsFacts | None = None
    http2: Http2Facts | None = None
    """With HTTP/2 or 3."""
    subprotocol: str | None = None
    extensions: tuple[str, ...] = ()
    asked_again: str | None = None
    """Over HTTP/2 or 3: what became of a first CONNECT; another was sent on a new connection."""
    redirects: tuple[str, ...] = ()
    """URLs that sent us on, in order (with -L)."""
    credentials_dropped: bool = False
    """Whether a redirect led to another origin, where credentials were not sent on."""
    total_ms: float = 0.0


@dataclass(slots=True)
class Progress:
    """What a phase has found out so far, for whoever times it, and for when it is cut off."""

    took_ns: int | None = None
    """How long the phase took on the wire; None: only our own clock tells."""
    ended_ns: int | None = None
    """When what ended the phase came from the wire, in monotonic ns; None: now."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts for the failure, should the deadline strike."""
    failure: DialError | None = None
    """The failure that is certain already, while more about it is awaited."""
    until_s: float | None = None
    """When the dial's deadline strikes, in loop time."""


class DialError(Exception):
    """A phase of a dial that failed, and with it the dial.

    `kind`: the record's error kind; `code`: a stable finer id; `phase`: where it happened;
    `facts`: what a diagnosis needs, by name. What the phase found before it failed comes along:
    `response`, the answer that refused, and `tls`, a certificate that could not be trusted.
    `report` has all that was found out; the dialer fills it in.
    """

    def __init__(
        self,
        kind: ErrorKind,
        phase: str,
        code: str,
        message: str,
        report: DialReport | None = None,
        /,
        *,
        response: Response | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message)
        self.kind, self.phase, self.code, self.message = kind, phase, code, message
        self.report = DialReport("") if report is None else report
        self.response, self.facts = response, facts
        self.tls: TlsFacts | None = None
        self.unprocessed = False
        """Whether the server says that it left the request unprocessed (RFC 9113, 8.7)."""
