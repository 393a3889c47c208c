"""What is to be said where the application protocol is known: who took part in it, and lived?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsdiag.dialects.catalogue import Dialect
from wsdiag.judgement.verdict.clocks import agreeing
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.judgement.verdict.moments import moments_of
from wsdiag.records import IdleTrial, Range
from wsdiag.records.drops import drop_phrase
from wsdiag.units import format_seconds

_ENDED = ("dropped", "silent")
_AGREE_S = 0.5
_LEAST = 3
_MOST_UNANSWERED = 5
_NO_ANSWER = re.compile(
    r"\b(pong|ping|heart-?beat|keep-?alive)s?\b.{0,40}\b(time-?d?-?out|missed|missing|no|not|expired|lost)\b"
    r"|\b(time-?d?-?out|missed|missing|no|not|lost)\b.{0,40}\b(pong|ping|heart-?beat|keep-?alive|response|answer)s?\b",
    re.IGNORECASE,
)


def heartbeat_timeout(evidence: Evidence, context: ProbeContext) -> Range | None:
    """How long after its unanswered heartbeat the endpoint ends connections; None: not shown.

    Everything that ended did so the same time after one, in use or not, and nothing outlived it. A
    proxy's idle timeout may do the same to connections that are idle; so one in use must have ended
    too, or the endpoint must have announced that time. Where the protocol is not known, a message
    that calls itself a heartbeat may want no answer: then more is asked for.
    """
    ran = (*evidence.idle, *evidence.kept)
    ended = [t for t in ran if t.outcome in _ENDED and t.trial != "heartbeat"]
    waits = _agreeing([(t, _waited_s(t)) for t in ended])
    if not waits:
        return None
    if any((_waited_s(t) or 0.0) > waits[-1] + _AGREE_S for t in ran if t not in ended):
        return None
    announced_s = None if context.announced is None else context.announced.timeout_s
    if context.dialect is None:
        held = [t for t in evidence.of("data") if t.outcome == "alive" and t.keepalives_sent]
        if not _no_coincidence([t for t in ended if _waited_s(t) is not None], held):
            return None
    near_s = 1.0 + _spread_s(waits)
    as_announced = announced_s is not None and abs(waits[-1] - announced_s) <= near_s
    if not as_announced and not any(_in_use(t, waits[0]) for t in ended):
        return None
    return _around(waits)


def _in_use(trial: IdleTrial, waited_s: float) -> bool:
    """Whether an idle timeout of that time would have been restarted by its Pings."""
    if trial.trial != "ping" or not trial.keepalives_sent:
        return False
    late = trial.since_sent_s is not None and trial.since_sent_s < 0.8 * waited_s
    return trial.keepalives_sent > 1 or late


def _no_coincidence(ended: Sequence[IdleTrial], held: Sequence[IdleTrial]) -> bool:
    """Whether these ends have to do with heartbeats of a protocol that is not known.

    Some that are called so want no answer, and a restart or a lifetime ends their connections as
    well. So few of them must have gone unanswered, and either a reason says it, or it was so at
    several moments, or those that sent messages lived on (`held`), or connections ended when the
    next heartbeat was due: who looks for answers does so before it asks again.
    """
    if max(t.unanswered_heartbeats or 0 for t in ended) > _MOST_UNANSWERED:
        return False
    reasons = [(t.drop.reason or "") if t.drop is not None else "" for t in ended]
    if all(map(_NO_ANSWER.search, reasons)):
        return True
    ages_s, waits_s = [t.age_s or 0.0 for t in ended], [_waited_s(t) or 0.0 for t in ended]
    better = max(ages_s) - min(ages_s) > 2 * (max(waits_s) - min(waits_s)) + 0.1
    again = len(moments_of(ended)) > 1 or bool(held)
    return (again and better) or all(map(_on_its_beat, ended))


def _on_its_beat(trial: IdleTrial) -> bool:
    """Whether it ended when the endpoint's next heartbeat was due."""
    asked_s, count = trial.unanswered_heartbeat_s or 0.0, trial.unanswered_heartbeats or 0
    beats = [at_s for at_s, what in trial.received if what == "text" and at_s >= asked_s - 0.001]
    if len(beats) < 2 or count < len(beats):
        return False
    interval_s = (beats[-1] - beats[0]) / (len(beats) - 1)
    due_s = asked_s + count * interval_s
    return abs((trial.age_s or 0.0) - due_s) <= max(0.2, 0.03 * interval_s)


