"""One recorded connection by itself: how it ended, who ended it, and by what evidence.

The order of the questions is the order in which their evidence excludes the rest:

    what a log says        flags of a proxy that ended it, or saw it end
    still open?            silence with retransmissions to the end, or nothing: it was just open
    a rule broken?         the end follows an offence, or names one (1002, 1007)
    too large?             1009, or the end right behind the largest frame so far
    a forged reset?        a RST from another distance than its supposed sender's segments
    unheard?               bytes that were not acknowledged any more, until their sender gave up
    an unanswered Ping?    the end that sent it is the one that closes, after waiting for its Pong
    a login that never     the server ends a connection on which the client said nothing that it
    came, a heartbeat      wanted to hear: its Close code, or its dialect, says so
    that nobody answered?
    a Close frame?         who sends the first one ends the connection
    FIN or RST             from the client: it went away; from the server's side: the server or
                           whatever stands there, which one connection alone does not tell

What one end alone shows is kept apart from what several ends together show: that is `together.py`.
An outcome is claimed only where this connection's own evidence carries it.
"""

from __future__ import annotations

from collections.abc import Callable

from wsdiag.judgement.hops import other_sender
from wsdiag.judgement.recorded.endings import (
    AT_ONCE_S,
    ENDED,
    Ending,
    code_words,
    direction_of,
    ended_words,
    first_end,
    ms,
    other_side,
    sentence,
)
from wsdiag.judgement.recorded.facts import END_WORDS, SIDES, ConnectionFacts
from wsdiag.judgement.recorded.logged import logged
from wsdiag.judgement.recorded.offences import protocol_error, size_limit
from wsdiag.judgement.recorded.silence import gave_up, still_open
from wsdiag.judgement.recorded.waiting import application_timeout, pong_timeout
from wsdiag.records.explain import RecordedOutcome

_LATE_ANSWER_S = 60.0
"""An end that comes later answers nothing: no end waits for the other's so long."""


def judge_connection(facts: ConnectionFacts) -> Ending:
    """The ending of one recorded connection, from what was recorded of it alone."""
    for question in _QUESTIONS:
        ending = question(facts)
        if ending is not None:
            for doubt in (_one_way, _prompted, _missed, _before, _roles):
                ending = doubt(facts, ending)
            return ending
    return Ending("unknown", "unknown", ("The recording does not show how it ended.",))


