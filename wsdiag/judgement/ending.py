"""Why a watched connection ended, as far as its ends tell: for a label, so one word.

One end alone is judged as a recorded one is (`recorded.connection`): its Close code and words, a
silence. A clock shows itself by repetition only. Three ends in a row at one age, which were not
idle all that time, are a lifetime; three after one idleness, at different ages or where an idle
probe has found the same, are an idle timeout. Where the two cannot be told apart, neither is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import CloseSeen, ConnectionFacts, Side, TcpEnd
from wsdiag.records import Drop, Verdict
from wsdiag.records.drops import is_ours
from wsdiag.records.explain import RecordedOutcome

LEAST_ENDS = 3
_LEAST_S = 1.0
_SPREAD_S, _SPREAD_SHARE = 0.5, 0.02
_IDLE_SHARE = 0.5


class Ended(NamedTuple):
    """How a connection ended, and for how long it had been idle (None: unknown)."""

    drop: Drop
    idle_s: float | None


def cause_of(ends: Sequence[Ended], verdict: Verdict | None = None) -> RecordedOutcome:
    """The cause of the last of a target's ends; `verdict`: of an idle probe of it."""
    drop, idle_s = ends[-1]
    if drop.how in ("silent", "rst-on-write", "timeout"):
        return "silent"
    outcome = judge_connection(_facts(drop, idle_s)).outcome
    if outcome not in ("close", "unknown"):
        return outcome
    alike = [end for end in ends if (end.drop.how, end.drop.code) == (drop.how, drop.code)]
    recent = alike[-LEAST_ENDS:]
    ages = [end.drop.at_s for end in recent]
    idles = [end.idle_s or 0.0 for end in recent]
    one_age, one_idleness = _agree(ages), _agree(idles)
    if one_idleness and (not one_age or verdict == "idle-timeout"):
        return "idle-timeout"
    if one_age and max(idles) < _IDLE_SHARE * min(ages):
        return "lifetime"
    return outcome


def _agree(values_s: Sequence[float]) -> bool:
    low, high = min(values_s), max(values_s)
    close = high - low <= max(_SPREAD_S, _SPREAD_SHARE * high)
    return len(values_s) >= LEAST_ENDS and low >= _LEAST_S and close


def _facts(drop: Drop, idle_s: float | None) -> ConnectionFacts:
    facts = ConnectionFacts("live", opened_s=0.0, ended_s=drop.at_s, recorded_s=drop.at_s)
    facts.idle_s = idle_s
    if drop.how == "close":
        by: Side = "client" if is_ours(drop) else "server"
        facts.closes.append(CloseSeen(by, drop.at_s, drop.code, drop.reason or ""))
    elif drop.how in ("fin", "tls-eof"):
        facts.ends.append(TcpEnd("fin", "server", drop.at_s))
    elif drop.how == "rst":
        facts.ends.append(TcpEnd("rst", "server", drop.at_s))
    return facts
