"""How the end of a connection reads in English, for every table and sentence that names one.

Three forms of one fact: a word or two for a table, a phrase for brackets or after a colon, and a
predicate for a sentence whose subject is the peer. They are here, below render, judgement and
probes, so that the same end reads the same in ping, idle-probe, check and connect.
"""

from __future__ import annotations

from wsdiag.records.base import Drop, DropHow
from wsdiag.transport.stream.ends import NO_CLOSE_NOTIFY, TLS_ERROR
from wsdiag.units import format_duration

_SHORT: dict[DropHow, str] = {
    "close": "Close",
    "fin": "FIN",
    "rst": "RST",
    "tls-eof": "TLS EOF",
    "rst-stream": "RST_STREAM",
    "goaway": "GOAWAY",
    "silent": "silent",
    "rst-on-write": "RST on write",
    "timeout": "timeout",
}
_PHRASE: dict[DropHow, str] = {
    "close": "Close frame",
    "fin": "FIN, no Close frame",
    "rst": "RST, no Close frame",
    "tls-eof": "FIN without TLS close_notify, no Close frame",
    "rst-stream": "RST_STREAM, no Close frame",
    "goaway": "GOAWAY, no Close frame",
    "silent": "silent: nothing came, a Ping got no Pong",
    "rst-on-write": "silent until written to, then RST",
    "timeout": "TCP gave up waiting",
}
_PREDICATE: dict[DropHow, str] = {
    "close": "sent a Close frame",
    "fin": "ended TCP (FIN) without a Close frame",
    "rst": "reset the connection (RST)",
    "tls-eof": "ended TCP without TLS close_notify or Close frame",
    "rst-stream": "reset the HTTP/2 stream (RST_STREAM)",
    "goaway": "ended the HTTP/2 connection (GOAWAY)",
    "silent": "fell silent",
    "rst-on-write": "fell silent, and reset the connection (RST) when written to",
    "timeout": "no longer acknowledged anything, so TCP gave up",
}

PEER_BROKE = "the peer broke"
OVER_LIMIT = "the peer's message is over --max-message-size"
"""How the detail of an end begins that was ours: the peer broke a rule, or sent too much for us."""


def is_ours(drop: Drop) -> bool:
    """Whether the Close frame was ours; another detail says what the server's code means."""
    return (drop.detail or "").startswith((PEER_BROKE, OVER_LIMIT))


def _is_end_stream(drop: Drop) -> bool:
    """Whether what HTTP/1.1 ends by FIN was ended by HTTP/2's END_STREAM: TCP may go on."""
    return drop.how == "fin" and (drop.detail or "").startswith("END_STREAM")


def is_tls_error(drop: Drop) -> bool:
    """Whether TLS itself failed, by a fatal alert or by bytes that are none: TCP may go on."""
    return drop.how == "tls-eof" and (drop.detail or "").startswith(TLS_ERROR)


def ends_connection(drop: Drop) -> bool:
    """Whether a stream of HTTP/2 ended with its connection, and not by itself."""
    if drop.how == "fin":
        return not _is_end_stream(drop)
    return drop.how in ("goaway", "rst", "tls-eof", "timeout")


def short_drop(drop: Drop) -> str:
    """An end in a word or two, for a table: `FIN`, `Close 1001`."""
    if drop.how in ("rst-stream", "goaway"):
        return f"{_SHORT[drop.how]} {drop.reason or drop.code}"
    if _is_end_stream(drop):
        return "END_STREAM"
    if is_tls_error(drop):
        return "TLS error"
    code = f" {drop.code}" if drop.how == "close" and drop.code is not None else ""
    return _SHORT[drop.how] + code


ZERO_WINDOW = "TCP answered with a zero window: the endpoint does not read"
"""In the detail of a silent end: the peer's machine is alive, and takes nothing more."""


