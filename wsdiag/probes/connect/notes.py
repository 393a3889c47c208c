"""What `connect` says about what it found: sentences worth reading, and the errors after a dial."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from wsdiag.judgement.advice import (
    CLOSED_WITH,
    ENDED_IN_USE,
    LAST_WORDS,
    TAKES_NO_BYTES,
    over_pings,
    unfinished_text,
)
from wsdiag.judgement.diagnosis.hints import explain_early_end, explain_second_answer
from wsdiag.probes.common.answers import answer_faults, opened
from wsdiag.probes.common.await_pong import TOO_LARGE
from wsdiag.probes.common.drops import BROKE_HTTP, TRUNCATED, drop_of_end
from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.headers import get_all
from wsdiag.records import Drop, Error, Message
from wsdiag.records.drops import announced, drop_predicate, is_tls_error, short_drop
from wsdiag.records.waits import AWAITED
from wsdiag.transport.report import DialReport
from wsdiag.transport.session import CloseOutcome
from wsdiag.transport.stream.ends import TLS_ERROR, StreamEnd
from wsdiag.transport.tls import chain
from wsdiag.transport.tls.values import ChainLink, TlsFacts
from wsdiag.units import counted, format_seconds, format_size

CERTIFICATE_WARNING_DAYS = 14
_SLOW_DNS_MS = 1000.0
_SHOWN_CHARS, _WORDS_CHARS = 60, 200
_OLD_TLS = ("TLSv1", "TLSv1.1", "SSLv3")
_REFUSED = (
    "It accepted the upgrade and then refused: authentication, a missing parameter or "
    "subprotocol, or a limit, checked only once connected. Its reason or log says which."
)
_DONE = (
    "It names no fault: either its handler came to its end (many libraries close there), or it "
    "refused without saying so: authentication, a missing parameter or subprotocol, a limit. Its "
    "log says which."
)

_RESERVED_BIT = (
    "The first of these bits marks compressed messages (permessage-deflate). Where the answer does "
    "not grant that, the server compresses all the same, or a proxy took Sec-WebSocket-Extensions "
    "out of its answer: if --no-compression helps, it is that. Otherwise something writes bytes "
    "that are no frames. Browsers end such a connection as well."
)


def dial_notes(report: DialReport, *, certificate_refused: bool) -> list[str]:
    """About the way to the endpoint: redirects, the proxy, the certificate."""
    notes = _address_notes(report) + _answer_notes(report)
    if report.asked_again is not None:
        section = "RFC 9114, 4.1.1" if "quic" in report.phases_ms else "RFC 9113, 8.7"
        notes.append(
            f"Sent again on a new connection, as browsers do: {report.asked_again}, and so it did "
            f"nothing with the first CONNECT ({section})."
        )
    if report.redirects:
        notes.append("Redirected: " + " -> ".join((*report.redirects, report.url)))
    if report.credentials_dropped:
        notes.append(
            "Credentials and cookies were not sent on, nor were tokens in headers and "
            "subprotocols: a redirect led to another origin (scheme, host and port). If it is to "
            "have them, connect to its URL directly."
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


def _address_notes(report: DialReport) -> list[str]:
    notes = []
    dns_ms = report.phases_ms.get("dns", 0.0)
    if dns_ms >= _SLOW_DNS_MS and "tcp" in report.phases_ms:
        notes.append(
            f"The lookup took {dns_ms / 1e3:.1f} s: resolvers ask again after seconds where no "
            "answer comes, so most likely the first server of /etc/resolv.conf is dead, or one of "
            "the questions for A and AAAA goes unanswered (-4 and -6 ask one of them only)."
        )
    notes += [
        f"{address} failed ({why}); connected to {report.address}. Clients that try this one only, "
        "or first, fail or wait: have the server listen there, or take the address out of DNS."
        for address, why in report.refused
    ]
    return notes + [
        f"{address} did not answer for {waited_ms:.0f} ms; connected to {report.address}. Clients "
        "that try one address after the other hang there: mend that route, or its record in DNS."
        for address, waited_ms in report.unanswered
    ]


def _answer_notes(report: DialReport) -> list[str]:
    """About a 101 that this client took, and others do not."""
    notes = answer_faults(report)
    if not opened(report):
        return notes
    offered = get_all(report.request_headers, "sec-websocket-protocol")
    if any(offered) and not any(get_all(report.headers, "sec-websocket-protocol")):
        notes.append(
            f"Offered {', '.join(offered)}, and the server chose no subprotocol: browsers end such "
            f"a connection (Sec-WebSocket-Protocol is missing in the {report.status}). Have the "
            "server name one of those offered, or offer none."
        )
    return notes


def _tls_notes(tls: TlsFacts) -> list[str]:
    notes = []
    days = tls.expires_in_days
    if days is not None and days < 0:
        notes.append(f"The certificate expired on {tls.not_after}.")
    elif days is not None and days < CERTIFICATE_WARNING_DAYS:
        left = counted(days, "day")
        notes.append(f"The certificate expires in {left}, on {tls.not_after}: renew it.")
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


def pong_note(
    timeout_s: float,
    *,
    others: bool,
    unsent: int = 0,
    unfinished: tuple[int, int] | None = None,
    hurried: bool = False,
    messages: Sequence[Message] = (),
) -> str:
    """About a first Ping that got no Pong; `others`: Pongs came, with another payload.

    `unsent`: bytes that have not left, because the peer takes none. `unfinished`: the length that
    a frame announced, and how much of it came. `hurried`: the end of the run left too little time.
    `messages`: what came instead.
    """
    within = format_seconds(timeout_s)
    if unsent:
        return f"The Ping did not even leave within {within}: {TAKES_NO_BYTES}."
    if unfinished is not None:
        return f"No Pong within {within}: {unfinished_text(*unfinished)}"
    if others:
        return (
            "A Pong came, but not with the payload of our Ping: RFC 6455, 5.5.3 requires it "
            "unchanged. Clients that compare it drop such a server."
        )
    if hurried:
        return f"No Pong within the {within} that --max-time left for it."
    return (
        f"No Pong within {within}{last_words(messages)}: the endpoint does not answer Pings "
        "(RFC 6455, 5.5.2 says it must), or it is busy. Keepalive by Ping will not work with it."
    )


def cut_note(what: str, phase: str, waited_s: float) -> str:
    """About a wait that ended before its time: `what` ended it, `phase` is what was awaited."""
    return f"{what} after {format_seconds(waited_s)} of waiting for {AWAITED[phase]}."


def no_message_note(listened_s: float) -> str:
    """About messages that were awaited for as long as was asked for."""
    return f"No message came within {format_seconds(listened_s)}."


def unfinished_note(held_bytes: int) -> str:
    """About a message whose end had not come when nobody listened any more."""
    return (
        f"A message had begun ({format_size(held_bytes)}), and its end had not come: more of it "
        "may be under way, or the final fragment (FIN; RFC 6455, 5.4) was never sent."
    )


def close_notes(
    outcome: CloseOutcome,
    timeout_s: float,
    *,
    multiplexed: bool = False,
    end: StreamEnd | None = None,
    hurried: bool = False,
) -> list[str]:
    """About a closing handshake that was not completed; `multiplexed`: on a stream of HTTP/2.

    `end`: how the stream ended, where it did. `hurried`: the end of the run left too little time.
    """
    within = format_seconds(timeout_s)
    if not outcome.clean and outcome.code is None:
        if end is not None and end.how != "local":
            seen = drop_predicate(drop_of_end(end, 0.0))
            return [f"The server did not answer our Close (RFC 6455, 5.5.1): it {seen}."]
        if hurried:
            return [f"No answer to our Close came within the {within} that --max-time left for it."]
        return [f"The server did not answer our Close within {within} (RFC 6455, 5.5.1)."]
    if hurried or (multiplexed and outcome.tcp_ended_by is None):
        return []
    if multiplexed:
        return [
            f"The server answered our Close but left the stream open for {within}: it "
            "should end it (END_STREAM; RFC 8441, 5)."
        ]
    if outcome.tcp_ended_by != "server":
        return [
            f"The closing handshake was done, and the server left TCP open for {within}: it "
            "should end it first (RFC 6455, 7.1.1)."
        ]
    return []


def last_words(messages: Sequence[Message]) -> str:
    """The peer's last message before the end, which often says why; "" without one."""
    if not messages:
        return ""
    said = messages[-1].text
    more = "…" if len(said) > _WORDS_CHARS else ""
    return f"; the last message was {said[:_WORDS_CHARS]!r}{more}"