def _one_way(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where a capture has the packets of one end only, what it shows may be an answer."""
    sent, received = facts.sent.segments, facts.received.segments
    if bool(sent) == bool(received) or ending.ended_by not in SIDES:
        return ending
    said = f"The recording has only packets from the {'client' if sent else 'server'}"
    return Ending(
        ending.outcome,
        "unknown",
        (*ending.evidence, f"{said}: what it shows may be the answer to what it does not."),
    )


def _prompted(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where TLS stays dark, the end may be the answer to a Close frame that nobody could read."""
    if facts.prompted is None or ending.outcome != "unknown" or ending.ended_by not in SIDES:
        return ending
    said = (
        f"The {other_side(ending.ended_by)} had sent {facts.prompted}: a Close frame, which this "
        "answers, or a last message."
    )
    return Ending("unknown", "unknown", (*ending.evidence, said))


def _missed(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where the capture lacks bytes of the other end right before it, the end may be an answer."""
    end = first_end(facts)
    if (
        end is None
        or end[0] != ending.ended_by
        or not direction_of(facts, other_side(end[0])).missed_at_end
    ):
        return ending
    said = (
        f"The recording lacks bytes that the {other_side(end[0])} sent before that: its Close "
        "frame, or what else this may be the answer to, is perhaps among them."
    )
    outcome: RecordedOutcome = "close" if ending.outcome == "close" else "unknown"
    return Ending(outcome, "unknown", (*ending.evidence, said))


def _before(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where the capture begins in the middle and has no byte of the other end, that one may have
    ended the connection before."""
    end = first_end(facts)
    begun = (
        facts.request_headers or facts.sent.syn_s is not None or facts.received.syn_s is not None
    )
    if end is None or begun or not facts.joined:
        return ending
    if ending.outcome not in ("close", "client-gone", "unknown"):
        return ending
    other = direction_of(facts, other_side(end[0]))
    spoke = other.first_byte_s is not None and other.first_byte_s < end[1]
    if end[0] != ending.ended_by or spoke or end[1] > _LATE_ANSWER_S:
        return ending
    said = (
        f"The recording begins {ms(end[1])} before that, and has no byte of the "
        f"{other_side(end[0])}: it may be the answer to what came before."
    )
    outcome: RecordedOutcome = "close" if ending.outcome == "close" else "unknown"
    return Ending(outcome, "unknown", (*ending.evidence, said))


def _roles(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where nothing tells which end is the client."""
    if facts.roles_known or ending.ended_by not in SIDES:
        return ending
    said = (
        "Which end is the client is not known, as the recording begins in the middle: it may be "
        "the other way round."
    )
    return Ending("unknown", "unknown", (*ending.evidence, said))


def _injected_reset(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None or end[2] != "rst":
        return None
    reset = facts.ends[0]
    found = other_sender(reset.hop_limit, direction_of(facts, reset.by).hop_limits)
    if found is None:
        return None
    here, there, usual = found
    return Ending(
        "injected-reset",
        "middlebox",
        (
            f"The RST carries hop limit {reset.hop_limit}, the {reset.by}'s packets {usual}: "
            f"another machine sent it, {_hops(here)} from here where the {reset.by} is "
            f"{_hops(there)} away.",
        ),
    )


def _closed(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None or end[2] != "close":
        return None
    close = facts.closes[0]
    sentences = [
        f"The {close.by} sent the first Close frame: {code_words(close.code, close.reason)}."
    ]
    answer = next((c for c in facts.closes[1:] if c.by != close.by), None)
    other = direction_of(facts, other_side(close.by))
    unseen = other.missed or (direction_of(facts, close.by).segments and not other.segments)
    waited = facts.ends or (facts.recorded_s or 0.0) - close.at_s >= AT_ONCE_S
    if answer is None and not unseen and waited:
        sentences.append(f"The {other_side(close.by)} did not answer it.")
    return Ending("close", close.by, sentences)


def _tcp_ended(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None:
        return None
    side, _, kind = end
    idle = f", after {facts.idle_s:.1f} s without a byte" if (facts.idle_s or 0) >= 0.05 else ""
    dark = facts.sent.messages is None or direction_of(facts, side).missed_at_end
    without = "" if dark else " without a Close frame"
    more = ("Whether a Close frame came first is not known, as it was not readable.",) * dark
    verb, what = ENDED.get(kind, ENDED["fin"])
    if direction_of(facts, other_side(side)).window_closed:
        said = f"The {other_side(side)} had closed its receive window: it no longer read."
        more = (said, *more)
    if side == "client" and facts.forwarded is not None:
        said = (
            f"{sentence(what)[:-1]} was {verb} ({END_WORDS[kind]}) from the client's side{without}"
            f"{idle}: by the client, or by the proxy that passed its request on "
            f"({facts.forwarded})."
        )
        return Ending("unknown", "client", (said, *more))
    if side == "client":
        gone = "." if dark else ": it went away."
        said = f"The client {ended_words(kind)}{without}{idle}{gone}"
        return Ending("unknown" if dark else "client-gone", "client", (said, *more))
    if facts.dead_after_s is not None and facts.asked_s is not None:
        took = ms(facts.ends[0].at_s - facts.asked_s)
        said = (
            f"It was dead when the client sent bytes after {facts.dead_after_s:.1f} s of idleness: "
            f"all that came back was a RST, {took} later. The server, or something on the way, "
            "had forgotten the connection without a word."
        )
        return Ending("unknown", "unknown", (said,))
    said = f"{sentence(what)[:-1]} was {verb} ({END_WORDS[kind]}) from the server's side"
    said = f"{said}{without}{idle}: by the server, or by what stands before it."
    return Ending("unknown", "server", (said, *more))


_QUESTIONS: tuple[Callable[[ConnectionFacts], Ending | None], ...] = (
    logged,
    still_open,
    protocol_error,
    size_limit,
    _injected_reset,
    gave_up,
    pong_timeout,
    application_timeout,
    _closed,
    _tcp_ended,
)


def _hops(count: int) -> str:
    return "no hop" if count == 0 else f"{count} hop{'s' if count > 1 else ''}"
