"""What a probe measures, as plain dataclasses: the one vocabulary that probes and renderers share.

Field names are the names of the JSON records (docs: `wsdiag --json-schema`). Units are in the name:
`_ms` float milliseconds, `_s` float seconds. `None` means "could not be measured" and becomes null,
except in fields made by `optional()`, where it means "does not apply" and the field is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

SCHEMA_VERSION = "1.0"

Cause = Literal["network", "endpoint", "queue", "local"]
Clock = Literal["kernel", "user"]
How = Literal["close", "fin", "rst", "tls-eof", "silent", "rst-on-write", "timeout"]
Trial = Literal["idle", "ping", "pong", "tcp-keepalive", "push", "data"]
Outcome = Literal["alive", "dropped", "silent", "refused", "masked", "aborted"]
Verdict = Literal[
    "no-drop", "idle-timeout", "lifetime", "masked", "inconsistent", "local", "unreachable"
]
Keepalive = Literal["holds", "drops", "untested"]
Status = Literal["pass", "warn", "fail", "skip"]
ErrorKind = Literal[
    "dns", "connect", "refused", "proxy", "tls", "cert", "upgrade", "redirect",
    "protocol", "timeout", "closed", "usage",
]  # fmt: skip


def optional() -> Any:
    """A field whose None means "does not apply": the JSON record leaves it out."""
    return field(default=None, metadata={"omit_none": True})


def utc_now() -> datetime:
    """The wall clock, for `time` fields only; never for measuring."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase of one connection took, in ms; one that did not happen is left out."""

    dns_ms: float | None = optional()
    tcp_ms: float | None = optional()
    proxy_ms: float | None = optional()
    tls_ms: float | None = optional()
    upgrade_ms: float | None = optional()
    ping_ms: float | None = optional()
    close_ms: float | None = optional()
    total_ms: float | None = optional()


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
class TcpFacts:
    """TCP_INFO of the connection (Linux tcp(7)); behind a proxy it describes the first hop."""

    rtt_ms: float | None = None
    min_rtt_ms: float | None = None
    retransmits: int | None = None
    mss: int | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A hint of an intermediary: a product's name and the header line that gave it away."""

    product: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Drop:
    """How a connection ended.

    `how`: see CLI.md's list. `at_s`: seconds since the upgrade completed. `wire`: whether TCP still
    acknowledged what we wrote (None: not known). `code`/`reason`: only for `close`.
    """

    how: How
    at_s: float
    wire: bool | None = None
    code: int | None = optional()
    reason: str | None = optional()
    detail: str | None = optional()


@dataclass(frozen=True, slots=True)
class Error:
    """A failure as a diagnosis: the phase, what was seen (`message`), what to change (`hint`)."""

    type: ClassVar[str] = "error"
    url: str
    phase: str
    kind: ErrorKind
    message: str
    hint: str | None = None


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


@dataclass(frozen=True, slots=True)
class PingStart:
    """Record `ping.start`: connected; `clock` says where round trips are stamped."""

    type: ClassVar[str] = "ping.start"
    url: str
    address: str | None
    phases: Phases
    clock: Clock
    reconnect: int | None = optional()
    """With --reconnect: how many connections there were before this one."""
    proxy: str | None = optional()
    proxy_why: str | None = optional()
    """Which option or variable named the proxy, or kept one from being used."""


@dataclass(frozen=True, slots=True)
class PingReply:
    """Record `ping.reply`: a Pong (or an echo) matched to its Ping."""

    type: ClassVar[str] = "ping.reply"
    url: str
    seq: int
    time: datetime
    rtt_ms: float
    late: bool = False
    tcp_rtt_ms: float | None = None
    retransmits: int | None = None
    unsent_bytes: int | None = None
    cause: Cause | None = None
    clock: Clock = "user"


@dataclass(frozen=True, slots=True)
class PingLost:
    """Record `ping.lost`: no Pong within the timeout (-W)."""

    type: ClassVar[str] = "ping.lost"
    url: str
    seq: int
    time: datetime
    waited_ms: float


@dataclass(frozen=True, slots=True)
class PingClosed:
    """Record `ping.closed`: the connection ended while pinging."""

    type: ClassVar[str] = "ping.closed"
    url: str
    time: datetime
    drop: Drop


@dataclass(frozen=True, slots=True)
class Attribution:
    """The median round trip split in two, and outliers counted by cause, with sentences."""

    network_ms: float | None
    endpoint_ms: float | None
    causes: dict[Cause, int] = field(default_factory=dict)
    explanation: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """Latency idle against latency under load, and what was sent for it."""

    idle_p50_ms: float | None
    loaded_p50_ms: float | None
    sent_bytes: int
    queued_bytes_max: int | None = optional()
    explanation: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Threshold:
    """One limit asked for (`--max-p95 …`) and whether it holds."""

    name: str
    limit: float
    measured: float | None
    ok: bool


@dataclass(frozen=True, slots=True)
class PingSummary:
    """Record `ping.summary`: statistics over all replies in time (late ones are lost)."""

    type: ClassVar[str] = "ping.summary"
    url: str
    sent: int
    received: int
    lost: int
    loss_pct: float | None
    min_ms: float | None
    avg_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    stddev_ms: float | None
    jitter_ms: float | None
    duration_s: float
    late: int = 0
    attribution: Attribution | None = None
    load: Load | None = optional()
    thresholds: Sequence[Threshold] = ()
    drops: int = 0
    unmatched: int = 0
    """Pongs and messages that answered none of our Pings."""
    advice: Sequence[str] = ()
    partial: bool = False
    """True for statistics asked for in mid-run (SIGQUIT)."""


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """Progress, not a record: a lane of the timeline opened. `lane` numbers lanes from 0."""

    url: str
    lane: int
    trial: Trial
    rung_s: float | None
    interval_s: float | None
    planned_s: float
    """Seconds after the upgrade at which this trial ends when nothing drops it."""


