"""What one endpoint is doing, where it is not answering: silent, or down and being tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from wsdiag.records import (
    PingClosed,
    PingDialling,
    PingEvent,
    PingOutage,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingSummary,
    PingWaiting,
)
from wsdiag.units import counted


@dataclass(slots=True)
class MonitorStatus:
    """Follows one URL's events; `since` is None while it answers."""

    since: datetime | None = None
    unanswered: int = 0
    attempt: int = 0
    """While it is down: the number of the attempt to connect; 0 where it is silent."""
    why: str = ""
    over: bool = False

    def take(self, event: PingEvent) -> None:
        """Take one event of this URL in."""
        match event:
            case PingWaiting():
                if self.since is None:  # else an outage, which a new connection does not end
                    self.since = event.time - timedelta(milliseconds=event.waited_ms)
                self.unanswered, self.attempt = event.unanswered, 0
            case PingSent():
                self.unanswered = event.unanswered
            case PingDialling():
                self.since, self.attempt, self.why = event.began, event.attempt, event.why
            case PingReply() if event.late:
                pass
            case PingReply() | PingResumed() | PingOutage() | PingClosed():
                self.since = None
            case PingStart() if self.attempt:
                self.attempt = 0
            case PingSummary() if not event.partial:
                self.since, self.over = None, True

    @property
    def down(self) -> bool:
        """Whether there is no connection."""
        return self.since is not None and self.attempt > 0

    @property
    def trouble(self) -> str | None:
        """The same in one word, for where a figure stood; None: it answers."""
        return None if self.since is None else "down" if self.down else "silent"

    def words(self, now: datetime, dot: str) -> str | None:
        """`waiting 6.1 s · 12 unanswered` or `down 5.2 s, attempt 4, refused`; None: it answers."""
        if self.since is None:
            return None
        age = _tenths((now - self.since).total_seconds())
        if self.down:
            return f"down {age}, attempt {self.attempt}" + (f", {self.why}" if self.why else "")
        return f"waiting {age} {dot} {self.unanswered} unanswered"


def together(statuses: list[MonitorStatus], now: datetime, dot: str) -> str | None:
    """The words for all endpoints of a run."""
    troubled = [status for status in statuses if status.since is not None]
    if len(statuses) == 1 or not troubled:
        return troubled[0].words(now, dot) if troubled else None
    down = sum(status.down for status in troubled)
    parts = [f"{len(troubled) - down} silent"] if len(troubled) > down else []
    parts += [f"{down} down"] if down else []
    return f"of {counted(len(statuses), 'endpoint')}: {', '.join(parts)}"


def _tenths(seconds: float) -> str:
    """Seconds with a figure that is seen to move: `6.1 s`, `2 m 6 s`."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    return f"{int(minutes)} m {int(rest)} s" if minutes else f"{rest:.1f} s"
