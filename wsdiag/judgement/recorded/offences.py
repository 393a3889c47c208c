"""Ends that an offence brought about: a rule that was broken, or a message that was too large."""

from __future__ import annotations

import re

from wsdiag.judgement.recorded.endings import (
    AT_ONCE_S,
    Ending,
    code_words,
    direction_of,
    ended_words,
    first_end,
    ms,
    other_side,
    sentence,
)
from wsdiag.judgement.recorded.facts import ConnectionFacts, Side

_LARGE = 16 * 1024


def protocol_error(facts: ConnectionFacts) -> Ending | None:
    """Close 1002 or 1007, or an end right behind an offence."""
    end = first_end(facts)
    close = facts.closes[0] if facts.closes else None
    if close is not None and close.code in (1002, 1007):
        offender: Side = "server" if close.by == "client" else "client"
        seen = [line for line in facts.violations if line.startswith(offender)]
        said = f"The {close.by} closed with {code_words(close.code, close.reason)}."
        why = seen[0] if seen else "What it objects to is not in the recording."
        return Ending("protocol-error", close.by, (said, sentence(why)))
    if not facts.violations or end is None or end[2] == "close":
        return None
    # Without a Close that says so, an offence counts only where the other end hangs up on it.
    offender = "client" if facts.violations[0].startswith("client") else "server"
    at_s = _violation_at(facts.violations[-1])
    if end[0] != offender and at_s is not None and 0 <= end[1] - at_s <= AT_ONCE_S:
        said = f"The {end[0]} {ended_words(end[2])} {ms(end[1] - at_s)} after the offence."
        return Ending("protocol-error", end[0], (sentence(facts.violations[-1]), said))
    return None


def size_limit(facts: ConnectionFacts) -> Ending | None:
    """Close 1009, or an end right behind by far the largest frame."""
    close = facts.closes[0] if facts.closes else None
    if close is not None and close.code == 1009:
        other = direction_of(facts, other_side(close.by))
        return Ending(
            "size-limit",
            close.by,
            (
                f"The {close.by} closed with {code_words(1009, close.reason)}; the largest frame "
                f"from the {other_side(close.by)} had {other.largest_frame:,} bytes.",
            ),
        )
    end = first_end(facts)
    if end is None or end[2] == "close":
        return None
    side, at_s, kind = end
    sender = direction_of(facts, other_side(side))
    last_s, answered_s = sender.last_byte_s, direction_of(facts, side).last_byte_s
    # a client that leaves with what it came for has read it all: its kernel sends a FIN
    left = side == "client" and kind != "rst" and not sender.unfinished
    if (
        not left
        and (answered_s is None or last_s is None or answered_s <= last_s)
        and sender.largest_frame >= _LARGE
        and last_s is not None
        and sender.last_frame == sender.largest_frame
        and sender.earlier_largest_frame * 2 <= sender.largest_frame
        and 0 <= at_s - last_s <= AT_ONCE_S
    ):
        return Ending(
            "size-limit",
            side,
            (
                f"The {side} {ended_words(kind)} {ms(at_s - last_s)} after the "
                f"{other_side(side)}'s frame of {sender.largest_frame:,} bytes, by far its "
                "largest.",
            ),
        )
    return None


def _violation_at(line: str) -> float | None:
    found = re.search(r" at ([0-9.]+) s \(", line)
    return float(found.group(1)) if found else None
