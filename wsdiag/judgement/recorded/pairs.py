"""Which recorded connections are one: captured at both ends, or on both sides of a proxy.

They are matched by the handshake's Sec-WebSocket-Key, which NATs leave alone and proxies pass on,
or else by addresses, ports and the first sequence number. Sequence numbers tell the rest: the same
ones are the same TCP connection, others are what a proxy opened on behalf of the first, and then
its handshake lies within the first one's.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.judgement.recorded.both_ends import BothEnds, both_ends, judge_both
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.legs import Legs, judge_legs

_MOST_LEGS = 16


def pair_up(connections: Sequence[ConnectionFacts]) -> list[BothEnds | Legs]:
    """The connections that were captured twice."""
    by_key: dict[object, list[ConnectionFacts]] = {}
    for facts in connections:
        key = _key(facts)
        if key is not None:
            by_key.setdefault(key, []).append(facts)
    pairs = [_pair(found) for found in by_key.values() if 2 <= len(found) <= _MOST_LEGS]
    return [pair for pair in pairs if pair is not None]


def _pair(found: Sequence[ConnectionFacts]) -> BothEnds | Legs | None:
    if len(found) == 2 and _same_tcp(*found):
        return both_ends(*found)
    legs: list[ConnectionFacts] = []
    again: list[ConnectionFacts] = []
    for facts in sorted(found, key=lambda facts: facts.began or 0.0):
        if any(_same_tcp(facts, leg) for leg in legs):
            again.append(facts)
        elif not legs or _within(legs[-1], facts):
            legs.append(facts)
        else:  # the same key, and no chain: a client that uses one for all
            return None
    return Legs(tuple(legs), tuple(again)) if len(legs) > 1 else None


def _same_tcp(one: ConnectionFacts, other: ConnectionFacts) -> bool:
    if one.source == other.source and one.client_address == other.client_address:
        return False  # ports that were used again
    numbers = ((one.sent, other.sent), (one.received, other.received))
    known = [(a.first_seq, b.first_seq) for a, b in numbers if a.first_seq and b.first_seq]
    if not known:  # a capture that began in the middle
        return one.source != other.source and one.server_address == other.server_address
    return any(a == b for a, b in known)


def _within(front: ConnectionFacts, back: ConnectionFacts) -> bool:
    """Whether a proxy may have opened `back` to answer `front`: it got its 101 first."""
    if front.opened_s is None or back.opened_s is None or front.began is None:
        return False
    if front.server_address == back.server_address or back.began is None:
        return False
    return back.began + back.opened_s <= front.began + front.opened_s


def judge_pair(pair: BothEnds | Legs) -> tuple[ConnectionFacts, Ending]:
    """One connection's facts, as the client's end has them, and the ending that both show."""
    return judge_both(pair) if isinstance(pair, BothEnds) else judge_legs(pair)


def _key(facts: ConnectionFacts) -> object | None:
    for name, value in facts.request_headers:
        if name.lower() == "sec-websocket-key" and facts.sent.segments:
            return value
    if facts.sent.first_seq is None or facts.client_address is None:
        return None
    return facts.client_address, facts.server_address, facts.sent.first_seq
