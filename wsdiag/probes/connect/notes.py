"""What `connect` says about what it found: sentences worth reading, and the errors after a dial."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.records import Drop, Error
from wsdiag.records.drops import short_drop
from wsdiag.transport.report import DialReport
from wsdiag.transport.session import CloseOutcome
from wsdiag.transport.tls import chain
from wsdiag.transport.tls.values import ChainLink, TlsFacts

CERTIFICATE_WARNING_DAYS = 14
_OLD_TLS = ("TLSv1", "TLSv1.1", "SSLv3")


def dial_notes(report: DialReport, *, certificate_refused: bool) -> list[str]:
    """About the way to the endpoint: redirects, the proxy, the certificate."""
    notes = []
    if report.redirects:
        notes.append("Redirected: " + " -> ".join((*report.redirects, report.url)))
    if report.credentials_dropped:
        notes.append(
            "Credentials and cookies were not sent on: a redirect led to another origin (scheme, "
            "host and port). If it is to have them, connect to its URL directly."
        )
    if report.proxy is not None:
        notes.append(
            f"Through the proxy {report.proxy} (named by {report.proxy_why}): TCP's figures "
            "describe the first hop only."
        )
    tls = report.tls
    if tls is None:
        return notes
    if not certificate_refused:
        return notes + _tls_notes(tls)
    if tls.chain is None:  # the error says why it was refused, and `tls` how it looks
        notes.append(
            "This Python does not tell which chain the server sent (CPython does, since 3.10); "
            "openssl s_client -showcerts does."
        )
    return notes


def _tls_notes(tls: TlsFacts) -> list[str]:
    notes = []
    days = tls.expires_in_days
    if days is not None and days < 0:
        notes.append(f"The certificate expired on {tls.not_after}.")
    elif days is not None and days < CERTIFICATE_WARNING_DAYS:
        notes.append(f"The certificate expires in {days} days, on {tls.not_after}: renew it.")
    notes += _chain_notes(tls.chain or ())
    if tls.verified and tls.subject and not tls.sans:
        notes.append(
            "The certificate has no subjectAltName: browsers and most libraries refuse it, "
            "whatever its common name (RFC 9525, 6.3)."
        )
    if not tls.verified:
        notes.append("The certificate was not verified (-k).")
    if tls.version in _OLD_TLS:
        notes.append(f"{tls.version} is obsolete (RFC 8996): enable TLS 1.2 and 1.3.")
    return notes


def _chain_notes(links: Sequence[ChainLink]) -> list[str]:
    """About the certificates above the server's own, which expire as well."""
    soon = datetime.now(UTC) + timedelta(days=CERTIFICATE_WARNING_DAYS)
    return [
        f"A certificate above the server's own expires soon, on {link.not_after}: {link.subject}."
        for link in links[1:]
        if link.not_after < chain.date(soon)
    ]


def pong_note(timeout_s: float, *, others: bool) -> str:
    """About a first Ping that got no Pong; `others`: Pongs came, with another payload."""
    if others:
        return (
            "A Pong came, but not with the payload of our Ping: RFC 6455, 5.5.3 requires it "
            "unchanged. Clients that compare it drop such a server."
        )
    return (
        f"No Pong within {timeout_s:g} s: the endpoint does not answer Pings (RFC 6455, 5.5.2 "
        "says it must), or it is busy. Keepalive by Ping will not work with it."
    )


def close_notes(outcome: CloseOutcome, timeout_s: float) -> list[str]:
    """About a closing handshake that was not completed."""
    if not outcome.clean:
        return [f"The server did not answer our Close within {timeout_s:g} s (RFC 6455, 5.5.1)."]
    if outcome.tcp_ended_by != "server":
        return [
            f"The server answered our Close but left TCP open for {timeout_s:g} s: it should end "
            "it first (RFC 6455, 7.1.1)."
        ]
    return []


def violation_error(url: str, violation: ProtocolViolation) -> Error:
    """The server broke the protocol, and the connection had to be ended."""
    return Error(
        url,
        "ping",
        "protocol",
        f"the server broke the protocol: {violation.message} ({violation.section})",
        "Browsers and libraries end such a connection as well. wsdiag check tells which rules "
        "the endpoint keeps; a proxy that changes bytes is the other suspect.",
    )


def ended_error(url: str, drop: Drop) -> Error:
    """The server left right after the upgrade, before the first Pong."""
    after = f"{drop.at_s * 1e3:.0f} ms after the upgrade"
    if drop.how == "close":
        name = f" ({close_code_name(drop.code)})" if drop.code is not None else ""
        reason = f", reason {drop.reason!r}" if drop.reason else ""
        return Error(
            url,
            "ping",
            "closed",
            f"the server closed with {drop.code}{name}{reason}, {after}{_colon(drop.detail)}",
            "It accepted the upgrade and then refused: authentication, a missing parameter or "
            "subprotocol, or a limit, checked only once connected. Its reason or log says which.",
        )
    return Error(
        url,
        "ping",
        "closed",
        f"the connection ended without a Close frame ({short_drop(drop)}), {after}"
        f"{_colon(drop.detail)}",
        "The server crashed after the upgrade, or a proxy lost its backend: their logs say which.",
    )


def _colon(detail: str | None) -> str:
    return f": {detail}" if detail else ""
