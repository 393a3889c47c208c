"""Conformance under haste: what becomes of Pings that come faster than their Pongs."""

from __future__ import annotations

import os

from wsdiag.probes.check.rule import Finding, failed, passed, rule, warned
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.check.waiting import await_event
from wsdiag.protocol.events import Event, Pong

_BURST = 10


@rule(
    "ping-burst",
    "conformance",
    section="RFC 6455, 5.5.3",
    schedule="after",
    why="Clients whose Pings overlap, on a slow line say, rest on the last one being answered.",
)
async def ping_burst(subject: CheckTarget) -> Finding:
    """Of several Pings at once the last is answered, and those before it in order or not at all."""
    payloads = [os.urandom(8) for _ in range(_BURST)]
    answered: list[int] = []

    def is_last(event: Event) -> bool:
        if isinstance(event, Pong) and event.payload in payloads:
            answered.append(payloads.index(event.payload))
        return bool(answered) and answered[-1] == _BURST - 1

    async with subject.visit() as session:
        for payload in payloads:
            session.connection.ping(payload)
        session.send_raw(b"")  # one write for all of them
        last = await await_event(session, is_last, subject.options.timeout_s)
    return judge_burst(answered, came=last is not None, timeout_s=subject.options.timeout_s)


def judge_burst(answered: list[int], *, came: bool, timeout_s: float) -> Finding:
    """Pongs in order of arrival, by their Ping's place in the burst; `came`: the last one's too."""
    if not came:
        detail = f"{len(answered)} of {_BURST} Pings at once answered, the last not"
        return failed(f"{detail} within {timeout_s:g} s", float(len(answered)), float(_BURST))
    if answered != sorted(answered):
        return warned("Pongs came in another order than their Pings", float(len(answered)))
    if len(answered) < _BURST:
        return passed(f"{len(answered)} of {_BURST} at once answered, the last among them")
    return passed(f"{_BURST} at once, all answered in order")
