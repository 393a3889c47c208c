"""`wsdiag connect`: one connection from its name to a clean close, each phase timed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from wsdiag.judgement.diagnosis.diagnose import diagnose, readable
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.probes.common.drops import drop_of
from wsdiag.probes.ping.pinger import phases_of
from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import LocalProtocolError, ProtocolViolation
from wsdiag.protocol.events import Close, Pong, Violation
from wsdiag.records import (
    ChainLink,
    CloseInfo,
    ConnectResult,
    Drop,
    Error,
    HttpInfo,
    TcpFacts,
    TlsInfo,
)
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import CloseOutcome, Session, SessionEnded
from wsdiag.transport.stream.stamps import SendRecord, round_trip_ns
from wsdiag.transport.tls import chain
from wsdiag.transport.tls.values import ChainLink as LinkFacts
from wsdiag.transport.tls.values import TlsFacts
from wsdiag.transport.trace import Tracer

CERTIFICATE_WARNING_DAYS = 14
_OLD_TLS = ("TLSv1", "TLSv1.1", "SSLv3")
_BODY_CHARS = 2048
_TEXT_LINES = 8


async def connect(
    url: str,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    ping_timeout_s: float = 5.0,
    close_timeout_s: float = 5.0,
) -> ConnectResult:
    """What a connection to `url` finds, step by step; a failure is in the result's `error`."""
    try:
        session = await dial(url, options, tracer=tracer)
    except DialError as error:
        return _result(url, error.report, error=diagnose(url, error))
    try:
        return await _use(url, session, ping_timeout_s, close_timeout_s)
    finally:
        session.stream.close()


async def _use(
    url: str, session: Session, ping_timeout_s: float, close_timeout_s: float
) -> ConnectResult:
    report = session.report
    assert report is not None  # a dialled session has one
    notes: list[str] = []
    error: Error | None = None
    ping_ms: float | None = None
    try:
        ping_ms, others = await _first_ping(session, ping_timeout_s)
        if ping_ms is None:
            notes.append(_other_pong() if others else _no_pong(ping_timeout_s))
    except SessionEnded as ended:
        error = _ended(url, drop_of(session, ended.end))
    if session.connection.truncated and session.ended is not None:
        error, notes = _ended(url, drop_of(session, session.ended)), []
    elif session.connection.violation is not None:
        error, notes = _broke_the_protocol(url, session.connection.violation), []
    tcp = _tcp_facts(session)
    outcome, close_ms = await _close(session, close_timeout_s)
    if error is None:
        notes += _close_notes(outcome, close_timeout_s)
    return _result(
        url,
        report,
        error=error,
        tcp=tcp,
        notes=notes,
        ping_ms=ping_ms,
        close_ms=close_ms,
        close=CloseInfo(outcome.code, outcome.reason, outcome.clean, outcome.tcp_ended_by),
    )


async def _first_ping(session: Session, timeout_s: float) -> tuple[float | None, list[Pong]]:
    """The first round trip in ms, or None, and Pongs that were no answer to it.

    SessionEnded when the server leaves instead.
    """
    payload, others = os.urandom(8), list[Pong]()
    try:
        mark = session.ping(payload)
        async with asyncio.timeout(timeout_s):
            return await _pong(session, payload, mark, others), others
    except (TimeoutError, LocalProtocolError):
        if session.connection.close_received is not None:
            await _until_ended(session)
        return None, others


async def _pong(
    session: Session, payload: bytes, mark: SendRecord, others: list[Pong]
) -> float | None:
    while True:
        received = await session.receive()
        event = received.event if received is not None else None
        if received is not None and isinstance(event, Pong) and event.payload == payload:
            return round_trip_ns(mark, received.at)[0] / 1e6
        if isinstance(event, Pong):
            others[:] = [event]
        if isinstance(event, Violation):
            return None
        if isinstance(event, Close):
            await _until_ended(session)


async def _until_ended(session: Session) -> None:
    """Wait for TCP's end behind a Close (SessionEnded), or for the caller's patience to end."""
    while True:
        await session.receive()


async def _close(session: Session, timeout_s: float) -> tuple[CloseOutcome, float | None]:
    """Close cleanly; the ms from our Close to TCP's end, None when the peer was gone before."""
    if session.ended is not None:
        return await session.close(timeout=timeout_s), None
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcome = await session.close(timeout=timeout_s)
    return outcome, (loop.time() - began) * 1e3


def _result(
    url: str,
    report: DialReport,
    *,
    error: Error | None = None,
    tcp: TcpFacts | None = None,
    notes: list[str] | None = None,
    close: CloseInfo | None = None,
    **later: float | None,
) -> ConnectResult:
    return ConnectResult(
        url=url,
        ok=error is None,
        address=report.address,
        proxy=report.proxy,
        proxy_why=report.proxy_why,
        phases=_phases(report, later),
        http=_http(report, error is not None),
        tls=_tls(report),
        subprotocol=report.subprotocol,
        extensions=report.extensions,
        tcp=tcp,
        hops=hops_from_headers(report.headers),
        close=close,
        error=error,
        redirects=report.redirects or None,
        reached=report.url if report.redirects else None,
        request=report.request_headers or None,
        notes=_dial_notes(report, error) + (notes or []),
    )


def _phases(report: DialReport, later: dict[str, float | None]) -> Any:
    total = report.total_ms + sum(took or 0.0 for took in later.values())
    return phases_of(report, total_ms=total, **later)


def _http(report: DialReport, failed: bool) -> HttpInfo | None:
    if report.status is None:
        return None
    body = report.body.decode("utf-8", "replace")[:_BODY_CHARS] if failed else ""
    lines = readable(report.body.decode("utf-8", "replace"), _TEXT_LINES) if body else []
    return HttpInfo(report.status, report.reason, report.headers, body or None, lines or None)


