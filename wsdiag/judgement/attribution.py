"""Whose latency is it: the network's, the endpoint's, a queue's (ours, theirs), or this machine's?

Why the kernel's timestamps and TCP_INFO can tell them apart. A Ping's time line, us to peer:

    written      sent by the      acknowledged by     answered by the        the Pong reaches
    by wsdiag    kernel           the peer's kernel   peer's application     our kernel, then us
    |-- queue ---|---- network, there and back -------|
                 |--------------------- the round trip that is reported -----|-- local --|

TCP's acknowledgement comes from the peer's *kernel*, which needs no application for it. So an ACK
that came in time (SO_TIMESTAMPING reports it per segment) clears the path: the rest of the wait was
spent above TCP, in the application or in a proxy that holds the answer. A late ACK, retransmissions
(`tcpi_total_retrans`) or segments out of order (`tcpi_rcv_ooopack`) point at the path. Kernel
timestamps keep our own process out of the figure: if it sleeps between the packet's arrival and its
`recvmsg`, the round trip does not grow. In user space it does, and a heartbeat of the event loop
says for how long we slept.

What decides, in this order, and why. Only an outlier has a cause at all:

1. local: it would spoil every later comparison, so it comes first; only with user-space times.
2. queue: data of our own was ahead of the Ping, unsent, unacknowledged, or not processed by the
   endpoint yet. A WebSocket is one byte stream, nothing overtakes. A full queue also shows as late
   ACKs and retransmissions, hence before the network.
3. inbound-queue: data of the endpoint's was ahead of its Pong, the same the other way round. It
   counts where it arrived without a pause of most of the wait, and cut as a queue is rather than at
   the ends of messages (transport/stream/inbound.py): so an endpoint that sends a trickle, or that
   stands still and then sends what is due, is still the endpoint. It comes before the network for
   the queue's reason: what fills the path also makes it lose.
4. network: loss, or most of the excess had passed before the ACK. A peer may delay an ACK by 40 ms,
   which is not the path's doing. Where no ACK was timed, TCP's smoothed round trip must have risen
   enough. An answer that came in one burst with a repaired loss shares its cause, as TCP delivers
   in order.
   Over HTTP/2 a PING of its own left with the Ping, and is answered where HTTP/2 ends. Came that
   in time, and nothing was lost, the way was clear: neither a late ACK nor TCP's round trip is
   held against it. Came it late, it tells nothing new: that was the way, or the process there.
5. endpoint: none of the above, although the kernel was asked. Not claimed within a few answers of a
   loss, when the peer's kernel acknowledges at once: an answer that is lost looks the same then.
   Nor behind a proxy: the kernel that acknowledges is the proxy's, and the way on from there is as
   good a suspect, unless HTTP/2's PING came through it in time.

On loopback there is no path to be slow. Between the kernel's two stamps only the endpoint's
process can have waited, for a processor or for itself; a late ACK is one that its answer would have
carried.

Where the kernel could not be asked there is no cause: a wrong verdict is worse than none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from math import inf
from typing import NamedTuple

from wsdiag.records import Cause, Clock
from wsdiag.transport.stream.inbound import Inbound

# An outlier is far out by the run's own measure and long enough to matter to anyone.
SPREADS = 10.0
SHARE_OF_MEDIAN = 0.5
FLOOR_MS = 20.0
WINDOW = 300
WARM_UP = 3

QUEUED_BYTES = 8 * 1024
BACKLOG_BYTES = 64 * 1024
QUEUED_SHARE = 0.5
LONGEST_PAUSE = 0.75
# The peer may hold an ACK back, hoping for data to carry it (RFC 1122, 4.2.3.2; Linux: 40 ms).
DELAYED_ACK_MS = 40.0
# Linux stays in that mode for up to 16 segments (TCP_MAX_QUICKACKS); answers here are one each.
LOSS_REMEMBERED = 5
# What TCP held back behind a lost segment is delivered at once when the segment is there.
_BURST_NS = 1_000_000


class RoundTrip(NamedTuple):
    """What is known about one round trip; times in ms, None where it could not be measured."""

    rtt_ms: float
    clock: Clock = "user"
    """Where its arrival was stamped: the kernel's stamp keeps our own sleep out of `rtt_ms`."""
    tcp: bool = True
    """False on a Unix socket: there is no network to blame."""
    loopback: bool = False
    """Both ends are on this machine."""
    proxied: bool = False
    """TCP ends at a proxy: nothing is known of the way on from there."""
    tcp_rtt_ms: float | None = None
    """TCP's smoothed round trip when the answer came (TCP_INFO)."""
    retransmits: int | None = None
    """TCP retransmissions between the Ping and its answer."""
    queued_bytes: int | None = None
    """Our bytes not acknowledged yet when the Ping was written, its own not counted."""
    inbound: Inbound = Inbound()
    """What arrived meanwhile."""
    backlog_bytes: int = 0
    """Message bytes written since the last answered Ping: the endpoint may still be at them."""
    reordered: int | None = None
    """Segments that arrived out of order meanwhile: one of the peer's was lost on the way."""
    acked_ms: float | None = None
    """When TCP's acknowledgement of the Ping's last byte arrived, after the Ping."""
    behind_loss: bool = False
    """Answered in one burst with a Ping that loss had delayed: TCP delivers in order."""
    http2_ms: float | None = None
    """HTTP/2's PING that left just before, where it was answered by then."""
    after_loss: bool = False
    """A loss was repaired within the last few answers."""
    stalled_ms: float = 0.0
    """How long our own process did not run between the Ping and its answer being read."""

    @property
    def behind_data(self) -> bool:
        """Whether the Pong waited behind data that the endpoint was sending."""
        inbound = self.inbound
        return (
            inbound.size >= QUEUED_BYTES
            and inbound.pause_ms - self.stalled_ms < self.rtt_ms * LONGEST_PAUSE
            and inbound.queued_share >= QUEUED_SHARE
        )

    @property
    def shows_loss(self) -> bool:
        """Whether a segment was lost meanwhile: ours (retransmitted) or the peer's (a gap)."""
        return bool(self.retransmits or self.reordered or self.behind_loss)


