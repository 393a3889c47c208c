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

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from wsdiag.judgement.products.intermediaries import hops_from_headers, products
from wsdiag.judgement.recorded.connection import Ending, first_end, judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.verdict.candidates import EARLY_S, LATE_S
from wsdiag.judgement.verdict.evidence import ProbeContext
from wsdiag.judgement.verdict.judge import judge
from wsdiag.records import Candidate, Drop, Hop, IdleTrial, IdleVerdict
from wsdiag.records.explain import ExplainVerdict, RecordedOutcome, RecordedVerdict

LEAST_TRIALS = 3
_LEAST_IDLE_S = 1.0
"""An end after less idleness than this says nothing of idle timeouts."""
_ONE_MOMENT_S = 1.0
_LEAST_EVENT = 3
_MOST_KEPT = 20_000
_MOST_LOGGED = 100_000
_CLOCKS = ("idle_s", "since_sent_s", "since_received_s")
_LEAST_CROWD = 20
_NOISE_S, _COINCIDENCE_S, _LEAST_USUAL_S = 0.02, 0.25, 10.0
_NO_CLOSE, _WITHOUT_CLOSE = ", no Close frame", "without a Close frame"
_NO_TRIAL, _NO_LIFETIME = "No keepalive trial shows the difference", "so it is no maximum lifetime"
_LEAST_CLUSTER, _MOST_CLUSTERS, _BY_CHANCE = 5, 8, 1e-6


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is kept of one connection for the judgement of many: its trial, and how it ended."""

    key: str
    """Which endpoint it belongs to."""
    number: int
    outcome: RecordedOutcome
    began: float
    age_s: float
    trial: IdleTrial | None
    """None: its end says nothing about idleness."""
    hops: tuple[Hop, ...] = ()
    logged: bool = False
    """It is known from an access log: an age and a moment, and perhaps flags."""
    flags: str | None = None
    """Such a log's flags, and what they mean."""
    dark: bool = False
    """Its bytes could not be read: whether a Close frame came is not known."""


class Change(NamedTuple):
    """What the connections together say of one of them."""

    outcome: RecordedOutcome
    evidence: str


def recorded(facts: ConnectionFacts, number: int, ending: Ending, url: str) -> Recorded:
    """One connection as a trial of an experiment that nobody planned."""
    opened_s = facts.opened_s or 0.0
    end_s = facts.ended_s if facts.ended_s is not None else facts.recorded_s or 0.0
    if facts.asked_s is not None:  # it may have been dead for long
        end_s = facts.asked_s
    age_s = max(0.0, end_s - opened_s)
    began = (facts.began or 0.0) + opened_s
    trial = _trial(facts, ending, url, began, age_s)
    hops = tuple(hops_from_headers(facts.response_headers))
    logged = facts.ended_s is not None and facts.ends_shown and first_end(facts) is None
    flags = f"{facts.log_flags}: {facts.log_words}" if facts.log_words else None
    dark = facts.sent.messages is None and not logged
    return Recorded(
        url, number, ending.outcome, began, age_s, trial, hops, logged and began > 0, flags, dark
    )


def _trial(
    facts: ConnectionFacts, ending: Ending, url: str, began: float, age_s: float
) -> IdleTrial | None:
    if facts.idle_s is None or facts.log_flags is not None or not facts.ends_shown:
        return None
    end = first_end(facts)
    dropped = end is not None and end[0] == "server" and ending.outcome in ("unknown", "close")
    reset = ending.outcome == "injected-reset"
    dead_s = facts.dead_after_s
    silent = ending.outcome == "silent" and dead_s is not None
    if not (dropped or reset or silent) and ending.outcome not in ("open", "client-gone", "close"):
        return None
    alive = not (dropped or reset or silent)
    idle_s = facts.idle_s if dead_s is None else dead_s
    longest_s = facts.longest_idle_s or 0.0
    if alive:  # it outlived its longest idleness, the last one included
        longest_s = max(longest_s, idle_s)
    opened_s, end_s = facts.opened_s or 0.0, facts.ended_s or facts.recorded_s or 0.0
    sent_s, received_s = facts.sent.last_byte_s, facts.received.last_byte_s
    spoke = [(at_s - opened_s, what) for at_s, who, what in facts.activity if who == "server"]
    return IdleTrial(
        url=url,
        trial="idle",
        idle_for_s=None,
        interval_s=None,
        outcome="alive" if alive else "silent" if silent else "dropped",
        idle_s=round(idle_s, 3),
        drop=None if alive else drop_of(facts),
        age_s=round(age_s, 3),
        started_s=began,
        received=tuple(spoke[:32]),
        longest_idle_s=round(longest_s, 3),
        since_sent_s=None if sent_s is None else round(end_s - sent_s, 3),
        since_received_s=None if received_s is None else round(end_s - received_s, 3),
        after_write=dropped and dead_s is not None,
    )


