"""Conformance by observation: requests and frames that RFC 6455 allows, and what comes back.

No rule here delivers a message to the application behind the endpoint.
"""

from __future__ import annotations

import os

from wsdiag.probes.check.rule import Finding, Rule, failed, passed, rule, skipped, warned
from wsdiag.probes.check.rules.bursts import ping_burst
from wsdiag.probes.check.rules.handshakes import HANDSHAKES
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.check.waiting import await_event, await_pong, shown_close, shown_end
from wsdiag.protocol.events import Close, Event, Pong
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded

_CLOSING = "RFC 6455, 5.5.1"
_FRAGMENT = b"wsdiag never finishes this message"


@rule(
    "deflate",
    "conformance",
    section="RFC 7692, 7.1",
    schedule="after",
    why="Parameters that were not offered make every compressed message unreadable.",
)
async def deflate(subject: CheckTarget) -> Finding:
    """permessage-deflate is granted with parameters that fit the offer, or not at all."""
    try:
        return await _granted(subject)
    except DialError as error:
        if error.code in ("extension-invalid", "extension-not-offered"):
            return failed(error.message)
        raise


async def _granted(subject: CheckTarget) -> Finding:
    async with subject.visit(compression=True) as session:
        granted = session.report.extensions if session.report is not None else ()
        if not granted:
            return skipped("the server does not use permessage-deflate")
        pong = await _pong(session, b"deflate", subject.options.timeout_s)
        said = "; ".join(granted)
        return pong or passed(f"granted {said}")


async def _pong(session: Session, payload: bytes, timeout_s: float) -> Finding | None:
    """None when this very payload came back; else what is wrong."""
    session.ping(payload)
    others: list[bytes] = []

    def fits(event: Event) -> bool:
        if isinstance(event, Pong) and event.payload != payload:
            others.append(event.payload)
        return isinstance(event, Pong) and event.payload == payload

    if await await_event(session, fits, timeout_s) is not None:
        return None
    if others:
        return failed(f"the Pong carried {others[0][:16]!r}, the Ping {payload[:16]!r}")
    return failed(f"no Pong within {timeout_s:g} s")


def _ping_rule(id: str, payload: bytes, what: str, why: str) -> Rule:
    @rule(id, "conformance", why, section="RFC 6455, 5.5.3", schedule="after")
    async def judge(subject: CheckTarget) -> Finding:
        async with subject.visit() as session:
            wrong = await _pong(session, payload, subject.options.timeout_s)
            return wrong or passed(f"the Pong carried {what}, byte for byte")

    return judge


_NOT_TEXT = bytes(range(256))[::4] + b"\xff\xfe\x00"


@rule(
    "fragment-ping",
    "conformance",
    section="RFC 6455, 5.4",
    schedule="after",
    why="A large message in pieces must not hold up the keepalive that comes between them.",
)
async def fragment_ping(subject: CheckTarget) -> Finding:
    """A Ping between the fragments of a message is answered at once."""
    async with subject.visit() as session:
        session.connection.send_text(_FRAGMENT, fin=False, compress=False)
        wrong = await _pong(session, os.urandom(8), subject.options.timeout_s)
        return wrong or passed("answered between the fragments of a message")


@rule(
    "pong-unsolicited",
    "conformance",
    section="RFC 6455, 5.5.3",
    schedule="after",
    why="One-way heartbeats are legal, and some clients send nothing else.",
)
async def pong_unsolicited(subject: CheckTarget) -> Finding:
    """A Pong that nobody asked for is ignored."""
    async with subject.visit() as session:
        session.pong(b"unasked")
        wrong = await _pong(session, os.urandom(8), subject.options.timeout_s)
        return wrong or passed("ignored, and the connection goes on")


@rule(
    "frames",
    "conformance",
    section="RFC 6455, 5",
    schedule="after",
    why="One illegal frame, and every conforming client drops the connection.",
)
async def frames(subject: CheckTarget) -> Finding:
    """What the server sends on its own, and its Pong, keep the rules of framing."""
    async with subject.visit() as session:
        payload = os.urandom(8)
        session.ping(payload)
        await await_pong(session, payload, subject.options.timeout_s)
        session.connection.close(1000)
        session.send_raw(b"")
        try:
            await await_event(session, _is_close, subject.options.timeout_s)
        except SessionEnded:
            pass  # the rule on closing says so
        return passed("every frame until the Close was legal")


def _is_close(event: Event) -> bool:
    return isinstance(event, Close)


async def _closing(subject: CheckTarget, code: int | None) -> Close | Finding:
    """The server's answer to our Close, or what is wrong with it."""
    async with subject.visit() as session:
        session.connection.close(code)
        session.send_raw(b"")  # flushes what the connection has queued
        try:
            received = await await_event(session, _is_close, subject.options.timeout_s)
        except SessionEnded as ended:
            return failed(f"the server {shown_end(ended.end)}, no Close came back", ended.end.how)
        if received is None:
            return failed(f"no Close came back within {subject.options.timeout_s:g} s")
        assert isinstance(received.event, Close)
        return received.event


def _close_rule(id: str, code: int | None, why: str) -> Rule:
    @rule(id, "conformance", why, section=_CLOSING, schedule="after")
    async def judge(subject: CheckTarget) -> Finding:
        answer = await _closing(subject, code)
        return answer if isinstance(answer, Finding) else judge_echo(code, answer)

    return judge


def judge_echo(sent: int | None, answer: Close) -> Finding:
    """Whether a Close answers ours well: it must come; the code it "typically echos" (5.5.1)."""
    said = "an empty Close" if sent is None else str(sent)
    if answer.code == sent or (sent is None and answer.code == 1000):
        return passed(f"{said} was answered with {shown_close(answer)}", _figure(answer.code))
    return warned(f"{said} was answered with {shown_close(answer)}", _figure(answer.code))


def _figure(code: int | None) -> float | None:
    return None if code is None else float(code)


@rule(
    "close-tcp",
    "conformance",
    section="RFC 6455, 7.1.1",
    schedule="after",
    worst="warn",
    why="A server that leaves TCP to the client keeps sockets, and clients keep TIME_WAIT.",
)
async def close_tcp(subject: CheckTarget) -> Finding:
    """After the closing handshake the server ends TCP first."""
    async with subject.visit() as session:
        outcome = await session.close(1000, timeout=subject.options.timeout_s)
    if outcome.tcp_ended_by == "server":
        return passed("the server ended TCP")
    return warned(f"the server left TCP open for {subject.options.timeout_s:g} s")


CONFORMANCE: tuple[Rule, ...] = (
    *HANDSHAKES,
    deflate,
    _ping_rule(
        "ping-echo",
        _NOT_TEXT,
        f"{len(_NOT_TEXT)} bytes that are no text",
        "Clients match Pongs to Pings by their payload.",
    ),
    _ping_rule("ping-empty", b"", "nothing", "Most keepalive Pings are empty."),
    _ping_rule("ping-125", os.urandom(125), "125 bytes", "The largest Ping is legal too."),
    ping_burst,
    pong_unsolicited,
    fragment_ping,
    frames,
    _close_rule("close-echo", 1000, "The usual end must not look like a failure."),
    _close_rule("close-empty", None, "A Close may come without a code."),
    _close_rule("close-private", 4321, "Applications close with codes from 4000 on (7.4.2)."),
    close_tcp,
)
