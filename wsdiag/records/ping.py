"""What `ping` measures: round trips as they happen, and the statistics over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from wsdiag.records.base import Drop, Error, Phases, optional

Cause = Literal["network", "endpoint", "queue", "local"]
Clock = Literal["kernel", "user"]


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


PingEvent = PingStart | PingReply | PingLost | PingClosed | PingSummary | Error
