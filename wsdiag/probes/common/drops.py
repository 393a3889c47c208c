"""How a connection ended, in the records' words: the one map, for every probe.

What a stream tells of its end is what the socket or TLS said; a record tells what that means. FIN
is the same with TLS, where close_notify comes before it. A reset is a reset only where one was
received: with any other error of the socket TCP itself gave up, because nothing was acknowledged
any more (ETIMEDOUT, or the reason that ICMP gave meanwhile: EHOSTUNREACH, ECONNREFUSED...), or this
machine ended it (ECONNABORTED). A TLS error, be it a fatal alert or a record that cannot be
decrypted, ends TLS without close_notify (RFC 8446, 6.2), as TCP's end in the middle of it does; the
detail says which it was. `local` shows only where the peer answered our Close neither by its own
nor by FIN until our time was up.
"""

from __future__ import annotations

from dataclasses import replace

from wsdiag.records import Drop, DropHow
from wsdiag.records.drops import OVER_LIMIT, PEER_BROKE
from wsdiag.transport.session import Session
from wsdiag.transport.stream.ends import EndKind, StreamEnd, error_name, is_http3
from wsdiag.transport.stream.stamps import Arrival, SendRecord

_HOW: dict[EndKind, DropHow] = {
    "fin": "fin",
    "tls-close": "fin",
    "rst": "rst",
    "tls-eof": "tls-eof",
    "tls-error": "tls-eof",
    "rst-stream": "rst-stream",
    "goaway": "goaway",
    "http2-error": "goaway",
    "timeout": "timeout",
    "error": "timeout",
    "local": "timeout",
}


TRUNCATED = "a frame was cut off in the middle"
"""In the detail of an end inside a frame."""
_AT_ONCE_S = 0.05
"""A GOAWAY that came so shortly before an end belongs to it."""
BROKE_HTTP = f"{PEER_BROKE} HTTP/"
"""How the detail of our own GOAWAY begins."""


def drop_of_end(end: StreamEnd, at_s: float, *, truncated: bool = False) -> Drop:
    """The drop that a stream's end was; `truncated`: it ended inside a frame."""
    cut = TRUNCATED if truncated else None
    if end.code is not None:
        return _http2_drop(end, at_s, cut)
    return Drop(_HOW[end.how], at_s, detail="; ".join(filter(None, (end.detail, cut))) or None)


def _http2_drop(end: StreamEnd, at_s: float, cut: str | None) -> Drop:
    """A drop by HTTP/2 or 3: a reset, GOAWAY, or our GOAWAY to a peer that broke its rules."""
    name, code = error_name(end.code or 0), end.code
    if end.how == "rst-stream":
        return Drop("rst-stream", at_s, code=code, reason=name, detail=cut)
    detail = end.detail or None
    if end.how == "http2-error":
        version = 3 if is_http3(end.code or 0) else 2
        detail = f"{BROKE_HTTP}{version}: {end.detail}; we closed"
    return Drop("goaway", at_s, code=code, reason=name, detail=detail or cut)


def drop_of(session: Session, end: StreamEnd) -> Drop:
    """The drop that `end` was: a Close frame or a violation explains the end that followed it.

    It was then that the connection was over, whenever TCP ended.
    """
    at = session.close_arrived or end.at
    drop, goaway = (
        _drop_of(session, end, at),
        None if session.http2 is None else session.http2.goaway,
    )
    if goaway is None or (before_s := (at.mono_ns - goaway.at.mono_ns) / 1e9) < _AT_ONCE_S:
        return drop
    return replace(drop, goaway_before_s=before_s)


def _drop_of(session: Session, end: StreamEnd, at: Arrival) -> Drop:
    at_s = (at.mono_ns - session.opened.mono_ns) / 1e9
    connection = session.connection
    if connection.truncated:
        return drop_of_end(end, at_s, truncated=True)
    if (violation := connection.violation) is not None:
        why = OVER_LIMIT if violation.too_large else f"{PEER_BROKE} {violation.section}"
        return Drop(
            "close", at_s, code=violation.code, reason=violation.message, detail=f"{why}; we closed"
        )
    if connection.close_received is not None:
        code, reason = connection.close_received
        return Drop("close", at_s, code=code, reason=reason)
    return drop_of_end(end, at_s)


def silent_drop(session: Session, now_ns: int, overdue: SendRecord | None) -> Drop:
    """The drop of a connection that answers no Ping and reports no error (monotonic ns).

    `overdue`: the Ping that TCP is asked about. A later one may have left this very moment.
    """
    at_s = (now_ns - session.opened.mono_ns) / 1e9
    return Drop("silent", at_s, tcp_acknowledged=session.stream.acknowledged(overdue))
