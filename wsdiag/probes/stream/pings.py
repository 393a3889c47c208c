"""The Pings beside a stream: is the connection alive while no message comes?

Whose silence it is, is told by a Ping that left after the last message: an older one may have been
acknowledged, and its Pong lost, when the path died. And by that Ping's own acknowledgement: a newer
one may just be on its way. An acknowledgement that was late itself clears no path: the Ping was
lost and sent again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from wsdiag.records.stream import SilenceCause, StreamPings
from wsdiag.statistics import Histogram

# A Pong later than a second, and than four times the 95th percentile so far, is late.
LATE_S, LATE_TIMES = 1.0, 4.0
_REMEMBERED = 256


@dataclass(slots=True)
class _Waiting:
    """A Ping without its Pong so far."""

    left_s: float
    acknowledged_s: float | None = None
    """When TCP had acknowledged it; None: not yet."""


class PingLog:
    """Pings on one URL's connections, in order: sent, answered, late; times in s of one clock."""

    __slots__ = (
        "_acknowledged",
        "_answered",
        "_waiting",
        "answered",
        "figures",
        "last_ms",
        "proxied",
        "sent",
    )

    def __init__(self) -> None:
        self.sent = self.answered = 0
        self.figures = Histogram()
        self.last_ms: float | None = None
        self.proxied = False
        """Whether the TCP that acknowledges is a proxy's: it says nothing of the way on."""
        self._acknowledged: bool | None = None
        self._waiting: dict[bytes, _Waiting] = {}
        self._answered: deque[float] = deque(maxlen=_REMEMBERED)

    def left(self, payload: bytes, at_s: float) -> None:
        """A Ping left; a later one that is answered answers it too (RFC 6455, 5.5.3)."""
        self.sent += 1
        self._waiting[payload] = _Waiting(at_s)
        if len(self._waiting) > _REMEMBERED:
            del self._waiting[next(iter(self._waiting))]

    def came(self, payload: bytes, rtt_s: float) -> bool:
        """A Pong came; False where it answers none of ours."""
        if payload not in self._waiting:
            return False
        sent_s = self._waiting[payload].left_s
        for other in list(self._waiting):
            del self._waiting[other]
            if other == payload:
                break
        self.answered += 1
        self.last_ms = rtt_s * 1e3
        self.figures.add(self.last_ms)
        self._answered.append(sent_s)
        return True

    def acknowledged(self, everything: bool | None, now_s: float) -> None:
        """Note whether TCP has acknowledged all that was sent so far; None: nobody knows."""
        self._acknowledged = everything
        if everything:
            for payload in self._waiting:
                self.was_acknowledged(payload, now_s)

    def was_acknowledged(self, payload: bytes, at_s: float) -> None:
        """Note that TCP has acknowledged this Ping."""
        waiting = self._waiting.get(payload)
        if waiting is not None and waiting.acknowledged_s is None:
            waiting.acknowledged_s = at_s

    def forget(self) -> None:
        """The connection is lost: what waits is not answered any more."""
        self._waiting.clear()

    def waits_s(self, now_s: float) -> float | None:
        """The age of the oldest unanswered Ping; None: all are answered."""
        oldest = next(iter(self._waiting.values()), None)
        return None if oldest is None else now_s - oldest.left_s

    def answered_since(self, since_s: float) -> int:
        """How many left after `since_s` and were answered."""
        return sum(sent_s > since_s for sent_s in self._answered)

    def late_s(self) -> float:
        """An answer that takes longer than this is late."""
        return max(LATE_S, LATE_TIMES * (self.figures.percentile(95) or 0.0) / 1e3)

    def cause(self, since_s: float, suspected_s: float, now_s: float) -> SilenceCause | None:
        """Why nothing has come since `since_s`, as far as Pings can tell; None: not known yet.

        An answer to a Ping from before the silence was suspected only says that all was well then.
        """
        left = [waiting for waiting in self._waiting.values() if waiting.left_s > since_s]
        late_s = self.late_s()
        if left and now_s - left[0].left_s > late_s:
            acknowledged_s = left[0].acknowledged_s
            if acknowledged_s is None or acknowledged_s - left[0].left_s > late_s:
                return None if self._acknowledged is None else "network"
            return None if self.proxied else "endpoint"
        return "feed" if any(sent_s >= suspected_s for sent_s in self._answered) else None

    def record(self) -> StreamPings:
        """The same as a record's member."""
        figures = self.figures
        p50, p95 = figures.percentile(50), figures.percentile(95)
        return StreamPings(self.sent, self.answered, p50, p95, figures.maximum)
