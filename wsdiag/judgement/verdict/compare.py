"""Several URLs side by side, say the edge and the origin: what their verdicts say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsdiag.judgement.verdict.evidence import Evidence, ended_s
from wsdiag.judgement.verdict.headline import span
from wsdiag.records import IdleTrial, IdleVerdict, Range
from wsdiag.units import format_seconds

_AT_ONCE_S = 0.5
# Of one timer that is looked at once a second; of seconds, this is not nothing.
_SAME_S, _SAME = 1.0, 0.05


def compare(verdicts: Sequence[IdleVerdict]) -> list[IdleVerdict]:
    """Each verdict, with a sentence about the others."""
    if len(verdicts) < 2:
        return list(verdicts)
    return [_with_others(verdict, verdicts) for verdict in verdicts]


def shared_end_s(trials: Sequence[Sequence[IdleTrial]]) -> float | None:
    """The moment at which the connections of all these URLs ended at once, in use or not."""
    if len(trials) < 2:
        return None
    ends: list[float] = []
    for records in trials:
        evidence = Evidence.sort(records)
        dropped = evidence.dropped()
        in_use = [t for t in dropped if t.trial in ("ping", "data") and t.keepalives_sent]
        if not in_use or len(dropped) < len(evidence.idle) + len(evidence.kept):
            return None
        ends += [ended_s(t) for t in dropped]
    return min(ends) if max(ends) - min(ends) <= _AT_ONCE_S else None


def _with_others(verdict: IdleVerdict, verdicts: Sequence[IdleVerdict]) -> IdleVerdict:
    sentences = [_pair(verdict, other) for other in verdicts if other is not verdict]
    return replace(verdict, explanation=(*verdict.explanation, *filter(None, sentences)))


def _pair(one: IdleVerdict, other: IdleVerdict) -> str:
    mine, theirs = one.idle_timeout_s, other.idle_timeout_s
    only = "most likely on the part of the path that only {url} uses"
    if mine is not None and theirs is None and _clears(other, mine):
        return (
            f"{other.url} does not drop idle connections within "
            f"{format_seconds(other.tested_up_to_s)}, so the cause is {only.format(url=one.url)}."
        )
    if mine is None and theirs is not None and _clears(one, theirs):
        return (
            f"{other.url} drops idle connections after {span(theirs)} and this one does not, so "
            f"the cause is {only.format(url=other.url)}."
        )
    if mine is None or theirs is None:
        return ""
    apart_s = _apart_s(mine, theirs)
    if apart_s <= min(_SAME_S, _SAME * min(mine.low, theirs.low)):
        tail = "" if _how(one) == _how(other) else ", though they end differently"
        return (
            f"{other.url} drops idle connections after the same time{tail}: most likely what both "
            "share does so, the endpoint itself first of all."
        )
    if apart_s <= _SAME_S:
        return ""
    if mine.low < theirs.low:
        return (
            f"{other.url} drops them only after {span(theirs)}: the shorter timeout here is "
            f"{only.format(url=one.url)}."
        )
    return f"{other.url} drops them already after {span(theirs)}."


def _clears(verdict: IdleVerdict, range_: Range) -> bool:
    """Whether idle connections were seen to survive that time here."""
    tested_s = verdict.tested_up_to_s or 0.0
    return verdict.verdict == "no-drop" and tested_s > (range_.high or range_.low)


def _apart_s(one: Range, other: Range) -> float:
    """The distance of the ranges; none or less where they overlap."""
    ones, others = one.high or float("inf"), other.high or float("inf")
    return max(one.low - others, other.low - ones)


def _how(verdict: IdleVerdict) -> str | None:
    return verdict.drop.how if verdict.drop is not None else None