def violation_error(
    url: str, violation: ProtocolViolation, phase: str = "ping", status: int | None = 101
) -> Error:
    """The server broke the protocol, and the connection had to be ended, in this phase.

    `status`: of the answer that opened it; over HTTP/2 and 3 a stream is all that is shared.
    """
    if violation.excerpt and not violation.excerpt.startswith(b"HTTP/"):
        said = violation.excerpt[:_SHOWN_CHARS].decode("latin-1")
        return Error(
            url,
            phase,
            "protocol",
            f"what followed the {status} is text, not a frame: {said!r}",
            f"The server, or a proxy, writes more behind the {status}: a page, debug output, an "
            "empty line too many, or a chunk's size"
            f"{' (a 101 cannot have Transfer-Encoding)' if status == 101 else ''}. Nothing but "
            "frames may follow it.",
        )
    if violation.excerpt:
        told = explain_second_answer(url, violation.excerpt, status)
        return Error(url, phase, "protocol", *told)
    hint = (
        "Browsers and libraries end such a connection as well. wsdiag check tells which rules "
        "the endpoint keeps; a proxy that changes bytes is the other suspect."
    )
    if violation.message.startswith("reserved bit set"):
        hint = _RESERVED_BIT
    return Error(
        url,
        phase,
        "protocol",
        violation.described("the server"),
        TOO_LARGE if violation.too_large else hint,
    )


