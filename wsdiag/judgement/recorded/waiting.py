"""Ends by whoever waited in vain: for a Pong, for a login, for the answer to a heartbeat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsdiag.judgement.recorded.endings import (
    Ending,
    code_words,
    direction_of,
    ended_words,
    first_end,
    other_side,
)
from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, Side
from wsdiag.judgement.recorded.silence import heard_on, one_way_loss

if TYPE_CHECKING:
    from wsdiag.dialects.catalogue import Dialect

_LEAST_PONG_WAIT_S = 1.0
_LEAST_LOGIN_WAIT_S = 1.0
_GRAIN_S = 0.05
_PONG_WORDS = re.compile(
    r"(?i)\b(ping|pong|keep-?alive|heartbeat)\b.{0,40}\btimed?[- ]?out|\bno pong\b"
)
_LOGIN_WORDS = re.compile(
    r"(?i)\b(unauthori[sz]ed|unauthenticated|not authenticated|"
    r"(authentication|initiali[sz]ation) (timeout|timed out|required))"
)


def pong_timeout(facts: ConnectionFacts) -> Ending | None:
    """A Ping without a Pong, then the end by whoever had sent it."""
    end = first_end(facts)
    if end is None:
        return None
    side, at_s, kind = end
    close = facts.closes[0] if kind == "close" else None
    named = close is not None and _PONG_WORDS.search(close.reason[:200]) is not None
    waiting = [p for p in facts.open_pings if p.by == side]
    if close is not None and close.code in (1000, 1001) and not named:
        return None  # it left in order; that its Pings were never answered did not matter to it
    how = ended_words(kind)
    if close is not None:
        how = f"closed with {code_words(close.code, close.reason)}"
    if waiting:
        waited_s = at_s - waiting[0].at_s
        heard = direction_of(facts, other_side(side)).last_byte_s
        silent = heard is None or heard <= waiting[0].at_s
        if waited_s >= _LEAST_PONG_WAIT_S and (named or silent):
            return Ending(
                "pong-timeout",
                side,
                (
                    f"The {side}'s Ping at {waiting[0].at_s:.1f} s was unanswered for "
                    f"{waited_s:.1f} s; then it {how}.",
                    *_why_no_pong(facts, side),
                    *_or_idle_timer(facts, end, waited_s),
                ),
            )
    if named:
        return Ending("pong-timeout", side, (f"The {side} {how}.",))
    return None


def _why_no_pong(facts: ConnectionFacts, side: Side) -> Sequence[str]:
    """Whether the other end was there at all."""
    if direction_of(facts, side).unacknowledged_s is not None:
        if heard_on(facts, side):
            return (f"TCP did not acknowledge its last bytes either. {one_way_loss(side)}",)
        return (
            "TCP did not acknowledge its last bytes either: the other end, or the way to it, was "
            "gone.",
        )
    if direction_of(facts, other_side(side)).segments:
        return ("TCP acknowledged the Ping: the other end was there, but did not answer.",)
    return ()


def _or_idle_timer(
    facts: ConnectionFacts, end: tuple[Side, float, str], waited_s: float
) -> Sequence[str]:
    """What else ends a connection without a Close frame so long after a Ping that came last."""
    side, _, kind = end
    if side == "client" or kind == "close" or (facts.idle_s or 0.0) < waited_s - _GRAIN_S:
        return ()
    return (
        "An idle timeout of a proxy before the server, which that Ping had restarted, would look "
        "the same.",
    )


def application_timeout(facts: ConnectionFacts) -> Ending | None:
    """A login or a heartbeat that the application waited for."""
    end = first_end(facts)
    if end is None or end[0] != "server":
        return None
    _, at_s, kind = end
    close = facts.closes[0] if kind == "close" else None
    dialect = _dialect(facts)
    since_s = at_s - (facts.opened_s or 0.0)
    meaning = dialect.meaning_of(close.code, close.reason) if dialect and close else None
    words = f"with {code_words(close.code, close.reason)}" if close else f"({END_WORDS[kind]})"
    said_nothing = facts.sent.messages == 0
    if meaning is not None and close is not None and dialect is not None:
        said = f"The server closed {words} after {since_s:.1f} s: in {dialect.title}, {meaning}."
        return Ending("application-timeout", "server", (said,)) if said_nothing else None
    waited = since_s >= _LEAST_LOGIN_WAIT_S  # at once, it is what the handshake carried that fails
    login = close is not None and (
        close.code == 4408 or (waited and _LOGIN_WORDS.search(close.reason[:200]))
    )
    if said_nothing and login:
        return Ending(
            "application-timeout",
            "server",
            (
                f"The server closed {words} after {since_s:.1f} s, and the client had sent no "
                "message: a login or a hello was expected.",
            ),
        )
    asked = facts.received.last_message
    if (
        dialect is not None
        and dialect.pong is not None
        and asked is not None
        and dialect.ping is not None
        and any(re.search(dialect.ping, record) for record in dialect.records(asked))
        and (facts.received.last_byte_s or 0.0) > (facts.sent.last_byte_s or 0.0)
    ):
        waited_s = at_s - (facts.received.last_byte_s or 0.0)
        return Ending(
            "application-timeout",
            "server",
            (
                f"The server's heartbeat ({dialect.title}) was unanswered for {waited_s:.1f} s; "
                f"then it closed {words}.",
            ),
        )
    return None


def _dialect(facts: ConnectionFacts) -> Dialect | None:
    from wsdiag.dialects.catalogue import recognise

    found = recognise(
        f"ws://host{facts.path or '/'}", facts.subprotocol, facts.received.first_message
    )
    return None if found is None else found.dialect
