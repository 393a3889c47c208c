"""Conformance by observation: frames that RFC 6455 allows, and what comes back.

No rule here delivers a message to the application behind the endpoint.
"""

from __future__ import annotations

import os

from wsdiag.probes.check.findings import Finding, describe_end, failed, passed, skipped, warned
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.await_pong import PeerClosedError, await_event, await_pong, describe_close
from wsdiag.protocol.events import Close, Event, Pong
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded

_BURST = 10
_FRAGMENT = b"wsdiag never finishes this message"
_NOT_TEXT = bytes(range(256))[::4] + b"\xff\xfe\x00"


@Rule(
    "deflate",
    "conformance",
    "Parameters that were not offered make every compressed message unreadable.",
    section="RFC 7692, 7.1",
    schedule="last",
)
async def deflate(target: CheckTarget) -> Finding:
    """permessage-deflate is granted with parameters that fit the offer, or not at all."""
    try:
        async with target.connection(compression=True) as session:
            granted = session.report.extensions if session.report is not None else ()
            if not granted:
                return skipped("the server does not use permessage-deflate")
            wrong = await _wrong_pong(session, target, b"deflate")
            return wrong or passed(f"granted {'; '.join(granted)}")
    except DialError as error:
        if error.code in ("extension-invalid", "extension-not-offered"):
            return failed(error.message)
        raise


async def _wrong_pong(
    session: Session, target: CheckTarget, payload: bytes | None = None
) -> Finding | None:
    """Send a Ping; None when its own payload came back, else what is wrong."""
    others: list[bytes] = []

    def note(event: Event) -> None:
        if isinstance(event, Pong):
            others.append(event.payload)

    timeout_s = target.options.timeout_s
    payload = os.urandom(8) if payload is None else payload
    if await await_pong(session, timeout_s, payload=payload, on_other=note) is not None:
        return None
    if others:
        return failed(f"the Pong carried {others[0][:16]!r}, the Ping {payload[:16]!r}")
    return failed(f"no Pong within {timeout_s:g} s")


def _ping_rule(id: str, payload: bytes, what: str, why: str) -> Rule:
    @Rule(id, "conformance", why, section="RFC 6455, 5.5.3", schedule="last")
    async def judge(target: CheckTarget) -> Finding:
        async with target.connection() as session:
            wrong = await _wrong_pong(session, target, payload)
            return wrong or passed(f"the Pong carried {what}, byte for byte")

    return judge


ping_echo = _ping_rule(
    "ping-echo",
    _NOT_TEXT,
    f"{len(_NOT_TEXT)} bytes that are not text",
    "Clients match Pongs to Pings by their payload.",
)
ping_empty = _ping_rule("ping-empty", b"", "nothing", "Most keepalive Pings are empty.")
ping_125 = _ping_rule("ping-125", os.urandom(125), "125 bytes", "The largest Ping is legal, too.")


@Rule(
    "ping-burst",
    "conformance",
    "Clients whose Pings overlap, as on a slow line, rely on the last one being answered.",
    section="RFC 6455, 5.5.3",
    schedule="last",
)
async def ping_burst(target: CheckTarget) -> Finding:
    """Of several Pings at once the last is answered, and those before it in order or not at all."""
    payloads = [os.urandom(8) for _ in range(_BURST)]
    answered: list[int] = []

    def is_last(event: Event) -> bool:
        if isinstance(event, Pong) and event.payload in payloads:
            answered.append(payloads.index(event.payload))
        return bool(answered) and answered[-1] == _BURST - 1

    async with target.connection() as session:
        for payload in payloads:
            session.connection.ping(payload)
        session.send_raw(b"")  # one write for all of them
        last = await await_event(session, is_last, target.options.timeout_s)
    if last is None:
        detail = f"{len(answered)} of {_BURST} Pings at once answered, the last not within"
        figures = float(len(answered)), float(_BURST)
        return failed(f"{detail} {target.options.timeout_s:g} s", *figures)
    if answered != sorted(answered):
        return warned("Pongs came in another order than their Pings", float(len(answered)))
    if len(answered) < _BURST:
        return passed(f"{len(answered)} of {_BURST} at once answered, the last among them")
    return passed(f"{_BURST} at once, all answered in order")


