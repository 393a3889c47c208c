"""`wsdiag connect`: one connection from its name to a clean close, each phase timed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.judgement.diagnosis.page_text import readable
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.probes.common.await_pong import (
    PeerClosedError,
    PeerViolationError,
    await_end,
    await_pong,
)
from wsdiag.probes.common.drops import drop_of
from wsdiag.probes.common.participant import HelloError, Participant, open_session
from wsdiag.probes.common.phases import phases_of
from wsdiag.probes.connect.notes import (
    close_notes,
    dial_notes,
    ended_error,
    pong_note,
    violation_error,
)
from wsdiag.protocol.events import Event, Pong
from wsdiag.records import CloseInfo, ConnectResult, Error, HttpInfo, TcpFacts, TlsInfo
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import now
from wsdiag.transport.tls.values import TlsFacts
from wsdiag.transport.trace import Tracer

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
        participant = await open_session(url, options, tracer=tracer)
    except HelloError as error:
        failed = _result(url, error.report, error=diagnose(url, error))
        return replace(failed, hello=error.hello, dialect=error.dialect)
    except DialError as error:
        return _result(url, error.report, error=diagnose(url, error))
    try:
        result = await _use(url, participant, ping_timeout_s, close_timeout_s)
    finally:
        participant.session.stream.close()
    return replace(result, hello=participant.hello, dialect=participant.info)


async def _use(
    url: str, participant: Participant, ping_timeout_s: float, close_timeout_s: float
) -> ConnectResult:
    session = participant.session
    report, connection = session.report, session.connection
    assert report is not None  # a dialled session has one
    notes: list[str] = []
    error: Error | None = None
    ping_ms: float | None = None
    others: set[type[Event]] = set()
    try:
        ping_ms = await await_pong(
            session, ping_timeout_s, on_other=lambda event: others.add(type(event))
        )
        if ping_ms is None:
            notes.append(pong_note(ping_timeout_s, others=Pong in others))
    except PeerClosedError:
        end = await await_end(session, ping_timeout_s)
        still_open = StreamEnd("timeout", "TCP stayed open", now())
        drop = drop_of(session, end or still_open)
        meaning = participant.meaning_of(connection.close_received)
        error = ended_error(url, replace(drop, detail=meaning or drop.detail))
    except SessionEnded as ended:
        error = ended_error(url, drop_of(session, ended.end))
    except PeerViolationError:
        pass
    if connection.truncated and session.ended is not None:
        error = ended_error(url, drop_of(session, session.ended))
    elif connection.violation is not None:
        error = violation_error(url, connection.violation)
    tcp = _tcp_facts(session)
    gone, began_s = session.ended is not None, asyncio.get_running_loop().time()
    outcome = await session.close(timeout=close_timeout_s)
    # From our Close to TCP's end; of a peer that was gone before, there is nothing to time.
    close_ms = None if gone else (asyncio.get_running_loop().time() - began_s) * 1e3
    return _result(
        url,
        report,
        error=error,
        tcp=tcp,
        notes=notes + close_notes(outcome, close_timeout_s) if error is None else [],
        ping_ms=ping_ms,
        close_ms=close_ms,
        close=CloseInfo(outcome.code, outcome.reason, outcome.clean, outcome.tcp_ended_by),
    )


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
    refused = error is not None and error.kind == "cert"
    return ConnectResult(
        url=url,
        ok=error is None,
        address=report.address,
        proxy=report.proxy,
        proxy_why=report.proxy_why,
        phases=phases_of(report, **later),
        http=_http(report, failed=error is not None),
        tls=_tls(report.tls),
        subprotocol=report.subprotocol,
        extensions=report.extensions,
        tcp=tcp,
        hops=hops_from_headers(report.headers),
        close=close,
        error=error,
        redirects=report.redirects or None,
        reached=report.url if report.redirects else None,
        request=report.request_headers or None,
        notes=dial_notes(report, certificate_refused=refused) + (notes or []),
    )


def _http(report: DialReport, *, failed: bool) -> HttpInfo | None:
    if report.status is None:
        return None
    body = report.body.decode("utf-8", "replace") if failed else ""
    lines = readable(body, _TEXT_LINES) or None
    return HttpInfo(report.status, report.reason, report.headers, body[:_BODY_CHARS] or None, lines)


def _tls(tls: TlsFacts | None) -> TlsInfo | None:
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
        chain=tls.chain,
    )


def _tcp_facts(session: Session) -> TcpFacts | None:
    info = session.tcp_info()
    if info is None:
        return None
    floor_ms = None if info.min_rtt_us is None else info.min_rtt_us / 1e3
    return TcpFacts(info.rtt_us / 1e3, floor_ms, info.total_retrans, info.snd_mss)
