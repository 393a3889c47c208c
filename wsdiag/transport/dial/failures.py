"""Failures of a dial, named: from exceptions to kinds, stable codes and facts.

The words here are plain statements of what was seen; what it means and what to change is for
those who talk to the user, from `code` and `facts`.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING

from wsdiag.protocol.errors import HandshakeError
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.redirects import leads_elsewhere
from wsdiag.transport.dial.report import DialError, DialReport, Kind
from wsdiag.transport.dial.resolve import FAMILIES, Address, format_address
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stream_reader import StreamReaderEnded
from wsdiag.transport.tls.layer import TlsLayer

if TYPE_CHECKING:
    from wsdiag.transport.tls.trust import TrustError
    from wsdiag.transport.trace import Phase

_CONNECT_CODES: dict[int, tuple[Kind, str]] = {
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
# When addresses fail in different ways, the one that got furthest is the most telling.
_MOST_TELLING = ("refused", "reset-on-connect", "connect-timeout", "forbidden", "unreachable")

_TIMEOUT_CODES: dict[Phase, str] = {
    "dns": "dns-timeout",
    "tcp": "connect-timeout",
    "proxy": "proxy-timeout",
    "tls": "tls-timeout",
    "upgrade": "upgrade-timeout",
}

# Servers that answer plain HTTP on their TLS port say so in the body: nginx, Apache, Go.
_PLAIN_ON_TLS = (
    b"plain HTTP request was sent to HTTPS port",
    b"speaking plain HTTP to an SSL-enabled server port",
    b"sent an HTTP request to an HTTPS server",
)
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")
_TLS_RECORD_TYPES = (0x14, 0x15, 0x16, 0x17)


def timed_out(phase: Phase, after_s: float, report: DialReport) -> DialError:
    """The deadline struck during `phase`."""
    message = f"no answer within {after_s:g} s ({phase})"
    return DialError("timeout", phase, _TIMEOUT_CODES[phase], message, report, timeout_s=after_s)


def name_resolution(
    host: str, error: Exception, options: DialOptions, report: DialReport
) -> DialError:
    """The resolver's refusal."""
    number = getattr(error, "errno", None)
    code = "dns-failed"
    if isinstance(error, UnicodeError):
        code = "dns-bad-name"
    elif number in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        code = "dns-not-found"
    elif number == getattr(socket, "EAI_ADDRFAMILY", -9):
        code = "dns-no-such-family"
    elif number == socket.EAI_AGAIN:
        code = "dns-unavailable"
    words = getattr(error, "strerror", None) or str(error)
    return DialError(
        "dns", "dns", code, f"{host}: {words}", report, host=host, family=options.family
    )


def of_family(
    addresses: list[Address], family: int | None, host: str, report: DialReport
) -> list[Address]:
    """The addresses that -4 or -6 allow. DialError when there is none."""
    kept = [a for a in addresses if family is None or a[0] == FAMILIES[family]]
    if kept:
        return kept
    message = f"{host} has no IPv{family} address"
    raise DialError("dns", "dns", "dns-no-such-family", message, report, host=host, family=family)


def no_such_zone(host: str, error: OSError, report: DialReport) -> DialError:
    """An IPv6 zone (RFC 4007) that is no interface of this machine."""
    zone = host.partition("%")[2]
    message = f"this machine has no network interface {zone!r}: {os.strerror(error.errno or 0)}"
    return DialError("connect", "tcp", "no-such-zone", message, report, zone=zone)


def connecting(failures: list[tuple[Address, OSError]], report: DialReport) -> DialError:
    """No address could be connected."""
    judged = [(*_connect_code(error), address, error) for address, error in failures]
    judged.sort(key=lambda j: _MOST_TELLING.index(j[1]) if j[1] in _MOST_TELLING else 99)
    kind, code, (_, address), error = judged[0]
    if error.errno == errno.EINVAL and _lacks_zone(address):
        code = "zone-missing"
    report.address = format_address(address)
    attempts = [(format_address(a), os.strerror(e.errno or 0)) for (_, a), e in failures]
    message = f"{report.address}: {os.strerror(error.errno or 0)}"
    return DialError(kind, "tcp", code, message, report, attempts=attempts)


def _lacks_zone(address: tuple[object, ...] | str) -> bool:
    return len(address) == 4 and str(address[0]).lower().startswith(_LINK_LOCAL) and not address[3]


def _connect_code(error: OSError) -> tuple[Kind, str]:
    return _CONNECT_CODES.get(error.errno or 0, ("connect", "connect-failed"))


def unix_socket(path: str, error: Exception, report: DialReport) -> DialError:
    """A Unix socket that cannot be connected."""
    number = getattr(error, "errno", None)
    kind, code = _CONNECT_CODES.get(number or 0, ("connect", "connect-failed"))
    if number == errno.ENOENT:
        code = "no-such-socket"
    words = os.strerror(number) if number else str(error)
    return DialError(kind, "tcp", code, f"{path}: {words}", report, path=path)


