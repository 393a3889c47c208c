"""One WebSocket connection on both sides of a proxy, or of several in a row: who ended it.

A proxy is the server of the TCP connection in front of it and the client of the one behind: the
connection's legs, from the client's to the server's. An end that comes from the server in all of
them began at the server, one that comes from the client in all of them began at the client; and one
that goes to both sides of a proxy began there, as does one that a leg shows before that of the end
which seems to have begun it. When, and after how much idleness, tells the leg that ended first: a
proxy may take a second to pass an end on (Envoy), or never can (a client that does not read).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.endings import Ending, first_end
from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, Side
from wsdiag.units import format_seconds

_End = tuple[Side, float, str]
_AT_ONCE_S = 0.1
"""Ends this close together may have been captured in either order."""
_PASSED_ON_S = 2.0
"""A proxy that ends one side ends the other within this time, where it can."""


@dataclass(frozen=True, slots=True)
class Legs:
    """One WebSocket connection through proxies: its TCP connections, the client's first."""

    legs: tuple[ConnectionFacts, ...]
    again: tuple[ConnectionFacts, ...] = ()
    """Some of these, captured once more."""

    @property
    def members(self) -> tuple[ConnectionFacts, ...]:
        """All that is one connection; the first one stands for it: one that can be read."""
        legs = self.legs if not self.legs[0].encrypted else self.legs[::-1]
        return legs + self.again


def judge_legs(found: Legs) -> tuple[ConnectionFacts, Ending]:
    """Who ended a connection through a proxy: the client, the server, or a proxy itself."""
    legs, front = found.legs, found.members[0]
    front.notes.append(_matched(legs))
    sources = list(dict.fromkeys(leg.source for leg in legs))
    ends = [first_end(leg) for leg in legs]
    ending = _ending(legs, ends)
    first = _first(legs, ends)
    if first is not None and not legs[0].encrypted:
        if _begun_by(legs, ends, first) == "server":
            front.behind = legs[-1]
        ended_s = _moment(*first) - (front.began or 0.0)
        if front.ended_s is None or ended_s < front.ended_s:
            front.ended_s, front.idle_s = ended_s, first[0].idle_s
    front.source = ", ".join(sources)
    return front, ending


def _first(
    legs: Sequence[ConnectionFacts], ends: Sequence[_End | None]
) -> tuple[ConnectionFacts, _End] | None:
    """The leg that ended first, and its end."""
    seen = [(leg, end) for leg, end in zip(legs, ends, strict=True) if end is not None]
    return min(seen, key=lambda each: _moment(*each), default=None)


def _moment(leg: ConnectionFacts, end: _End) -> float:
    return (leg.began or 0.0) + end[1]


def _ending(legs: Sequence[ConnectionFacts], ends: Sequence[_End | None]) -> Ending:
    first = _first(legs, ends)
    if first is None:
        return judge_connection(legs[0])
    there = ends[-1]
    if legs[0].encrypted and (there is None or there[2] == "close" or legs[0].prompted):
        return _of_readable(legs[-1], legs[0])
    by = _begun_by(legs, ends, first)
    if by is None:
        return _by_proxy(legs, ends, first)
    return _by_server(legs, ends) if by == "server" else _by_client(legs, ends)


def _begun_by(
    legs: Sequence[ConnectionFacts],
    ends: Sequence[_End | None],
    first: tuple[ConnectionFacts, _End],
) -> Side | None:
    """The end of the chain that began it; None: something between them did."""
    here, there = ends[0], ends[-1]
    latest = _moment(*first) + _AT_ONCE_S
    by_server = there is not None and there[0] == "server" and _moment(legs[-1], there) <= latest
    by_client = here is not None and here[0] == "client" and _moment(legs[0], here) <= latest
    if by_server and by_client:  # at once, or the one before the other was heard
        return first[1][0]
    return "server" if by_server else "client" if by_client else None


def _of_readable(back: ConnectionFacts, front: ConnectionFacts) -> Ending:
    """The leg in front is dark: a Close frame is one on both sides, but nothing else need be."""
    alone = judge_connection(back)
    if first_end(back) is None or alone.outcome not in ("client-gone", "unknown"):
        return alone
    said = (
        f"To the proxy the client had sent {front.prompted}: whether it or the proxy ended it is "
        "not known."
    )
    return Ending("unknown", "unknown", (*alone.evidence, said))


