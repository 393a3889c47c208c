"""The Pings beside a stream: is the connection alive while no message comes?"""

from __future__ import annotations

from collections import deque

from wsdiag.records.stream import SilenceCause, StreamPings
from wsdiag.statistics import Histogram

# A Pong later than a second, and than four times the 95th percentile so far, is late.
LATE_S, LATE_TIMES = 1.0, 4.0
_REMEMBERED = 256


class PingLog:
    """Pings on one URL's connections, in order: sent, answered, late; times in s of one clock."""

    __slots__ = (
        *("_answered", "_waiting", "acknowledged", "answered", "figures", "last_ms"),
        *("proxied", "sent"),
    )

    def __init__(self) -> None:
        self.sent = self.answered = 0
        self.figures = Histogram()
        self.last_ms: float | None = None
        self.acknowledged: bool | None = None
        """Whether TCP had acknowledged all that was sent when this was last looked at."""
        self.proxied = False
        """Whether the TCP that acknowledges is a proxy's: it says nothing of the way on."""
        self._waiting: dict[bytes, float] = {}
        self._answered: deque[float] = deque(maxlen=_REMEMBERED)

    def left(self, payload: bytes, at_s: float) -> None:
        """A Ping left; a later one that is answered answers it too (RFC 6455, 5.5.3)."""
        self.sent += 1
        self._waiting[payload] = at_s
        if len(self._waiting) > _REMEMBERED:
            del self._waiting[next(iter(self._waiting))]

    def came(self, payload: bytes, rtt_s: float) -> bool:
        """A Pong came; False where it answers none of ours."""
        if payload not in self._waiting:
            return False
        sent_s = self._waiting[payload]
        for other in list(self._waiting):
            del self._waiting[other]
            if other == payload:
                break
        self.answered += 1
        self.last_ms = rtt_s * 1e3
        self.figures.add(self.last_ms)
        self._answered.append(sent_s)
        return True

    def forget(self) -> None:
        """The connection is lost: what waits is not answered any more."""
        self._waiting.clear()

    def waits_s(self, now_s: float) -> float | None:
        """The age of the oldest unanswered Ping; None: all are answered."""
        oldest_s = next(iter(self._waiting.values()), None)
        return None if oldest_s is None else now_s - oldest_s

    def left_since(self, since_s: float) -> int:
        """How many left after `since_s`, answered or not."""
        return self.answered_since(since_s) + sum(
            sent_s > since_s for sent_s in self._waiting.values()
        )

    def answered_since(self, since_s: float) -> int:
        """How many left after `since_s` and were answered."""
        return sum(sent_s > since_s for sent_s in self._answered)

    def late_s(self) -> float:
        """An answer that takes longer than this is late."""
        return max(LATE_S, LATE_TIMES * (self.figures.percentile(95) or 0.0) / 1e3)

    def cause(self, since_s: float, now_s: float) -> SilenceCause | None:
        """Why nothing has come since `since_s`, as far as Pings can tell; None: not known yet."""
        late_s = self.late_s()
        waits_s = self.waits_s(now_s)
        if waits_s is not None and waits_s > late_s:
            if self.acknowledged is False:
                return "network"
            return None if self.proxied else "endpoint"
        return "feed" if self.answered_since(since_s) else None

    def record(self) -> StreamPings:
        """The same as a record's member."""
        figures = self.figures
        p50, p95 = figures.percentile(50), figures.percentile(95)
        return StreamPings(self.sent, self.answered, p50, p95, figures.maximum)
