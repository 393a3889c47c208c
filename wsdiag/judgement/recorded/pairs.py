"""Which recorded connections are one: captured at both ends, or on both sides of a proxy.

They are matched by the handshake's Sec-WebSocket-Key, which NATs leave alone and proxies pass on,
or else by addresses, ports and the first sequence number. Sequence numbers tell the rest: the same
ones are the same TCP connection, others are what a proxy opened on behalf of the first, and then
its handshake lies within the first one's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wsdiag.judgement.recorded.both_ends import BothEnds, both_ends, judge_both
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.legs import Legs, judge_legs

_MOST_LEGS = 16
_MOST_COMPARED = 250_000
_TOGETHER_S = 0.5
_ADDED = 4096
"""Bytes of header lines that a proxy may add to a handshake."""


def pair_up(connections: Sequence[ConnectionFacts]) -> list[BothEnds | Legs]:
    """The connections that were captured twice."""
    by_key: dict[object, list[ConnectionFacts]] = {}
    for facts in connections:
        key = _key(facts)
        if key is not None:
            by_key.setdefault(key, []).append(facts)
    pairs = [_pair(found) for found in by_key.values() if 2 <= len(found) <= _MOST_LEGS]
    found = [pair for pair in pairs if pair is not None]
    known = {id(facts) for pair in found for facts in pair.members}
    return [*found, *_sealed_fronts([each for each in connections if id(each) not in known])]


def _sealed_fronts(connections: Sequence[ConnectionFacts]) -> list[Legs]:
    """Proxies that end TLS: the leg in front stays dark, the one behind is readable. They have no
    key in common, but where the one is the only one that fits the other, they are one."""
    dark = [each for each in connections if each.encrypted and each.server_address]
    clear = [each for each in connections if each.opened_s is not None and not each.encrypted]
    if not dark or not clear or len(dark) * len(clear) > _MOST_COMPARED:
        return []
    backs = [(front, [back for back in clear if _encloses(front, back)]) for front in dark]
    fronts = Counter(id(back) for _, found in backs for back in found)
    return [
        Legs((front, found[0]))
        for front, found in backs
        if len(found) == 1 and fronts[id(found[0])] == 1
    ]


def _encloses(front: ConnectionFacts, back: ConnectionFacts) -> bool:
    """Whether a dark connection may be the front of a readable one: it ends at the machine which
    opened the other, began before it, ended with it, and carried as much."""
    here, there = (front.server_address or "").rpartition(":")[0], back.client_address or ""
    if here != there.rpartition(":")[0] or front.began is None or back.began is None:
        return False
    ended = [
        (facts.began or 0.0) + facts.ended_s for facts in (front, back) if facts.ended_s is not None
    ]
    return (
        len(ended) == 2
        and abs(ended[0] - ended[1]) <= _TOGETHER_S
        and front.began <= back.began <= front.began + (front.ended_s or 0.0)
        and (front.sent.tcp_bytes or 0) + _ADDED >= (back.sent.tcp_bytes or 0)
        and (front.received.tcp_bytes or 0) + _ADDED >= (back.received.tcp_bytes or 0)
    )


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
