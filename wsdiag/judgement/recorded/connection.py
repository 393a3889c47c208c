"""One recorded connection by itself: how it ended, who ended it, and by what evidence.

The order of the questions is the order in which their evidence excludes the rest:

    what a log says        flags of a proxy that ended it, or saw it end
    still open?            silence with retransmissions to the end, or nothing: it was just open
    a rule broken?         the end follows an offence, or names one (1002, 1007)
    too large?             1009, or the end right behind the largest frame so far
    a forged reset?        a RST from another distance than its supposed sender's segments
    unheard?               bytes that were not acknowledged any more, until their sender gave up
    an unanswered Ping?    the end that sent it is the one that closes, after waiting for its Pong
    a login that never     the server ends a connection on which the client said nothing that it
    came, a heartbeat      wanted to hear: its Close code, or its dialect, says so
    that nobody answered?
    a Close frame?         who sends the first one ends the connection
    FIN or RST             from the client: it went away; from the server's side: the server or
                           whatever stands there, which one connection alone does not tell

What one end alone shows is kept apart from what several ends together show: that is `together.py`.
An outcome is claimed only where this connection's own evidence carries it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wsdiag.dialects.catalogue import Dialect, recognise
from wsdiag.judgement.hops import other_sender
from wsdiag.judgement.recorded.facts import END_WORDS, SIDES, ConnectionFacts, DirectionFacts, Side
from wsdiag.protocol.codes import close_code_name
from wsdiag.records.explain import EndedBy, RecordedOutcome

_AT_ONCE_S = 1.0
_LARGE = 16 * 1024
_LEAST_PONG_WAIT_S = 1.0
_SILENT_S = 2.0
_LEAST_PROBES = 3
_SILENT: dict[Side, RecordedOutcome] = {"client": "silent", "server": "client-gone"}
_WHY_SILENT: dict[Side, str] = {
    "client": "The server, or something on the way, had forgotten the connection, or was gone.",
    "server": "The client had vanished without a word, or the way to it was broken.",
}
_PONG_WORDS = re.compile(
    r"(?i)\b(ping|pong|keep-?alive|heartbeat)\b.{0,40}\btimed?[- ]?out|\bno pong\b"
)
_LOGIN_WORDS = re.compile(
    r"(?i)\b(unauthori[sz]ed|unauthenticated|not authenticated|"
    r"(authentication|initiali[sz]ation) (timeout|timed out|required))"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one connection. `evidence`: sentences, the deciding one first."""

    outcome: RecordedOutcome
    ended_by: EndedBy
    evidence: Sequence[str]


def judge_connection(facts: ConnectionFacts) -> Ending:
    """The ending of one recorded connection, from what was recorded of it alone."""
    for question in _QUESTIONS:
        ending = question(facts)
        if ending is not None:
            return _missed(facts, _one_way(facts, ending))
    return Ending("unknown", "unknown", ("The recording does not show how it ended.",))


