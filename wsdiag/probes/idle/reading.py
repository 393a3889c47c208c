"""How an idle connection ended, read from the stream's end and the frames before it."""

from __future__ import annotations

from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage
from wsdiag.records import Drop, DropHow
from wsdiag.transport.stream.ends import StreamEnd

_HOW: dict[str, DropHow] = {
    "fin": "fin",
    "tls-close": "fin",
    "tls-eof": "tls-eof",
    "rst": "rst",
    "timeout": "timeout",
    "error": "timeout",
}


def drop_of_end(end: StreamEnd, at_s: float, *, asked: bool, cut: str | None) -> Drop:
    """The drop that a stream's end was.

    `asked`: we had written to a silent connection and were waiting; `cut`: what is to be said of
    a frame that stopped half-way.
    """
    how = _HOW[end.how]
    if asked and how == "rst":
        how = "rst-on-write"
    detail = "; ".join(words for words in (end.detail, cut) if words)
    return Drop(how, round(at_s, 3), detail=detail or None)


def kind_of(event: Event) -> str:
    """An event in a word, for the timeline."""
    match event:
        case Ping():
            return "ping"
        case Pong():
            return "pong"
        case TextMessage():
            return "text"
        case BinaryMessage():
            return "binary"
    return "close"
