"""How the end of a connection reads in English, for every table and sentence that names one.

Three forms of one fact: a word or two for a table, a phrase for brackets or after a colon, and a
predicate for a sentence whose subject is the peer. They are here, below render, judgement and
probes, so that the same end reads the same in ping, idle-probe, check and connect.
"""

from __future__ import annotations

from wsdiag.records.base import Drop, DropHow

_SHORT: dict[DropHow, str] = {
    "close": "Close",
    "fin": "FIN",
    "rst": "RST",
    "tls-eof": "TLS EOF",
    "silent": "silent",
    "rst-on-write": "RST on write",
    "timeout": "timeout",
}
_PHRASE: dict[DropHow, str] = {
    "close": "Close frame",
    "fin": "FIN, no Close frame",
    "rst": "RST, no Close frame",
    "tls-eof": "FIN without TLS close_notify, no Close frame",
    "silent": "silent: no event, a Ping got no Pong",
    "rst-on-write": "silent until written to, then RST",
    "timeout": "TCP gave up waiting",
}
_PREDICATE: dict[DropHow, str] = {
    "close": "sent a Close frame",
    "fin": "ended TCP (FIN) without a Close frame",
    "rst": "reset the connection (RST)",
    "tls-eof": "ended TCP without TLS close_notify or Close frame",
    "silent": "fell silent",
    "rst-on-write": "fell silent, and reset the connection (RST) when written to",
    "timeout": "no longer acknowledged anything, so TCP gave up",
}


def short_drop(drop: Drop) -> str:
    """An end in a word or two, for a table: `FIN`, `Close 1001`."""
    code = f" {drop.code}" if drop.how == "close" and drop.code is not None else ""
    return _SHORT[drop.how] + code


def drop_phrase(drop: Drop) -> str:
    """An end for brackets: `FIN, no Close frame`, `Close frame 1001 (going away)`."""
    if drop.how != "close":
        return _PHRASE[drop.how]
    code = " without a code" if drop.code is None else f" {drop.code}"
    return _PHRASE["close"] + code + (f" ({drop.reason})" if drop.reason else "")


def describe_drop(drop: Drop) -> str:
    """An end with all that is known: the phrase, what TCP still acknowledged, details."""
    words = drop_phrase(drop)
    if drop.tcp_acknowledged is not None and drop.how == "silent":
        words += (
            "; TCP still acknowledged" if drop.tcp_acknowledged else "; nor did TCP acknowledge"
        )
    return words + (f"; {drop.detail}" if drop.detail else "")


def drop_predicate(how: DropHow) -> str:
    """An end as what the peer did: `the server` + `ended TCP (FIN) without a Close frame`."""
    return _PREDICATE[how]