class Normal(NamedTuple):
    """What is usual on this connection: the median, and the limit beyond which lies an outlier."""

    median_ms: float
    limit_ms: float
    tcp_rtt_ms: float | None = None
    http2_ms: float | None = None


class _Window:
    """The last 300 values, in order."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self.ordered: list[float] = []

    def add(self, value: float) -> None:
        self._recent.append(value)
        insort(self.ordered, value)
        if len(self._recent) > WINDOW:
            del self.ordered[bisect_left(self.ordered, self._recent.popleft())]


class Baseline:
    """The last 300 round trips, from which `normal()` tells what is usual; bounded memory.

    The spread is the distance from the lower quartile to the median, because the upper half of the
    samples is where trouble lives: up to half of them may be outliers and the measure still holds.
    """

    def __init__(self) -> None:
        self._rtts, self._tcp_rtts, self._http2 = _Window(), _Window(), _Window()

    def add(
        self, rtt_ms: float, tcp_rtt_ms: float | None = None, http2_ms: float | None = None
    ) -> None:
        """Take a round trip, TCP's own and that of HTTP/2's PING, in ms.

        Outliers too, for a new normal must be found.
        """
        self._rtts.add(rtt_ms)
        if http2_ms is not None:
            self._http2.add(http2_ms)
        if tcp_rtt_ms is not None:
            self._tcp_rtts.add(tcp_rtt_ms)

    def normal(self) -> Normal | None:
        """What is usual, or None before there are enough samples to say."""
        rtts, tcp_rtts = self._rtts.ordered, self._tcp_rtts.ordered
        if len(rtts) < WARM_UP:
            return None
        median = rtts[len(rtts) // 2]
        spread = median - rtts[len(rtts) // 4]
        margin = max(SPREADS * spread, SHARE_OF_MEDIAN * median, FLOOR_MS)
        # The window's minimum would remember one lucky moment; its median follows the path.
        return Normal(median, median + margin, _median(tcp_rtts), _median(self._http2.ordered))


def _median(ordered: list[float]) -> float | None:
    return ordered[len(ordered) // 2] if ordered else None


class Attributor:
    """Gives each outlier its cause, as the round trips come in, and counts them."""

    def __init__(self, baseline: Baseline | None = None) -> None:
        self.baseline = Baseline() if baseline is None else baseline
        self.causes: Counter[Cause] = Counter()
        self.unexplained = 0
        self.inbound_ahead_max = 0
        """The most bytes that an outlier's Pong waited behind."""
        self.retransmitted = 0
        """Outliers of the network during which a segment was lost."""
        self.shortest_ms = inf
        """Of the outliers; the limits that they exceeded follow."""
        self.lowest_limit_ms, self.highest_limit_ms = inf, 0.0
        self.longest_usual_ms = 0.0
        """Of what was no outlier when it came, which may exceed the limit of now."""
        self._repaired_ns: int | None = None
        self._answers_since_loss = LOSS_REMEMBERED

    def add(self, trip: RoundTrip, arrived_ns: int, *, usual: bool = True) -> Cause | None:
        """Take the next answer; its cause, None for no outlier and where the facts do not say.

        `usual` False (under load) keeps it out of the baseline.
        """
        if self._repaired_ns is not None and arrived_ns - self._repaired_ns <= _BURST_NS:
            trip = trip._replace(behind_loss=True)
        elif self._answers_since_loss < LOSS_REMEMBERED:
            trip = trip._replace(after_loss=True)
        lossy = trip.shows_loss
        self._answers_since_loss = 0 if lossy else self._answers_since_loss + 1
        normal = self.baseline.normal()
        cause = None
        if normal is None or trip.rtt_ms <= normal.limit_ms:
            self.longest_usual_ms = max(self.longest_usual_ms, trip.rtt_ms)
        else:
            self.shortest_ms = min(self.shortest_ms, trip.rtt_ms)
            self.lowest_limit_ms = min(self.lowest_limit_ms, normal.limit_ms)
            self.highest_limit_ms = max(self.highest_limit_ms, normal.limit_ms)
            cause = _cause_of_outlier(trip, normal)
            if cause is None:
                self.unexplained += 1
            else:
                self.causes[cause] += 1
            if cause == "inbound-queue":
                self.inbound_ahead_max = max(self.inbound_ahead_max, trip.inbound.size)
            if cause == "network" and lossy:
                self.retransmitted += 1
                self._repaired_ns = arrived_ns
        if usual:
            self.baseline.add(trip.rtt_ms, trip.tcp_rtt_ms, trip.http2_ms)
        return cause


