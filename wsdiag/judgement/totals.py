"""What a run of Pings to one URL has counted so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.judgement.attribution import Attributor, RoundTrip
from wsdiag.records import Clock, Drop
from wsdiag.statistics import Histogram, RunningStatistics


@dataclass(slots=True, kw_only=True)
class Outages:
    """Times without answers, of which the last may still go on."""

    count: int = 0
    down_s: float = 0.0
    longest_s: float = 0.0
    watched_s: float = 0.0
    """Since the first attempt to connect."""

    @property
    def availability_pct(self) -> float | None:
        """The time that was no outage, in percent; None before there was any."""
        if not self.watched_s:
            return None
        return 100.0 * (1 - min(self.down_s / self.watched_s, 1.0))


@dataclass(slots=True, kw_only=True)
class PingTotals:
    """Everything counted about one URL over all of its connections; times in ms."""

    sent: int = 0
    received: int = 0
    """Answered in time."""
    late: int = 0
    """Answered, but after the timeout: lost as well."""
    lost: int = 0
    skipped: int = 0
    """Overtaken by a later one before the endpoint had to answer (RFC 6455, 5.5.3)."""
    unanswered: int = 0
    """In flight now, or when the run ended."""
    overdue: int = 0
    """Those of the unanswered that should have been answered by now."""
    oldest_unanswered_ms: float | None = None
    overtaken: int = 0
    """Lost ones whose successors were answered."""
    unsent: int = 0
    """Lost ones that had not left, as the peer took no bytes."""
    cut_off: int = 0
    """Lost ones that were in flight when their connection ended."""
    unmatched: int = 0
    """Pongs and messages that answered none of our Pings."""
    unfinished: tuple[int, int] | None = None
    """(announced length, bytes so far) of a frame that had not come whole at the end."""
    no_echo: bool = False
    """In a message mode: losses, and never an answer."""
    drops: int = 0
    last_drop: Drop | None = None
    ended: Drop | None = None
    """How the connection ended, unless a later one has answered since."""
    outages: Outages | None = None
    """With --reconnect."""
    statistics: RunningStatistics = field(default_factory=RunningStatistics)
    """Of the answers in time."""
    unheld: Histogram = field(default_factory=Histogram)
    """Round trips of those that no silence held up, in ms."""
    http2: RunningStatistics | None = None
    """Round trips of HTTP/2's own PING, where there were any."""
    attributor: Attributor = field(default_factory=Attributor)
    slowest_ms: float | None = None
    """The longest answer, late ones included."""
    floor_ms: float | None = None
    """The shortest round trip that TCP itself saw (TCP_INFO); None: not known."""
    clock: Clock = "user"
    """What the latest round trip rests on."""
    proxy: str | None = None
    inbound_bytes: int = 0
    """Received on all connections."""
    behind_data: int = 0
    """Answers in time that had waited behind data which the endpoint was sending."""
    ahead: Histogram = field(default_factory=Histogram)
    """How many bytes those waited behind."""
    free: Histogram = field(default_factory=Histogram)
    """Round trips of the other ones, in ms."""

    @property
    def loss_pct(self) -> float | None:
        """Lost and overdue Pings among those sent, in percent; None before the first."""
        return 100.0 * (self.lost + self.overdue) / self.sent if self.sent else None

    def answered(self, rtt_ms: float, clock: Clock, *, late: bool = False) -> None:
        """Count an answer."""
        self.clock = clock
        self.slowest_ms = max(self.slowest_ms or 0.0, rtt_ms)
        if late:
            self.late += 1
        else:
            self.received += 1
            self.statistics.add(rtt_ms)

    def saw_inbound(self, trip: RoundTrip) -> None:
        """Note whether a Pong waited behind data."""
        if trip.behind_data:
            self.behind_data += 1
            self.ahead.add(trip.inbound.size)
        else:
            self.free.add(trip.rtt_ms)

    def edge_answered(self, rtt_ms: float) -> None:
        """Count an answer to HTTP/2's own PING."""
        self.http2 = self.http2 or RunningStatistics()
        self.http2.add(rtt_ms)

    def saw_floor(self, min_rtt_ms: float | None) -> None:
        """Note TCP's own shortest round trip; the kernel forgets it after five minutes."""
        if min_rtt_ms is not None:
            self.floor_ms = min(min_rtt_ms, self.floor_ms or min_rtt_ms)
