"""One WebSocket connection on both sides of a proxy: who ended it.

The proxy is the server of the TCP connection in front of it and the client of the one behind. So an
end that comes from the server in both began at the server, one that comes from the client in both
began at the client, and one that the proxy begins in both is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.endings import Ending, first_end
from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, Side
from wsdiag.units import format_seconds


@dataclass(frozen=True, slots=True)
class BothLegs:
    """One WebSocket connection through a proxy: the TCP connection to it, and the one behind."""

    front: ConnectionFacts
    back: ConnectionFacts


def judge_legs(legs: BothLegs) -> tuple[ConnectionFacts, Ending]:
    """Who ended a connection through a proxy: the client, the server, or the proxy itself."""
    front, back = legs.front, legs.back
    front.notes.append(
        f"recorded on both sides of a proxy: {front.client_address} to {front.server_address}, "
        f"and behind it {back.client_address} to {back.server_address}"
    )
    if front.source != back.source:
        front.source = f"{front.source}, {back.source}"
    here, there = first_end(front), first_end(back)
    if here is None and there is None:
        return front, judge_connection(front)
    if here is None or there is None:
        return front, _one_leg_ended(front, back, here, there)
    at_front_s = (front.began or 0.0) + here[1]
    at_back_s = (back.began or 0.0) + there[1]
    before = _hence(abs(at_front_s - at_back_s))
    by_server, by_client = there[0] == "server", here[0] == "client"
    if by_server and by_client:  # at once, or the one before the other was heard
        by_server, by_client = at_back_s < at_front_s, at_back_s >= at_front_s
    if by_server:
        alone = judge_connection(back)
        said = f"The server ended it ({_kind(there)}), and the proxy passed that on {before} later"
        by = alone.ended_by if alone.ended_by != "unknown" else "server"
        ending = Ending(alone.outcome, by, (f"{said} ({_kind(here)}).", *alone.evidence))
    elif by_client:
        alone = judge_connection(front)
        said = f"The client ended it ({_kind(here)}), and the proxy passed that on {before} later"
        ending = Ending(
            alone.outcome, alone.ended_by, (*alone.evidence, f"{said} ({_kind(there)}).")
        )
    else:
        ending = _by_proxy(front, f"{_kind(here)} to the client, {_kind(there)} to the server")
    return front, ending


def _one_leg_ended(
    front: ConnectionFacts,
    back: ConnectionFacts,
    here: tuple[Side, float, str] | None,
    there: tuple[Side, float, str] | None,
) -> Ending:
    if here is not None and here[0] == "client":
        alone = judge_connection(front)
        said = "The proxy had not passed it on to the server when the recording ended."
        return Ending(alone.outcome, alone.ended_by, (*alone.evidence, said))
    if there is not None and there[0] == "server":
        alone = judge_connection(back)
        said = f"The server ended it ({_kind(there)}); the client was not told by the proxy."
        return Ending(alone.outcome, "server", (said, *alone.evidence))
    which, other = ("client", "server") if here is not None else ("server", "client")
    return _by_proxy(front, f"{_kind(here or there)} to the {which}, nothing yet to the {other}")


def _by_proxy(front: ConnectionFacts, how: str) -> Ending:
    idle = f", after {front.idle_s:.1f} s without a byte" if (front.idle_s or 0) >= 0.05 else ""
    said = f"The proxy ended it on both sides by itself{idle} ({how})."
    return Ending("unknown", "middlebox", (said,))


def _kind(end: tuple[Side, float, str] | None) -> str:
    return "" if end is None else END_WORDS[end[2]]


def _hence(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else format_seconds(seconds)