def drop_of(facts: ConnectionFacts) -> Drop | None:
    """How it ended as a live probe would have seen it, from the client; None: it did not."""
    end = first_end(facts)
    found_dead = facts.dead_after_s is not None and facts.asked_s is not None
    if found_dead and (end is None or end[0] == "client"):
        return Drop("silent", round((facts.asked_s or 0.0) - (facts.opened_s or 0.0), 3))
    if end is None:
        return None
    _, at_s, kind = end
    at_s = round(at_s - (facts.opened_s or 0.0), 3)
    if kind == "close":
        close = facts.closes[0]
        return Drop("close", at_s, code=close.code, reason=close.reason or None)
    if kind == "fin":
        return Drop("fin", at_s)
    return Drop("rst" if facts.dead_after_s is None else "rst-on-write", at_s)


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
        return _of_ages(base, logged, changes)
    event = _event(entries)
    for entry in event:
        said = f"{len(event)} connections of different ages ended within the same second."
        changes[entry.number] = Change("event", said)
    trials = [e.trial for e in entries if e.trial is not None and e.number not in changes]
    dropped = [t for t in trials if _tells(t)]
    sentences = _event_sentences(event)
    if len(dropped) < LEAST_TRIALS:
        verdict: RecordedVerdict | None = "event" if event else None
        return replace(base, verdict=verdict, explanation=(*sentences, *_hints(dropped)))
    began = min(t.started_s for t in trials)
    shifted = [
        replace(t, started_s=round(t.started_s - began, 3), connection=n)
        for n, t in enumerate(_speaking(trials))
    ]
    judged = judge(shifted, _context(url, entries, shifted))
    ended = [
        e for e in entries if e.number not in changes and e.trial is not None and _tells(e.trial)
    ]
    at_once = _at_once(ended)
    if at_once is not None:
        if at_once == "event":
            for entry in ended:
                said = f"{len(ended)} connections ended within the same second."
                changes[entry.number] = Change("event", said)
        return replace(
            base,
            verdict="event" if at_once == "event" else None,
            drop=judged.drop,
            explanation=(_at_once_words(ended, at_once), *sentences),
        )
    _change(judged, ended, changes)
    return _with(base, judged, (*sentences, *_no_lifetime(judged, ended)), ended)


def _at_once(ended: Sequence[Recorded]) -> Literal["event", "either"] | None:
    """Whether connections that ended within one second ended by an event; None: by a timer.

    Connections that fell idle within one second end within one second by an idle timeout, too. But
    a timer's ends are as far apart as the last bytes were, and its idle times are equal; an event's
    ends are equal. Where both are, a known product's default is still too much of a coincidence.
    """
    moments = _spread([e.began + e.age_s for e in ended])
    found_dead = any(e.trial is not None and _found_dead(e.trial) for e in ended)
    if moments > _ONE_MOMENT_S or found_dead:
        return None
    times = [[getattr(e.trial, clock) or 0.0 for e in ended] for clock in _CLOCKS]
    idle = min(_spread(values) for values in times)
    if 3 * idle < moments > _NOISE_S:
        return None
    if 3 * moments < idle > _NOISE_S:
        return "event"
    idle_s = times[0][0]
    usual = any(
        p.kind == "idle" and p.default_s and abs(idle_s - p.default_s) < _COINCIDENCE_S
        for p in products()
    )
    return None if usual and idle_s > _LEAST_USUAL_S else "either"


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _at_once_words(ended: Sequence[Recorded], what: Literal["event", "either"]) -> str:
    first = min(e.began + e.age_s for e in ended)
    said = f"{len(ended)} connections ended within one second at {_clock(first)}"
    if what == "event":
        return f"{said}: one event, such as a reload, a deploy or a restart."
    idle_s = ended[0].trial.idle_s if ended[0].trial is not None else None
    return (
        f"{said}, all of them {idle_s or 0.0:.1f} s after their last byte: an event or an idle "
        "timeout; connections that fall idle at different times would tell which."
    )


