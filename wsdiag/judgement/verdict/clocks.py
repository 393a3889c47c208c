"""Do drops agree, and on which clock: idleness, one direction's silence, age, or the wall?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from wsdiag.judgement.verdict.evidence import ended_s
from wsdiag.records import IdleTrial, Range

ClockName = Literal["either", "sent", "received", "message"]

Read = Callable[[IdleTrial], float]
"""A clock: what it showed when a trial's connection ended."""

CLOCKS: dict[ClockName, Read] = {
    "either": lambda t: t.idle_s or 0.0,
    "sent": lambda t: t.since_sent_s or 0.0,
    "received": lambda t: t.since_received_s or 0.0,
    "message": lambda t: _since_message_s(t),
}


def age_s(trial: IdleTrial) -> float:
    """The clock of a maximum lifetime."""
    return trial.age_s or 0.0


# The peer's timer may itself be late; ours never sees a drop before it happens. Hence more margin
# below than above.
MARGIN_BELOW_S = 0.1
MARGIN_ABOVE_S = 0.05
_OUTLIER_SHARE = 0.1
_FEW = 5
# Idle times that differ by more were not measured inexactly.
_GRAIN_S = 0.1
# Connections that fell idle this far apart tell an exact timer from one that is looked at.
_APART_S = 0.05
# Looks that come more often than this are within the margins; how far they may miss the step.
_LEAST_PERIOD_S, _STEP_S = 0.1, 0.03


def _since_message_s(trial: IdleTrial) -> float:
    """Of an idle connection, which sends none: since the endpoint's last, or the opening."""
    came = [at_s for at_s, what in trial.received if what in ("text", "binary")]
    return (trial.age_s or 0.0) - max(came, default=0.0)


def tolerance_s(timeout_s: float) -> float:
    """How far drops of one timer may lie apart: products check once a second, some in threes."""
    return min(3.0, max(1.0, 0.2 * timeout_s))


def proof_margin_s(timeout_s: float) -> float:
    """By how much a connection must outlive a timeout to prove anything: products that look once a
    second end some connections a second later than others."""
    return min(1.1, 0.5 * timeout_s)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Drops that agree on a clock, those that do not, and the seconds that clock showed."""

    clock: ClockName
    members: tuple[IdleTrial, ...]
    outliers: tuple[IdleTrial, ...]

    @property
    def values(self) -> list[float]:
        """The clock's readings at the drops that agree, sorted."""
        return sorted(CLOCKS[self.clock](t) for t in self.members)


def cluster_on(clock: ClockName, trials: Sequence[IdleTrial]) -> Cluster | None:
    """The densest group of drops on this clock, if (nearly) all are in it."""
    read = CLOCKS[clock]
    ordered = sorted(trials, key=read)
    first, end = densest([read(t) for t in ordered])
    members = tuple(ordered[first:end])
    outliers = tuple(t for t in ordered if t not in members)
    allowed = int(_OUTLIER_SHARE * len(ordered)) if len(ordered) >= _FEW else 0
    allowed = max(allowed, 1) if len(ordered) >= 2 * _FEW else allowed
    return Cluster(clock, members, outliers) if len(outliers) <= allowed else None


def densest(values: Sequence[float]) -> tuple[int, int]:
    """Of sorted values, the longest slice [first:end] within the tolerance of its start."""
    best = (0, 0)
    end = 0
    for first, value in enumerate(values):
        while end < len(values) and values[end] <= value + tolerance_s(value):
            end += 1
        if end - first > best[1] - best[0]:
            best = (first, end)
    return best


def agreeing(
    read: Sequence[tuple[IdleTrial, float | None]], within_s: float
) -> list[tuple[IdleTrial, float]]:
    """Those whose values lie that close together, if (nearly) all do; else none.

    A busy machine is late now and then, so of four or five one may disagree, and so on: of the idle
    ones, and of those in use, as these would be the ones to outlive the others.
    """
    known = sorted(((t, s) for t, s in read if s is not None), key=lambda each: each[1])
    best: list[tuple[IdleTrial, float]] = []
    for first, (_, low) in enumerate(known):
        best = max(best, [each for each in known[first:] if each[1] <= low + within_s], key=len)
    for idle in (True, False):
        own = [t for t, _ in read if (t.trial == "idle") is idle]
        fit = [t for t, _ in best if (t.trial == "idle") is idle]
        if len(own) - len(fit) > (len(own) + 1) // 5:
            return []
    return best


