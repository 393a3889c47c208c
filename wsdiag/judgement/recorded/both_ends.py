"""Two captures of one TCP connection: what one end sent and the other never received.

Their clocks differ by an unknown offset. A segment that both captured tells offset plus delay in
one direction, offset minus delay in the other; with the smallest of each, and delays taken as
symmetric, the offset is half their sum (as in NTP). Asymmetry cannot be seen and goes into it, so
the offset is told, with the delay that it could be wrong by.

Which capture is nearer to the client: there, the answer to its SYN takes a round trip longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, DirectionFacts, TcpEnd
from wsdiag.units import format_seconds

_SLACK_S = 1.0


@dataclass(frozen=True, slots=True)
class BothEnds:
    """One connection, captured nearer to the client and nearer to the server."""

    client: ConnectionFacts
    server: ConnectionFacts
    offset_s: float | None
    """How far the server's capture's clock is ahead; None: nothing tells."""
    delay_s: float | None
    """The shortest way from one capture to the other, taken as equal in both directions."""

    @property
    def members(self) -> tuple[ConnectionFacts, ...]:
        """Both; the first one stands for the connection."""
        return self.client, self.server


def judge_both(both: BothEnds) -> tuple[ConnectionFacts, Ending]:
    """One connection's facts, as the client's end has them, and the ending that both ends show."""
    near, far = both.client, both.server
    if near.source == far.source:
        near.notes.append(
            "recorded twice, before and after address translation: also as "
            f"{far.client_address} to {far.server_address}"
        )
        return near, judge_connection(near)
    ending = judge_connection(near)
    alone = judge_connection(far)
    if ending.outcome in ("unknown", "open", "silent") and alone.outcome not in ("open", "unknown"):
        ending = alone
    told = ending.outcome == "injected-reset"  # the RST tells by itself that it was made
    sentences = [*_made_between(both, told), *_lost(both), *_ends_lost(both)]
    forged = _forged(near.ends, far.ends, "server")
    if forged is not None and not (told or _was_recording(both, near, far, forged.at_s)):
        forged = None  # that it is missing there proves nothing
    if forged is not None and ending.outcome not in ("close", "protocol-error"):
        outcome = "injected-reset" if forged.kind == "rst" else ending.outcome
        ending = Ending(outcome, "middlebox", (*sentences, *ending.evidence))
    else:
        ending = Ending(ending.outcome, ending.ended_by, (*ending.evidence, *sentences))
    near.notes.append(_matched(both))
    near.source = f"{near.source}, {far.source}"
    return near, ending


def both_ends(one: ConnectionFacts, other: ConnectionFacts) -> BothEnds:
    """Which of two captures is nearer to the client, and the offset of their clocks."""
    near, far = (one, other) if _nearer(one) >= _nearer(other) else (other, one)
    there = _differences(near.sent, far.sent)
    back = _differences(near.received, far.received)
    if not there or not back:
        return BothEnds(near, far, None, None)
    offset_s, delay_s = (min(there) + max(back)) / 2, (min(there) - max(back)) / 2
    return BothEnds(near, far, offset_s, delay_s)


def _nearer(facts: ConnectionFacts) -> tuple[float, int]:
    """The larger, the nearer to the client: the round trip to the server, then the hop limit."""
    asked_s, answered_s = facts.sent.syn_s, facts.received.syn_s
    took_s = 0.0 if asked_s is None or answered_s is None else answered_s - asked_s
    return round(took_s, 5), max(facts.sent.hop_limits, default=0)


def _differences(near: DirectionFacts, far: DirectionFacts) -> list[float]:
    at = dict(reversed(near.marks))
    return [moment - at[reached] for reached, moment in far.marks if reached in at]


def _forged(seen: Sequence[TcpEnd], sent: Sequence[TcpEnd], by: str) -> TcpEnd | None:
    """The first FIN or RST that one end received and the other never sent."""
    for end in seen:
        if end.by == by:
            return None if any(e.by == by for e in sent) else end
    return None


def _made_between(both: BothEnds, told: bool) -> list[str]:
    sentences = []
    for seen, sent, by, to in (
        (both.client, both.server, "server", "client"),
        (both.server, both.client, "client", "server"),
    ):
        forged = _forged(seen.ends, sent.ends, by)
        if forged is None:
            continue
        said = f"The {END_WORDS[forged.kind]} that reached the {to}"
        between = f"something between {both.client.source} and {both.server.source} made it"
        if told or _was_recording(both, seen, sent, forged.at_s):
            told = True  # whoever makes one makes the other
            said = f"{said} was never sent by the {by}: {between}."
        else:
            said = (
                f"{said} is not in {sent.source}, which has no later packet: {between}, or the "
                "recording there had ended."
            )
        sentences.append(said)
    return sentences


def _lost(both: BothEnds) -> list[str]:
    """Bytes that left one end and never came to the other, which was still recording."""
    near, far, sentences = both.client, both.server, []
    for who, whom, source, target in (
        ("client", "server", near, far),
        ("server", "client", far, near),
    ):
        left = source.sent if who == "client" else source.received
        came = target.sent if who == "client" else target.received
        if left.reached is None or came.reached is None or left.reached <= came.reached:
            continue
        between = f"between {source.source} and {target.source}"
        said = f"{left.reached - came.reached:,} bytes that the {who} sent"
        if _was_recording(both, source, target, left.last_byte_s):
            said += f" never reached the {whom}{_in_words(left, came)}: they were lost {between}."
        else:
            said += (
                f" are not in {target.source}{_in_words(left, came)}, which has no later packet: "
                f"they were lost {between}, or the recording there had ended."
            )
        sentences.append(said)
    return sentences


def _in_words(left: DirectionFacts, came: DirectionFacts) -> str:
    names = ("message", "Ping", "Pong")
    counts = ((left.messages, came.messages), (left.pings, came.pings), (left.pongs, came.pongs))
    parts = []
    for name, (one, other) in zip(names, counts, strict=True):
        missing = (one or 0) - (other or 0)
        if missing > 0:
            parts.append(f"{missing} {name}{'s' if missing > 1 else ''}")
    return f" ({', '.join(parts)})" if parts else ""


def _was_recording(
    both: BothEnds, source: ConnectionFacts, target: ConnectionFacts, last_s: float | None
) -> bool:
    if both.offset_s is None or last_s is None:
        return False
    offset_s = both.offset_s if target is both.server else -both.offset_s
    arrives = (source.began or 0.0) + last_s + offset_s
    return (target.began or 0.0) + (target.recorded_s or 0.0) >= arrives + _SLACK_S


def _ends_lost(both: BothEnds) -> list[str]:
    """A FIN or RST that left one end and never came to the other."""
    sentences = []
    for sent, seen, by, to in (
        (both.server, both.client, "server", "client"),
        (both.client, both.server, "client", "server"),
    ):
        left = _forged(sent.ends, seen.ends, by)
        if left is not None and _was_recording(both, sent, seen, left.at_s):
            sentences.append(
                f"The {by}'s {END_WORDS[left.kind]} never reached the {to}, which was not told of "
                "the end."
            )
    return sentences


def _matched(both: BothEnds) -> str:
    near, far = both.client.source, both.server.source
    if both.offset_s is None or both.delay_s is None:
        return f"recorded at both ends: {near} is nearer to the client, {far} to the server"
    ahead = "ahead of" if both.offset_s >= 0 else "behind"
    wrong = f"{max(both.delay_s, 0.0) * 1e3:.2f} ms"
    return (
        f"recorded at both ends: {near} is nearer to the client, {far} to the server; the clock of "
        f"{far} is {format_offset(abs(both.offset_s))} {ahead} that of {near} (taking delays as "
        f"symmetric; wrong by {wrong} at most)"
    )


def format_offset(seconds: float) -> str:
    """An offset of clocks: `0.31 ms`, `2.5 s`."""
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else format_seconds(seconds)