def drop_phrase(drop: Drop) -> str:
    """An end for brackets: `FIN, no Close frame`, `Close frame 1001 (going away)`."""
    if drop.how in ("rst-stream", "goaway"):
        return f"{short_drop(drop)}, no Close frame"
    if _is_end_stream(drop):
        return "END_STREAM, no Close frame"
    if is_tls_error(drop):
        return "TLS error, no Close frame"
    if drop.how != "close":
        return _PHRASE[drop.how]
    code = " without a code" if drop.code is None else f" {drop.code}"
    return _PHRASE["close"] + code + (f" ({drop.reason})" if drop.reason else "")


def _detail(drop: Drop) -> str:
    """The detail without what the phrase says already."""
    said = drop.detail or ""
    if _is_end_stream(drop):
        return said.removeprefix("END_STREAM").removeprefix("; ")
    if drop.how == "tls-eof":
        return said.removeprefix(TLS_ERROR).removeprefix(NO_CLOSE_NOTIFY).removeprefix("; ")
    return said


def describe_drop(drop: Drop) -> str:
    """An end with all that is known: the phrase, what TCP still acknowledged, details."""
    words = drop_phrase(drop)
    if drop.tcp_acknowledged is not None and drop.how == "silent":
        words += (
            "; TCP still acknowledged" if drop.tcp_acknowledged else "; nor did TCP acknowledge"
        )
    detail = _detail(drop)
    return words + (f"; {detail}" if detail else "") + announced(drop)


def announced(drop: Drop) -> str:
    """What had announced an end that came later; "" without such."""
    if drop.goaway_before_s is None:
        return ""
    return f"; GOAWAY had come {format_duration(drop.goaway_before_s)} before"


def end_sentence(drop: Drop) -> str:
    """Who ended a connection, after how long and how, and what they said last."""
    after = format_duration(drop.at_s)
    peer = "The server, or something in front of it,"
    match drop.how:
        case "close" if is_ours(drop):
            said = f"wsdiag ended the connection after {after}: {drop.detail} ({drop.reason})."
        case "close":  # a detail says what its code means in the endpoint's protocol
            detail = f"; {drop.detail}" if drop.detail else ""
            said = f"The server ended the connection after {after}: {drop_phrase(drop)}{detail}."
        case "silent":
            kept = {True: "; TCP still acknowledged", False: "; nor did TCP acknowledge"}
            tcp = "" if drop.tcp_acknowledged is None else kept[drop.tcp_acknowledged]
            said = f"wsdiag gave the connection up after {after}: Pings were not answered{tcp}."
        case "timeout":
            detail = f" ({drop.detail})" if drop.detail else ""
            said = f"TCP gave the connection up after {after}: no acknowledgement came{detail}."
        case "rst-stream":
            said = f"{peer} reset the HTTP/2 stream after {after}: {drop_phrase(drop)}."
        case "goaway":
            detail = f"; {drop.detail}" if drop.detail else ""
            said = f"{peer} ended the HTTP/2 connection after {after}: {drop_phrase(drop)}{detail}."
        case "rst" | "rst-on-write":
            said = f"{peer} reset the connection after {after}: {drop_phrase(drop)}."
        case _:
            detail = f"; {_detail(drop)}" if _detail(drop) else ""
            said = f"{peer} ended the connection after {after}: {drop_phrase(drop)}{detail}."
    said = said.removesuffix(".") + announced(drop) + "."
    return f"{said} Its last message: {drop.last_message}" if drop.last_message else said


def drop_predicate(drop: Drop) -> str:
    """An end as what the peer did: `the server` + `ended TCP (FIN) without a Close frame`."""
    said = _PREDICATE[drop.how]
    if _is_end_stream(drop):
        return "ended the stream (END_STREAM) without a Close frame"
    if drop.how == "close":
        return f"{said} {'without a code' if drop.code is None else drop.code}"
    if drop.how in ("rst-stream", "goaway"):
        return f"{said} with {drop.reason or drop.code}"
    if is_tls_error(drop):
        return f"broke TLS off without a Close frame: {_detail(drop)}"
    unclear = drop.how in ("tls-eof", "timeout")  # of FIN and RST there is no more to say
    return f"{said}: {_detail(drop)}" if unclear and _detail(drop) else said