@dataclass(frozen=True, slots=True)
class TrialActivity:
    """Progress, not a record: bytes crossed a trial's connection, so its idle clock restarted."""

    url: str
    lane: int
    at_s: float
    direction: Literal["sent", "received"]
    what: str
    """In a word: `ping`, `pong`, `text`, `keepalive`…"""


@dataclass(frozen=True, slots=True)
class IdleTrial:
    """Record `idle.trial`: one connection's fate.

    `idle_s`: seconds since the last byte, either direction, when the outcome was known.
    """

    type: ClassVar[str] = "idle.trial"
    url: str
    trial: Trial
    rung_s: float | None
    interval_s: float | None
    outcome: Outcome
    idle_s: float | None
    drop: Drop | None
    lane: int = 0
    age_s: float | None = None
    """Seconds since the upgrade when the outcome was known."""
    started_s: float = 0.0
    """Seconds between the probe's start and this connection's upgrade: aligns trials in time."""
    received: Sequence[tuple[float, str]] = ()
    """What the server sent on its own: (seconds since the upgrade, `ping`/`text`/…), bounded."""
    longest_idle_s: float | None = None
    """Longest stretch without a byte that this connection survived."""
    late_pong_s: float | None = optional()
    """A Pong that came after its deadline, in seconds after its Ping (a NAT picked the flow up)."""
    detail: str | None = optional()
    round: int = 1
    """Which repetition (--repeat) or pass (--refine) it belongs to, from 1."""
    since_sent_s: float | None = None
    """Seconds since we last sent a byte, at the outcome; a timer may count one direction only."""
    since_received_s: float | None = None
    """Seconds since the peer last sent a byte (its farewell not counted), at the outcome."""
    keepalives_sent: int = 0
    gap_s: float | None = optional()
    """Longest time between two keepalives of this trial."""
    pong_s: float | None = optional()
    """How long the answer to the last question (Ping or message) took, in seconds."""
    retransmits: int | None = optional()
    """TCP segments sent again while that answer was awaited (Linux)."""
    upgrade_s: float = 0.0
    """Between our upgrade request and the 101: the peer's timer may have started anywhere in it."""
    blind_s: float = 0.0
    """For how long before the outcome this process had not looked (stopped, or a busy machine)."""
    violation: str | None = optional()
    """The rule that the endpoint broke: we had to end the connection ourselves."""
    after_write: bool = False
    """The end showed only after we wrote, so it may have happened at any time before."""


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval in seconds; `high` None: no upper bound is known."""

    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product whose known default fits what was measured; a candidate, never a culprit."""

    product: str
    directive: str | None
    default_s: float | None
    why: str | None = optional()


@dataclass(frozen=True, slots=True)
class IdleVerdict:
    """Record `idle.verdict`: the answer for one URL, with its evidence in sentences.

    `explanation[0]` is the answer in one sentence; the rest is evidence. `advice`: what to set.
    """

    type: ClassVar[str] = "idle.verdict"
    url: str
    verdict: Verdict
    idle_timeout_s: Range | None = None
    lifetime_s: Range | None = optional()
    """For `lifetime`: the age at which every connection ended."""
    tested_up_to_s: float | None = None
    drop: Drop | None = None
    keepalives: dict[Trial, Keepalive] = field(default_factory=dict)
    recommended_ping_interval_s: float | None = None
    candidates: Sequence[Candidate] = ()
    explanation: Sequence[str] = ()
    advice: Sequence[str] = ()
    hops: Sequence[Hop] = ()
    partial: bool = False
    """True when the probe was interrupted: the verdict so far."""
    required_s: float | None = optional()
    """--require: the idle time asked for; `require_ok` says whether it was survived."""
    require_ok: bool | None = optional()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Record `check.result`: one rule or limit, judged."""

    type: ClassVar[str] = "check.result"
    id: str
    url: str
    group: str
    status: Status
    measured: str | float | None = None
    limit: str | float | None = optional()
    detail: str = ""
    rule: str | None = optional()
    took_ms: float | None = None
    why: str | None = optional()
    endpoint: str | None = optional()
    """The endpoint's name, where a file gives it one."""
    unmeasured: bool | None = optional()
    """True for a skip that was not wanted: asked for, but something kept it from being judged."""


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """Record `check.summary`: counts over all endpoints."""

    type: ClassVar[str] = "check.summary"
    passed: int
    warned: int
    failed: int
    skipped: int
    duration_s: float
    unmeasured: int | None = optional()
    """How many of the skipped were asked for but could not be judged; the exit code is then 1."""


@dataclass(frozen=True, slots=True)
class ServeListening:
    """Record `serve.listening`: the first thing `serve` prints."""

    type: ClassVar[str] = "serve.listening"
    url: str
    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class ServeEvent:
    """Record `serve.event`: something that happened to one connection of `serve`."""

    type: ClassVar[str] = "serve.event"
    time: datetime
    connection: int
    event: str
    data: dict[str, Any] = field(default_factory=dict)
    """Further members, merged into the record."""


Record = (
    ConnectResult | PingStart | PingReply | PingLost | PingClosed | PingSummary | IdleTrial
    | IdleVerdict | CheckResult | CheckSummary | ServeListening | ServeEvent | Error
)  # fmt: skip
PingEvent = PingStart | PingReply | PingLost | PingClosed | PingSummary | Error
IdleEvent = TrialStarted | TrialActivity | IdleTrial | IdleVerdict | Error