def _one_way(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where a capture has the packets of one end only, what it shows may be an answer."""
    sent, received = facts.sent.segments, facts.received.segments
    if bool(sent) == bool(received) or ending.ended_by not in SIDES:
        return ending
    said = f"The recording has only packets from the {'client' if sent else 'server'}"
    return Ending(
        ending.outcome,
        "unknown",
        (*ending.evidence, f"{said}: what it shows may be the answer to what it does not."),
    )


def _missed(facts: ConnectionFacts, ending: Ending) -> Ending:
    """Where the capture lacks bytes of the other end right before it, the end may be an answer."""
    end = first_end(facts)
    if end is None or end[0] != ending.ended_by or not _of(facts, _other(end[0])).missed_at_end:
        return ending
    said = (
        f"The recording lacks bytes that the {_other(end[0])} sent before that: its Close frame, "
        "or what else this may be the answer to, is perhaps among them."
    )
    outcome: RecordedOutcome = "close" if ending.outcome == "close" else "unknown"
    return Ending(outcome, "unknown", (*ending.evidence, said))


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


# -- the questions, in their order -----------------------------------------------------------------


_HAPROXY: dict[str, tuple[RecordedOutcome, EndedBy]] = {
    "cD": ("idle-timeout", "middlebox"),
    "sD": ("idle-timeout", "middlebox"),
    "CD": ("client-gone", "client"),
    "CL": ("client-gone", "client"),
    "SD": ("unknown", "server"),
    "SL": ("unknown", "server"),
    "KD": ("unknown", "middlebox"),
    "DD": ("unknown", "middlebox"),
    "UD": ("unknown", "middlebox"),
    "PD": ("unknown", "middlebox"),
}
_ENVOY: dict[str, tuple[RecordedOutcome, EndedBy]] = {
    "DC": ("client-gone", "client"),
    "DR": ("client-gone", "client"),
    "DPE": ("protocol-error", "middlebox"),
    "UPE": ("protocol-error", "middlebox"),
    "SI": ("idle-timeout", "middlebox"),
    "DT": ("lifetime", "middlebox"),
    "UMSDR": ("lifetime", "middlebox"),
    "UC": ("unknown", "server"),
    "UR": ("unknown", "server"),
    "LR": ("unknown", "middlebox"),
    "OM": ("unknown", "middlebox"),
}


def _logged(facts: ConnectionFacts) -> Ending | None:
    """A proxy's own word: it knows which of its timeouts ran out, and who ended TCP."""
    flags = facts.log_flags
    if flags is None or facts.log_words is None:
        return None
    found = _HAPROXY.get(flags)
    for flag in flags.split(","):
        found = found or _ENVOY.get(flag)
    outcome, ended_by = found or ("unknown", "unknown")
    return Ending(outcome, ended_by, (f"The log says {flags}: {facts.log_words}.",))


def _open(facts: ConnectionFacts) -> Ending | None:
    if not facts.ends_shown:
        return None
    if first_end(facts) is not None or facts.log_flags is not None or facts.ended_s is not None:
        return None
    for who in SIDES:
        said = _unheard(facts, who, facts.recorded_s or 0.0)
        if said is not None and _heard_on(facts, who):
            return Ending("open", "unknown", (f"{said}.", _one_way_loss(who)))
        if said is not None:
            return Ending(_SILENT[who], "unknown", (f"{said}.", _WHY_SILENT[who]))
    idle = f", idle for the last {facts.idle_s:.1f} s" if (facts.idle_s or 0) >= 0.05 else ""
    return Ending("open", "unknown", (f"It was open when the recording ended{idle}.",))


def _protocol_error(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    close = facts.closes[0] if facts.closes else None
    if close is not None and close.code in (1002, 1007):
        offender: Side = "server" if close.by == "client" else "client"
        seen = [line for line in facts.violations if line.startswith(offender)]
        said = f"The {close.by} closed with {_code(close.code, close.reason)}."
        why = seen[0] if seen else "What it objects to is not in the recording."
        return Ending("protocol-error", close.by, (said, _sentence(why)))
    if not facts.violations or end is None or end[2] == "close":
        return None
    # Without a Close that says so, an offence counts only where the other end hangs up on it.
    offender = "client" if facts.violations[0].startswith("client") else "server"
    at_s = _violation_at(facts.violations[-1])
    if end[0] != offender and at_s is not None and 0 <= end[1] - at_s <= _AT_ONCE_S:
        said = f"The {end[0]} {_ended(end[2])} {_ms(end[1] - at_s)} after the offence."
        return Ending("protocol-error", end[0], (_sentence(facts.violations[-1]), said))
    return None


def _size_limit(facts: ConnectionFacts) -> Ending | None:
    close = facts.closes[0] if facts.closes else None
    if close is not None and close.code == 1009:
        other = _of(facts, _other(close.by))
        return Ending(
            "size-limit",
            close.by,
            (
                f"The {close.by} closed with {_code(1009, close.reason)}; the largest frame from "
                f"the {_other(close.by)} had {other.largest_frame:,} bytes.",
            ),
        )
    end = first_end(facts)
    if end is None or end[2] == "close":
        return None
    side, at_s, kind = end
    sender = _of(facts, _other(side))
    last_s = sender.last_byte_s
    if (
        sender.largest_frame >= _LARGE
        and last_s is not None
        and sender.last_frame == sender.largest_frame
        and sender.earlier_largest_frame * 2 <= sender.largest_frame
        and 0 <= at_s - last_s <= _AT_ONCE_S
    ):
        return Ending(
            "size-limit",
            side,
            (
                f"The {side} {_ended(kind)} {_ms(at_s - last_s)} after the "
                f"{_other(side)}'s frame of {sender.largest_frame:,} bytes, by far its largest.",
            ),
        )
    return None


def _injected_reset(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None or end[2] != "rst":
        return None
    reset = facts.ends[0]
    found = other_sender(reset.hop_limit, _of(facts, reset.by).hop_limits)
    if found is None:
        return None
    here, there, usual = found
    return Ending(
        "injected-reset",
        "middlebox",
        (
            f"The RST carries hop limit {reset.hop_limit}, the {reset.by}'s packets {usual}: "
            f"another machine sent it, {_hops(here)} from here where the {reset.by} is "
            f"{_hops(there)} away.",
        ),
    )


def _gave_up(facts: ConnectionFacts) -> Ending | None:
    """An end that was not heard any more ended the connection for itself."""
    end = first_end(facts)
    if end is None or end[2] == "close":
        return None
    side, at_s, kind = end
    said = _unheard(facts, side, at_s)
    if said is None or any(ping.by == side for ping in facts.open_pings):
        return None
    if _heard_on(facts, side):
        said = f"{said}; then it gave up ({END_WORDS[kind]})."
        return Ending("unknown", "unknown", (said, _one_way_loss(side)))
    return Ending(
        _SILENT[side],
        "unknown",
        (f"{said}; then it gave up ({END_WORDS[kind]}).", _WHY_SILENT[side]),
    )


def _pong_timeout(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None:
        return None
    side, at_s, kind = end
    close = facts.closes[0] if kind == "close" else None
    named = close is not None and _PONG_WORDS.search(close.reason[:200]) is not None
    waiting = [p for p in facts.open_pings if p.by == side]
    if close is not None and close.code in (1000, 1001) and not named:
        return None  # it left in order; that its Pings were never answered did not matter to it
    how = _ended(kind)
    if close is not None:
        how = f"closed with {_code(close.code, close.reason)}"
    if waiting:
        waited_s = at_s - waiting[0].at_s
        heard = _of(facts, _other(side)).last_byte_s
        silent = heard is None or heard <= waiting[0].at_s
        if waited_s >= _LEAST_PONG_WAIT_S and (named or silent):
            return Ending(
                "pong-timeout",
                side,
                (
                    f"The {side}'s Ping at {waiting[0].at_s:.1f} s was unanswered for "
                    f"{waited_s:.1f} s; then it {how}.",
                    *_why_no_pong(facts, side),
                ),
            )
    if named:
        return Ending("pong-timeout", side, (f"The {side} {how}.",))
    return None


def _why_no_pong(facts: ConnectionFacts, side: Side) -> Sequence[str]:
    """Whether the other end was there at all."""
    if _of(facts, side).unacknowledged_s is not None:
        if _heard_on(facts, side):
            return (f"TCP did not acknowledge its last bytes either. {_one_way_loss(side)}",)
        return (
            "TCP did not acknowledge its last bytes either: the other end, or the way to it, was "
            "gone.",
        )
    if _of(facts, _other(side)).segments:
        return ("TCP acknowledged the Ping: the other end was there, but did not answer.",)
    return ()


def _application_timeout(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None or end[0] != "server":
        return None
    _, at_s, kind = end
    close = facts.closes[0] if kind == "close" else None
    dialect = _dialect(facts)
    since_s = at_s - (facts.opened_s or 0.0)
    meaning = dialect.meaning_of(close.code, close.reason) if dialect and close else None
    words = f"with {_code(close.code, close.reason)}" if close else f"({END_WORDS[kind]})"
    said_nothing = facts.sent.messages == 0
    if meaning is not None and close is not None and dialect is not None:
        said = f"The server closed {words} after {since_s:.1f} s: in {dialect.title}, {meaning}."
        return Ending("application-timeout", "server", (said,)) if said_nothing else None
    login = close is not None and (close.code == 4408 or _LOGIN_WORDS.search(close.reason[:200]))
    if said_nothing and login:
        return Ending(
            "application-timeout",
            "server",
            (
                f"The server closed {words} after {since_s:.1f} s, and the client had sent no "
                "message: a login or a hello was expected.",
            ),
        )
    asked = facts.received.last_message
    if (
        dialect is not None
        and dialect.pong is not None
        and asked is not None
        and dialect.ping is not None
        and any(re.search(dialect.ping, record) for record in dialect.records(asked))
        and (facts.received.last_byte_s or 0.0) > (facts.sent.last_byte_s or 0.0)
    ):
        waited_s = at_s - (facts.received.last_byte_s or 0.0)
        return Ending(
            "application-timeout",
            "server",
            (
                f"The server's heartbeat ({dialect.title}) was unanswered for {waited_s:.1f} s; "
                f"then it closed {words}.",
            ),
        )
    return None


def _closed(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None or end[2] != "close":
        return None
    close = facts.closes[0]
    sentences = [f"The {close.by} sent the first Close frame: {_code(close.code, close.reason)}."]
    answer = next((c for c in facts.closes[1:] if c.by != close.by), None)
    other = _of(facts, _other(close.by))
    unseen = other.missed or (_of(facts, close.by).segments and not other.segments)
    waited = facts.ends or (facts.recorded_s or 0.0) - close.at_s >= _AT_ONCE_S
    if answer is None and not unseen and waited:
        sentences.append(f"The {_other(close.by)} did not answer it.")
    return Ending("close", close.by, sentences)


def _tcp_ended(facts: ConnectionFacts) -> Ending | None:
    end = first_end(facts)
    if end is None:
        return None
    side, _, kind = end
    idle = f", after {facts.idle_s:.1f} s without a byte" if (facts.idle_s or 0) >= 0.05 else ""
    dark = facts.sent.messages is None or _of(facts, side).missed_at_end
    without = "" if dark else " without a Close frame"
    more = ("Whether a Close frame came first is not known, as it was not readable.",) * dark
    if _of(facts, _other(side)).window_closed:
        said = f"The {_other(side)} had closed its receive window: it no longer read."
        more = (said, *more)
    if side == "client":
        gone = "." if dark else ": it went away."
        said = f"The client {_ended(kind)}{without}{idle}{gone}"
        return Ending("unknown" if dark else "client-gone", "client", (said, *more))
    if facts.dead_after_s is not None and facts.asked_s is not None:
        took = _ms(facts.ends[0].at_s - facts.asked_s)
        said = (
            f"It was dead when the client sent bytes after {facts.dead_after_s:.1f} s of idleness: "
            f"all that came back was a RST, {took} later. The server, or something on the way, "
            "had forgotten the connection without a word."
        )
        return Ending("unknown", "unknown", (said,))
    verb, what = _ENDED.get(kind, _ENDED["fin"])
    said = f"{_sentence(what)[:-1]} was {verb} ({END_WORDS[kind]}) from the server's side"
    said = f"{said}{without}{idle}: by the server, or by what stands before it."
    return Ending("unknown", "server", (said, *more))


_QUESTIONS: tuple[Callable[[ConnectionFacts], Ending | None], ...] = (
    _logged,
    _open,
    _protocol_error,
    _size_limit,
    _injected_reset,
    _gave_up,
    _pong_timeout,
    _application_timeout,
    _closed,
    _tcp_ended,
)


# -- what the questions share ----------------------------------------------------------------------


def _of(facts: ConnectionFacts, side: Side) -> DirectionFacts:
    return facts.sent if side == "client" else facts.received


def _other(side: Side) -> Side:
    return "server" if side == "client" else "client"


def _unheard(facts: ConnectionFacts, who: Side, until_s: float) -> str | None:
    """What one end sent in vain until a moment, as a sentence without its end; None: it did not."""
    direction = _of(facts, who)
    since_s = direction.unacknowledged_s
    if since_s is not None and until_s - since_s >= _SILENT_S:
        resent = _times(direction.retransmits)
        after = ""
        if who == "client" and facts.dead_after_s is not None:
            after = f", sent after {facts.dead_after_s:.1f} s of idleness,"
        return (
            f"The {who}'s last bytes{after} were sent again ({resent}) for "
            f"{until_s - since_s:.1f} s and never acknowledged"
        )
    since_s = direction.probing_since_s
    if direction.probes_unanswered >= _LEAST_PROBES and since_s is not None:
        return (
            f"The {who} sent {direction.probes_unanswered} keepalive probes of TCP for "
            f"{until_s - since_s:.1f} s without an answer"
        )
    return None


def _heard_on(facts: ConnectionFacts, who: Side) -> bool:
    """Whether packets of the other end came while one's bytes were not acknowledged."""
    since_s, heard_s = _of(facts, who).unacknowledged_s, _of(facts, _other(who)).heard_s
    return since_s is not None and heard_s is not None and heard_s - since_s >= _SILENT_S


def _one_way_loss(who: Side) -> str:
    other = _other(who)
    return (
        f"Packets of the {other} still came, so it was there: what was lost is only what the {who} "
        "sent, or only large packets (path MTU)."
    )


def _dialect(facts: ConnectionFacts) -> Dialect | None:
    found = recognise(
        f"ws://host{facts.path or '/'}", facts.subprotocol, facts.received.first_message
    )
    return None if found is None else found.dialect


_ENDED = {
    "fin": ("ended", "TCP"),
    "end-stream": ("ended", "the HTTP/2 stream"),
    "rst-stream": ("reset", "the HTTP/2 stream"),
    "goaway": ("ended", "the HTTP/2 connection"),
}


def _ended(kind: str) -> str:
    verb, what = _ENDED.get(kind, _ENDED["fin"])
    return f"{verb} {what} ({END_WORDS[kind]})"


def _code(code: int | None, reason: str) -> str:
    if code is None:
        return "no code"
    name = close_code_name(code)
    text = f"{code} ({name})" if name else str(code)
    return f"{text} '{reason}'" if reason else text


def _violation_at(line: str) -> float | None:
    found = re.search(r" at ([0-9.]+) s \(", line)
    return float(found.group(1)) if found else None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _hops(count: int) -> str:
    return "no hop" if count == 0 else f"{count} hop{'s' if count > 1 else ''}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