def trust_options(error: TrustError, report: DialReport) -> DialError:
    """TLS options that cannot be used."""
    return DialError(
        "usage",
        "tls",
        "bad-tls-option",
        f"{error.option} {error.message}",
        report,
        option=error.option,
    )


def tls(error: OSError, layer: TlsLayer, name: str, report: DialReport) -> DialError:
    """A TLS handshake that failed for a reason of TLS."""
    first = layer.first_bytes
    if first and not (first[0] in _TLS_RECORD_TYPES and first[1:2] == b"\x03"):
        return tls_on_plain_port(first, report)
    if isinstance(error, ssl.SSLCertVerificationError):
        from wsdiag.transport.tls import trust

        return DialError(
            "cert",
            "tls",
            trust.certificate_code(error),
            error.verify_message,
            report,
            wanted=name,
            verify_code=error.verify_code,
        )
    reason = getattr(error, "reason", None) or str(error)
    words = reason.replace("_", " ").lower()
    return DialError("tls", "tls", _tls_code(reason), words, report, reason=reason)


def tls_on_plain_port(first_bytes: bytes, report: DialReport) -> DialError:
    """TLS was tried where something else is spoken."""
    message = "the server does not speak TLS on this port"
    return DialError("tls", "tls", "tls-on-plain-port", message, report, first_bytes=first_bytes)


def plain_on_tls_port(first_bytes: bytes, report: DialReport) -> DialError:
    """Plain HTTP was tried where TLS is spoken."""
    message = "the server expects TLS on this port"
    return DialError(
        "upgrade", "upgrade", "plain-on-tls-port", message, report, first_bytes=first_bytes
    )


def http2_only(report: DialReport) -> DialError:
    """HTTP/1.1 was tried where HTTP/2 is spoken without it."""
    message = "the server speaks HTTP/2 only on this port"
    return DialError("upgrade", "upgrade", "http2-only", message, report)


def _tls_code(reason: str) -> str:
    if "PROTOCOL_VERSION" in reason or reason in ("UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"):
        return "tls-version"
    if "CERTIFICATE_REQUIRED" in reason:
        return "client-cert-required"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return "client-cert-refused"
    if "UNRECOGNIZED_NAME" in reason:
        return "sni-refused"
    if "HANDSHAKE_FAILURE" in reason or "NO_SHARED_CIPHER" in reason:
        return "tls-handshake-refused"
    return "tls-failed"


def tls_ended(ended: StreamReaderEnded, report: DialReport) -> DialError:
    """The stream ended during the TLS handshake."""
    message = f"the connection ended in the TLS handshake ({ended.end.how})"
    return DialError(
        "tls", "tls", "closed-in-tls", message, report, how=ended.end.how, received=ended.received
    )


def tls_alert(end: StreamEnd, report: DialReport) -> DialError | None:
    """TLS's refusal that came only after the handshake: TLS 1.3 judges our certificate late."""
    prefix, _, reason = end.detail.partition("TLS: ")
    if end.how != "tls-error" or prefix or not reason:
        return None
    words = reason.replace("_", " ").lower()
    return DialError("tls", "tls", _tls_code(reason), words, report, reason=reason)


def handshake(
    error: HandshakeError, first_bytes: bytes, report: DialReport, end: StreamEnd | None = None
) -> DialError:
    """An answer to the upgrade that is none, or one that must be refused."""
    response = error.response
    if response is not None:
        report.status, report.reason = response.status, response.reason
        report.headers, report.body = tuple(response.headers), response.body
        report.headers_received(f"HTTP/1.1 {response.status} {response.reason}", report.headers)
    how = end.how if end is not None else None
    if first_bytes[:2] in (b"\x15\x03", b"\x16\x03") or _says_plain_on_tls(report.body):
        return plain_on_tls_port(first_bytes, report)
    code = error.code
    if code == "http-status" and response is not None:
        code = f"http-{response.status}"
    elsewhere = response is not None and leads_elsewhere(report)
    kind: Kind = "redirect" if elsewhere else "upgrade"
    if code == "closed-early":
        kind, code = "closed", "closed-in-handshake"
    return DialError(
        kind,
        "upgrade",
        code,
        error.message,
        report,
        section=error.section,
        how=how,
        first_bytes=first_bytes,
    )


def _says_plain_on_tls(body: bytes) -> bool:
    return any(words in body for words in _PLAIN_ON_TLS)


def closed_in_handshake(ended: StreamReaderEnded, report: DialReport) -> DialError:
    """The stream ended before the answer to the upgrade was whole."""
    message = f"the connection ended in the opening handshake ({ended.end.how})"
    return DialError(
        "closed",
        "upgrade",
        "closed-in-handshake",
        message,
        report,
        how=ended.end.how,
        received=ended.received,
    )
