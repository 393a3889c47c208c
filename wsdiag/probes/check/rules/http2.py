"""Fitness over HTTP/2: what browsers use when they have a connection to the host (RFC 8441).

One look is shared by all four rules (`CheckTarget.http2`): a connection by ALPN as a browser makes
it, SETTINGS, an extended CONNECT, one Ping. They warn, for a client over HTTP/1.1 is served all the
same; with --expect-http2 they fail.
"""

from __future__ import annotations

from dataclasses import replace

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.probes.check.findings import Finding, failed, passed, skipped
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget, Http2Look
from wsdiag.transport.report import DialError
from wsdiag.units import format_ms

_SECTION = "RFC 8441, 3"
_EXTRA = "HTTP/2 needs an extra: pip install 'wsdiag[http2]'"
_NOT_USED = "browsers use HTTP/1.1 for WebSockets here"


def _against(target: CheckTarget, finding: Finding) -> Finding:
    """What was seen, as a warning, or a failure where HTTP/2 is expected."""
    status = finding.status
    if target.options.expect_http2:
        return replace(finding, status="fail")
    return replace(finding, status="warn" if status == "fail" else status)


def _unseen(target: CheckTarget, look: Http2Look) -> Finding | None:
    """Why there is nothing to judge of WebSockets over HTTP/2; None: there is."""
    error = look.error
    if error is not None and error.code == "http2-extra-missing":
        return _against(target, Finding("skip", _EXTRA))
    if error is not None and error.code == "http2-not-offered":
        return _against(target, skipped(f"{error.message}: {_NOT_USED}"))
    if look.advertised is None and error is not None:
        return _against(target, _failed(target, error))
    if not look.advertised:
        return _against(target, skipped(f"not advertised: {_NOT_USED}"))
    return None


def _failed(target: CheckTarget, error: DialError) -> Finding:
    told = diagnose(target.endpoint.url, error)
    return replace(failed(told.message), hint=told.hint)


@Rule(
    "h2-advertised",
    "fitness",
    "Browsers open WebSockets on an HTTP/2 connection only where the server's SETTINGS allow it.",
    section=_SECTION,
    schedule="last",
    over_tls=True,
)
async def h2_advertised(target: CheckTarget) -> Finding:
    """ALPN chooses h2, and SETTINGS carry ENABLE_CONNECT_PROTOCOL."""
    look = await target.http2()
    if look.advertised:
        return passed("SETTINGS carry ENABLE_CONNECT_PROTOCOL")
    if look.advertised is None:
        return _unseen(target, look) or skipped("no SETTINGS came")
    accepts = look.error is not None and look.error.facts.get("accepts") == "yes"
    more = ", though it accepts extended CONNECT" if accepts else ""
    detail = f"SETTINGS lack ENABLE_CONNECT_PROTOCOL{more}: {_NOT_USED}"
    return _against(target, replace(failed(detail), breaks_rule=False))


@Rule(
    "h2-opens",
    "fitness",
    "A browser that has an HTTP/2 connection uses it, and does not fall back when that fails.",
    section="RFC 8441, 5",
    schedule="last",
    over_tls=True,
)
async def h2_opens(target: CheckTarget) -> Finding:
    """Where it is advertised, an extended CONNECT opens and carries a Ping."""
    look = await target.http2()
    if (unseen := _unseen(target, look)) is not None:
        return unseen
    if look.error is not None:
        return _against(target, _failed(target, look.error))
    if look.ping_ms is None:
        return _against(target, failed(f"it opened, and {look.problem}"))
    took = f"status 200, Ping answered in {format_ms(look.ping_ms)} ms"
    if look.session_report is not None and look.session_report.asked_again is not None:
        took += f"; asked again on a new connection: {look.session_report.asked_again}"
    return passed(took, round(look.ping_ms, 3))


@Rule(
    "h2-no-key-needed",
    "fitness",
    "HTTP/2 has no Sec-WebSocket-Key: a backend that wants one refuses every browser.",
    section="RFC 8441, 5",
    schedule="last",
    over_tls=True,
)
async def h2_no_key_needed(target: CheckTarget) -> Finding:
    """It opens without a Sec-WebSocket-Key, or does not open with one either."""
    look = await target.http2()
    if (unseen := _unseen(target, look)) is not None:
        return unseen
    if look.session_report is not None:
        return passed("opened without Sec-WebSocket-Key")
    facts = None if look.error is None else look.error.report.http2
    if facts is not None and facts.opens_with_key:
        return _against(target, failed("without a key: 400; with one, which no browser sends: 200"))
    return _against(target, skipped("it does not open, whatever is sent: see h2-opens"))


@Rule(
    "h1-and-h2-agree",
    "fitness",
    "Which of the two a browser uses depends on what it did before: both must behave alike.",
    schedule="last",
    over_tls=True,
)
async def h1_and_h2_agree(target: CheckTarget) -> Finding:
    """Status, subprotocol and extensions are the same over HTTP/1.1 and HTTP/2."""
    look = await target.http2()
    if (unseen := _unseen(target, look)) is not None:
        return unseen
    http1 = await target.report_over_http1()
    if isinstance(http1, DialError):
        first, report1 = f"HTTP/1.1 fails ({http1.message})", None
    else:
        first, report1 = "HTTP/1.1 opens", http1
    report2 = look.session_report
    second = "HTTP/2 opens"
    if report2 is None:
        second = f"HTTP/2 fails ({'' if look.error is None else look.error.message})"
    if (report1 is None) is not (report2 is None):
        return _against(target, failed(f"{first}, {second}"))
    if report1 is None or report2 is None:
        return passed("both are refused")
    seen = [
        f"{name} {one or 'none'} over HTTP/1.1, {two or 'none'} over HTTP/2"
        for name, one, two in (
            ("subprotocol", report1.subprotocol, report2.subprotocol),
            ("extensions", _names(report1.extensions), _names(report2.extensions)),
        )
        if one != two
    ]
    if seen:
        return _against(target, failed("; ".join(seen)))
    return passed("the same status, subprotocol and extensions")


def _names(extensions: tuple[str, ...]) -> str:
    """Extensions without their parameters: each connection may have its own."""
    return ", ".join(sorted(text.partition(";")[0].strip() for text in extensions))
