"""Many ends at one moment: an event (a reload, a deploy, a restart), or a timer after all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from wsdiag.judgement.products.endpoints import TOKENS_EXPIRED, token_expired
from wsdiag.judgement.recorded.trials import (
    LEAST_TRIALS,
    ONE_MOMENT_S,
    Recorded,
    clock,
    found_dead,
    spread,
)
from wsdiag.records import IdleTrial

CLOCKS = ("idle_s", "since_sent_s", "since_received_s")
_LEAST_EVENT = 3
_IN_USE, _LEAST_LIFETIME_S = 0.1, 5.0
_NOISE_S, _COINCIDENCE_S, _LEAST_USUAL_S = 0.02, 0.25, 10.0


def of_event(entries: Sequence[Recorded]) -> list[Recorded]:
    """Connections of different ages that ended at one moment: more than chance would have it."""
    ended = [
        e
        for e in entries
        if e.outcome in ("unknown", "close", "injected-reset")
        and not (e.trial is not None and e.trial.after_write)
    ]
    best = _densest(ended, lambda e: e.ended, lambda _: ONE_MOMENT_S)
    ages = [e.age_s for e in best]
    if len(best) < _LEAST_EVENT or max(ages) - min(ages) < 2 * ONE_MOMENT_S:
        return []
    idle = [e.trial.idle_s or 0.0 for e in best if e.trial is not None]
    # Ends of one idle timeout may coincide too, where the connections fell idle together.
    return best if not idle or max(idle) - min(idle) > 2 * ONE_MOMENT_S else []


def event_sentences(event: Sequence[Recorded]) -> list[str]:
    """What is said of such connections."""
    if not event:
        return []
    moment = clock(event[0].ended)
    return [
        f"{len(event)} connections of different ages ended within one second at {moment}: "
        f"{_what_happened(event)}."
    ]


def _what_happened(event: Sequence[Recorded]) -> str:
    if all(e.trial is not None and token_expired(e.trial.drop) for e in event):
        return f"{TOKENS_EXPIRED}, as the server says"
    return "one event, such as a reload, a deploy or a restart"


def of_one_clock(entries: Sequence[Recorded]) -> list[Recorded]:
    """Those that ended after the same idleness, of one direction or both: three or more, most of
    them all, and not at one moment."""
    best = max(
        (
            _densest([e for e in entries if idle(e) >= ONE_MOMENT_S], idle, _alike_s)
            for idle in map(_silence, CLOCKS)
        ),
        key=len,
    )
    if len(best) < LEAST_TRIALS or 2 * len(best) <= len(entries):
        return []
    return best if spread([e.ended for e in best]) > ONE_MOMENT_S else []


def of_one_age(entries: Sequence[Recorded]) -> list[Recorded]:
    """Those that the server's side ended at one age although they were in use, which no idle
    timeout does: three or more, most of them all, and not at one moment."""
    ended = [
        e
        for e in entries
        if e.trial is not None and e.trial.outcome == "dropped" and not found_dead(e.trial)
    ]
    best = _densest(ended, lambda e: e.age_s, _alike_s)
    if len(best) < LEAST_TRIALS or 2 * len(best) <= len(ended):
        return []
    if spread([e.ended for e in best]) <= ONE_MOMENT_S:
        return []
    used = all(e.trial is not None and _in_use(e.trial, e.age_s) for e in best)
    return best if used and best[0].age_s >= _LEAST_LIFETIME_S else []


def _densest(
    entries: Sequence[Recorded],
    value: Callable[[Recorded], float],
    within: Callable[[float], float],
) -> list[Recorded]:
    """The most of these that lie together; `within`: how far below a value others may be."""
    ordered = sorted(entries, key=value)
    best: list[Recorded] = []
    first = 0
    for last, entry in enumerate(ordered):
        high = value(entry)
        while value(ordered[first]) < high - within(high):
            first += 1
        if last + 1 - first > len(best):
            best = ordered[first : last + 1]
    return best


def _alike_s(seconds: float) -> float:
    """By how much times of one timer may differ."""
    return max(ONE_MOMENT_S / 2, 0.01 * seconds)


def _silence(name: str) -> Callable[[Recorded], float]:
    """One of `CLOCKS`, read."""
    return lambda entry: getattr(entry.trial, name) or 0.0


def _in_use(trial: IdleTrial, age_s: float) -> bool:
    """Whether both ends were heard shortly before the end, after longer pauses before that, and it
    was no normal closure."""
    if trial.drop is None or (trial.drop.how == "close" and trial.drop.code == 1000):
        return False
    silences_s = (trial.since_sent_s, trial.since_received_s)
    heard = all(each is not None and each < _IN_USE * age_s for each in silences_s)
    return heard and (trial.idle_s or 0.0) <= (trial.longest_idle_s or 0.0)


def at_once(ended: Sequence[Recorded]) -> Literal["event", "either"] | None:
    """Whether connections that ended within one second ended by an event; None: by a timer.

    Connections that fell idle within one second end within one second by an idle timeout, too. But
    a timer's ends are as far apart as the last bytes were, and its idle times are equal; an event's
    ends are equal. Where both are, a known product's default is still too much of a coincidence.
    """
    moments = spread([e.ended for e in ended])
    if moments > ONE_MOMENT_S or any(map(_was_dead, ended)):
        return None
    times = [[idle(e) for e in ended] for idle in map(_silence, CLOCKS)]
    idle = min(spread(values) for values in times)
    if 3 * idle < moments > _NOISE_S:
        return None
    if 3 * moments < idle > _NOISE_S:
        return "event"
    from wsdiag.judgement.products.intermediaries import products

    idle_s = times[0][0]
    usual = any(
        p.kind == "idle" and p.default_s and abs(idle_s - p.default_s) < _COINCIDENCE_S
        for p in products()
    )
    return None if usual and idle_s > _LEAST_USUAL_S else "either"


def at_once_words(ended: Sequence[Recorded], what: Literal["event", "either"]) -> str:
    """What is said of connections that ended so."""
    first = min(e.ended for e in ended)
    said = f"{len(ended)} connections ended within one second at {clock(first)}"
    if what == "event":
        return f"{said}: {_what_happened(ended)}."
    idle_s = ended[0].trial.idle_s if ended[0].trial is not None else None
    return (
        f"{said}, all of them {idle_s or 0.0:.1f} s after their last byte: an event or an idle "
        "timeout; connections that fall idle at different times would tell which."
    )


def or_an_event(ended: Sequence[Recorded], entries: Sequence[Recorded]) -> list[str]:
    """What an idle timeout of these cannot be told from; `entries`: all to this endpoint.

    Connections that were found dead ended at some moment of their idleness, which may have been one
    for all of them: where they were idle at one time through which no other connection is known to
    have lived, and nothing outlived even half of such an idleness.
    """
    if not all(map(_was_dead, ended)):
        return []
    since, until = max(map(_silent_since, ended)), min(e.ended for e in ended)
    outlived_s = max(e.trial.longest_idle_s or 0.0 for e in entries if e.trial is not None)
    if (
        since >= until
        or 2 * outlived_s >= min(map(_silence("idle_s"), ended))
        or any(e.began <= since and _heard(e) >= until for e in entries if e not in ended)
    ):
        return []
    return [
        f"All of them were idle from {clock(since)} to {clock(until)}: one event in between (a "
        "network, a VPN or a firewall that changed) would look the same; connections that are in "
        "use meanwhile, or that outlive a shorter idleness, would tell which."
    ]


def _was_dead(entry: Recorded) -> bool:
    return entry.trial is not None and found_dead(entry.trial)


def _silent_since(entry: Recorded) -> float:
    return entry.ended - _silence("idle_s")(entry)


def _heard(entry: Recorded) -> float:
    """When the server's last bytes came; 0: not known."""
    came_s = None if entry.trial is None else entry.trial.since_received_s
    return 0.0 if came_s is None else entry.ended - came_s
