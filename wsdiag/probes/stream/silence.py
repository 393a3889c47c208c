"""From the silence's beginning to its end: when it is told, with which cause, and when it is mute.

    messages come --limit passed--> suspected --cause known, or late--> silent --two Pings--> mute
          ^                             |                                  |                   |
          +------ the next message -----+----------- `resumed` ------------+-------------------+

When no message has come for longer than is usual, a Ping is wanted at once: its answer, or that it
is late, is the cause. So a silence is told with its cause, at most as long after the limit as a
Ping may take. That the endpoint is mute takes a second Ping, which leaves half the limit later:
one answer might have been on its way already when all stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsdiag.probes.stream.pings import PingLog
from wsdiag.records.stream import SilenceCause

SECOND_PING_S = 1.0
_DECIDED_AFTER_S = 1.5

Step = Literal["silence", "mute"]


@dataclass(slots=True)
class Silence:
    """The time without messages that goes on; in seconds of one clock."""

    since_s: float
    limit_s: float
    told: bool = False
    mute: bool = False
    cause: SilenceCause | None = None
    pinged: int = 0
    """Pings that were asked for."""

    def wants_ping(self, now_s: float) -> bool:
        """Whether a Ping should leave now, whatever the interval says."""
        over_s = now_s - self.since_s - self.limit_s
        if over_s < 0:
            return False
        if not self.pinged or (self.pinged == 1 and over_s >= min(self.limit_s / 2, SECOND_PING_S)):
            self.pinged += 1
            return True
        return False

    def next(self, now_s: float, pings: PingLog, stalled_s: float) -> Step | None:
        """What is to be told now; `stalled_s`: for how long of it wsdiag itself did not run."""
        over_s = now_s - self.since_s - self.limit_s
        if over_s < 0:
            return None
        if stalled_s >= (now_s - self.since_s) / 2:
            self.cause = "local"
        elif (cause := pings.cause(self.since_s, now_s - over_s, now_s)) is not None:
            self.cause = cause
        late = over_s > max(_DECIDED_AFTER_S, pings.late_s() + 0.5)
        if not self.told and (self.cause is not None or late):
            self.told = True
            return "silence"
        enough = pings.answered_since(self.since_s) >= 2
        if self.told and not self.mute and self.cause == "feed" and enough:
            self.mute = True
            return "mute"
        return None
