"""What is wrong with an answer that opened a connection all the same, in sentences."""

from __future__ import annotations

from wsdiag.protocol.headers import get_all
from wsdiag.transport.report import DialReport

_SHOWN_CHARS, _WORDS_CHARS = 60, 200


def opened(report: DialReport) -> bool:
    """Whether the answer is the one that opens a WebSocket: 101, over HTTP/2 and 3 a 200."""
    return report.status == 101 or (report.http2 is not None and report.http2.opened)


def answer_faults(report: DialReport) -> list[str]:
    """What breaks a rule in a 101 that this client took; [] for any other answer."""
    notes: list[str] = []
    if not opened(report):
        return notes
    if report.http_version != "1.1" and report.http2 is None:
        notes.append(
            f"The 101 came as HTTP/{report.http_version}: an upgrade is one of HTTP/1.1 (RFC 6455, "
            "4.1), and strict libraries refuse this answer. Have the server, or the proxy that "
            "writes its status line, answer in HTTP/1.1."
        )
    if report.malformed:
        count = len(report.malformed)
        shown = ", ".join(repr(line[:_SHOWN_CHARS]) for line in report.malformed[:3])
        notes.append(
            f"{count} line{'s' if count > 1 else ''} of the answer's head "
            f"{'are no headers' if count > 1 else 'is no header'} (RFC 9112, 5): {shown}. Browsers "
            "pass over them; strict parsers (Node.js) refuse the answer."
        )
    framing = [
        f"{name}: {value}"
        for name in ("Transfer-Encoding", "Content-Length")
        for value in get_all(report.headers, name)
        if report.status == 101
    ]
    if framing:
        notes.append(
            f"The 101 has {' and '.join(framing)[:_WORDS_CHARS]}, which it must not have (RFC "
            "9110, 8.6; RFC 9112, 6.1): it has no body. Proxies and strict libraries may take the "
            "first frames for one. Have the server, or the middleware that adds it, leave it out."
        )
    return notes
