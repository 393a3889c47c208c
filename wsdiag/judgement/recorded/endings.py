"""How one recorded connection ended, as a value; the first sign of it, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, DirectionFacts, Side
from wsdiag.protocol.codes import close_code_name
from wsdiag.records.explain import EndedBy, RecordedOutcome

AT_ONCE_S = 1.0
ENDED = {
    "fin": ("ended", "TCP"),
    "end-stream": ("ended", "the HTTP/2 stream"),
    "rst-stream": ("reset", "the HTTP/2 stream"),
    "goaway": ("ended", "the HTTP/2 connection"),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one connection. `evidence`: sentences, the deciding one first."""

    outcome: RecordedOutcome
    ended_by: EndedBy
    evidence: Sequence[str]


def first_end(facts: ConnectionFacts) -> tuple[Side, float, str] | None:
    """(side, seconds, `close`/`fin`/`rst`) of the first sign of the end; None: there is none."""
    signs: list[tuple[float, Side, str]] = [(c.at_s, c.by, "close") for c in facts.closes[:1]]
    signs += [(end.at_s, end.by, end.kind) for end in facts.ends[:1]]
    if facts.ends:  # TLS says so first; whoever hears it may well be the first to send its FIN
        signs += [(alert.at_s, alert.by, "fin") for alert in facts.alerts[:1]]
    if not signs:
        return None
    at_s, side, kind = min(signs, key=lambda sign: sign[0])
    return side, at_s, kind


def direction_of(facts: ConnectionFacts, side: Side) -> DirectionFacts:
    """What an end sent."""
    return facts.sent if side == "client" else facts.received


def other_side(side: Side) -> Side:
    """The other end."""
    return "server" if side == "client" else "client"


def ended_words(kind: str) -> str:
    """`ended TCP (FIN)`: what a sign of the end means, and its name."""
    verb, what = ENDED.get(kind, ENDED["fin"])
    return f"{verb} {what} ({END_WORDS[kind]})"


def code_words(code: int | None, reason: str) -> str:
    """A Close frame's code, its name, and its reason."""
    if code is None:
        return "no code"
    name = close_code_name(code)
    text = f"{code} ({name})" if name else str(code)
    return f"{text} '{reason}'" if reason else text


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def ms(seconds: float) -> str:
    """A short time in words."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
