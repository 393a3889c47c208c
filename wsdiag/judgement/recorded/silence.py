"""Ends of which one end knows nothing: what it sent was not acknowledged any more."""

from __future__ import annotations

from wsdiag.judgement.recorded.endings import Ending, direction_of, first_end, other_side
from wsdiag.judgement.recorded.facts import END_WORDS, SIDES, ConnectionFacts, Side
from wsdiag.records.explain import RecordedOutcome
from wsdiag.units import times

_SILENT_S = 2.0
_LEAST_PROBES = 3
_SILENT: dict[Side, RecordedOutcome] = {"client": "silent", "server": "client-gone"}
_WHY_SILENT: dict[Side, str] = {
    "client": "The server, or something on the way, had forgotten the connection, or was gone.",
    "server": "The client had vanished without a word, or the way to it was broken.",
}


def still_open(facts: ConnectionFacts) -> Ending | None:
    """No sign of an end: it was open, or an end sent in vain."""
    if not facts.ends_shown:
        return None
    if first_end(facts) is not None or facts.log_flags is not None or facts.ended_s is not None:
        return None
    for who in SIDES:
        said = unheard(facts, who, facts.recorded_s or 0.0)
        if said is not None and heard_on(facts, who):
            return Ending("open", "unknown", (f"{said}.", one_way_loss(who)))
        if said is not None:
            return Ending(_SILENT[who], "unknown", (f"{said}.", _WHY_SILENT[who]))
    idle = f", idle for the last {facts.idle_s:.1f} s" if (facts.idle_s or 0) >= 0.05 else ""
    return Ending("open", "unknown", (f"It was open when the recording ended{idle}.",))


def gave_up(facts: ConnectionFacts) -> Ending | None:
    """An end that was not heard any more ended the connection for itself."""
    end = first_end(facts)
    if end is None or end[2] == "close":
        return None
    side, at_s, kind = end
    said = unheard(facts, side, at_s)
    if said is None or any(ping.by == side for ping in facts.open_pings):
        return None
    if heard_on(facts, side):
        said = f"{said}; then it gave up ({END_WORDS[kind]})."
        return Ending("unknown", "unknown", (said, one_way_loss(side)))
    return Ending(
        _SILENT[side],
        "unknown",
        (f"{said}; then it gave up ({END_WORDS[kind]}).", _WHY_SILENT[side]),
    )


def unheard(facts: ConnectionFacts, who: Side, until_s: float) -> str | None:
    """What one end sent in vain until a moment, as a sentence without its end; None: it did not, or
    the recording has one direction only, and so no acknowledgement, from the beginning on."""
    direction = direction_of(facts, who)
    if direction.syn_s is not None and not direction_of(facts, other_side(who)).segments:
        return None
    since_s = direction.unacknowledged_s
    if since_s is not None and until_s - since_s >= _SILENT_S:
        resent = times(direction.retransmits)
        after = ""
        if who == "client" and facts.dead_after_s is not None:
            after = f", sent after {facts.dead_after_s:.1f} s of idleness,"
        return (
            f"The {who}'s last bytes{after} were sent again ({resent}) for "
            f"{until_s - since_s:.1f} s and never acknowledged"
        )
    since_s = direction.probing_since_s
    if direction.probes_unanswered >= _LEAST_PROBES and since_s is not None:
        return (
            f"The {who} sent {direction.probes_unanswered} keepalive probes of TCP for "
            f"{until_s - since_s:.1f} s without an answer"
        )
    return None


def heard_on(facts: ConnectionFacts, who: Side) -> bool:
    """Whether packets of the other end came while one's bytes were not acknowledged."""
    since_s, heard_s = (
        direction_of(facts, who).unacknowledged_s,
        direction_of(facts, other_side(who)).heard_s,
    )
    return since_s is not None and heard_s is not None and heard_s - since_s >= _SILENT_S


def one_way_loss(who: Side) -> str:
    """What it means that the other end was heard on."""
    other = other_side(who)
    return (
        f"Packets of the {other} still came, so it was there: what was lost is only what the {who} "
        "sent, or only large packets (path MTU)."
    )
