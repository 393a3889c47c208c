"""Failures of a dial, named: from exceptions to kinds, stable codes and facts.

Nothing here has an effect: each function builds the DialError that a phase then raises. Messages
state what was seen; what it means and what to change is told from `code` and `facts`.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wsdiag.protocol.errors import HandshakeError
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.redirects import location
from wsdiag.transport.report import DialError, ErrorKind
from wsdiag.transport.stream.ends import TLS_ERROR
from wsdiag.transport.stream.tcp import Address, format_address
from wsdiag.transport.tls.layer import tls_reason

if TYPE_CHECKING:
    from wsdiag.protocol.http import Response
    from wsdiag.transport.stream.ends import StreamEnd
    from wsdiag.transport.stream.stream_reader import StreamReaderEnded
    from wsdiag.transport.tls.layer import TlsLayer
    from wsdiag.transport.tls.trust import TrustError
    from wsdiag.transport.trace import Phase

_CONNECT_CODES: dict[int, tuple[ErrorKind, str]] = {
    errno.ECONNREFUSED: ("refused", "refused"),
    errno.ENETUNREACH: ("connect", "unreachable"),
    errno.EHOSTUNREACH: ("connect", "unreachable"),
    errno.ENETDOWN: ("connect", "unreachable"),
    errno.EADDRNOTAVAIL: ("connect", "unreachable"),
    errno.ETIMEDOUT: ("timeout", "connect-timeout"),
    errno.ECONNRESET: ("connect", "reset-on-connect"),
    errno.EACCES: ("connect", "forbidden"),
    errno.EPERM: ("connect", "forbidden"),
    errno.EAFNOSUPPORT: ("connect", "no-such-family"),
    errno.EMFILE: ("connect", "too-many-files"),
    errno.ENFILE: ("connect", "too-many-files"),
}
_NOT_SENT = (errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_SHOWN_ADDRESSES = 4
_OTHERWISE: tuple[ErrorKind, str] = ("connect", "connect-failed")
# When addresses fail in different ways, the one that got furthest is the most telling.
_MOST_TELLING = ("refused", "reset-on-connect", "connect-timeout", "forbidden", "unreachable")

_TIMEOUT_CODES: dict[Phase, str] = {
    "dns": "dns-timeout",
    "tcp": "connect-timeout",
    "proxy": "proxy-timeout",
    "tls": "tls-timeout",
    "quic": "quic-timeout",
    "settings": "settings-timeout",
    "upgrade": "upgrade-timeout",
}

# Servers that answer plain HTTP on their TLS port say so in the body: nginx, Apache, Go, Tomcat,
# Cheroot (CherryPy).
_PLAIN_ON_TLS = (
    b"plain HTTP request was sent to HTTPS port",
    b"speaking plain HTTP to an SSL-enabled server port",
    b"sent an HTTP request to an HTTPS server",
    b"combination of host and port requires TLS",
    b"sent a plain HTTP request, but this server only speaks HTTPS",
)
# A resolver that is not answered asks again after a second at the earliest.
_AT_ONCE_S = 0.8
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")
# OpenSSL's names for what a peer's alert said; those of its own refusals begin otherwise
_ALERTS = ("SSLV3_ALERT_", "TLSV1_", "TLSV13_ALERT_")
_TLS_RECORD_TYPES = (0x14, 0x15, 0x16, 0x17)


def timed_out(
    phase: Phase, after_s: float, facts: dict[str, Any] | None = None, phase_s: float | None = None
) -> DialError:
    """The deadline struck during `phase`, which had found out `facts` in its `phase_s` seconds."""
    facts = dict(facts or {})
    tried, failed = facts.pop("tried", ()), facts.pop("failed", ())
    if phase == "tcp" and tried:
        given_up = {format_address(where) for (_, where), _ in failed}
        facts["address"] = ", ".join(each for each in tried if each not in given_up)
        facts["others"] = _others(failed)
    message = f"no answer within {after_s:g} s ({phase})"
    if phase == "upgrade" and facts.get("received"):
        took = after_s if phase_s is None else round(phase_s, 1)
        message = f"an answer began: {facts['received']} bytes in {took:g} s"
    return DialError("timeout", phase, _TIMEOUT_CODES[phase], message, timeout_s=after_s, **facts)


def name_resolution(
    host: str, error: Exception, options: DialOptions, took_s: float = 0.0
) -> DialError:
    """The resolver's refusal, after `took_s` seconds."""
    number = getattr(error, "errno", None)
    code = "dns-failed"
    if isinstance(error, UnicodeError):
        code = "dns-bad-name"
    elif number == socket.EAI_NONAME:
        code = "dns-not-found"
    elif number == getattr(socket, "EAI_NODATA", socket.EAI_NONAME):
        code = "dns-no-address"
    elif number == getattr(socket, "EAI_ADDRFAMILY", -9):
        code = "dns-no-such-family"
    elif number == socket.EAI_AGAIN:
        code = "dns-unavailable"
    words = getattr(error, "strerror", None) or str(error)
    facts: dict[str, Any] = {"host": host, "family": options.family, "words": words}
    facts["at-once"] = "yes" if took_s < _AT_ONCE_S else ""
    return DialError("dns", "dns", code, f"{host}: {words}", **facts)


