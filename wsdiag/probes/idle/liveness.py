"""A liveness check: is a connection that was idle still there? A Ping or a message, and its answer.

Judged by its Pong; by a message where the endpoint answers no Pings but echoes `--send`; where it
does neither, by TCP's acknowledgement of the Ping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsdiag.protocol.events import BinaryMessage, Event, Pong, TextMessage

# An acknowledgement takes a round trip; a delayed one 40 ms more (Linux: 200 ms at most).
ACK_WAIT_S = 3.0
# So many Pings at once are a retry: an endpoint that loses Pongs answers one of them.
RETRY_PINGS = 5


@dataclass(slots=True)
class LivenessCheck:
    """One check, sent `at_s` (seconds since the upgrade) after `idle_s` without a byte."""

    at_s: float
    idle_s: float
    payload: bytes
    """The Ping's; empty: a message was sent."""
    expect: str | None = None
    """A regular expression that a message must match to be the answer; None: any."""
    retransmits_before: int | None = None
    """TCP segments sent again on this connection before the check; None where TCP does not tell."""
    answered_s: float | None = None
    retried_s: float | None = None
    first_pong_lost: bool = False
    """Whether only the retry was answered."""

    @property
    def answered_late(self) -> bool:
        """Whether the answer came, after the deadline, to the check itself and not to its retry."""
        return self.retried_s is not None and not self.first_pong_lost

    def matches(self, event: Event) -> bool:
        """Whether this event is an answer."""
        if isinstance(event, Pong):
            return bool(self.payload) and event.payload.partition(b"+")[0] == self.payload
        if isinstance(event, TextMessage):
            text = event.text
        elif isinstance(event, BinaryMessage):
            text = event.data.decode("utf-8", "replace")
        else:
            return False
        return not self.payload and (self.expect is None or bool(re.search(self.expect, text)))

    def answered(self, event: Event, at_s: float) -> None:
        """Note an event that matches; the first one counts."""
        if self.answered_s is None:
            self.answered_s = at_s
            self.first_pong_lost = isinstance(event, Pong) and event.payload != self.payload
