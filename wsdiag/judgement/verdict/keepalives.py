"""Which keepalives were proven to hold, which were not, and which trials prove nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, get_args

from wsdiag.judgement.verdict.clocks import proof_margin_s
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext, ended_by_our_ping, two_way
from wsdiag.records import DeadKind, IdleTrial, KeepaliveOutcome, Range, TrialKind

KEEPALIVES: tuple[TrialKind, ...] = tuple(
    kind for kind in get_args(TrialKind) if kind not in ("idle", *get_args(DeadKind))
)
"""Every kind, in the order of the record: a verdict says of each whether it was tested."""

# A keepalive whose interval is this close to the timeout is late now and then.
_SAFE_SHARE = 0.8
LONGEST_INTERVAL_S = 20.0


def keepalives(evidence: Evidence, drop: Range | None) -> dict[TrialKind, KeepaliveOutcome]:
    """The outcome of every kind that was tried; `drop`: when idle connections are dropped."""
    outcomes: dict[TrialKind, KeepaliveOutcome] = {}
    for kind in dict.fromkeys(t.trial for t in (*evidence.kept, *evidence.refused)):
        trials = evidence.of(kind)
        if kind == "idle":
            continue
        died = any(died_in_use(t, evidence, drop) for t in trials)
        if any(outlived(t, evidence, drop) for t in trials):
            # Where one died all the same, a late timer may have spared the other.
            outcomes[kind] = "untested" if died else "holds"
        else:
            died = died or any(_as_often_as_what_held(t, evidence, drop) for t in trials)
            outcomes[kind] = "drops" if died else "untested"
    return outcomes


def was_due(kind: TrialKind, evidence: Evidence) -> bool:
    """Whether a connection of this kind grew older than its interval: where nothing is dropped, and
    the run was cut short, the short first gaps say nothing about it."""
    return any((t.age_s or 0.0) >= (t.interval_s or 0.0) for t in evidence.of(kind))


def _as_often_as_what_held(trial: IdleTrial, evidence: Evidence, drop: Range | None) -> bool:
    """Whether it was dropped although another kind, no more often, held for longer: where the range
    begins at nothing, this shows that it was not too seldom."""
    if drop is None or trial.outcome not in ("dropped", "silent") or not _effective(trial):
        return False
    others = [t for t in evidence.kept if t.trial != trial.trial and holds(t, evidence, drop)]
    age_s, gap_s = trial.age_s or 0.0, _gap_s(trial)
    return any(gap_s <= 1.1 * _gap_s(t) and age_s < (t.age_s or 0.0) for t in others)


def outlived(trial: IdleTrial, evidence: Evidence, drop: Range | None) -> bool:
    """Whether its keepalives held, be it until something else ended it."""
    return holds(trial, evidence, drop) or carried(trial, evidence, drop)


def holds(trial: IdleTrial, evidence: Evidence, drop: Range | None) -> bool:
    """Whether it lived on beyond the age at which idle connections were dropped."""
    if trial.outcome not in ("alive", "kept-busy") or not _effective(trial):
        return False
    return (trial.age_s or 0.0) > _proof_s(evidence, drop)


def carried(trial: IdleTrial, evidence: Evidence, drop: Range | None) -> bool:
    """Whether its keepalives carried it well past the age at which idle connections were dropped,
    until something else ended it."""
    if trial.outcome not in ("dropped", "silent") or not _effective(trial):
        return False
    if drop is None or drop.high is None or _gap_s(trial) >= _SAFE_SHARE * drop.low:
        return False
    # What ends otherwise than idle ones do, by a Close where they got a FIN, was no late timer.
    kinds = {_end(t) for t in evidence.events}
    margin = 1.0 if kinds and _end(trial) not in kinds else 1.2
    return _known_alive_s(trial) > margin * _proof_s(evidence, drop)


def _end(trial: IdleTrial) -> tuple[str, int | None] | None:
    return None if trial.drop is None else (trial.drop.how, trial.drop.code)


def _known_alive_s(trial: IdleTrial) -> float:
    """Until what age an ended connection is known to have lived: a silent one was found dead only
    when we asked, so no longer than until it was last heard from."""
    age_s = trial.age_s or 0.0
    if trial.outcome == "silent" or trial.after_write:
        return age_s - (age_s if trial.since_received_s is None else trial.since_received_s)
    return age_s


def _proof_s(evidence: Evidence, drop: Range | None) -> float:
    """What age is proof: older than any idle connection became, and that by a margin."""
    if drop is None or drop.high is None:
        return 0.0
    return max(drop.high, evidence.oldest_end_s) + proof_margin_s(drop.high)


def died_in_use(trial: IdleTrial, evidence: Evidence, drop: Range | None) -> bool:
    """Whether it was dropped although its keepalives came often enough."""
    if trial.outcome not in ("dropped", "silent") or not _effective(trial):
        return False
    if carried(trial, evidence, drop):
        return False
    return drop is None or _gap_s(trial) < _SAFE_SHARE * drop.low


def keeps_packets_flowing(
    dead: Sequence[IdleTrial], evidence: Evidence, drop: Range | None
) -> bool:
    """Whether TCP keepalive held, no more often than those sent which are dead: what its packets
    keep alive, any others do, so no timer made these fall silent."""
    gaps = [_gap_s(t) for t in evidence.of("tcp-keepalive") if holds(t, evidence, drop)]
    return any(_gap_s(trial) <= 1.1 * gap_s for trial in dead for gap_s in gaps)


def ended_sooner(kind: TrialKind, evidence: Evidence, drop: Range | None) -> bool:
    """Whether all of this kind ended before idle ones do: for what they sent, as no idle timer does
    that, whatever restarts it."""
    trials = evidence.of(kind)
    ended = [t for t in trials if t.outcome in ("dropped", "silent") and _effective(t)]
    return drop is not None and ended == [*trials] and all((t.age_s or 0) < drop.low for t in ended)


class InUse(NamedTuple):
    """What the keepalive trials say about idle connections being dropped within a range."""

    dead: list[IdleTrial]
    """With traffic in both directions, and dropped all the same."""
    proof: list[IdleTrial]
    """With traffic in both directions, and alive beyond the range."""
    any_held: bool
    """Whether any keepalive did, one-way ones included."""

    @property
    def conflict(self) -> bool:
        """Whether the same keepalive both held and did not."""
        return not {t.trial for t in self.dead}.isdisjoint(t.trial for t in self.proof)


def in_use(evidence: Evidence, context: ProbeContext, range_: Range | None) -> InUse:
    """The keepalive trials, judged against a range."""
    both_ways = [t for t in evidence.kept if two_way(t, context)]
    return InUse(
        dead=[
            t for t in both_ways if died_in_use(t, evidence, range_) and not ended_by_our_ping(t)
        ],
        proof=[t for t in both_ways if outlived(t, evidence, range_)],
        any_held=any(outlived(t, evidence, range_) for t in evidence.kept),
    )


def held_interval_s(kind: TrialKind, evidence: Evidence, drop: Range | None) -> float | None:
    """The longest interval that was proven to hold; None when none was."""
    held = (t for t in evidence.of(kind) if outlived(t, evidence, drop))
    return max((_gap_s(t) for t in held), default=None)


def recommended_s(
    evidence: Evidence, drop: Range | None, ping: KeepaliveOutcome | None
) -> float | None:
    """A Ping interval with its margin: half of the timeout at most, 20 s at most.

    None where Pings were proven not to help, and where nothing is known that would be safe.
    """
    if ping == "drops":
        return None
    if drop is None:
        return LONGEST_INTERVAL_S
    proven_s = held_interval_s("ping", evidence, drop)
    limit_s: float | None = drop.low / 2
    if drop.low <= 0:
        limit_s = None if proven_s is None else min(proven_s, (drop.high or 2 * proven_s) / 2)
    return None if limit_s is None else rounded_down(min(LONGEST_INTERVAL_S, limit_s))


def rounded_down(seconds: float) -> float:
    """A round number not above: whole seconds from 5 s on, halves from 1 s on, else hundredths."""
    step = 1.0 if seconds >= 5 else 0.5 if seconds >= 1 else 0.01
    return round(math.floor(seconds / step + 1e-9) * step, 2)


def _effective(trial: IdleTrial) -> bool:
    """Whether anything was sent (or pushed) at all before it ended."""
    if trial.trial == "push":
        return bool(trial.received)
    return trial.keepalives_sent > 0


def _gap_s(trial: IdleTrial) -> float:
    if trial.trial == "push":
        moments = [0.0, *(at for at, _ in trial.received), trial.age_s or 0.0]
        return max(later - earlier for earlier, later in pairwise(moments))
    if trial.trial == "tcp-keepalive" and trial.gap_s is not None:
        return max(1.0, round(trial.gap_s))  # the kernel's intervals are whole seconds
    return trial.gap_s or math.inf
