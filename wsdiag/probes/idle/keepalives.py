"""What each kind of trial does on its connection, and when the next keepalive is due.

A kind is one row of `BEHAVIOURS`; options, plan and trial read everything there. A new one needs
its name in `records.TrialKind`, its row here, its name in sentences in
`judgement/verdict/evidence_text.py`, and, where it sends what none did before, a member of
`Sending` and a case in `Trial._send`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from wsdiag.records import TrialKind

Sending = Literal["ping", "pong", "text", "tcp-keepalive", "heartbeat", "h2-ping"]


@dataclass(frozen=True, slots=True)
class TrialBehaviour:
    """One kind of trial: what it sends, and what that asks of the peer."""

    kind: TrialKind
    first: Sending | None = None
    """Sent once, when the connection is open."""
    keepalive: Sending | None = None
    """Sent whenever a keepalive is due; None: there are none."""
    needs_answer: bool = False
    """Whether a keepalive without its answer, in time, means that the connection is silent."""
    text_from: Literal["push", "send"] | None = None
    """The option that holds its text; given, it adds this kind to those that are tried."""


BEHAVIOURS: dict[TrialKind, TrialBehaviour] = {
    behaviour.kind: behaviour
    for behaviour in (
        TrialBehaviour("idle"),
        TrialBehaviour("ping", keepalive="ping", needs_answer=True),
        TrialBehaviour("pong", keepalive="pong"),
        TrialBehaviour("tcp-keepalive", keepalive="tcp-keepalive"),
        TrialBehaviour("push", first="text", text_from="push"),
        TrialBehaviour("data", keepalive="text", text_from="send"),
        TrialBehaviour("heartbeat", keepalive="heartbeat"),
        TrialBehaviour("h2-ping", keepalive="h2-ping"),
    )
}


@dataclass(slots=True)
class KeepaliveSchedule:
    """When keepalives are due, in seconds since the upgrade: at a steady gap, or, from a short
    first one on, in gaps that double and never exceed half of the age."""

    gap_s: float
    first_gap_s: float | None = None
    sent: list[float] = field(default_factory=list)
    _limit_s: float | None = None

    @property
    def next_gap_s(self) -> float:
        """The time between the last keepalive (or the upgrade) and the next."""
        if self.first_gap_s is None:
            return self.gap_s
        gap_s = min(self.gap_s, max(self.first_gap_s, self.sent[-1] if self.sent else 0.0))
        return gap_s if self._limit_s is None else min(gap_s, self._limit_s)

    @property
    def due_s(self) -> float:
        """When the next keepalive is to be sent."""
        return (self.sent[-1] if self.sent else 0.0) + self.next_gap_s

    def limit_gaps(self, timeout_s: float) -> None:
        """The timeout is known: gaps that double stay within half of it from here on.

        Not below the first one: connections that end as soon as they are open are no timeout, and
        must not make a flood of keepalives.
        """
        self._limit_s = max(timeout_s / 2, self.first_gap_s or 0.0)

    def longest_gap_s(self, until_s: float) -> float | None:
        """Longest time without a keepalive up to `until_s`; None before the first one."""
        return longest_gap_s(self.sent, until_s)


def longest_gap_s(sent: Sequence[float], until_s: float) -> float | None:
    """Longest time without one of these up to `until_s`; None where there is none."""
    return max(b - a for a, b in pairwise([0.0, *sent, until_s])) if sent else None