def _change(verdict: IdleVerdict, entries: Sequence[Recorded], changes: dict[int, Change]) -> None:
    """Which connections the verdict speaks of: those whose end fits its range, by one clock."""
    outcome, range_ = verdict.verdict, verdict.idle_timeout_s or verdict.lifetime_s
    if range_ is None or outcome not in ("idle-timeout", "lifetime"):
        return
    slack_s = max(_ONE_MOMENT_S / 2, 0.01 * range_.low)
    high_s = (range_.high or range_.low) + slack_s

    def fitting(clock: str) -> list[Recorded]:
        return [
            e
            for e in entries
            if range_.low - slack_s <= (value := getattr(e.trial, clock) or -1.0)
            and (value <= high_s or (e.trial is not None and _found_dead(e.trial)))
        ]

    clocks = ("age_s",) if outcome == "lifetime" else _CLOCKS
    best = max((fitting(clock) for clock in clocks), key=len)
    what = "age" if outcome == "lifetime" else "idle time"
    said = f"{len(best)} connections to this endpoint ended after the same {what}."
    if any(e.trial is not None and _found_dead(e.trial) for e in best):
        said = (
            f"{len(best)} connections to this endpoint were found dead after more than "
            f"{range_.low:g} s of idleness."
        )
    for entry in best if len(best) > 1 else ():
        changes[entry.number] = Change("lifetime" if what == "age" else "idle-timeout", said)


def _speaking(trials: Sequence[IdleTrial]) -> list[IdleTrial]:
    """The drops, and the survivors that outlived some idleness worth the name."""
    return [t for t in trials if _tells(t) or (t.outcome == "alive" and t.longest_idle_s)]


def _found_dead(trial: IdleTrial) -> bool:
    """Whether nobody noticed its end until something was sent."""
    return trial.outcome == "silent" or trial.after_write


def _tells(trial: IdleTrial) -> bool:
    """Whether it was dropped after an idleness worth the name."""
    return trial.outcome in ("dropped", "silent") and (trial.idle_s or 0) >= _LEAST_IDLE_S


def _context(url: str, entries: Sequence[Recorded], trials: Sequence[IdleTrial]) -> ProbeContext:
    longest_s = max([t.idle_s or 0.0 for t in trials] + [t.longest_idle_s or 0.0 for t in trials])
    hops = next((e.hops for e in entries if e.hops), ())
    return ProbeContext(url=url, longest_s=longest_s, answers_pings=None, hops=hops)


def _no_lifetime(verdict: IdleVerdict, ended: Sequence[Recorded]) -> list[str]:
    """Ends after one idleness at different ages: no maximum lifetime does that."""
    ages_s = [e.age_s for e in ended]
    found_dead = any(e.trial is not None and _found_dead(e.trial) for e in ended)
    if verdict.verdict != "idle-timeout" or found_dead or _spread(ages_s) < 2 * _ONE_MOMENT_S:
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
        explanation = tuple(text for text in explanation if _NO_TRIAL not in text)
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
        drop=verdict.drop,
        recommended_ping_interval_s=verdict.recommended_ping_interval_s,
        candidates=verdict.candidates,
        explanation=explanation,
        advice=verdict.advice,
    )


def _event(entries: Sequence[Recorded]) -> list[Recorded]:
    """Connections of different ages that ended at one moment: more than chance would have it."""
    ended = sorted(
        (
            e
            for e in entries
            if e.outcome in ("unknown", "close", "injected-reset")
            and not (e.trial is not None and e.trial.after_write)
        ),
        key=lambda e: e.began + e.age_s,
    )
    best: list[Recorded] = []
    first = 0
    for last in range(len(ended)):
        moment = ended[last].began + ended[last].age_s
        while ended[first].began + ended[first].age_s < moment - _ONE_MOMENT_S:
            first += 1
        if last + 1 - first > len(best):
            best = ended[first : last + 1]
    ages = [e.age_s for e in best]
    if len(best) < _LEAST_EVENT or max(ages) - min(ages) < 2 * _ONE_MOMENT_S:
        return []
    idle = [e.trial.idle_s or 0.0 for e in best if e.trial is not None]
    # Ends of one idle timeout may coincide too, where the connections fell idle together.
    return best if not idle or max(idle) - min(idle) > 2 * _ONE_MOMENT_S else []


