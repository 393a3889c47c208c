"""Many recorded connections to one endpoint: what their ends have in common.

An idle probe opens connections on purpose and leaves them idle. A recording has connections that
others opened, and nobody planned their idleness; but each of them that fell idle and was then
ended from the server's side is a trial of the same experiment, and each that outlived a longer
idleness is one that survived. So they become `IdleTrial` records and the live probe's judge reads
them. It reads them only where there are three or more: one connection that ended after 60.0 s of
idleness is a hint, and is told as that.

A connection whose own evidence says more than its idleness does (an offence, a size, a Pong that
never came, a client that left) is no trial. Access logs know neither idleness nor who ended what,
only how long connections lived; `ages` finds in the durations what must be a clock (many ends at
one age) and what must be an event (many ends at one moment), and leaves the rest to people.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.moments import (
    CLOCKS,
    at_once,
    at_once_words,
    event_sentences,
    of_event,
    of_one_age,
    or_an_event,
)
from wsdiag.judgement.recorded.timers import client_side, lifetime
from wsdiag.judgement.recorded.trials import (
    LEAST_TRIALS,
    ONE_MOMENT_S,
    Change,
    Recorded,
    found_dead,
    recorded,
    spread,
)
from wsdiag.records.explain import ExplainVerdict

if TYPE_CHECKING:
    from wsdiag.judgement.verdict.evidence import ProbeContext
    from wsdiag.records import IdleTrial, IdleVerdict
    from wsdiag.records.idle import Verdict

_LEAST_IDLE_S = 1.0
"""An end after less idleness than this says nothing of idle timeouts."""
_MOST_KEPT = 20_000
_MOST_LOGGED = 100_000
_MOST_JUDGED = 1000
"""Trials that the live probe's judge gets at most: it compares each with each."""
_NO_CLOSE, _WITHOUT_CLOSE = ", no Close frame", "without a Close frame"
_MAYBE_LIFETIME, _NO_LIFETIME = "may as well be a maximum lifetime", "so it is no maximum lifetime"