def _tls(report: DialReport) -> TlsInfo | None:
    tls = report.tls
    if tls is None:
        return None
    return TlsInfo(
        version=tls.version,
        cipher=tls.cipher,
        alpn=tls.alpn,
        subject=tls.subject,
        issuer=tls.issuer,
        sans=tls.sans,
        not_after=tls.not_after,
        expires_in_days=tls.expires_in_days,
        verified=tls.verified,
        chain=_chain(tls),
    )


def _chain(tls: TlsFacts) -> tuple[ChainLink, ...] | None:
    if tls.chain is None:
        return None
    return tuple(
        ChainLink(each.subject, each.issuer, each.not_before, each.not_after) for each in tls.chain
    )


def _tcp_facts(session: Session) -> TcpFacts | None:
    info = session.tcp_info()
    if info is None:
        return None
    floor = None if info.min_rtt_us is None else info.min_rtt_us / 1e3
    return TcpFacts(info.rtt_us / 1e3, floor, info.total_retrans, info.snd_mss)


# -- sentences -------------------------------------------------------------------------------------


def _dial_notes(report: DialReport, error: Error | None) -> list[str]:
    told = []
    if report.redirects:
        told.append("Redirected: " + " -> ".join((*report.redirects, report.url)))
    if report.credentials_dropped:
        told.append(
            "Credentials and cookies were not sent on: a redirect led to another origin (scheme, "
            "host and port), which has to be asked for by its own URL."
        )
    if report.proxy is not None:
        told.append(
            f"Through the proxy {report.proxy} (named by {report.proxy_why}): TCP's figures "
            "describe the first hop only."
        )
    refused = error is not None and error.kind == "cert"
    return told + (_refused_notes(report) if refused else _tls_notes(report))


def _refused_notes(report: DialReport) -> list[str]:
    """About a certificate that was refused: the error says why, and how it looks is in `tls`."""
    if report.tls is None or report.tls.chain is not None:
        return []
    return [
        "This Python does not tell which chain the server sent (CPython does, since 3.10); "
        "openssl s_client -showcerts does."
    ]


def _tls_notes(report: DialReport) -> list[str]:
    tls = report.tls
    if tls is None:
        return []
    told = []
    days = tls.expires_in_days
    if days is not None and days < 0:
        told.append(f"The certificate expired on {tls.not_after}.")
    elif days is not None and days < CERTIFICATE_WARNING_DAYS:
        told.append(f"The certificate expires in {days} days, on {tls.not_after}: renew it.")
    told += _chain_notes(tls.chain or ())
    if tls.verified and tls.subject and not tls.sans:
        told.append(
            "The certificate has no subjectAltName: browsers and most libraries refuse it, "
            "whatever its common name (RFC 9525, 6.3)."
        )
    if not tls.verified:
        told.append("The certificate was not verified (-k).")
    if tls.version in _OLD_TLS:
        told.append(f"{tls.version} is obsolete (RFC 8996): enable TLS 1.2 and 1.3.")
    return told


def _chain_notes(links: Sequence[LinkFacts]) -> list[str]:
    """About authorities above the server's certificate, which end as well."""
    soon = datetime.now(UTC) + timedelta(days=CERTIFICATE_WARNING_DAYS)
    return [
        f"A certificate above the server's own expires soon, on {link.not_after}: {link.subject}."
        for link in links[1:]
        if link.not_after < chain.date(soon)
    ]


def _no_pong(timeout_s: float) -> str:
    return (
        f"No Pong within {timeout_s:g} s: the endpoint does not answer Pings (RFC 6455, 5.5.2 "
        "says it must), or it is busy. Keepalive by Ping will not work with it."
    )


def _other_pong() -> str:
    return (
        "A Pong came, but not with the payload of our Ping: RFC 6455, 5.5.3 wants it back "
        "unchanged. Clients that compare it drop such a server."
    )


def _close_notes(outcome: CloseOutcome, timeout_s: float) -> list[str]:
    if not outcome.clean:
        return [f"The server did not answer our Close within {timeout_s:g} s (RFC 6455, 5.5.1)."]
    if outcome.tcp_ended_by != "server":
        return [
            f"The server answered our Close but left TCP open for {timeout_s:g} s: it should end "
            "it first (RFC 6455, 7.1.1)."
        ]
    return []


def _broke_the_protocol(url: str, violation: ProtocolViolation) -> Error:
    return Error(
        url,
        "ping",
        "protocol",
        f"the server broke the protocol: {violation.message} ({violation.section})",
        "Browsers and libraries end such a connection as well. wsdiag check tells which rules "
        "the endpoint keeps; a proxy that changes bytes is the other suspect.",
    )


def _ended(url: str, drop: Drop) -> Error:
    """The server left right after the upgrade, before the first Pong."""
    after = f"{drop.at_s * 1e3:.0f} ms after the upgrade"
    if drop.how == "close":
        name = f" ({close_code_name(drop.code)})" if drop.code is not None else ""
        reason = f", reason {drop.reason!r}" if drop.reason else ""
        return Error(
            url,
            "ping",
            "closed",
            f"the server closed with {drop.code}{name}{reason}, {after}",
            "It accepted the upgrade and then refused: authentication, a missing parameter or "
            "subprotocol, or a limit, checked only once connected. Its reason or log says which.",
        )
    return Error(
        url,
        "ping",
        "closed",
        f"the connection ended without a Close frame ({drop.how}), {after}"
        + (f": {drop.detail}" if drop.detail else ""),
        "The server crashed after the upgrade, or a proxy lost its backend: their logs say which.",
    )
