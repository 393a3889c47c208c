"""Access logs: what ages and moments of many ends say, and what the log's own flags do.

Logs know neither idleness nor, mostly, who ended what, only how long connections lived. Many ends
at one age are a clock's, many at one moment an event's, and the rest are people's.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from wsdiag.judgement.products.intermediaries import products
from wsdiag.judgement.recorded.trials import (
    LEAST_TRIALS,
    ONE_MOMENT_S,
    Change,
    Recorded,
    clock,
    spread,
)
from wsdiag.judgement.verdict.candidates import EARLY_S, LATE_S
from wsdiag.judgement.verdict.evidence import AT_ONCE_S
from wsdiag.records import Candidate
from wsdiag.records.explain import ExplainVerdict
from wsdiag.records.idle import Verdict

_LEAST_CROWD = 20
_LEAST_CLUSTER, _MOST_CLUSTERS, _BY_CHANCE = 5, 8, 1e-6
_LOG_SAYS = "The log says"


def of_ages(
    base: ExplainVerdict, entries: Sequence[Recorded], changes: dict[int, Change]
) -> ExplainVerdict:
    """What the ages and moments of a log's connections say, and the log's own flags."""
    sentences: list[str] = []
    lived = _lived(entries, sentences)
    # what the proxy itself calls a timeout is neither an event nor a person who left
    rest = [e for e in lived if e.outcome not in ("idle-timeout", "lifetime")]
    chosen: list[Candidate] = []
    timers = events = 0
    for low, high, count in ages(e.age_s for e in lived):
        members = [e for e in lived if low <= e.age_s <= high]
        moments = [e.ended for e in members]
        named = sum(e.outcome in ("idle-timeout", "lifetime") for e in members)
        if spread(moments) < 2 * ONE_MOMENT_S and named * 2 < len(members):
            continue  # they began together and ended together: an event as well as a timer
        timers += count
        sentences.append(f"{count} of {len(entries)} ended {age_span(low, high)}: a timer.")
        chosen += by_age(low, high)
        for entry in members:
            if entry.outcome == "unknown":
                said = f"It ended at the age at which {count - 1} others did: a timer."
                changes[entry.number] = Change("unknown", said)
        rest = [e for e in rest if not low <= e.age_s <= high]
    for first, last, count in moments_of(e.ended for e in rest):
        members = [e for e in rest if first <= e.ended <= last]
        events += count
        sentences.append(
            f"{count} ended within one second at {clock(first)}: a reload, a deploy or a restart."
        )
        for entry in members:
            if entry.outcome == "unknown":
                said = f"{count} connections ended within the same second."
                changes[entry.number] = Change("event", said)
        rest = [e for e in rest if not first <= e.ended <= last]
    if sentences and rest:
        sentences.append(
            f"The rest, {len(rest)}, ended as people leave: at no common age or moment."
        )
    elif rest:
        sentences.append(_of_few(rest))
    flags = Counter(e.flags for e in entries if e.flags is not None)
    sentences += [f"{_LOG_SAYS} of {count}: {words}." for words, count in flags.most_common(6)]
    told = _told(entries)
    if told is not None:
        sentences = _with_told(told, entries, sentences, alone=not (timers or events))
    verdict = told or ("event" if events and not timers else None)
    advice: tuple[str, ...] = ()
    if timers and verdict != "lifetime":
        advice = (
            "A log does not tell whether these connections were idle: if Pings more often than "
            "the timer keep them open, it is an idle timeout; if not, a maximum lifetime.",
        )
    return replace(
        base,
        verdict=verdict,
        candidates=tuple(chosen[:_MOST_CLUSTERS]),
        explanation=tuple(sentences),
        advice=advice,
    )


def _lived(entries: Sequence[Recorded], sentences: list[str]) -> Sequence[Recorded]:
    """Those that did not end at once: where many did, no timer did that, and it is said."""
    lived = [e for e in entries if e.age_s > AT_ONCE_S]
    at_once = len(entries) - len(lived)
    if at_once < LEAST_TRIALS:
        return entries
    sentences.append(
        f"{at_once} of {len(entries)} ended as soon as they were open: refused, or left at once."
    )
    return lived


def age_span(low: float, high: float) -> str:
    """`at 60.0 to 60.2 s`."""
    from_, to = f"{low:.1f}", f"{high:.1f}"
    return f"at {from_} s" if from_ == to else f"at {from_} to {to} s"


def _of_few(entries: Sequence[Recorded]) -> str:
    """Where no cluster stands out: because there is none, or because there are too few."""
    values = sorted(e.age_s for e in entries)
    if len(values) >= LEAST_TRIALS and spread(values) <= max(0.5, 0.01 * values[0]):
        together = spread([e.ended for e in entries]) < 2 * ONE_MOMENT_S
        rest = ", or they began and ended together" if together else ""
        return f"All {len(values)} ended {age_span(values[0], values[-1])}: a timer{rest}."
    if len(values) < _LEAST_CROWD:
        few = "One connection is" if len(values) == 1 else f"{len(values)} connections are"
        return f"{few} too few to tell a timer from people who leave."
    return "They ended as people leave: at no common age or moment."


def _told(entries: Sequence[Recorded]) -> Verdict | None:
    """What the log's own flags say of enough of its connections."""
    told = Counter(e.outcome for e in entries)
    if told["idle-timeout"] >= max(LEAST_TRIALS, told["lifetime"]):
        return "idle-timeout"
    return "lifetime" if told["lifetime"] >= LEAST_TRIALS else None


