"""Fitness of the opening: connection, upgrade, address families, certificate, what was agreed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.patterns import PatternTooSlow, matches
from wsdiag.probes.check.findings import (
    Finding,
    failed,
    passed,
    skipped,
    unmeasured,
    warned,
    within,
)
from wsdiag.probes.check.options import DEFAULT_CERT_DAYS, HeaderExpectation
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.rules.families import family_opens, one_family
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.answers import answer_faults
from wsdiag.protocol.headers import get_all
from wsdiag.protocol.http import join_values
from wsdiag.transport.report import DialError
from wsdiag.units import counted, format_ms

_BEFORE_UPGRADE = ("dns", "tcp", "proxy", "tls", "quic", "settings")
_AFTERWARDS = ("upgrade", "hello")
_NOT_OPEN = "there was no connection"
_NO_ANSWER = "there was no answer"
_NONE_CHOSEN = (
    "A browser that offers subprotocols and gets none fails the connection (WHATWG WebSockets): "
    "have the server choose one of those offered, in Sec-WebSocket-Protocol."
)
_ANOTHER_STATUS = (
    "Another part of the way answers than the one that was meant, or its rule has changed."
)


@Rule(
    "connect",
    "fitness",
    "A client that cannot connect, or connects slowly, shows its users nothing.",
    needs="dial",
    limits={"--max-connect": "max_connect_s"},
    explains=lambda error: error.phase not in _AFTERWARDS and error.kind != "cert",
)
async def connect(target: CheckTarget) -> Finding:
    """Name, TCP, proxy and TLS, within --max-connect."""
    error, report = target.error, target.report
    if error is not None and error.kind == "cert":
        return skipped("TLS stopped at the certificate")
    if error is not None and error.phase not in _AFTERWARDS:
        return _dial_failed(target, error)
    phases = [name for name in _BEFORE_UPGRADE if name in report.phases_ms]
    spent = sum(report.phases_ms[name] for name in phases)
    parts = " + ".join(f"{name} {format_ms(report.phases_ms[name])}" for name in phases)
    detail = f"{format_ms(spent)} ms ({parts}) to {report.address}{_attempts(target)}"
    return within(spent, target.options.max_connect_s, detail)


def _dial_failed(target: CheckTarget, error: DialError) -> Finding:
    diagnosis = diagnose(target.endpoint.url, error)
    return Finding("fail", diagnosis.message + _attempts(target), hint=diagnosis.hint)


def _attempts(target: CheckTarget) -> str:
    return f", after {target.attempts} attempts" if target.attempts > 1 else ""


@Rule(
    "upgrade",
    "fitness",
    "Without the 101 there is no WebSocket; a slow one delays every connection.",
    section="RFC 6455, 4.1",
    needs="upgrade",
    limits={"--max-upgrade": "max_upgrade_s"},
    explains=lambda error: error.phase == "upgrade",
)
async def upgrade(target: CheckTarget) -> Finding | Sequence[Finding]:
    """A 101 that keeps the rules, within --max-upgrade, and one of the subprotocols offered."""
    error, report = target.error, target.report
    if error is not None and error.phase != "hello":
        return _dial_failed(target, error) if error.phase == "upgrade" else skipped(_NOT_OPEN)
    took = report.phases_ms.get("upgrade", 0.0)
    detail = f"{format_ms(took)} ms, {report.status} {report.reason}".rstrip()
    opened = within(took, target.options.max_upgrade_s, detail)
    offered = join_values(list(report.request_headers), "Sec-WebSocket-Protocol")
    said = " ".join(answer_faults(report))
    faults = [replace(warned(said), name="answer")] if said else []
    if not offered or report.subprotocol or target.options.expect_subprotocol is not None:
        return [opened, *faults]
    seen = warned(f"{offered} offered, and no subprotocol chosen: browsers end such a connection")
    none = replace(seen, name="subprotocol", hint=_NONE_CHOSEN, breaks_rule=False)
    return [opened, *faults, none]


@Rule(
    "status",
    "fitness",
    "A path that must refuse, and does not, is open to everybody.",
    needs="dial",
    asked_by={"--expect-status": "expect_status"},
    explains=lambda error: error.report.status is not None,
    conclusive=True,
)
async def status(target: CheckTarget) -> Finding:
    """The HTTP status that --expect-status names."""
    seen, wanted = target.report.status, target.options.expect_status
    limit, error = _shown_statuses(wanted), target.error
    if seen is None and error is not None and error.phase == "upgrade":
        told = _dial_failed(target, error)
        return replace(told, detail=f"no answer, expected {limit}: {told.detail}", limit=limit)
    if seen is None:
        return skipped(_NOT_OPEN)
    detail = f"answered {seen} {target.report.reason}".rstrip() + _attempts(target)
    if seen not in wanted:
        found = failed(f"{detail}; expected {limit}", seen, limit)
        is_open = seen < 400 <= min(wanted)
        return found if is_open else replace(found, hint=_ANOTHER_STATUS)
    return Finding("pass", detail, seen, limit)


def _shown_statuses(wanted: frozenset[int]) -> str:
    for hundred in range(100, 600, 100):
        if wanted == frozenset(range(hundred, hundred + 100)):
            return f"{hundred // 100}xx"
    return ",".join(str(code) for code in sorted(wanted))


@Rule(
    "certificate",
    "fitness",
    "An expired or untrusted certificate stops every client at once.",
    needs="dial",
    limits={"--cert-days": "cert_days"},
    explains=lambda error: error.kind == "cert",
    conclusive=True,
)
async def certificate(target: CheckTarget) -> Finding:
    """Verified, and valid for more than --cert-days."""
    error, report = target.error, target.report
    if error is not None and error.kind == "cert":
        return _dial_failed(target, error)
    wanted = target.options.cert_days
    if not target.url.secure:
        if wanted is None:
            return skipped("no TLS (ws://)")
        return failed("there is no certificate: ws:// has no TLS", limit=float(wanted))
    if report.tls is None:
        return skipped(_NOT_OPEN)
    days, limit = report.tls.expires_in_days, DEFAULT_CERT_DAYS if wanted is None else wanted
    if days is None:
        return unmeasured("its dates could not be read")
    detail = f"{counted(days, 'day')} left, until {report.tls.not_after}"
    if days <= limit:
        return failed(f"{detail}; more than {limit} wanted", float(days), float(limit))
    if not report.tls.verified:
        return warned(f"{detail}; not verified (-k)", float(days))
    return passed(detail, float(days), float(limit))


@Rule(
    "address-families",
    "fitness",
    "Clients on IPv6 take the AAAA record first: if it leads nowhere, they wait or fail.",
    schedule="background",
)
async def address_families(target: CheckTarget) -> Finding:
    """Every family that the name has addresses of opens a WebSocket, every address a connection."""
    reason = one_family(target)
    if reason:
        return skipped(reason)
    four, six = await asyncio.gather(family_opens(target, 4), family_opens(target, 6))
    worst = max((four, six), key=lambda f: ("skip", "pass", "warn", "fail").index(f.status))
    return replace(worst, detail=f"{four.detail}; {six.detail}")


@Rule(
    "subprotocol",
    "fitness",
    "Client and server that do not agree on a subprotocol misread each other's messages.",
    section="RFC 6455, 4.2.2",
    asked_by={"--expect-subprotocol": "expect_subprotocol"},
)
async def subprotocol(target: CheckTarget) -> Finding:
    """The subprotocol that --expect-subprotocol names was chosen."""
    chosen, wanted = target.report.subprotocol, target.options.expect_subprotocol
    if chosen == wanted:
        return Finding("pass", f"chose {chosen}", chosen, wanted)
    seen = f"chose {chosen}" if chosen else "no subprotocol chosen"
    return failed(f"{seen}; expected {wanted}", chosen, wanted)


@Rule(
    "extension",
    "fitness",
    "Compression that got lost in a proxy costs bandwidth silently.",
    section="RFC 6455, 9.1",
    asked_by={"--expect-extension": "expect_extensions"},
)
async def extension(target: CheckTarget) -> Sequence[Finding]:
    """Each extension that --expect-extension names was granted."""
    granted = [text.partition(";")[0].strip() for text in target.report.extensions]
    seen = "; ".join(target.report.extensions) or "none"
    return [
        Finding("pass", f"granted: {seen}", seen, name, name)
        if name in granted
        else Finding("fail", f"granted: {seen}; expected {name}", seen, name, name)
        for name in target.options.expect_extensions
    ]


@Rule(
    "header",
    "fitness",
    "Headers steer caches, security policy and sticky sessions.",
    needs="dial",
    asked_by={"--expect-header": "expect_headers"},
)
async def header(target: CheckTarget) -> Sequence[Finding]:
    """Each header that --expect-header names is there, with a value that fits."""
    if target.report.status is None:
        error = target.error
        return [skipped(_NO_ANSWER if error and error.phase == "upgrade" else _NOT_OPEN)]
    headers = list(target.report.headers)
    return [_header(expected, headers) for expected in target.options.expect_headers]


def _header(expected: HeaderExpectation, headers: list[tuple[str, str]]) -> Finding:
    values = get_all(headers, expected.name)
    name, limit = expected.name.lower(), expected.pattern.pattern
    try:
        for value in values:
            if matches(expected.pattern, value):
                return Finding("pass", f"{expected.name}: {value}", value, limit, name)
    except PatternTooSlow as slow:
        return Finding("fail", f"{expected.name}: {slow}", ", ".join(values), limit, name)
    if not values:
        return Finding("fail", f"no {expected.name} header", None, limit, name)
    seen = ", ".join(values)
    detail = f"{expected.name}: {seen}, which does not match {limit!r}"
    return Finding("fail", detail, seen, limit, name)
