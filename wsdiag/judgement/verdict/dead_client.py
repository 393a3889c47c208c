"""Whether a client's silent death was noticed: what the trials of dead clients add to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from wsdiag.judgement.verdict.evidence import ended_s
from wsdiag.records import DeadClient, DeadKind, IdleTrial, IdleVerdict, Range
from wsdiag.records.drops import drop_phrase
from wsdiag.units import format_seconds

LOOK_S = 0.1
"""How often TCP is asked whether the peer has ended a connection that nobody reads."""
_SAME_S = 1.0
_WHO = {
    "no-pong": "that answers no Ping",
    "vanish": "that is gone without a word",
    "no-read": "that reads nothing",
}


def with_dead_clients(
    verdict: IdleVerdict, trials: Sequence[IdleTrial], others: Sequence[IdleTrial] = ()
) -> IdleVerdict:
    """The verdict, and for each way of being dead that was tried, whether it was noticed.

    `others`: the trials of clients that lived.
    """
    ends_s = [ended_s(t) for t in others if t.outcome == "dropped"]
    found: dict[DeadKind, DeadClient] = {}
    said: list[str] = []
    for kind in get_args(DeadKind):
        group = [t for t in trials if t.trial == kind]
        told = [t for t in group if t.outcome in ("alive", "dropped", "silent")]
        if told:
            found[kind] = _noticed(kind, told)
            said.append(_sentence(kind, found[kind], told, verdict, ends_s))
        elif group and group[0].detail:
            said.append(f"What becomes of a client {_WHO[kind]} is not known: {group[0].detail}.")
    if not found and not said:
        return verdict
    return replace(verdict, dead_client=found or None, explanation=(*verdict.explanation, *said))


def _noticed(kind: DeadKind, trials: Sequence[IdleTrial]) -> DeadClient:
    ended = [t for t in trials if t.outcome == "dropped"]
    if not ended:
        return DeadClient()
    if kind == "vanish":
        first = min(ended, key=lambda t: t.idle_for_s or 0.0)
        alive_s = [t.idle_for_s or 0.0 for t in trials if t.outcome == "alive"]
        high_s = first.idle_for_s or 0.0
        return DeadClient(
            Range(max([0.0, *(s for s in alive_s if s < high_s)]), high_s), first.drop
        )
    (one,) = ended[:1]
    at_s = one.age_s or 0.0
    low_s = at_s
    if kind == "no-read":  # where it came out only once all was read, it may have come at any time
        low_s = 0.0 if one.after_write else max(0.0, round(at_s - LOOK_S, 3))
    return DeadClient(Range(low_s, at_s), one.drop)


def _sentence(
    kind: DeadKind,
    found: DeadClient,
    trials: Sequence[IdleTrial],
    verdict: IdleVerdict,
    ends_s: Sequence[float],
) -> str:
    """`ends_s`: when connections of clients that lived were ended."""
    if found.noticed_s is None or found.drop is None:
        ages = [(t.idle_for_s if kind == "vanish" else t.age_s) or 0.0 for t in trials]
        silent = any(t.outcome == "silent" for t in trials)
        if silent:
            return f"A client {_WHO[kind]} is forgotten on the way: nothing came back from there."
        return f"A client {_WHO[kind]} was not noticed in {format_seconds(max(ages))}."
    low_s, high_s = found.noticed_s.low, found.noticed_s.high or 0.0
    when = f"after {format_seconds(high_s)}"
    if high_s - low_s > 2 * LOOK_S:
        when = f"between {format_seconds(low_s)} and {format_seconds(high_s)} after its death"
    idle = verdict.idle_timeout_s
    alike = idle is not None and low_s <= (idle.high or low_s) + _SAME_S and high_s >= idle.low
    usual = ", as idle connections are" if alike else ""
    lifetime = verdict.lifetime_s
    if lifetime is not None and low_s <= (lifetime.high or lifetime.low) + _SAME_S:
        usual = ", as all connections are" if high_s >= lifetime.low else ""
    ended = [t for t in trials if t.outcome == "dropped"]
    if verdict.verdict == "event" and all(_beside(t, ends_s) for t in ended):
        usual = ", when those of clients that lived ended as well: its death was no reason"
    return f"A client {_WHO[kind]} was dropped {when} ({drop_phrase(found.drop)}){usual}."


def _beside(trial: IdleTrial, ends_s: Sequence[float]) -> bool:
    """Whether an event ended it: at its moment, or found when a client that was away came back."""
    late_s = [ended_s(trial) - at_s for at_s in ends_s]
    away = trial.trial == "vanish"
    return any(late >= -_SAME_S and (away or late <= _SAME_S) for late in late_s)
