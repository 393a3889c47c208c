"""What a dial found out, whether it succeeded or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from wsdiag.transport.trace import Phase, Tracer

Kind = Literal[
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


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of the chain that the peer presented; dates are RFC 3339."""

    subject: str
    issuer: str
    not_before: str
    not_after: str


class TlsFacts(NamedTuple):
    """What TLS negotiated and the certificate's facts; dates are RFC 3339, None: unreadable."""

    version: str | None
    cipher: str | None
    alpn: str | None
    subject: str | None
    issuer: str | None
    sans: tuple[str, ...]
    not_before: str | None
    not_after: str | None
    expires_in_days: int | None
    verified: bool
    purposes: tuple[str, ...] = ()
    """The certificate's extended key usages; () for any."""
    issuer_url: str | None = None
    """Where the certificate says that its issuer's is published."""
    chain: tuple[ChainLink, ...] | None = None
    """As presented, the server's own first; None where this Python does not tell."""


@dataclass(slots=True)
class DialReport:
    """One dial so far; `phases_ms` has the phases that happened: dns, tcp, proxy, tls, upgrade."""

    url: str
    address: str | None = None
    proxy: str | None = None
    """The proxy's URL as given, password included: mask it before showing it."""
    proxy_why: str | None = None
    """Which option or environment variable named the proxy, or kept one from being used."""
    phases_ms: dict[str, float] = field(default_factory=dict)
    request_line: str = ""
    request_headers: tuple[tuple[str, str], ...] = ()
    status: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tls: TlsFacts | None = None
    subprotocol: str | None = None
    extensions: tuple[str, ...] = ()
    redirects: tuple[str, ...] = ()
    """URLs that sent us on, in order (with -L)."""
    credentials_dropped: bool = False
    """Whether a redirect led to another origin, where credentials were not sent on."""
    total_ms: float = 0.0
    tracer: Tracer | None = None

    def redirected(self, left: str, target: str) -> None:
        """Begin anew at `target`: what was found out about `left` is history."""
        self.redirects += (left,)
        self.url, self.phases_ms = target, {}
        self.status, self.reason, self.headers, self.body = None, "", (), b""
        self.address = self.proxy = self.proxy_why = self.tls = None

    def headers_sent(self, first_line: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Tell the tracer about a head that was sent."""
        if self.tracer is not None:
            from wsdiag.transport.trace import HeadersTraced

            self.tracer(HeadersTraced(monotonic_ns(), self.url, "sent", first_line, headers))

    def headers_received(self, first_line: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Tell the tracer about a head that came."""
        if self.tracer is not None:
            from wsdiag.transport.trace import HeadersTraced

            self.tracer(HeadersTraced(monotonic_ns(), self.url, "received", first_line, headers))


class DialError(Exception):
    """A dial that failed.

    `kind`: the record's error kind; `code`: a stable finer id; `phase`: where it happened;
    `facts`: what a diagnosis needs, by name; `report`: all that was found out before.
    """

    def __init__(
        self, kind: Kind, phase: str, code: str, message: str, report: DialReport, **facts: Any
    ) -> None:
        super().__init__(message)
        self.kind, self.phase, self.code, self.message = kind, phase, code, message
        self.report, self.facts = report, facts


class PhaseClock:
    """Times the phases of a dial one after the other, and knows which one is under way."""

    def __init__(self, report: DialReport) -> None:
        self._report = report
        self.current: Phase = "dns"
        self._began = monotonic_ns()
        self._running = False

    def begin(self, phase: Phase) -> None:
        """`phase` starts now."""
        self.current, self._began, self._running = phase, monotonic_ns(), True

    def stop(self, detail: str) -> None:
        """The phase under way, if it has not ended yet, failed."""
        if self._running:
            self.end(detail, ok=False)

    def end(self, detail: str = "", *, ok: bool = True) -> None:
        """The phase under way is over."""
        at, self._running = monotonic_ns(), False
        took_ms = (at - self._began) / 1e6
        self._report.phases_ms[self.current] = took_ms
        if self._report.tracer is not None:
            from wsdiag.transport.trace import PhaseTraced

            url = self._report.url
            self._report.tracer(PhaseTraced(at, url, self.current, took_ms, ok, detail))
