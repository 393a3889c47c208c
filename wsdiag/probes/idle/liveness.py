"""A question to a connection that has been quiet: a Ping (or a message), and what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wsdiag.protocol.events import BinaryMessage, Event, Pong, TextMessage
from wsdiag.transport.session import Session

Method = Literal["ping", "data", "ack"]

# An acknowledgement takes a round trip; a delayed one 40 ms more (Linux: 200 ms at most).
ACK_WAIT_S = 3.0
# So many Pings at once ask a second time: an endpoint that loses Pongs answers one of them.
RETRY_PINGS = 5


@dataclass(slots=True)
class LivenessCheck:
    """One question, asked `at_s` (seconds since the upgrade) after `idle_s` of quiet."""

    at_s: float
    idle_s: float
    payload: bytes
    retransmits_before: int
    expect: str | None = None
    answered_s: float | None = None
    again_at_s: float | None = None
    """When it was asked a second time."""
    lost: bool = False
    """Whether only the second time was answered."""

    @classmethod
    def ask(
        cls,
        session: Session,
        method: Method,
        at_s: float,
        idle_s: float,
        token: str,
        send: str | None,
        expect: str | None,
    ) -> LivenessCheck:
        """Write it. The method `ack` sends a Ping too: TCP's acknowledgement is the answer."""
        before = _retransmits(session)
        if method == "data" and send is not None:
            session.send_text(send, stamp=False)
            return cls(at_s, idle_s, b"", before, expect)
        payload = token.encode("ascii")
        session.ping(payload)
        return cls(at_s, idle_s, payload, before)

    def again(self, session: Session, at_s: float) -> None:
        """Ask with Pings once more: TCP acknowledged the first, so only its Pong may be lost."""
        self.again_at_s = at_s
        for number in range(RETRY_PINGS):
            session.ping(self.payload + b"+%d" % number)

    def hears(self, event: Event, at_s: float) -> bool:
        """Whether this event answers it; noted with its time."""
        if isinstance(event, Pong):
            first, _, second = event.payload.partition(b"+")
            matches = bool(self.payload) and first == self.payload
            self.lost = self.lost or (matches and bool(second) and self.answered_s is None)
        else:
            matches = not self.payload and _expected(event, self.expect)
        if matches and self.answered_s is None:
            self.answered_s = at_s
        return matches

    def retransmitted(self, session: Session) -> int | None:
        """TCP segments sent again since it was asked; None where TCP does not tell."""
        info = session.tcp_info()
        return None if info is None else info.total_retrans - self.retransmits_before


def _expected(event: Event, pattern: str | None) -> bool:
    if isinstance(event, TextMessage):
        text = event.text
    elif isinstance(event, BinaryMessage):
        text = event.data.decode("utf-8", "replace")
    else:
        return False
    return pattern is None or re.search(pattern, text) is not None


def _retransmits(session: Session) -> int:
    info = session.tcp_info()
    return 0 if info is None else info.total_retrans
