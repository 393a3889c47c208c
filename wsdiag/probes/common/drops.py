"""How a session ended, in the records' vocabulary."""

from __future__ import annotations

from wsdiag.records import Drop, DropHow
from wsdiag.transport.session import Session
from wsdiag.transport.stream.ends import StreamEnd

# close_notify followed by TCP's end is TLS's way to say what FIN says without TLS.
_HOW: dict[str, DropHow] = {
    "fin": "fin",
    "tls-close": "fin",
    "rst": "rst",
    "tls-eof": "tls-eof",
    "timeout": "timeout",
    "error": "rst",
    "local": "timeout",
}


def drop_of(session: Session, end: StreamEnd) -> Drop:
    """The drop that `end` was: a Close frame or a violation explains TCP's end behind it."""
    at_s = (end.at.mono_ns - session.opened.mono_ns) / 1e9
    violation = session.connection.violation
    if session.connection.truncated:
        words = [end.detail, "a frame was cut off in the middle"]
        return Drop(_HOW[end.how], at_s, detail="; ".join(filter(None, words)))
    if violation is not None:
        return Drop(
            "close",
            at_s,
            code=violation.code,
            reason=violation.message,
            detail=f"the peer broke {violation.section}; we closed",
        )
    if session.connection.close_received is not None:
        code, reason = session.connection.close_received
        return Drop("close", at_s, code=code, reason=reason)
    return Drop(_HOW[end.how], at_s, detail=end.detail or None)


def silent_drop(session: Session, now_ns: int) -> Drop:
    """The drop of a connection that answers no Ping and reports no error (monotonic ns)."""
    at_s = (now_ns - session.opened.mono_ns) / 1e9
    return Drop("silent", at_s, tcp_acknowledged=session.stream.acknowledged())
