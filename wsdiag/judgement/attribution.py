"""Whose latency is it? One pure function from a round trip's facts to its cause, with the reasons.

What decides, in order (`cause_of`); only an outlier has a cause at all:

1. **local**: the times were taken in user space and our own process slept through the answer. With
   the kernel's stamps our sleep is not in the figure, so it cannot be the cause.
2. **queue**: data of our own stood in front of the Ping: unsent, or unacknowledged, or sent and
   not worked off by the endpoint yet. A Ping cannot overtake it (RFC 6455 has one byte stream).
3. **network**: segments came out of order or TCP retransmitted while the Ping was out, or its
   answer stood in line behind one that was lost, or most of the excess had passed before the peer's
   kernel acknowledged the Ping, or TCP's own round trip rose enough to explain it. The peer's
   kernel acknowledges without its application, so a late ACK is the path's doing.
4. **endpoint**: most of the excess passed after the acknowledgement, or nothing above happened:
   the application, or a proxy that holds the answer, was busy. Not claimed right after a loss,
   where a lost answer looks the same.

Where the facts are missing there is no cause: a wrong verdict is worse than none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

from wsdiag.records import Cause, Clock

# An outlier is far out by the run's own measure and long enough to matter to anyone.
SPREADS = 10.0
SHARE_OF_MEDIAN = 0.5
FLOOR_MS = 20.0
WINDOW = 300
WARM_UP = 3

QUEUED_BYTES = 8 * 1024
BACKLOG_BYTES = 64 * 1024
# The peer may hold an ACK back, hoping for data to carry it (RFC 1122, 4.2.3.2; Linux: 40 ms).
DELAYED_ACK_MS = 40.0
# Linux stays in that mode for up to 16 segments (TCP_MAX_QUICKACKS); answers here are one each.
LOSS_REMEMBERED = 5


class RoundTripFacts(NamedTuple):
    """What is known about one round trip; times in ms, None where it could not be measured."""

    rtt_ms: float
    clock: Clock = "user"
    tcp: bool = True
    """False on a Unix socket: there is no network to blame."""
    tcp_rtt_ms: float | None = None
    """TCP's smoothed round trip when the answer came (TCP_INFO)."""
    retransmits: int | None = None
    """TCP retransmissions between the Ping and its answer."""
    queued_bytes: int | None = None
    """Our bytes not acknowledged yet when the Ping was written, its own not counted."""
    backlog_bytes: int = 0
    """Message bytes written since the last answered Ping: the endpoint may still be at them."""
    reordered: int | None = None
    """Segments that arrived out of order meanwhile: one of the peer's was lost on the way."""
    acked_by_ms: float | None = None
    """After the Ping, a time by which its bytes had been acknowledged."""
    unacked_for_ms: float | None = None
    """After the Ping, the last time at which its bytes were known to be unacknowledged."""
    behind_loss: bool = False
    """Answered in one burst with a Ping that loss had delayed: TCP delivers in order."""
    after_loss: bool = False
    """A loss was repaired within the last few answers."""
    stalled_ms: float = 0.0
    """How long our own process did not run between the Ping and its answer being read."""


class Normal(NamedTuple):
    """What is usual on this connection: the median and the limit beyond which lies an outlier."""

    median_ms: float
    limit_ms: float
    tcp_rtt_ms: float | None = None


class Baseline:
    """The last 300 round trips, from which `normal()` tells what is usual; bounded memory.

    The spread is the distance from the lower quartile to the median, because the upper half of the
    samples is where trouble lives: up to half of them may be outliers and the measure still holds.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []
        self._tcp: deque[float] = deque(maxlen=WINDOW)

    def add(self, rtt_ms: float, tcp_rtt_ms: float | None = None) -> None:
        """Take a round trip and TCP's own, in ms; outliers too, for a new normal must be found."""
        self._recent.append(rtt_ms)
        insort(self._ordered, rtt_ms)
        if len(self._recent) > WINDOW:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        if tcp_rtt_ms is not None:
            self._tcp.append(tcp_rtt_ms)

    def normal(self) -> Normal | None:
        """What is usual, or None before there are enough samples to say."""
        count = len(self._ordered)
        if count < WARM_UP:
            return None
        median = self._ordered[count // 2]
        spread = median - self._ordered[count // 4]
        margin = max(SPREADS * spread, SHARE_OF_MEDIAN * median, FLOOR_MS)
        return Normal(median, median + margin, self._usual_tcp())

    def _usual_tcp(self) -> float | None:
        # The window's minimum would remember one lucky moment; its median follows the path.
        return sorted(self._tcp)[len(self._tcp) // 2] if self._tcp else None


def shows_loss(facts: RoundTripFacts) -> bool:
    """Whether a segment was lost meanwhile, ours (retransmitted) or the peer's (a gap seen)."""
    return bool(facts.retransmits or facts.reordered or facts.behind_loss)


def is_outlier(rtt_ms: float, normal: Normal | None) -> bool:
    """Whether a round trip is far enough from the usual to deserve a cause."""
    return normal is not None and rtt_ms > normal.limit_ms


def cause_of(facts: RoundTripFacts, normal: Normal | None) -> Cause | None:
    """The cause of one outlier; None for a usual round trip and where the facts do not say."""
    if normal is None or not is_outlier(facts.rtt_ms, normal):
        return None
    excess = facts.rtt_ms - normal.median_ms
    if facts.clock == "user" and facts.stalled_ms >= excess / 2:
        return "local"
    if _waited_in_line(facts):
        return "queue"
    if not facts.tcp:
        return "endpoint"
    if facts.retransmits is None:
        return None
    if _path_was_slow(facts, normal, excess):
        return "network"
    # After a loss the peer's kernel acknowledges at once, before its answer: when that answer is
    # lost in turn, it looks from here like a busy endpoint.
    return None if facts.after_loss else "endpoint"


def _waited_in_line(facts: RoundTripFacts) -> bool:
    return (facts.queued_bytes or 0) >= QUEUED_BYTES or facts.backlog_bytes >= BACKLOG_BYTES


def _path_was_slow(facts: RoundTripFacts, normal: Normal, excess: float) -> bool:
    if facts.reordered or facts.behind_loss:
        return True
    if facts.acked_by_ms is not None and facts.rtt_ms - facts.acked_by_ms >= excess / 2:
        # Whatever was retransmitted, it was not what the Pong waited for.
        return False
    if facts.retransmits:
        return True
    if facts.unacked_for_ms is not None:
        return facts.unacked_for_ms - normal.median_ms - DELAYED_ACK_MS >= excess / 2
    return _smoothed_rise(facts, normal) >= excess / 2


def _smoothed_rise(facts: RoundTripFacts, normal: Normal) -> float:
    if facts.tcp_rtt_ms is None or normal.tcp_rtt_ms is None:
        return 0.0
    # One sample moves the smoothed round trip by an eighth of its excess (RFC 6298, 2.3).
    return (facts.tcp_rtt_ms - normal.tcp_rtt_ms) * 8
