"""One target: what the records of its Pings add up to. Everything here costs a Ping's time.

Counters live as long as the target does; a target that a new config changes begins anew, which
Prometheus takes for what it is (a counter that was reset).

What bounds the number of series: `how` and `cause` are closed sets, Close codes beyond the known
ones share `other`, error kinds are a closed set; all of them appear only once they have happened.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from wsdiag.exporter.config import ExporterTarget
from wsdiag.exporter.feed import Feed, FeedFigures
from wsdiag.judgement.ending import Ended, cause_of
from wsdiag.probes.ping.pinger import Pinger
from wsdiag.protocol.codes import NO_STATUS, is_known
from wsdiag.records import (
    Cause,
    Drop,
    Error,
    Http2Info,
    IdleVerdict,
    Phases,
    PingClosed,
    PingEvent,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingWaiting,
    utc_now,
)
from wsdiag.records.explain import RecordedOutcome
from wsdiag.transport.session import Session

if TYPE_CHECKING:
    from wsdiag.transport.tls.values import TlsFacts

KEPT_ENDS = 5
HIGHEST_HTTP2_ERROR = 0xD
"""Of RFC 9113, 7."""
Change = PingClosed | Error | PingStart
"""What is worth a line in a log: a drop, the first failure to connect after one, and its end."""


@dataclass(slots=True)
class RttHistogram:
    """Round trips in seconds by the bucket they fall into, the last one for what is beyond."""

    bounds_s: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    sum_s: float = 0.0
    last_s: float | None = None

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds_s) + 1)

    def add(self, rtt_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds_s, rtt_s)] += 1
        self.sum_s += rtt_s
        self.last_s = rtt_s

    def copy(self) -> RttHistogram:
        """As it is now."""
        return RttHistogram(self.bounds_s, self.counts.copy(), self.sum_s, self.last_s)


@dataclass(slots=True)
class TargetFigures:
    """What is counted about one target; times of day in seconds since 1970."""

    rtt: RttHistogram
    connected: bool = False
    answered: bool = False
    """Whether a Ping was answered on this connection: many that answer none can be opened."""
    waiting: bool = False
    """Whether a Ping is overdue."""
    phases: Phases | None = None
    opened: float | None = None
    """When the latest connection opened."""
    connections: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Attempts to connect that failed, by the error's kind."""
    drops: Counter[tuple[str, str, RecordedOutcome]] = field(default_factory=Counter)
    """Connections that ended, by `how`, Close code and cause."""
    last_drop_age_s: float | None = None
    last_drop_idle_s: float | None = None
    last_drop: float | None = None
    outliers: Counter[Cause] = field(default_factory=Counter)
    certificate_expiry: float | None = None
    tcp_rtt_s: float | None = None
    retransmissions: int = 0
    idle_verdict: IdleVerdict | None = None
    idle_verdict_at: float | None = None
    sent: int = 0
    lost: int = 0
    late: int = 0
    down_s: float = 0.0
    feed: FeedFigures | None = None
    http2: Http2Info | None = None

    @property
    def up(self) -> bool:
        """Whether there is a connection, and it answers."""
        return self.connected and self.answered and not self.waiting

    def copy(self) -> TargetFigures:
        """As they are now, to be read from another thread."""
        copied = copy(self)
        copied.rtt = self.rtt.copy()
        copied.failures, copied.drops = self.failures.copy(), self.drops.copy()
        copied.outliers = self.outliers.copy()
        return copied