def drop_range(cluster: Cluster, rtt_s: float | None) -> Range:
    """The range of the timeout: what was observed, widened by all that delays the observation.

    The peer's timer started between our request and its answer, and the end's way to us took up
    to a round trip; a process that did not run saw it later still.
    """
    read, rtt = CLOCKS[cluster.clock], rtt_s or 0.0
    low = min(read(t) - rtt - t.blind_s for t in cluster.members) - MARGIN_BELOW_S
    values = cluster.values
    if values[-1] - values[0] > _GRAIN_S:
        # Some were late by so much; the earliest may have been late by as much.
        low -= values[-1] - values[0]
    # A timer is no longer than any connection allows, however late the others' upgrades were.
    high = max(values[-1], min(_most_s(t, read) for t in cluster.members))
    high += MARGIN_ABOVE_S
    return Range(round(max(0.0, low), 2), round(high, 2))


def maybe_late(trials: Sequence[IdleTrial], read: Read) -> bool:
    """Whether a timer that is looked at now and then would look the same as one that is exact.

    It would end connections at common moments; so what had fallen idle at different times, and yet
    was dropped after equal idle times, met an exact one.
    """
    begins = [(t.round, ended_s(t) - read(t)) for t in trials]
    rounds = [[s for n, s in begins if n == number] for number in {n for n, _ in begins}]
    apart_s = max(max(own) - min(own) for own in rounds)
    values = sorted(map(read, trials))
    if len(values) < 3 or apart_s < _APART_S or values[-1] - values[0] > 0.06:
        return True
    return any(_in_step(own, apart_s) for own in rounds if max(own) - min(own) == apart_s)


def late_by_s(trials: Sequence[IdleTrial], read: Read) -> float:
    """By how much these may be late where a timer is looked at once a second, or more often:
    between two looks lies at most the shortest time between two moments at which drops came."""
    ends = sorted((t.round, ended_s(t)) for t in trials)
    gaps = [after - before for (n, before), (m, after) in pairwise(ends) if n == m]
    look_s = proof_margin_s(min(map(read, trials)))
    return min([look_s, *(gap for gap in gaps if gap > _LEAST_PERIOD_S)])


def _in_step(begins: Sequence[float], apart_s: float) -> bool:
    """Whether they begin at multiples of one period, as looks at connections would come."""
    first_s = min(begins)
    for count in range(1, int(apart_s / _LEAST_PERIOD_S) + 1):
        period_s = apart_s / count
        steps = [(begin - first_s) / period_s for begin in begins]
        if all(abs(step - round(step)) * period_s <= _STEP_S for step in steps):
            return True
    return False


def _most_s(trial: IdleTrial, read: Read) -> float:
    """What the clock showed if the peer's timer started when it got what its last bytes answered:
    our upgrade request, or what we sent since."""
    shown_s, sent_s, old_s = read(trial), trial.since_sent_s or 0.0, trial.age_s or 0.0
    if abs((trial.idle_s or 0.0) - old_s) < 1e-3:
        return shown_s + trial.upgrade_s
    by_itself = any(at_s > old_s - sent_s for at_s, _ in trial.received)
    return shown_s if by_itself else max(shown_s, sent_s)


def groups(values: Sequence[float]) -> list[list[float]]:
    """Sorted values cut where neighbours lie further apart than one timer explains."""
    found: list[list[float]] = []
    for value in sorted(values):
        if found and value - found[-1][-1] <= tolerance_s(value) / 2:
            found[-1].append(value)
        else:
            found.append([value])
    return found


def same_age(trials: Sequence[IdleTrial]) -> bool:
    """Whether these ended at the same age, rather than at the same moment."""
    oldest_s = max((t.age_s or 0.0 for t in trials), default=0.0)
    ages_s, moments_s = _spreads_s(trials)
    return ages_s <= tolerance_s(oldest_s) and not _moment_fits_better(ages_s, moments_s)


def same_moment(trials: Sequence[IdleTrial]) -> bool:
    """Whether these ended at one moment, although they had not started at one."""
    ages_s, moments_s = _spreads_s(trials)
    return moments_s <= 1.0 and _moment_fits_better(ages_s, moments_s)


def _spreads_s(trials: Sequence[IdleTrial]) -> tuple[float, float]:
    """How far apart these ended, by their ages and by the wall clock within a round.

    The peer counts an age from within the upgrade, and a process that did not run saw the end late:
    ages differ by what this cannot explain.
    """
    most = min(((t.age_s or 0.0) + t.upgrade_s for t in trials), default=0.0)
    least = max(((t.age_s or 0.0) - t.blind_s for t in trials), default=0.0)
    rounds = [[ended_s(t) for t in trials if t.round == n] for n in {t.round for t in trials}]
    # One connection in each round has no moment to share.
    shared = [max(ends) - min(ends) for ends in rounds if len(ends) > 1]
    moments_s = max(shared, default=math.inf if len(trials) > 1 else 0.0)
    return max(0.0, least - most), moments_s


def _moment_fits_better(ages_s: float, moments_s: float) -> bool:
    # 0.1 s: where nothing was staggered both are zero, and nothing can be told apart.
    return ages_s > 0.1 and moments_s < 0.5 * ages_s