def _cause_of_outlier(trip: RoundTrip, normal: Normal) -> Cause | None:
    """The order of the questions is explained above."""
    excess = trip.rtt_ms - normal.median_ms
    if trip.clock == "user" and trip.stalled_ms >= excess / 2:
        return "local"
    if (trip.queued_bytes or 0) >= QUEUED_BYTES or trip.backlog_bytes >= BACKLOG_BYTES:
        return "queue"
    if trip.behind_data:
        return "inbound-queue"
    if not trip.tcp:
        return "endpoint"
    if trip.retransmits is None:
        return None
    if (trip.shows_loss or not trip.loopback) and _path_was_slow(trip, normal, excess):
        return "network"
    unseen = trip.proxied and not _http2_came_in_time(trip, normal, excess)
    return None if unseen or trip.after_loss else "endpoint"


def _path_was_slow(trip: RoundTrip, normal: Normal, excess: float) -> bool:
    if trip.reordered or trip.behind_loss:
        return True
    if trip.acked_ms is not None and trip.rtt_ms - trip.acked_ms >= excess / 2:
        # Whatever was retransmitted, it was not what the Pong waited for.
        return False
    if trip.retransmits:
        return True
    if _http2_came_in_time(trip, normal, excess):
        return False
    if trip.acked_ms is not None:
        return trip.acked_ms - normal.median_ms - DELAYED_ACK_MS >= excess / 2
    if trip.tcp_rtt_ms is None or normal.tcp_rtt_ms is None:
        return False
    # One sample moves the smoothed round trip by an eighth of its excess (RFC 6298, 2.3).
    return (trip.tcp_rtt_ms - normal.tcp_rtt_ms) * 8 >= excess / 2


def _http2_came_in_time(trip: RoundTrip, normal: Normal, excess: float) -> bool:
    if trip.http2_ms is None or normal.http2_ms is None:
        return False
    return trip.http2_ms - normal.http2_ms < excess / 2