def no_address_of(family: int | None, host: str) -> DialError:
    """-4 or -6 leaves no address to try."""
    message = f"{host} has no IPv{family} address"
    return DialError("dns", "dns", "dns-no-such-family", message, host=host, family=family)


def no_such_zone(host: str, error: OSError) -> DialError:
    """An IPv6 zone (RFC 4007) that names no interface of this machine."""
    zone = host.partition("%")[2]
    message = f"this machine has no network interface {zone!r}: {os.strerror(error.errno or 0)}"
    return DialError("connect", "tcp", "no-such-zone", message, zone=zone)


def connecting(failures: list[tuple[Address, OSError]]) -> DialError:
    """No address could be connected."""
    judged = [
        (*_CONNECT_CODES.get(error.errno or 0, _OTHERWISE), address, error)
        for address, error in failures
    ]
    judged.sort(key=lambda j: _MOST_TELLING.index(j[1]) if j[1] in _MOST_TELLING else 99)
    kind, code, (_, address), error = judged[0]
    where = format_address(address)
    if error.errno == errno.EINVAL and where[1:4].lower() in _LINK_LOCAL and not address[3]:
        code = "zone-missing"
    others = _others([(a, e) for a, e in failures if format_address(a[1]) != where])
    message = f"{where}: {os.strerror(error.errno or 0)}"
    return DialError(kind, "tcp", code, message, address=where, others=others)


def _others(failed: Sequence[tuple[Address, OSError]]) -> str:
    """The other addresses that were tried, in brackets; "" where there were none."""
    said = [f"{format_address(a)}: {os.strerror(e.errno or 0)}" for (_, a), e in failed]
    more = f" and {len(said) - _SHOWN_ADDRESSES} more" if len(said) > _SHOWN_ADDRESSES else ""
    return f" (tried as well: {'; '.join(said[:_SHOWN_ADDRESSES])}{more})" if said else ""


def refused_there(failed: Sequence[tuple[Address, OSError]]) -> tuple[tuple[str, str], ...]:
    """Addresses that somebody answered for by a refusal, and how; a machine without IPv6 knows
    before it sends anything that it cannot reach one, which says nothing of the address."""
    return tuple(
        (format_address(where), os.strerror(error.errno or 0))
        for (_, where), error in failed
        if error.errno not in _NOT_SENT
    )


def unix_socket(path: str, error: Exception) -> DialError:
    """A Unix socket that cannot be connected."""
    number = getattr(error, "errno", None)
    kind, code = _CONNECT_CODES.get(number or 0, _OTHERWISE)
    if number == errno.ENOENT:
        code = "no-such-socket"
    words = os.strerror(number) if number else str(error)
    return DialError(kind, "tcp", code, f"{path}: {words}", path=path)


