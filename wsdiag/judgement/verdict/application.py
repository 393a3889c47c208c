"""Did the endpoint end connections because the client did not say what it wanted to hear?

An endpoint may want a first message soon after the opening (a hello, a login), or an answer to a
message of its own. Both look like a maximum lifetime: connections end at one age, in use or not.
Two things are evidence. The endpoint is a known one, by its subprotocol, its first message, or
a Close code and reason that say so. Or connections ended the same time after the first message that
was left without an answer, where no earlier one had gone unanswered as long: a feed, whose messages
want no answer, is survived again and again. Two or three messages before the end may be either, so
what they say decides: a heartbeat asks. A message that announces the end (goodbye, reconnect) asks
for nothing, however many came. A greeting at the opening proves nothing: everything that starts at
the opening comes the same time after it. One connection of five may disagree: a busy machine is
late now and then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.judgement.products.endpoints import KnownEndpoint, endpoints, wants_a_hello
from wsdiag.judgement.verdict.clocks import MARGIN_ABOVE_S, MARGIN_BELOW_S, agreeing, tolerance_s
from wsdiag.judgement.verdict.evidence import ProbeContext
from wsdiag.records import IdleTrial, Range

_LEAST = 3
_GREETING_S = 1.0
_MESSAGES = ("text", "binary")
# What a heartbeat says of itself, or an endpoint that missed the answer to it.
_ASKS = re.compile(
    r"ping|heart_?beat|\bhb\b|keep-?_?alive|\balive\b|\bthere\?|timed?[ -]?out|no (?:pong|answer)",
    re.IGNORECASE,
)
# What a message says that announces the end, and wants no answer.
_LEAVES = re.compile(
    r"good-?bye|\bbye\b|re-?connect|disconnect|expir|go(?:ing)?[ _-]?away|restart|maintenance"
    r"|shut(?:ting)?[ _-]?down",
    re.IGNORECASE,
)
_MOST_UNANSWERED = 3
# What comes this shortly before the end belongs to it.
_LAST_WORDS_S = 0.1


@dataclass(frozen=True, slots=True)
class ApplicationTimeout:
    """What was wanted of the client: a first message, or an answer; and by whom, if known."""

    range: Range
    after_message: bool
    """Counted from a message of the endpoint; else from the opening."""
    endpoint: KnownEndpoint | None = None
    asked: str | None = None
    """The endpoint's own heartbeat, where its protocol is not known."""
    like_a_lifetime: bool = False
    """Ages agree about as well as the times since the message."""


def application_timeout(
    trials: Sequence[IdleTrial], context: ProbeContext
) -> ApplicationTimeout | None:
    """What these ends, all of one age or in use as well, were most likely for; None: not that."""
    drops = [t.drop for t in trials if t.drop is not None]
    if not drops or len(drops) < len(trials):
        return None
    rows = [
        row
        for row in endpoints()
        if row.kind == "heartbeat" or (row.kind == "hello" and not context.greeted)
        if all(map(row.ends_like, drops))
    ]
    known = next(
        (row for row in rows if row.recognised(context.subprotocol, context.first_message)), None
    )
    if known is None and not context.greeted:
        known = wants_a_hello(drops)
    if known is not None and known.kind == "heartbeat":
        return _since_a_message(trials, known)
    if known is not None:
        return ApplicationTimeout(_range([t.age_s or 0.0 for t in trials]), False, known)
    return _since_a_message(trials)


def _since_a_message(
    trials: Sequence[IdleTrial], known: KnownEndpoint | None = None
) -> ApplicationTimeout | None:
    """The time from the first message after the greeting to the end, where (nearly) all agree."""
    if len(trials) < _LEAST and known is None:
        return None
    asked = [(t, _unanswered(t, known)) for t in trials]
    says = [t.last_message for t in trials if t.last_message is not None]
    asks = known is not None or (bool(says) and all(map(_ASKS.search, says)))
    if not asks and says and all(map(_LEAVES.search, says)):
        return None
    if not asks and 2 * sum(len(own) == 1 for _, own in asked) <= len(asked):
        return None
    waits = [
        (t, (t.age_s or 0.0) - own[0] if 0 < len(own) <= _MOST_UNANSWERED else None)
        for t, own in asked
    ]
    known_s = [s for _, s in waits if s is not None]
    found = agreeing(waits, tolerance_s(max(known_s, default=0.0)))
    members = [s for _, s in found]
    if not found or min(members) <= 0.3:
        return None
    # Where ages agree better than the time since the message, they are what counts.
    waits_s, ages_s = _most_within_s(known_s), _most_within_s([t.age_s or 0.0 for t in trials])
    if waits_s > ages_s + 0.05:
        return None
    return ApplicationTimeout(
        _range(members), True, known, like_a_lifetime=ages_s <= max(0.25, 2 * waits_s)
    )


def _most_within_s(values: Sequence[float]) -> float:
    """Within how many seconds four of five lie."""
    ordered, fewer = sorted(values), (len(values) + 1) // 5
    return min(ordered[len(ordered) - 1 - fewer + n] - ordered[n] for n in range(fewer + 1))


def _unanswered(trial: IdleTrial, known: KnownEndpoint | None) -> list[float]:
    """When its messages came, but for the greeting and its last words; seconds since the upgrade.

    A known endpoint greets with its first message, whenever it comes.
    """
    said = [at_s for at_s, what in trial.received if what in _MESSAGES]
    said = said[1:] if known is not None else [s for s in said if s > _GREETING_S / 2]
    last_s = (trial.age_s or 0.0) - _LAST_WORDS_S
    return [at_s for at_s in said if at_s <= last_s]


def _range(values: Sequence[float]) -> Range:
    low, high = max(0.0, min(values) - MARGIN_BELOW_S), max(values) + MARGIN_ABOVE_S
    return Range(round(low, 2), round(high, 2))