def _event_sentences(event: Sequence[Recorded]) -> list[str]:
    if not event:
        return []
    moment = _clock(event[0].began + event[0].age_s)
    return [
        f"{len(event)} connections of different ages ended within one second at {moment}: "
        "one event, such as a reload, a deploy or a restart."
    ]


def _hints(dropped: Sequence[IdleTrial]) -> list[str]:
    """What one or two ends suggest, said as no more than that."""
    if not dropped:
        return []
    idle_s = dropped[0].idle_s or 0.0
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
        f"{many} ended after {idle_s:.1f} s without a byte{named}. That is a hint: three that "
        "agree would be a verdict."
    ]


def _of_ages(
    base: ExplainVerdict, entries: Sequence[Recorded], changes: dict[int, Change]
) -> ExplainVerdict:
    """What the ages and moments of a log's connections say, and the log's own flags."""
    # what the proxy itself calls a timeout is neither an event nor a person who left
    rest = [e for e in entries if e.outcome not in ("idle-timeout", "lifetime")]
    sentences: list[str] = []
    chosen: list[Candidate] = []
    timers = events = 0
    for low, high, count in ages(e.age_s for e in entries):
        members = [e for e in entries if low <= e.age_s <= high]
        moments = [e.began + e.age_s for e in members]
        told = sum(e.outcome in ("idle-timeout", "lifetime") for e in members)
        if _spread(moments) < 2 * _ONE_MOMENT_S and told * 2 < len(members):
            continue  # they began together and ended together: an event as well as a timer
        timers += count
        sentences.append(f"{count} of {len(entries)} ended {_age_span(low, high)}: a timer.")
        chosen += _by_age(low, high)
        for entry in members:
            if entry.outcome == "unknown":
                said = f"It ended at the age at which {count - 1} others did: a timer."
                changes[entry.number] = Change("unknown", said)
        rest = [e for e in rest if not low <= e.age_s <= high]
    for first, last, count in moments_of(e.began + e.age_s for e in rest):
        members = [e for e in rest if first <= e.began + e.age_s <= last]
        events += count
        sentences.append(
            f"{count} ended within one second at {_clock(first)}: a reload, a deploy or a restart."
        )
        for entry in members:
            if entry.outcome == "unknown":
                said = f"{count} connections ended within the same second."
                changes[entry.number] = Change("event", said)
        rest = [e for e in rest if not first <= e.began + e.age_s <= last]
    if sentences and rest:
        sentences.append(
            f"The rest, {len(rest)}, ended as people leave: at no common age or moment."
        )
    elif rest:
        sentences.append(_of_few(rest))
    flags = Counter(e.flags for e in entries if e.flags is not None)
    sentences += [f"The log says of {count}: {words}." for words, count in flags.most_common(6)]
    verdict = _told(entries) or ("event" if events and not timers else None)
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


def _age_span(low: float, high: float) -> str:
    from_, to = f"{low:.1f}", f"{high:.1f}"
    return f"at {from_} s" if from_ == to else f"at {from_} to {to} s"


def _of_few(entries: Sequence[Recorded]) -> str:
    """Where no cluster stands out: because there is none, or because there are too few."""
    values = sorted(e.age_s for e in entries)
    if len(values) >= LEAST_TRIALS and _spread(values) <= max(0.5, 0.01 * values[0]):
        together = _spread([e.began + e.age_s for e in entries]) < 2 * _ONE_MOMENT_S
        rest = ", or they began and ended together" if together else ""
        return f"All {len(values)} ended {_age_span(values[0], values[-1])}: a timer{rest}."
    if len(values) < _LEAST_CROWD:
        few = "One connection is" if len(values) == 1 else f"{len(values)} connections are"
        return f"{few} too few to tell a timer from people who leave."
    return "They ended as people leave: at no common age or moment."


def _told(entries: Sequence[Recorded]) -> RecordedVerdict | None:
    """What the log's own flags say of enough of its connections."""
    told = Counter(e.outcome for e in entries)
    if told["idle-timeout"] >= max(LEAST_TRIALS, told["lifetime"]):
        return "idle-timeout"
    return "lifetime" if told["lifetime"] >= LEAST_TRIALS else None


def _by_age(low: float, high: float) -> list[Candidate]:
    """Products whose known timeout lies where many connections ended."""
    return [
        Candidate(p.name, p.directive, p.default_s)
        for p in products()
        if p.default_s is not None
        and p.evidence != "unsure"
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
    return _clusters(ended, lambda _: _ONE_MOMENT_S)


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


def _clock(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC")
