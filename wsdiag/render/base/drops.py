"""How a connection ended, in words."""

from __future__ import annotations

from wsdiag.records import Drop

_WORDS = {
    "close": "Close frame",
    "fin": "FIN, no Close frame",
    "rst": "RST",
    "tls-eof": "TCP end without TLS close_notify",
    "silent": "silent: no event, a Ping got no Pong",
    "rst-on-write": "silent until written to, then RST",
    "timeout": "TCP gave up waiting",
}
SHORT = {
    "close": "Close",
    "fin": "FIN",
    "rst": "RST",
    "tls-eof": "TLS EOF",
    "silent": "silent",
    "rst-on-write": "RST on write",
    "timeout": "timeout",
}
"""One to three words, for a lane of the timeline."""


def describe_drop(drop: Drop) -> str:
    """`Close frame 1001 (going away)`, `FIN, no Close frame`; `drop` is cleaned."""
    words = _WORDS[drop.how]
    if drop.how == "close":
        words += " without a code" if drop.code is None else f" {drop.code}"
        words += f" ({drop.reason})" if drop.reason else ""
    if drop.tcp_acknowledged is not None and drop.how == "silent":
        words += (
            "; TCP still acknowledged" if drop.tcp_acknowledged else "; nor did TCP acknowledge"
        )
    return words + (f"; {drop.detail}" if drop.detail else "")


def short_drop(drop: Drop) -> str:
    """A drop in a word or two: `FIN`, `Close 1001`."""
    code = f" {drop.code}" if drop.how == "close" and drop.code is not None else ""
    return SHORT[drop.how] + code
