"""Did the endpoint end connections because the client did not say what it wanted to hear?

An endpoint may want a first message soon after the opening (a hello, a login), or an answer to a
message of its own. Both look like a maximum lifetime: connections end at one age, in use or not.
Two things are evidence. The endpoint is a known one, by its subprotocol, its first message, or
a Close code and reason that say so. Or all connections ended the same time after a message of the
endpoint, where no earlier message had gone unanswered as long: a feed, whose messages want no
answer, is survived again and again. A greeting at the opening proves nothing: everything that
starts at the opening comes the same time after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.judgement.products.endpoints import KnownEndpoint, endpoints
from wsdiag.judgement.verdict.clocks import MARGIN_ABOVE_S, MARGIN_BELOW_S
from wsdiag.judgement.verdict.evidence import ProbeContext
from wsdiag.records import IdleTrial, Range

_LEAST = 3
_GREETING_S = 1.0
_MESSAGES = ("text", "binary")


@dataclass(frozen=True, slots=True)
class ApplicationTimeout:
    """What was wanted of the client: a first message, or an answer; and by whom, if known."""

    range: Range
    after_message: bool
    """Counted from a message of the endpoint; else from the opening."""
    endpoint: KnownEndpoint | None = None
    asked: str | None = None
    """The endpoint's own heartbeat, where its protocol is not known."""


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
    if known is None:
        # The code and its reason say so themselves.
        by_code = [row for row in rows if row.kind == "hello" and (row.reason or row.codes)]
        known = next((r for r in by_code if r.reason is not None or set(r.codes) == {4408}), None)
    waits = _since_a_message(trials, greetings=known is not None)
    if known is not None and known.kind == "heartbeat":
        return ApplicationTimeout(waits, True, known) if waits is not None else None
    if known is not None:
        return ApplicationTimeout(_range([t.age_s or 0.0 for t in trials]), False, known)
    waits = _since_a_message(trials)
    return None if waits is None else ApplicationTimeout(waits, True)


def _since_a_message(trials: Sequence[IdleTrial], *, greetings: bool = False) -> Range | None:
    """The time from the only message after the greeting to the end, where all agree on it."""
    if len(trials) < _LEAST and not greetings:
        return None
    waits = []
    for trial in trials:
        said = [at_s for at_s, what in trial.received if what in _MESSAGES]
        asked = [at_s for at_s in said if at_s > _GREETING_S / 2] if not greetings else said[1:]
        if len(asked) != 1:
            return None
        waits.append((trial.age_s or 0.0) - asked[0])
    range_ = _range(waits)
    ages = [t.age_s or 0.0 for t in trials]
    spread_s = max(waits) - min(waits)
    agree = spread_s <= max(0.25, 0.05 * max(waits)) and min(waits) > 0.3
    # Where ages agree better than the time since the message, they are what counts.
    better = spread_s <= max(ages) - min(ages) + 0.05
    return range_ if agree and better else None


def _range(values: Sequence[float]) -> Range:
    low, high = max(0.0, min(values) - MARGIN_BELOW_S), max(values) + MARGIN_ABOVE_S
    return Range(round(low, 2), round(high, 2))
