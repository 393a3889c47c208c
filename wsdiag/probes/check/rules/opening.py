"""Fitness of the opening: connection, upgrade, address families, certificate, what was agreed."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

from wsdiag.judgement.diagnosis.diagnose import diagnose
from wsdiag.probes.check.options import DEFAULT_CERT_DAYS, HeaderExpectation
from wsdiag.probes.check.rule import (
    Finding,
    failed,
    passed,
    rule,
    skipped,
    unmeasured,
    warned,
    within,
)
from wsdiag.probes.check.target import CheckTarget, FirstDial
from wsdiag.protocol.headers import get_all
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError

_BEFORE_UPGRADE = ("dns", "tcp", "proxy", "tls")


@rule(
    "connect",
    "fitness",
    needs_session=False,
    why="A client that cannot connect, or connects slowly, shows its users nothing.",
)
async def connect(subject: CheckTarget) -> Finding:
    """Name, TCP, proxy and TLS, within --max-connect."""
    error, report = subject.opened.error, subject.report
    if error is not None and error.kind == "cert":
        return skipped("TLS stopped at the certificate")
    if error is not None and error.phase != "upgrade":
        return _dial_failed(subject, error)
    phases = [name for name in _BEFORE_UPGRADE if name in report.phases_ms]
    spent = sum(report.phases_ms[name] for name in phases)
    retried = _attempts(subject.opened)
    parts = " + ".join(f"{name} {report.phases_ms[name]:.1f}" for name in phases)
    detail = f"{spent:.1f} ms ({parts}) to {report.address}{retried}"
    return within(spent, subject.options.max_connect_s, detail)


def _dial_failed(subject: CheckTarget, error: DialError) -> Finding:
    told = diagnose(subject.endpoint.url, error)
    return Finding("fail", told.message + _attempts(subject.opened), hint=told.hint)


def _attempts(opened: FirstDial) -> str:
    return f", after {opened.attempts} attempts" if opened.attempts > 1 else ""


@rule(
    "upgrade",
    "fitness",
    section="RFC 6455, 4.1",
    needs_session=False,
    applies=lambda options: not options.must_refuse,
    why="Without the 101 there is no WebSocket; a slow one delays every connection.",
)
async def upgrade(subject: CheckTarget) -> Finding:
    """A 101 that keeps the rules, within --max-upgrade."""
    error, report = subject.opened.error, subject.report
    if error is not None:
        return _dial_failed(subject, error) if error.phase == "upgrade" else skipped(_NOT_OPEN)
    took = report.phases_ms.get("upgrade", 0.0)
    detail = f"{took:.1f} ms, {report.status} {report.reason}".rstrip()
    return within(took, subject.options.max_upgrade_s, detail)


_NOT_OPEN = "there was no connection"


@rule(
    "status",
    "fitness",
    needs_session=False,
    applies=lambda options: bool(options.expect_status),
    why="A path that must refuse, and does not, is open to everybody.",
)
async def status(subject: CheckTarget) -> Finding:
    """The HTTP status that --expect-status names."""
    seen, wanted = subject.report.status, subject.options.expect_status
    if seen is None:
        return skipped(_NOT_OPEN)
    limit = _shown_statuses(wanted)
    detail = f"answered {seen} {subject.report.reason}".rstrip() + _attempts(subject.opened)
    if seen not in wanted:
        return failed(f"{detail}; expected {limit}", seen, limit)
    return Finding("pass", detail, seen, limit)


def _shown_statuses(wanted: frozenset[int]) -> str:
    for hundred in range(100, 600, 100):
        if wanted == frozenset(range(hundred, hundred + 100)):
            return f"{hundred // 100}xx"
    return ",".join(str(code) for code in sorted(wanted))


@rule(
    "certificate",
    "fitness",
    needs_session=False,
    why="An expired or foreign certificate stops every client at once.",
)
async def certificate(subject: CheckTarget) -> Finding:
    """Verified, and valid for more than --cert-days."""
    error, report = subject.opened.error, subject.report
    if error is not None and error.kind == "cert":
        return _dial_failed(subject, error)
    if not subject.target.secure:
        return _plain(subject.options.cert_days)
    if report.tls is None:
        return skipped(_NOT_OPEN)
    days, wanted = report.tls.expires_in_days, subject.options.cert_days
    limit = DEFAULT_CERT_DAYS if wanted is None else wanted
    if days is None:
        return unmeasured("its dates could not be read")
    detail = f"{days} days left, until {report.tls.not_after}"
    if not limit < days:
        return failed(f"{detail}; more than {limit} wanted", float(days), float(limit))
    if not report.tls.verified:
        return warned(f"{detail}; not verified (-k)", float(days))
    return passed(detail, float(days), float(limit))


def _plain(asked: int | None) -> Finding:
    if asked is None:
        return skipped("no TLS (ws://)")
    return failed("there is no certificate: ws:// has no TLS", limit=float(asked))


@rule(
    "address-families",
    "fitness",
    schedule="beside",
    why="Clients on IPv6 take the AAAA record first: if it leads nowhere, they wait or fail.",
)
async def address_families(subject: CheckTarget) -> Finding:
    """Every family that the name has addresses of opens a WebSocket."""
    reason = _one_family(subject)
    if reason:
        return skipped(reason)
    four, six = await asyncio.gather(_family(subject, 4), _family(subject, 6))
    worst = max((four, six), key=lambda f: ("skip", "pass", "warn", "fail").index(f.status))
    return Finding(worst.status, f"{four.detail}; {six.detail}")


def _one_family(subject: CheckTarget) -> str:
    """Why there is nothing to compare, or an empty string."""
    options, target = subject.endpoint.dial, subject.target
    if subject.report.proxy is not None:
        return "the proxy chooses the address"
    if options.unix_socket is not None:
        return "a Unix socket"
    if options.family is not None:
        return f"IPv{options.family} was asked for"
    return "the URL names an address" if _is_literal(target) else ""


def _is_literal(target: Target) -> bool:
    try:
        ipaddress.ip_address(target.host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _family(subject: CheckTarget, family: int) -> Finding:
    try:
        async with subject.visit(family=family) as session:
            return passed(f"IPv{family} {session.report.address if session.report else ''} works")
    except DialError as error:
        if error.code in ("dns-no-such-family", "dns-not-found"):
            return skipped(f"no IPv{family} address")
        if error.code in ("unreachable", "no-such-family"):
            return warned(f"IPv{family} cannot be tried from this machine ({error.message})")
        if _is_localhost(subject.target.host):
            return warned(f"IPv{family} does not work ({error.message})")
        return failed(f"IPv{family} does not work ({error.message})")


def _is_localhost(host: str) -> bool:
    # its two addresses come from this machine's hosts file, not from who runs the endpoint
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


@rule(
    "subprotocol",
    "fitness",
    section="RFC 6455, 4.2.2",
    applies=lambda options: options.expect_subprotocol is not None,
    why="Client and server that do not agree on a subprotocol misread each other's messages.",
)
async def subprotocol(subject: CheckTarget) -> Finding:
    """The subprotocol that --expect-subprotocol names was chosen."""
    chosen, wanted = subject.report.subprotocol, subject.options.expect_subprotocol
    if chosen == wanted:
        return Finding("pass", f"chose {chosen}", chosen, wanted)
    return failed(f"chose {chosen or 'none'}, expected {wanted}", chosen, wanted)


@rule(
    "extension",
    "fitness",
    section="RFC 6455, 9.1",
    applies=lambda options: bool(options.expect_extensions),
    why="Compression that got lost in a proxy costs bandwidth silently.",
)
async def extension(subject: CheckTarget) -> Sequence[Finding]:
    """Each extension that --expect-extension names was granted."""
    granted = [text.partition(";")[0].strip() for text in subject.report.extensions]
    said = "; ".join(subject.report.extensions) or "none"
    return [
        Finding("pass", f"granted: {said}", said, name, name)
        if name in granted
        else Finding("fail", f"granted: {said}; expected {name}", said, name, name)
        for name in subject.options.expect_extensions
    ]


@rule(
    "header",
    "fitness",
    needs_session=False,
    applies=lambda options: bool(options.expect_headers),
    why="Headers steer caches, security policy and sticky sessions.",
)
async def header(subject: CheckTarget) -> Sequence[Finding]:
    """Each header that --expect-header names is there, with a value that fits."""
    if subject.report.status is None:
        return [skipped(_NOT_OPEN)]
    headers = list(subject.report.headers)
    return [_header(expected, headers) for expected in subject.options.expect_headers]


def _header(expected: HeaderExpectation, headers: list[tuple[str, str]]) -> Finding:
    values = get_all(headers, expected.name)
    name, limit = expected.name.lower(), expected.pattern.pattern
    fitting = [value for value in values if expected.pattern.search(value)]
    if fitting:
        return Finding("pass", f"{expected.name}: {fitting[0]}", fitting[0], limit, name)
    if not values:
        return Finding("fail", f"no {expected.name} header", None, limit, name)
    seen = ", ".join(values)
    return Finding(
        "fail", f"{expected.name}: {seen}, which {limit!r} does not fit", seen, limit, name
    )