class WatchedTarget:
    """Takes the records of one target's pinger, each at once; `figures()` is what they come to."""

    def __init__(self, target: ExporterTarget, name: str, bounds_s: tuple[float, ...]) -> None:
        """`name`: the label, made unique."""
        self.target = target
        self.labels = {"url": target.shown_url, "name": name}
        self.pinger: Pinger | None = None
        self.on_change: Callable[[WatchedTarget, Change], None] = lambda _target, _event: None
        self._now = TargetFigures(RttHistogram(bounds_s))
        self._ends: deque[Ended] = deque(maxlen=KEPT_ENDS)
        self._retransmissions_before = 0
        self._told_down = False
        self._loop = asyncio.get_running_loop()
        self.feed = Feed(target) if target.is_feed else None

    def set_buckets(self, bounds_s: tuple[float, ...]) -> None:
        """Count anew in other buckets."""
        if bounds_s != self._now.rtt.bounds_s:
            self._now.rtt = RttHistogram(bounds_s)

    # -- what a pinger takes for its queue -------------------------------------------------------

    def qsize(self) -> int:
        """Nothing waits here."""
        return 0

    def put_nowait(self, event: PingEvent, /) -> None:
        """Count an event."""
        now = self._now
        if self.feed is not None and isinstance(event, PingSent | PingReply):
            self.feed.pinged(event, self._loop.time())
        if isinstance(event, PingReply):
            now.answered = True
            now.rtt.add(event.rtt_ms / 1e3)
            if event.cause is not None:
                now.outliers[event.cause] += 1
        elif isinstance(event, PingWaiting):
            now.waiting = True
        elif isinstance(event, PingResumed):
            now.waiting = False
        elif isinstance(event, PingStart):
            self._opened(event)
        elif isinstance(event, PingClosed):
            self._closed(event)
        elif isinstance(event, Error):
            if now.connected:  # a bug of ours has ended it
                self._disconnected()
            now.failures[event.kind] += 1
            if not self._told_down:
                self._told_down = True
                self.on_change(self, event)

    def _opened(self, event: PingStart) -> None:
        now = self._now
        now.connected, now.answered, now.waiting = True, False, False
        now.phases = event.phases
        if self._told_down:
            self._told_down = False
            self.on_change(self, event)
        now.opened, now.connections = utc_now().timestamp(), now.connections + 1
        if self.feed is not None:
            self.feed.opened(self._loop.time())
        session = self._session()
        if session is not None and session.report is not None:
            self.saw_certificate(session.report.tls)

    def _closed(self, event: PingClosed) -> None:
        now, drop = self._now, event.drop
        self._read_tcp()
        self._disconnected()
        now.last_drop_age_s, now.last_drop_idle_s = drop.at_s, event.idle_s
        now.last_drop = event.time.timestamp()
        self._ends.append(Ended(drop, event.idle_s))
        verdict = None if now.idle_verdict is None else now.idle_verdict.verdict
        now.drops[drop.how, _code(drop), cause_of(tuple(self._ends), verdict)] += 1
        self.on_change(self, event)

    def _disconnected(self) -> None:
        self._now.connected = self._now.answered = self._now.waiting = False
        if self.feed is not None:
            self.feed.closed(self._loop.time())
        self._retransmissions_before = self._now.retransmissions

    def judged_idle(self, verdict: IdleVerdict) -> None:
        """Take what an idle probe of this target found."""
        self._now.idle_verdict, self._now.idle_verdict_at = verdict, utc_now().timestamp()

    def saw_certificate(self, tls: TlsFacts | None) -> None:
        """Take what a TLS handshake found."""
        if tls is not None and tls.not_after is not None:
            self._now.certificate_expiry = datetime.fromisoformat(tls.not_after).timestamp()

    def looked_at_http2(self, seen: Http2Info) -> None:
        """Take what a browser would find over HTTP/2."""
        self._now.http2 = seen

    # -- what is asked ---------------------------------------------------------------------------

    def figures(self) -> TargetFigures:
        """All of them at this moment."""
        if self.pinger is not None:
            self._read_tcp()
            totals, now = self.pinger.totals, self._now
            now.sent, now.lost, now.late = totals.sent, totals.lost, totals.late
            now.down_s = self.pinger.outages().down_s
        if self.feed is not None:
            self._now.feed = self.feed.figures()
        return self._now.copy()

    def _session(self) -> Session | None:
        return None if self.pinger is None else self.pinger.session

    def _read_tcp(self) -> None:
        session = self._session()
        info = None if session is None or not self._now.connected else session.tcp_info()
        if info is not None:
            self._now.tcp_rtt_s = info.rtt_us / 1e6
            self._now.retransmissions = self._retransmissions_before + info.total_retrans


def _code(drop: Drop) -> str:
    """The label of a Close code, or of HTTP/2's error code: bounded, as a peer may send any."""
    if drop.how in ("rst-stream", "goaway"):
        known = drop.code is not None and 0 <= drop.code <= HIGHEST_HTTP2_ERROR
    elif drop.how == "close":
        known = drop.code is None or is_known(drop.code)
    else:
        return ""
    code = NO_STATUS if drop.code is None else drop.code
    return str(code) if known else "other"