def _with_told(
    told: Verdict, entries: Sequence[Recorded], sentences: list[str], *, alone: bool
) -> list[str]:
    """What the log itself says comes first; `alone`: neither ages nor moments say anything."""
    ages_s = [e.age_s for e in entries if e.outcome == told]
    what = "an idle timeout" if told == "idle-timeout" else "a maximum duration"
    said = (
        f"{len(ages_s)} of {len(entries)} were ended by {what} of the proxy, which says so itself, "
        f"{age_span(min(ages_s), max(ages_s))}."
    )
    return [said, *(each for each in sentences if not alone or each.startswith(_LOG_SAYS))]


def by_age(low: float, high: float, kind: str | None = None) -> list[Candidate]:
    """Products whose known timeout (of that kind) lies where many connections ended."""
    return [
        Candidate(p.name, p.directive, p.default_s)
        for p in products()
        if p.default_s is not None
        and p.evidence != "unsure"
        and kind in (None, p.kind)
        and low - LATE_S <= p.default_s <= high + EARLY_S
    ]


def ages(ended: Iterable[float]) -> list[tuple[float, float, int]]:
    """Clusters of ages at the end: (lowest, highest, how many), where many ended at one age.

    People leave at any age, so the ages around a window tell how many ends it would hold by chance
    (a Poisson variable). A window of half a second, or a hundredth of the age, is a clock's where
    that many would come by chance less than once in a million times. The densest is taken first.
    """
    return _clusters(ended, lambda low: max(0.5, 0.01 * low))


def moments_of(ended: Iterable[float]) -> list[tuple[float, float, int]]:
    """Clusters of moments, as `ages` finds those of ages: many ends within one second."""
    return _clusters(ended, lambda _: ONE_MOMENT_S)


def _clusters(
    ended: Iterable[float], width_of: Callable[[float], float]
) -> list[tuple[float, float, int]]:
    values = sorted(ended)
    found: list[tuple[float, float, int]] = []
    while len(found) < _MOST_CLUSTERS and (window := _densest(values, width_of)) is not None:
        first, behind = window
        found.append((values[first], values[behind - 1], behind - first))
        del values[first:behind]
    return sorted(found)


def _densest(values: Sequence[float], width_of: Callable[[float], float]) -> tuple[int, int] | None:
    """The window (first, behind last) that chance explains least; None: it explains them all."""
    best, best_odds = None, math.log(_BY_CHANCE)
    for first, low in enumerate(values):
        width = width_of(low)
        behind = bisect_right(values, low + width)
        count = behind - first
        if count < _LEAST_CLUSTER:
            continue
        around = 10 * width
        start = max(0.0, low - around)
        beside = bisect_right(values, low + width + around) - bisect_left(values, start) - count
        expected = (beside + 1) * width / (low - start + around)
        odds = _log_chance(count, expected)
        if odds < best_odds:
            best, best_odds = (first, behind), odds
    return best


def _log_chance(count: int, expected: float) -> float:
    """Of `count` or more where `expected` are: the logarithm of a bound (Chernoff)."""
    if count <= expected:
        return 0.0
    return count - expected - count * math.log(count / expected)