def hello_timeout(evidence: Evidence, context: ProbeContext) -> Range | None:
    """At which age the endpoint ends connections whose client said no hello; None: not shown.

    Its protocol wants one, none was sent, and everything ended at one age, in use or not.
    """
    if context.dialect is None or not context.dialect.hello or context.greeted:
        return None
    ran = (*evidence.idle, *evidence.kept)
    ended = [t for t in ran if t.outcome in _ENDED]
    ages = _agreeing([(t, t.age_s) for t in ended])
    if not ages:
        return None
    outlived = any((t.age_s or 0.0) > ages[-1] + _AGREE_S for t in ran if t not in ended)
    used = any(t.trial == "ping" and t.keepalives_sent for t in ended)
    return _around(ages) if used and not outlived else None


def _agreeing(read: Sequence[tuple[IdleTrial, float | None]]) -> list[float]:
    """The values that agree, sorted, if they are nearly all; else none."""
    known = sorted(s for _, s in read if s is not None)
    if len(known) < _LEAST:
        return []
    return [s for _, s in agreeing(read, _spread_s(known))]


def _around(values: Sequence[float]) -> Range:
    return Range(round(max(0.0, values[0] - 0.1), 2), round(values[-1] + 0.1, 2))


def _waited_s(trial: IdleTrial) -> float | None:
    asked_s = trial.unanswered_heartbeat_s
    return None if asked_s is None else (trial.age_s or 0.0) - asked_s


def _spread_s(waits: Sequence[float]) -> float:
    return max(_AGREE_S, 0.1 * waits[-1])


def participation(evidence: Evidence, context: ProbeContext) -> list[str]:
    """The protocol, what a client that does not take part gets, and how those fared that did."""
    dialect, found = context.dialect, context.recognised
    if dialect is None or found is None:
        return []
    beating = evidence.of("heartbeat")
    took = "the heartbeat trials take part in it, no other connection does" if beating else ""
    by = f"told by {found.by}" if found.by != "--dialect" else "as --dialect says"
    said = f"The endpoint speaks {dialect.title}, {by}"
    sentences = [f"{said}: {took}." if took else f"{said}."]
    if dialect.hello and not context.greeted:
        sentences.append(
            f"No hello was sent{_then(dialect.no_hello)}: --dialect {dialect.name} sends one, "
            "--hello TEXT another."
        )
    sentences += _unanswered(evidence, context, dialect)
    sentences += _took_part(beating)
    return sentences


def _then(consequence: str | None) -> str:
    return f" (without one: {consequence})" if consequence else ""


def _unanswered(evidence: Evidence, context: ProbeContext, dialect: Dialect) -> list[str]:
    """What became of connections whose endpoint waited for an answer to its heartbeat."""
    ended = [t for t in (*evidence.idle, *evidence.kept) if t.outcome in _ENDED]
    waits = sorted(s for t in ended if (s := _waited_s(t)) is not None)
    if not waits:
        return []
    low, high = format_seconds(round(waits[0], 1)), format_seconds(round(waits[-1], 1))
    within = low if low == high else f"{low.removesuffix(' s')} to {high}"
    clock = context.announced
    announced = ""
    if clock is not None and clock.timeout_s is not None:
        announced = f" (announced: {format_seconds(clock.timeout_s)})"
    shown = f" `{dialect.ping_shown}`" if dialect.ping_shown else ""
    if waits[-1] - waits[0] > _spread_s(waits):
        return [
            f"Connections that left its heartbeat{shown} unanswered ended {within} after it"
            f"{announced}."
        ]
    return [
        f"It closes a client that does not answer its heartbeat{shown} within {within}{announced}."
    ]


def _took_part(beating: Sequence[IdleTrial]) -> list[str]:
    sent = [t for t in beating if t.keepalives_sent]
    lived = [t for t in sent if t.outcome not in _ENDED]
    died = [t for t in sent if t.outcome in _ENDED]
    sentences = []
    if lived:
        age_s = max(t.age_s or 0.0 for t in lived)
        quiet_s = max(t.longest_idle_s or 0.0 for t in lived)
        sentences.append(
            f"Clients that took part lived for {format_seconds(age_s)}, and were never idle for "
            f"longer than {format_seconds(quiet_s)}."
        )
    for trial in died[:1]:
        assert trial.drop is not None
        sentences.append(
            f"A client that took part was dropped as well, after {format_seconds(trial.age_s)} "
            f"({drop_phrase(trial.drop)})."
        )
    return sentences
