"""A recorded connection as the trial of an experiment that nobody planned.

An idle probe opens connections on purpose and leaves them idle. A recording has connections that
others opened; but each of them that fell idle and was then ended from the server's side is a trial
of the same experiment, and each that outlived a longer idleness is one that survived. One that was
found dead when the client wrote to it again ended at some moment of the idleness before.

A connection whose own evidence says more than its idleness does (an offence, a size, a Pong that
never came, a client that left) is no trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from wsdiag.judgement.recorded.endings import Ending, first_end
from wsdiag.judgement.recorded.facts import ANSWER, ConnectionFacts, Side
from wsdiag.records import Drop, Hop, IdleTrial
from wsdiag.records.explain import EndedBy, RecordedOutcome

LEAST_TRIALS = 3
ONE_MOMENT_S = 1.0
_MOST_RECEIVED = 32


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
    left: IdleTrial | None = None
    """Where the client's side ended TCP: the same as a trial that was dropped by that side."""
    forwarded: bool = False
    """A proxy had passed on its request, so that the client's side may be that proxy."""

    @property
    def ended(self) -> float:
        """When it ended, in seconds since 1970."""
        return self.began + self.age_s


class Change(NamedTuple):
    """What the connections together say of one of them."""

    outcome: RecordedOutcome
    evidence: str
    ended_by: EndedBy | None = None
    """None: as it was."""


def recorded(facts: ConnectionFacts, number: int, ending: Ending, url: str) -> Recorded:
    """One connection as a trial of an experiment that nobody planned."""
    opened_s = facts.opened_s or 0.0
    end_s = facts.ended_s if facts.ended_s is not None else facts.recorded_s or 0.0
    if facts.asked_s is not None:  # it may have been dead for long
        end_s = facts.asked_s
    age_s = max(0.0, end_s - opened_s)
    began = (facts.began or 0.0) + opened_s
    trial = _trial(facts, ending, url, began, age_s)
    # only what was dropped is asked for whose products it passed
    dropped = trial is not None and trial.outcome != "alive"
    hops: tuple[Hop, ...] = ()
    if dropped:
        from wsdiag.judgement.products.intermediaries import hops_from_headers

        hops = tuple(hops_from_headers((facts.behind or facts).response_headers))
    logged = facts.ended_s is not None and facts.ends_shown and first_end(facts) is None
    flags = f"{facts.log_flags}: {facts.log_words}" if facts.log_words else None
    dark = facts.sent.messages is None and not logged
    end = first_end(facts)
    left: IdleTrial | None = None
    if end is not None and end[0] == ending.ended_by == "client" and end[2] != "close" and not dark:
        left = _trial(facts, ending, url, began, age_s, by="client")
    return Recorded(
        url,
        number,
        ending.outcome,
        began,
        age_s,
        trial,
        hops,
        logged and began > 0,
        flags,
        dark,
        left,
        facts.forwarded is not None,
    )


def _trial(
    facts: ConnectionFacts,
    ending: Ending,
    url: str,
    began: float,
    age_s: float,
    by: Side = "server",
) -> IdleTrial | None:
    """`by`: the side whose ends count as drops."""
    told = facts.ends_shown and facts.roles_known
    if facts.idle_s is None or facts.log_flags is not None or not told:
        return None
    end = first_end(facts)
    causes = ("unknown", "close") if by == "server" else ("unknown", "client-gone")
    sides = (by, "client") if ending.ended_by == "middlebox" else (by,)
    dropped = end is not None and end[0] in sides and ending.outcome in causes
    # Where an end did not read, bytes waited for it: that was no idleness.
    unread = facts.sent.window_closed or facts.received.window_closed
    dropped = dropped and facts.prompted is None and not unread
    reset = ending.outcome == "injected-reset"
    dead_s = facts.dead_after_s
    silent = ending.outcome == "silent" and dead_s is not None
    left = end is not None and end[0] == "client" and ending.outcome == "unknown"
    left = left or facts.prompted is not None
    outlived = left or ending.outcome in ("open", "client-gone", "close")
    if not (dropped or reset or silent or outlived):
        return None
    alive = not (dropped or reset or silent)
    idle_s = facts.idle_s if dead_s is None else dead_s
    longest_s = facts.longest_idle_s or 0.0
    if alive:  # it outlived its longest idleness, the last one included
        longest_s = max(longest_s, idle_s)
    opened_s, end_s = facts.opened_s or 0.0, facts.ended_s or facts.recorded_s or 0.0
    sent_s, received_s = facts.sent.last_byte_s, facts.received.last_byte_s
    return IdleTrial(
        url=url,
        trial="idle",
        idle_for_s=None,
        interval_s=None,
        outcome="alive" if alive else "silent" if silent else "dropped",
        idle_s=round(idle_s, 3),
        drop=None if alive else _begun_as(facts),
        age_s=round(age_s, 3),
        started_s=began,
        received=_sent_on_its_own(facts, opened_s),
        longest_idle_s=round(longest_s, 3),
        since_sent_s=None if sent_s is None else round(max(end_s - sent_s, 0.0), 3),
        since_received_s=None if received_s is None else round(max(end_s - received_s, 0.0), 3),
        after_write=dropped and dead_s is not None,
    )


def _sent_on_its_own(facts: ConnectionFacts, opened_s: float) -> tuple[tuple[float, str], ...]:
    """What the server sent unasked, the first few dozen: no Pong that answers a Ping, and no Close,
    which is an end and no traffic. Whether a message answers one, nobody knows."""
    spoke = (
        (at_s - opened_s, what)
        for at_s, who, what in facts.activity
        if who == "server" and what not in (ANSWER, "close")
    )
    return tuple(islice(spoke, _MOST_RECEIVED))


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
    first = facts.ends[0] if facts.ends else None
    if kind == "end-stream":
        return Drop("fin", at_s, detail="END_STREAM")
    if first is not None and first.kind in ("rst-stream", "goaway"):
        return Drop(first.kind, at_s, code=first.code, reason=first.code_name)
    if kind == "close":
        close = facts.closes[0]
        return Drop("close", at_s, code=close.code, reason=close.reason or None)
    if kind == "fin":
        return Drop("fin", at_s)
    return Drop("rst" if facts.dead_after_s is None else "rst-on-write", at_s)


def _begun_as(facts: ConnectionFacts) -> Drop | None:
    """How it ended, without what proxies made of that where it was recorded behind them."""
    drop = drop_of(facts)
    if facts.behind is None or drop is None:
        return drop
    begun = drop_of(facts.behind)
    return drop if begun is None else replace(begun, at_s=drop.at_s)


def found_dead(trial: IdleTrial) -> bool:
    """Whether nobody noticed its end until something was sent."""
    return trial.outcome == "silent" or trial.after_write


def spread(values: Sequence[float]) -> float:
    """From the smallest to the largest."""
    return max(values) - min(values)


def clock(moment: float) -> str:
    """A moment for people: `03:00:07 UTC`."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC")