@Rule(
    "pong-unsolicited",
    "conformance",
    "One-way heartbeats are legal, and some clients send nothing else.",
    section="RFC 6455, 5.5.3",
    schedule="last",
)
async def pong_unsolicited(target: CheckTarget) -> Finding:
    """A Pong that answers no Ping is ignored."""
    async with target.connection() as session:
        session.pong(b"unasked")
        wrong = await _wrong_pong(session, target)
        return wrong or passed("ignored, and the connection goes on")


@Rule(
    "fragment-ping",
    "conformance",
    "A large message in pieces must not hold up the keepalive that comes between them.",
    section="RFC 6455, 5.4",
    schedule="last",
)
async def fragment_ping(target: CheckTarget) -> Finding:
    """A Ping between the fragments of a message is answered at once."""
    async with target.connection() as session:
        session.connection.send_text(_FRAGMENT, fin=False, compress=False)
        wrong = await _wrong_pong(session, target)
        return wrong or passed("answered between the fragments of a message")


@Rule(
    "frames",
    "conformance",
    "One illegal frame, and every conforming client drops the connection.",
    section="RFC 6455, 5",
    schedule="last",
)
async def frames(target: CheckTarget) -> Finding:
    """What the server sends on its own, and its Pong, keep the rules of framing."""
    async with target.connection() as session:
        await await_pong(session, target.options.timeout_s)
        try:
            await _await_close(session, target, 1000)
        except SessionEnded:
            pass  # the rules on closing report it
        return passed("every frame until the Close was legal")


async def _await_close(session: Session, target: CheckTarget, code: int | None) -> Close | None:
    """Send a Close; the server's own, or None without one in time."""
    session.connection.close(code)
    session.send_raw(b"")  # flushes what the connection has queued
    try:
        await await_event(session, lambda _event: False, target.options.timeout_s)
    except PeerClosedError as closed:
        return closed.close
    return None


def _close_rule(id: str, code: int | None, why: str) -> Rule:
    @Rule(id, "conformance", why, section="RFC 6455, 5.5.1", schedule="last")
    async def judge(target: CheckTarget) -> Finding:
        async with target.connection() as session:
            try:
                answer = await _await_close(session, target, code)
            except SessionEnded as ended:
                detail = f"the server {describe_end(ended.end)}, no Close came back"
                return failed(detail, ended.end.how)
        if answer is None:
            return failed(f"no Close came back within {target.options.timeout_s:g} s")
        return judge_echo(code, answer)

    return judge


def judge_echo(sent: int | None, answer: Close) -> Finding:
    """Whether a Close answers ours well: it must come; the code it "typically echos" (5.5.1)."""
    ours = "an empty Close" if sent is None else str(sent)
    detail = f"{ours} was answered with {describe_close(answer)}"
    echoed = answer.code == sent or (sent is None and answer.code == 1000)
    measured = None if answer.code is None else float(answer.code)
    return passed(detail, measured) if echoed else warned(detail, measured)


close_echo = _close_rule("close-echo", 1000, "The usual end must not look like a failure.")
close_empty = _close_rule("close-empty", None, "A Close may come without a code.")
close_private = _close_rule(
    "close-private", 4321, "Applications close with codes from 4000 on (7.4.2)."
)


@Rule(
    "close-tcp",
    "conformance",
    "A server that leaves TCP to the client keeps sockets, and clients keep TIME_WAIT.",
    of_upgrade=True,
    section="RFC 6455, 7.1.1",
    schedule="last",
    worst="warn",
)
async def close_tcp(target: CheckTarget) -> Finding:
    """After the closing handshake the server ends TCP first."""
    async with target.connection() as session:
        outcome = await session.close(1000, timeout=target.options.timeout_s)
    if outcome.tcp_ended_by == "server":
        return passed("the server ended TCP")
    return warned(f"the server left TCP open for {target.options.timeout_s:g} s")