def _by_server(legs: Sequence[ConnectionFacts], ends: Sequence[_End | None]) -> Ending:
    there = ends[-1]
    assert there is not None
    alone = judge_connection(legs[-1])
    said = f"The server ended it ({_kind(there)})"
    if ends[0] is None:
        said = f"{said}. {_not_passed_on('client', legs[-1], there, legs[0])}"
        return Ending(alone.outcome, "server", (said, *alone.evidence))
    later = _apart(legs[-1], there, legs[0], ends[0])
    said = f"{said}, and the proxy passed that on {later} later ({_kind(ends[0])})."
    by = alone.ended_by if alone.ended_by != "unknown" else "server"
    return Ending(alone.outcome, by, (said, *alone.evidence))


def _by_client(legs: Sequence[ConnectionFacts], ends: Sequence[_End | None]) -> Ending:
    here = ends[0]
    assert here is not None
    alone = judge_connection(legs[0])
    if ends[-1] is None:
        said = _not_passed_on("server", legs[0], here, legs[-1])
    else:
        later = _apart(legs[0], here, legs[-1], ends[-1])
        said = (
            f"The client ended it ({_kind(here)}), and the proxy passed that on {later} later "
            f"({_kind(ends[-1])})."
        )
    return Ending(alone.outcome, alone.ended_by, (*alone.evidence, said))


def _by_proxy(
    legs: Sequence[ConnectionFacts],
    ends: Sequence[_End | None],
    first: tuple[ConnectionFacts, _End],
) -> Ending:
    """The proxy behind the last leg that its server's side ended."""
    idle_s = first[0].idle_s or 0.0
    idle = f", after {idle_s:.1f} s without a byte" if idle_s >= 0.05 else ""
    at = max((n for n, end in enumerate(ends) if end is not None and end[0] == "server"), default=0)
    at = min(at, len(legs) - 2)
    sides: tuple[tuple[Side, Side, int], ...] = (
        ("client", "server", at),
        ("server", "client", at + 1),
    )
    told, untold, more = [], [], []
    for to, by, number in sides:
        end = ends[number]
        if end is not None and end[0] == by:
            told.append(f"{_kind(end)} to the {to}")
            continue
        untold.append(f"nothing yet to the {to}")
        if end is not None:
            later = _apart(*first, legs[number], end)
            more.append(f"The {to}'s side ended it {later} later ({_kind(end)}).")
    unread = legs[at].sent.window_closed
    if unread:
        more.append("The client had closed its receive window: it no longer read.")
    who = "The proxy" if len(legs) == 2 else f"The proxy at {legs[at].server_address}"
    both = "" if untold else "on both sides "
    how = f"{both}by itself{idle} ({', '.join((*told, *untold))})"
    for leg, end in zip(legs[at : at + 2], ends[at : at + 2], strict=True):
        if (doubt := _doubt(leg, end, first, unread=unread)) is not None:
            said = f"{who} seems to have ended it {how}."
            return Ending(doubt.outcome, "unknown", (said, *more, *doubt.evidence))
    return Ending("unknown", "middlebox", (f"{who} ended it {how}.", *more))


def _doubt(
    leg: ConnectionFacts, end: _End | None, first: tuple[ConnectionFacts, _End], *, unread: bool
) -> Ending | None:
    """What a leg says against an end by the proxy; None: nothing."""
    if end is not None:  # it may be the answer to another's
        alone = judge_connection(leg)
        return alone if alone.ended_by == "unknown" else None
    watched_s = (leg.began or 0.0) + (leg.recorded_s or 0.0) - _moment(*first)
    if unread or watched_s <= _PASSED_ON_S:
        return None
    said = (
        f"The recording goes on for {format_seconds(watched_s)}: what ended it may be among "
        "packets that it lacks."
    )
    return Ending("unknown", "unknown", (said,))


def _not_passed_on(to: Side, ended: ConnectionFacts, end: _End, other: ConnectionFacts) -> str:
    """`other`: the leg on which no end was seen, as long as it was recorded."""
    later = _apart(ended, end, other, (to, other.recorded_s or 0.0, ""))
    return f"When the recording ended, {later} later, the proxy had not passed that on to the {to}."


def _matched(legs: Sequence[ConnectionFacts]) -> str:
    front, back = legs[0], legs[-1]
    if len(legs) == 2:
        how = " (not decrypted; matched by their times)" if front.encrypted else ""
        return (
            f"recorded on both sides of a proxy{how}: {front.client_address} to "
            f"{front.server_address}, and behind it {back.client_address} to {back.server_address}"
        )
    ways = ", ".join(f"{leg.client_address} to {leg.server_address}" for leg in legs)
    return f"recorded on all sides of {len(legs) - 1} proxies in a row: {ways}"


def _apart(one: ConnectionFacts, end: _End, other: ConnectionFacts, its: _End) -> str:
    seconds = max(_moment(other, its) - _moment(one, end), 0.0)
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else format_seconds(seconds)


def _kind(end: _End | None) -> str:
    return "" if end is None else END_WORDS[end[2]]
