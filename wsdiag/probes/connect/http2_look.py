"""One cheap look at HTTP/2 beside a connection over HTTP/1.1: would a browser use it, does it work?

A browser that has an HTTP/2 connection to a host opens its WebSockets on that, if the server's
SETTINGS allow it (RFC 8441), and never falls back when it then fails. So an endpoint may work with
every tool and fail in every browser. The look does what the browser would do: one connection, ALPN,
SETTINGS, an extended CONNECT, one Ping. It comes after the connection under test has closed, sends
no hello, and says what it saw: it fails nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.probes.common.await_pong import await_pong
from wsdiag.records import Http2Info
from wsdiag.transport.dial import redirects
from wsdiag.transport.dial.dialer import dial, look_at_tls
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, DialReport

LOOK_S = 2.0
_CLOSE_S, _LEAST_S = 0.25, 0.05
_PATIENT_S, _PATIENT_TIMES = 0.8, 4
# How the view knows that nothing was found out.
_NOT_FINISHED = "not finished"
# Answers by which an endpoint says whom it serves, or how often: the same over any HTTP.
_SAME_AGAIN = (401, 403, 407, 429, 503)


def worth_a_look(url: str, report: DialReport, error_phase: str | None) -> bool:
    """Whether HTTP/2 is to be looked at: over TLS, which worked, and not to be refused again."""
    if report.tls is None or not Target.parse(report.url or url).secure:
        return False
    if error_phase is None:
        return True
    return error_phase == "upgrade" and report.status not in (None, *_SAME_AGAIN)


def where_it_led(url: str, options: DialOptions, report: DialReport) -> tuple[Target, DialOptions]:
    """What a dial ended up at, and what may be sent there: not all that is for who redirected."""
    target = Target.parse(report.url or url)
    if report.redirects:
        target, options, _ = redirects.follow(Target.parse(url), options, target.url)
    return target, options


async def http2_look(
    url: str, options: DialOptions, report: DialReport, within_s: float = LOOK_S
) -> Http2Info:
    """What a browser would find, after the connection that `report` is about."""
    target, options = where_it_led(url, options, report)
    host, _, _ = (report.address or "").rpartition(":")
    pinned = ((target.host, target.port, host.strip("[]")),)
    direct = report.proxy is None and options.unix_socket is None and bool(host)
    options = replace(
        options,
        http_version="2",
        resolve=pinned if direct else options.resolve,
        connect_timeout=2 * LOOK_S,  # ours strikes first
        location=False,
    )
    seen = DialReport(target.url)
    try:
        async with asyncio.timeout(within_s):
            until_s = asyncio.get_running_loop().time() + within_s
            return await _look(target, options, seen, until_s)
    except TimeoutError:
        return _cut_off(seen, within_s)
    except (OSError, ValueError) as error:
        return _info(seen, error=str(error))


async def _look(
    target: Target, options: DialOptions, seen: DialReport, until_s: float
) -> Http2Info:
    try:
        session = await dial(target, options, one_connection=True, report=seen)
    except DialError as error:
        if error.code == "http2-extra-missing":
            with suppress(DialError):
                tls = await look_at_tls(target, options)
                return Http2Info(alpn=None if tls is None else tls.alpn)
            return Http2Info(error="the TLS handshake that offered HTTP/2 failed")
        told = diagnose(target.url, error)
        if error.code in ("http2-not-offered", "http2-not-advertised"):
            return _info(seen)
        if error.unprocessed:
            return _info(seen, error=f"{_NOT_FINISHED}: {error.message}, and a browser asks again")
        advertised = seen.http2 is not None and seen.http2.enable_connect_protocol
        return _info(seen, opens=False if advertised else None, error=told.message)
    try:
        ping_ms, left_s = None, 0.0
        problem = "it opened, and a Ping got no Pong"
        try:
            left_s = until_s - asyncio.get_running_loop().time() - 2 * _CLOSE_S
            ping_ms = await await_pong(session, max(left_s, _LEAST_S))
        except Exception as error:
            problem = f"it opened, and then: {error}"
        info = _info(seen, opens=True, ping_ms=ping_ms)
        if ping_ms is None and session.stream.unsent:
            info = replace(info, error="it opened, and its flow-control window lets no byte out")
        elif ping_ms is None and (session.ended or _is_patient(left_s, seen)):
            info = replace(info, error=problem)
        with suppress(TimeoutError):
            await session.close(timeout=_CLOSE_S)
        return info
    finally:
        session.stream.close()


def _is_patient(waited_s: float, seen: DialReport) -> bool:
    """Whether it was waited for long enough to blame the peer, and not our own two seconds."""
    slowest_ms = max(seen.phases_ms.values(), default=0.0)
    return waited_s >= max(_PATIENT_S, _PATIENT_TIMES * slowest_ms / 1e3)


def _cut_off(seen: DialReport, within_s: float) -> Http2Info:
    """Our time was up: that says something of the endpoint only where it had enough of it."""
    facts, waited_s = seen.http2, within_s - sum(seen.phases_ms.values()) / 1e3
    asked = facts is not None and facts.enable_connect_protocol and facts.status is None
    if asked and _is_patient(waited_s, seen):
        return _info(seen, opens=False, error=f"no answer to the CONNECT within {waited_s:.1f} s")
    if facts is not None and facts.opened:
        return _info(seen, opens=True)
    return _info(seen, error=f"{_NOT_FINISHED} within {within_s:.2g} s")


def info_of(
    report: DialReport, *, opens: bool, ping_ms: float | None, error: str | None
) -> Http2Info:
    """The same member for a connection that was itself made over HTTP/2."""
    return _info(report, opens=opens, ping_ms=ping_ms, error=error)


def _info(
    report: DialReport,
    *,
    opens: bool | None = None,
    ping_ms: float | None = None,
    error: str | None = None,
) -> Http2Info:
    facts = report.http2
    return Http2Info(
        alpn=None if report.tls is None else report.tls.alpn,
        enable_connect_protocol=None if facts is None else facts.enable_connect_protocol,
        opens=opens,
        status=None if facts is None else facts.status,
        ping_ms=ping_ms,
        error=error,
        asked_again=report.asked_again,
    )
