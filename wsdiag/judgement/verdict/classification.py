"""What a verdict is, and by which reasoning; the words for people are chosen by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wsdiag.judgement.verdict.application import ApplicationTimeout
from wsdiag.judgement.verdict.clocks import ClockName, Cluster
from wsdiag.judgement.verdict.moments import Sweep
from wsdiag.records import Drop, IdleTrial, Range, Verdict

Reason = Literal[
    "event",
    "sweep",
    "spread",
    "silent",
    "alive",
    "touch",
    "sent",
    "wanted",
    "kept-busy",
    "age",
    "moment",
    "backends",
    "displaced",
    "random",
    "outlived",
    "contradiction",
    "conflict",
    "blackout",
    "suspend",
    "link",
    "shared",
    "nothing",
    "closed-at-once",
    "broken",
]
"""Why a verdict is what it is; the words are chosen by it."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The verdict, why, and when idle connections are dropped (or, for a lifetime, all of them)."""

    verdict: Verdict
    reason: Reason
    range: Range | None = None
    drop: Drop | None = None
    clock: ClockName = "either"
    cluster: Cluster | None = None
    sweep: Sweep | None = None
    application: ApplicationTimeout | None = None
    maybe_late: bool = False
    """Too few connections, or all started at once: a timer that is looked at now and then, and so
    fires late, would look the same."""
    members: tuple[IdleTrial, ...] = ()
    """The drops that this rests on, where they are no cluster."""
    beside: tuple[IdleTrial, ...] = ()
    """What an event ended in another round, and so says nothing about this verdict."""
    allowed: int | None = None
    """How many connections at once the endpoint allows, where it ends the oldest for the next."""
    unproven: bool = False
    """No keepalive trial with traffic in both directions tells idle timeout and lifetime apart."""

    def all_say(self, says: Callable[[Drop | None], bool]) -> bool:
        """Whether all the ends that this rests on name one cause, and not only the one shown."""
        trials = self.members or (() if self.cluster is None else self.cluster.members)
        drops = [t.drop for t in trials] or [self.drop]
        return all(map(says, drops))