def trust_options(error: TrustError, phase: Phase) -> DialError:
    """TLS options that cannot be used."""
    message = f"{error.option} {error.message}"
    return DialError("usage", phase, "bad-tls-option", message, option=error.option)


def is_tls(first_bytes: bytes) -> bool:
    """Whether an answer begins with a record of TLS (RFC 8446, 5.1)."""
    return first_bytes[0] in _TLS_RECORD_TYPES and first_bytes[1:2] in (b"\x03", b"")


def tls(
    error: OSError,
    layer: TlsLayer,
    name: str,
    messages: Sequence[str] = (),
    *,
    own_certificate: bool = False,
) -> DialError:
    """A TLS handshake that failed for a reason of TLS; `messages`: those that came before."""
    first = layer.first_bytes
    if first and not is_tls(first):
        return tls_on_plain_port(first)
    if isinstance(error, ssl.SSLCertVerificationError):
        from wsdiag.transport.tls import trust

        code, number = trust.certificate_code(error), error.verify_code
        return DialError("cert", "tls", code, error.verify_message, wanted=name, verify_code=number)
    reason = tls_reason(error) if isinstance(error, ssl.SSLError) else str(error)
    refused = _tls_refused(reason, messages, own_certificate=own_certificate)
    refused.facts["wanted"] = name
    return refused


def tls_on_plain_port(first_bytes: bytes) -> DialError:
    """A ClientHello was answered by something that is no TLS."""
    message = "the server does not speak TLS on this port"
    return DialError(
        "tls",
        "tls",
        "tls-on-plain-port",
        message,
        first_bytes=first_bytes,
        began=repr(first_line(first_bytes)),
        certain="yes",
    )


def silent_on_tls(plain_answer: str, how: str | None = None) -> DialError:
    """A ClientHello got no answer but an end (`how`) or silence, a plain request a status."""
    message = f"the port gave no answer to TLS, and answers plain HTTP: {plain_answer}"
    code = "tls-on-plain-port"
    return DialError("tls", "tls", code, message, plain_answer=plain_answer, how=how, certain="")


def plain_status(answer: bytes) -> str | None:
    """The status of a plain answer, where only a port without TLS gives such a one; else None.

    Servers with TLS answer plain HTTP as well: by 400 with many a text, by a redirect to https.
    """
    first, _, rest = answer.partition(b"\r\n")
    version, _, status = first.decode("latin-1").partition(" ")
    if not version.startswith("HTTP/1.") or any(words in rest for words in _PLAIN_ON_TLS):
        return None
    return status if status.startswith(("101", "2", "401", "404", "426")) else None


def plain_on_tls_port(first_bytes: bytes, response: Response | None = None) -> DialError:
    """Plain HTTP was tried where TLS is spoken."""
    message = "the server expects TLS on this port"
    return _upgrade_error("plain-on-tls-port", message, response=response, first_bytes=first_bytes)


def http2_only() -> DialError:
    """HTTP/1.1 was tried where HTTP/2 is spoken without it."""
    message = "the server speaks HTTP/2 only on this port"
    return _upgrade_error("http2-only", message)


def _upgrade_error(code: str, message: str, **facts: Any) -> DialError:
    return DialError("upgrade", "upgrade", code, message, **facts)


def _tls_code(reason: str) -> str:
    if "PROTOCOL_VERSION" in reason or reason in ("UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"):
        return "tls-version"
    if "CERTIFICATE_REQUIRED" in reason:
        return "client-cert-required"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return "client-cert-refused"
    if "UNRECOGNIZED_NAME" in reason:
        return "sni-refused"
    if "LEGACY_RENEGOTIATION" in reason:
        return "tls-legacy-renegotiation"
    if "DH_KEY_TOO_SMALL" in reason:
        return "tls-dh-too-small"
    if "HANDSHAKE_FAILURE" in reason or "NO_SHARED_CIPHER" in reason:
        return "tls-handshake-refused"
    return "tls-failed"


