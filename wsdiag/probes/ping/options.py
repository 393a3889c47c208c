"""What `ping` sends, how fast, and what must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsdiag.probes.ping.payloads import LONGEST_PING, SHORTEST, Mode
from wsdiag.probes.ping.schedule import BACKOFF_LIMIT_S

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadPlan

SHORTEST_INTERVAL_S = 0.001
INTERVAL_S, INTERVAL_UNDER_LOAD_S = 1.0, 0.2
DEFAULT_SIZE = 16
LONGEST_MESSAGE = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PingOptions:
    """The options of `wsdiag ping`, named as there. ValueError when impossible.

    `_s` are seconds, `_ms` milliseconds, `size` and `load_bytes` bytes; `load`, `download` and
    `read_rate` bytes a second.
    """

    count: int | None = None
    interval_s: float | None = None
    """None: 1 s, and 200 ms under load."""
    timeout_s: float = 20.0
    deadline_s: float | None = None
    size: int | None = None
    """None: 16 bytes."""
    mode: Mode = "ping"
    http2_ping: bool = True
    """Over HTTP/2: send its own PING beside."""
    flood: bool = False
    adaptive: bool = False
    reconnect: bool = False
    retry_max_wait_s: float = BACKOFF_LIMIT_S
    load: float | Literal["max"] | None = None
    load_idle_s: float = 5.0
    load_time_s: float = 10.0
    load_bytes: int = 64 * 2**20
    download: float | Literal["max"] | None = None
    """Asked for after `load_idle_s` (and after the load), for `load_time_s`; bytes a second."""
    read_rate: float | None = None
    max_p50_ms: float | None = None
    max_p95_ms: float | None = None
    max_p99_ms: float | None = None
    max_loss_pct: float | None = None
    max_drops: int | None = None
    min_availability_pct: float | None = None

    def __post_init__(self) -> None:
        most = LONGEST_PING if self.mode == "ping" else LONGEST_MESSAGE
        if self.size is not None and not SHORTEST <= self.size <= most:
            raise ValueError(f"size: {SHORTEST} to {most} bytes in mode {self.mode}")
        if self.interval_s is not None and self.interval_s < SHORTEST_INTERVAL_S:
            raise ValueError("interval: 1 ms is the shortest")
        if self.timeout_s <= 0 or (self.deadline_s is not None and self.deadline_s <= 0):
            raise ValueError("timeout and deadline must be positive")
        if self.flood and self.adaptive:
            raise ValueError("flood and adaptive exclude each other")
        if self.read_rate is not None and self.read_rate <= 0:
            raise ValueError("read_rate must be positive")
        if self.retry_max_wait_s <= 0:
            raise ValueError("retry_max_wait must be positive")
        if self.min_availability_pct is not None and not self.reconnect:
            raise ValueError("min_availability needs reconnect: without it the first drop is last")

    @property
    def effective_interval_s(self) -> float:
        """Between two Pings, unless answers set the pace."""
        if self.interval_s is not None:
            return self.interval_s
        loaded = not (self.load is self.download is self.read_rate is None)
        return INTERVAL_UNDER_LOAD_S if loaded else INTERVAL_S

    @property
    def overdue_interval_s(self) -> float:
        """The interval that counts for what is overdue: none where answers set the pace."""
        return 0.0 if self.paced_by_replies else self.effective_interval_s

    @property
    def paced_by_replies(self) -> bool:
        """Whether answers, not the clock, say when the next Ping leaves."""
        return self.flood or self.adaptive

    @property
    def counts_replies(self) -> bool:
        """Whether `count` is of replies: with a deadline ping(8) goes on until it has that many."""
        return self.deadline_s is not None

    def limits(self) -> dict[str, float]:
        """The limits asked for, by the name of their option."""
        limits = {
            "max-p50": self.max_p50_ms,
            "max-p95": self.max_p95_ms,
            "max-p99": self.max_p99_ms,
            "max-loss": self.max_loss_pct,
            "max-drops": None if self.max_drops is None else float(self.max_drops),
            "min-availability": self.min_availability_pct,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def load_plan(self) -> LoadPlan | None:
        """What `--load` sends, and when; its `announcement()` is to be shown before."""
        if self.load is None and self.download is None:
            return None
        from wsdiag.probes.ping.load import LoadPlan

        return LoadPlan(
            rate=self.load,
            download=self.download,
            idle_s=self.load_idle_s,
            time_s=self.load_time_s,
            most_bytes=self.load_bytes,
        )
