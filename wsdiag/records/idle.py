"""What `idle-probe` finds out: the fate of each connection, and the verdict over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from wsdiag.records.base import Drop, Error, Hop, optional

TrialKind = Literal["idle", "ping", "pong", "tcp-keepalive", "push", "data"]
Outcome = Literal["alive", "dropped", "silent", "refused", "kept-busy", "aborted"]
Verdict = Literal[
    "no-drop", "idle-timeout", "lifetime", "kept-busy", "inconsistent", "local-fault", "unreachable"
]
KeepaliveOutcome = Literal["holds", "drops", "untested"]


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """Progress, not a record: a lane of the timeline opened. `connection` numbers lanes from 0."""

    url: str
    connection: int
    trial: TrialKind
    idle_for_s: float | None
    interval_s: float | None
    planned_s: float
    """Seconds after the upgrade at which this trial ends when nothing drops it."""


@dataclass(frozen=True, slots=True)
class TrialActivity:
    """Progress, not a record: bytes crossed a trial's connection, so its idle clock restarted."""

    url: str
    connection: int
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
    trial: TrialKind
    idle_for_s: float | None
    interval_s: float | None
    outcome: Outcome
    idle_s: float | None
    drop: Drop | None
    connection: int = 0
    age_s: float | None = None
    """Seconds since the upgrade when the outcome was known."""
    started_s: float = 0.0
    """Seconds between the probe's start and this connection's upgrade: aligns trials in time."""
    received: Sequence[tuple[float, str]] = ()
    """What the server sent on its own: (seconds since the upgrade, `ping`/`text`/…), bounded."""
    longest_idle_s: float | None = None
    """Longest stretch without a byte that this connection survived."""
    late_pong_s: float | None = optional()
    """A Pong that came after its deadline, in seconds after its Ping: on a connection that is
    `silent`, a NAT picked the flow up; on one that is `alive`, TCP had acknowledged the Ping."""
    lost_pongs: int | None = optional()
    """Pings without a Pong although this connection lived and answered later ones."""
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
    keepalives: dict[TrialKind, KeepaliveOutcome] = field(default_factory=dict)
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


IdleEvent = TrialStarted | TrialActivity | IdleTrial | IdleVerdict | Error