class Together:
    """Collects connections as they end, bounded, and judges them at the end (or so far)."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = ", ".join(sources)
        self._kept: dict[str, list[Recorded]] = defaultdict(list)
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._count = 0
        self.changes: dict[int, Change] = {}
        """By number: connections whose outcome the others tell; complete behind `verdicts`."""

    def add(
        self, facts: ConnectionFacts, number: int, url: str, ending: Ending | None = None
    ) -> tuple[Ending, Recorded]:
        """One more connection; how it ended by itself (`ending`: it was judged already)."""
        ending = ending or judge_connection(facts)
        entry = recorded(facts, number, ending, url)
        self._outcomes[url][ending.outcome] += 1
        if self._count < (_MOST_LOGGED if entry.logged else _MOST_KEPT):
            self._kept[url].append(entry)
            self._count += 1
        return ending, entry

    def verdicts(self) -> Iterator[ExplainVerdict]:
        """A verdict for each endpoint, in the order in which the endpoints appeared."""
        for url, entries in self._kept.items():
            changes: dict[int, Change] = {}
            verdict = _verdict(url, self._sources, entries, self._outcomes[url], changes)
            outcomes = self._outcomes[url].copy()
            for entry in entries:
                if entry.number in changes:
                    outcomes[entry.outcome] -= 1
                    outcomes[changes[entry.number].outcome] += 1
            self.changes |= changes
            yield replace(verdict, outcomes=dict(+outcomes))


def _verdict(
    url: str,
    sources: str,
    entries: Sequence[Recorded],
    outcomes: Counter[str],
    changes: dict[int, Change],
) -> ExplainVerdict:
    base = ExplainVerdict(
        url=url, source=sources, connections=outcomes.total(), outcomes=dict(outcomes)
    )
    logged = [e for e in entries if e.logged]
    if len(logged) > len(entries) / 2:
        from wsdiag.judgement.recorded.ages import of_ages

        return of_ages(base, logged, changes)
    entries, timed = client_side(entries)
    event = of_event(entries)
    for entry in event:
        said = f"{len(event)} connections of different ages ended within the same second."
        changes[entry.number] = Change("event", said)
    trials = [e.trial for e in entries if e.trial is not None and e.number not in changes]
    dropped = [t for t in trials if _tells(t)]
    sentences = [*event_sentences(event), *timed]
    aged = [] if event else of_one_age(entries)
    if aged:
        return lifetime(base, aged, changes)
    if len(dropped) < LEAST_TRIALS:
        verdict: Verdict | None = "event" if event else None
        return replace(base, verdict=verdict, explanation=(*sentences, *_hints(dropped)))
    began = min(t.started_s for t in trials)
    shifted = [
        replace(t, started_s=round(t.started_s - began, 3), connection=n)
        for n, t in enumerate(_fewer(_speaking(trials)))
    ]
    from wsdiag.judgement.verdict.judge import judge

    judged = judge(shifted, _context(url, entries, shifted))
    ended = [
        e for e in entries if e.number not in changes and e.trial is not None and _tells(e.trial)
    ]
    moment = at_once(ended)
    if moment is not None:
        if moment == "event":
            for entry in ended:
                said = f"{len(ended)} connections ended within the same second."
                changes[entry.number] = Change("event", said)
        return replace(
            base,
            verdict="event" if moment == "event" else None,
            drop=judged.drop,
            explanation=(at_once_words(ended, moment), *sentences),
        )
    _change(judged, ended, changes)
    if judged.verdict == "idle-timeout":
        sentences += or_an_event(ended, entries)
    return _with(base, judged, (*sentences, *_no_lifetime(judged, ended)), ended)


def _change(verdict: IdleVerdict, entries: Sequence[Recorded], changes: dict[int, Change]) -> None:
    """Which connections the verdict speaks of: those whose end fits its range, by one clock."""
    outcome, range_ = verdict.verdict, verdict.idle_timeout_s or verdict.lifetime_s
    if range_ is None or outcome not in ("idle-timeout", "lifetime"):
        return
    slack_s = max(ONE_MOMENT_S / 2, 0.01 * range_.low)
    high_s = (range_.high or range_.low) + slack_s

    def fitting(clock: str) -> list[Recorded]:
        return [
            e
            for e in entries
            if range_.low - slack_s <= (value := getattr(e.trial, clock) or -1.0)
            and (value <= high_s or (e.trial is not None and found_dead(e.trial)))
        ]

    clocks = ("age_s",) if outcome == "lifetime" else CLOCKS
    best = max((fitting(clock) for clock in clocks), key=len)
    what = "age" if outcome == "lifetime" else "idle time"
    said = f"{len(best)} connections to this endpoint ended after the same {what}."
    if any(e.trial is not None and found_dead(e.trial) for e in best):
        said = (
            f"{len(best)} connections to this endpoint were found dead after more than "
            f"{range_.low:g} s of idleness."
        )
    for entry in best if len(best) > 1 else ():
        changes[entry.number] = Change(
            "lifetime" if what == "age" else "idle-timeout",
            said,
            "middlebox" if entry.left is not None else None,
        )


def _speaking(trials: Sequence[IdleTrial]) -> list[IdleTrial]:
    """The drops, and the survivors that outlived some idleness worth the name."""
    return [t for t in trials if _tells(t) or (t.outcome == "alive" and t.longest_idle_s)]


def _fewer(trials: list[IdleTrial]) -> list[IdleTrial]:
    """As many as can be judged in no time: a sample of the drops, and the longest survivors."""
    if len(trials) <= _MOST_JUDGED:
        return trials
    half = _MOST_JUDGED // 2
    dropped = [t for t in trials if _tells(t)]
    alive = sorted((t for t in trials if not _tells(t)), key=lambda t: -(t.longest_idle_s or 0.0))
    step = max(len(dropped) / max(half, _MOST_JUDGED - len(alive)), 1.0)
    sample = [dropped[int(n * step)] for n in range(int(len(dropped) / step))]
    return sample + alive[: _MOST_JUDGED - len(sample)]


def _tells(trial: IdleTrial) -> bool:
    """Whether it was dropped after an idleness worth the name."""
    return trial.outcome in ("dropped", "silent") and (trial.idle_s or 0) >= _LEAST_IDLE_S


def _context(url: str, entries: Sequence[Recorded], trials: Sequence[IdleTrial]) -> ProbeContext:
    from wsdiag.judgement.verdict.evidence import ProbeContext

    longest_s = max([t.idle_s or 0.0 for t in trials] + [t.longest_idle_s or 0.0 for t in trials])
    hops = next((e.hops for e in entries if e.hops), ())
    return ProbeContext(url=url, longest_s=longest_s, answers_pings=None, hops=hops, recorded=True)


def _no_lifetime(verdict: IdleVerdict, ended: Sequence[Recorded]) -> list[str]:
    """Ends after one idleness at different ages: no maximum lifetime does that."""
    ages_s = [e.age_s for e in ended]
    idle_s = [e.trial.idle_s or 0.0 for e in ended if e.trial is not None]
    dead = any(e.trial is not None and found_dead(e.trial) for e in ended)
    apart_s = min(2 * ONE_MOMENT_S, 10 * max(spread(idle_s), 0.1))  # their idleness agrees better
    if verdict.verdict != "idle-timeout" or dead or spread(ages_s) < apart_s:
        return []
    return [
        f"They ended at ages from {min(ages_s):.1f} to {max(ages_s):.1f} s, so it is no maximum "
        "lifetime."
    ]


def _with(
    base: ExplainVerdict, verdict: IdleVerdict, sentences: Sequence[str], ended: Sequence[Recorded]
) -> ExplainVerdict:
    explanation = (*verdict.explanation, *sentences)
    if any(_NO_LIFETIME in text for text in sentences):  # which the live judge needs trials for
        explanation = tuple(text for text in explanation if _MAYBE_LIFETIME not in text)
    if any(
        e.dark for e in ended
    ):  # the live judge knows whether a Close frame came; here nobody does
        explanation = tuple(
            text.replace(_NO_CLOSE, "") for text in explanation if _WITHOUT_CLOSE not in text
        )
        explanation = (*explanation, "Whether Close frames came first is not known (TLS).")
    return replace(
        base,
        verdict=verdict.verdict,
        idle_timeout_s=verdict.idle_timeout_s,
        lifetime_s=verdict.lifetime_s,
        application_timeout_s=verdict.application_timeout_s,
        drop=verdict.drop,
        recommended_ping_interval_s=verdict.recommended_ping_interval_s,
        candidates=verdict.candidates,
        explanation=explanation,
        advice=verdict.advice,
    )


def _hints(dropped: Sequence[IdleTrial]) -> list[str]:
    """What one or two ends suggest, said as no more than that."""
    if not dropped:
        return []
    from wsdiag.judgement.products.intermediaries import products
    from wsdiag.judgement.verdict.candidates import EARLY_S, LATE_S

    times_s = sorted(t.idle_s or 0.0 for t in dropped)
    idle_s = times_s[0]
    if times_s[-1] - idle_s > max(ONE_MOMENT_S / 2, 0.01 * idle_s):
        return [
            f"Two connections ended, after {idle_s:.1f} and {times_s[-1]:.1f} s without a byte."
        ]
    fitting = [
        p.name
        for p in products()
        if p.default_s is not None
        and p.kind == "idle"
        and p.evidence != "unsure"
        and p.default_s - EARLY_S <= idle_s <= p.default_s + LATE_S
    ]
    many = "One connection" if len(dropped) == 1 else "Two connections"
    named = f"; {fitting[0]} would do so by default" if fitting else ""
    return [
        f"{many} ended after {idle_s:.1f} s without a byte{named}. That is a hint at an idle "
        "timeout: three that agree would be a verdict."
    ]