def tls_ended(ended: StreamReaderEnded, messages: Sequence[str] = ()) -> DialError:
    """The stream ended during the TLS handshake, of which `messages` had come."""
    after = "our ClientHello" if not ended.received else "the server's answer had begun"
    how = "fin" if ended.end.how == "tls-eof" else ended_how(ended.end)
    message = f"the connection ended in the TLS handshake ({how}), after {after}"
    return DialError(
        "tls",
        "tls",
        "closed-in-tls",
        message,
        how=how,
        received=ended.received,
        messages=", ".join(messages),
    )


def tls_alert(end: StreamEnd, facts: Mapping[str, Any]) -> DialError | None:
    """TLS's refusal that came only after the handshake: TLS 1.3 judges our certificate late.

    `facts`: what the handshake found out.
    """
    reason = end.detail.removeprefix(TLS_ERROR)
    if end.how != "tls-error" or not reason.startswith(_ALERTS):
        return None
    messages = ("CERTIFICATE_REQUEST",) if facts.get("certificate_request") == "yes" else ()
    return _tls_refused(reason, messages, own_certificate=facts.get("own_certificate") == "yes")


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _tls_refused(
    reason: str, messages: Sequence[str] = (), *, own_certificate: bool = False
) -> DialError:
    """A fatal alert (RFC 8446, 6.2) or OpenSSL's own refusal; `reason`: OpenSSL's name for it."""
    message, code = _words(reason), _tls_code(reason)
    asked, alert = "CERTIFICATE_REQUEST" in messages, message.partition(" alert ")[2]
    if asked and alert and code in ("tls-handshake-refused", "tls-failed", "client-cert-refused"):
        # TLS 1.2 has no alert of its own for a certificate that is missing (RFC 5246, 7.4.6)
        code = "client-cert-refused" if own_certificate else "client-cert-required"
    elif code == "client-cert-refused" and not asked:
        code = "tls-alert-certificate"  # none of ours was asked for
    return DialError("tls", "tls", code, message, reason=reason, alert=alert or None)


def ended_how(end: StreamEnd) -> str:
    """An end in the words of the wire."""
    if end.how == "tls-error":
        return f"TLS error: {_words(end.detail.removeprefix(TLS_ERROR))}"
    return {"tls-eof": "TCP ended without TLS's close_notify", "tls-close": "close_notify"}.get(
        end.how, end.how
    )


def handshake(error: HandshakeError, first_bytes: bytes, end: StreamEnd | None = None) -> DialError:
    """An answer to the upgrade that cannot be read, or that must be refused."""
    response = error.response
    plain_on_tls = response is not None and any(words in response.body for words in _PLAIN_ON_TLS)
    if first_bytes[:2] in (b"\x15\x03", b"\x16\x03") or plain_on_tls:
        return plain_on_tls_port(first_bytes, response)
    kind: ErrorKind = "upgrade" if location(response) is None else "redirect"
    code = error.code
    if code == "http-status" and response is not None:
        code = f"http-{response.status}"
    elif code == "closed-early":
        kind, code = "closed", "closed-in-handshake"
    return DialError(
        kind,
        "upgrade",
        code,
        error.message,
        response=response,
        section=error.section,
        how=ended_how(end) if end is not None else None,
        first_bytes=first_bytes,
    )


def extended_connect(error: HandshakeError, response: Response) -> DialError:
    """An answer to the CONNECT of HTTP/2 or 3 that opens nothing."""
    failure = handshake(error, b"")
    if response.status == 200:
        failure.facts["opening"] = "an open stream"
    if error.code == "http2-status":
        failure.code = f"http{response.version}-{response.status}"
    return failure


def first_line(first_bytes: bytes) -> str:
    """How an answer begins, in its own words."""
    return first_bytes.partition(b"\r\n")[0].decode("latin-1")


def closed_in_handshake(ended: StreamReaderEnded) -> DialError:
    """The stream ended before the answer to the upgrade was whole."""
    how, received = ended_how(ended.end), ended.received
    message = f"the connection ended in the opening handshake ({how})"
    return DialError(
        "closed", "upgrade", "closed-in-handshake", message, how=how, received=received
    )