def ended_error(
    url: str,
    drop: Drop,
    messages: Sequence[Message] = (),
    phase: str = "ping",
    report: DialReport | None = None,
) -> Error:
    """The server left: before the first Pong, or in a later `phase`; `messages` came before."""
    after = f"{drop.at_s * 1e3:.0f} ms after the upgrade{last_words(messages)}"
    known = None
    if phase == "ping":
        known = explain_early_end(
            report or DialReport(url), drop.how, drop.code, drop.reason, spoke=bool(messages)
        )
    if drop.how == "close":
        how = "without a code (1005)"
        if drop.code is not None:
            how = f"with {drop.code} ({close_code_name(drop.code)})"
        reason = f", reason {drop.reason!r}" if drop.reason else ""
        return Error(
            url,
            phase,
            "closed",
            f"the server closed {how}{reason}, {after}"
            + (f": {drop.detail}" if drop.detail else "")
            + announced(drop),
            known
            or (f"It {said}" if (said := over_pings(drop)) else _close_hint(drop, phase, messages)),
        )
    said = drop.detail or ""
    if drop.how in ("fin", "tls-eof"):  # what the socket says of these has been said already
        parts = said.split("; ")
        said = "; ".join(p for p in parts if p == TRUNCATED or p.startswith(TLS_ERROR))
        said = said.removeprefix(TLS_ERROR)
    detail = f": {said}" if said else ""
    hint = (
        "The server crashed after the upgrade, or a proxy lost its backend: their logs say which."
    )
    if phase == "ping":
        hint = (
            "The server crashed after the upgrade or refused without a word (some end TCP where a "
            "token, an origin or a path is not to their liking), or a proxy lost its backend: "
            "their logs say which."
        )
    if drop.how == "goaway" and said.startswith(BROKE_HTTP):
        sections = "RFC 9113, 5.4.1; RFC 9114, 8"
        hint = f"Browsers end such a connection as well ({sections}): look at its HTTP."
    elif is_tls_error(drop) and "ALERT" not in said:
        hint = (
            "Something writes plain text into the encrypted connection (a proxy's error page, a "
            "second process on the same socket), or changes bytes on the way; a capture (wsdiag "
            "explain) shows the bytes."
        )
    elif messages:
        hint = (
            "Its last message may say why. Otherwise it crashed, or a proxy lost its backend: "
            "their logs say which."
        )
    return Error(
        url,
        phase,
        "closed",
        f"the connection ended without a Close frame ({short_drop(drop)}), {after}{detail}"
        f"{announced(drop)}",
        known or hint,
    )


def _close_hint(drop: Drop, phase: str, messages: Sequence[Message]) -> str:
    if hint := CLOSED_WITH.get(drop.code or 0):
        return hint
    if phase != "ping":
        return ENDED_IN_USE
    if messages and not drop.reason:
        return LAST_WORDS
    return _DONE if drop.code in (None, 1000) and not drop.reason else _REFUSED
