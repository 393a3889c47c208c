"""What to set for what a run saw: `ping_interval` and `ping_timeout`, where there is a reason."""

from __future__ import annotations

import math
import re

from wsdiag.judgement.totals import PingTotals
from wsdiag.records import Drop
from wsdiag.records.drops import drop_phrase, is_ours
from wsdiag.units import counted, format_duration, format_size

# The usual defaults of servers and clients: a Ping every 20 s, 20 s for its Pong.
DEFAULT_TIMEOUT_S = 20.0
DEFAULT_INTERVAL_S = 20.0
HEADROOM = 3.0
_STEP_S = 5.0

# Whole reasons of Close frames whose meaning is known; a word in another sentence is no evidence.
_KEEPALIVE_REASON = re.compile(
    r"(keep-?alive )?(ping|pong|heart-?beat|keep-?alive)( response)? ?time(d )?-?out\.?"
    r"|no (pong|heart-?beat)( was)?( received)?( in time)?\.?",
    re.IGNORECASE,
)
_NO_PINGS_REASON = re.compile(
    r"(ping|control)s?( frames?)? (are |is )?(not (supported|allowed|implemented|accepted)"
    r"|unsupported|forbidden|disabled)\.?"
    r"|(unsupported|unexpected|unknown|invalid)( opcode:?)? (ping|0x0?9|9)( frame)?\.?",
    re.IGNORECASE,
)
# Bytes received without a Pong among them, from which on one may wait behind the rest.
_MUCH_DATA = 64 * 1024

ENDED_IN_USE = (
    "It was open and in use, and the server ended it: it was done, a session or a limit ended, or "
    "it did not like what it was sent. Its reason or log says which."
)
"""Of a connection that ended after a Ping had been answered."""
LAST_WORDS = (
    "It accepted the upgrade, and left after its last message, which may say why: authentication, "
    "a missing parameter or subprotocol, an application or channel that it does not know, or a "
    "limit. Otherwise its log does."
)
"""Of one that ended before, after a message and with no reason."""

_LEAVES = "The server shuts down or restarts, or sheds load: try again a little later."
_ACCUSES = (
    "The server says that what it received broke the protocol: a proxy or a middleware changes "
    "bytes on the way, or its own implementation errs, often with compression (--no-compression "
    "offers none); or the application refuses by this code. Its log says which."
)
CLOSED_WITH = {
    1001: _LEAVES,
    1002: _ACCUSES,
    1007: _ACCUSES,
    1009: "The server says that a message was larger than it takes: send less in one, or raise its "
    "limit (ws for Node.js: maxPayload, Python websockets: max_size, aiohttp: max_msg_size).",
    1011: "Something failed inside the server, an exception for instance: its log says what.",
    1012: _LEAVES,
    1013: _LEAVES,
    1014: "A gateway took the upgrade by itself, and could not use the server behind it: check "
    "that server, and its address in the gateway.",
}
"""What Close codes say that are no refusal."""


def safe_timeout_s(slowest_ms: float) -> float:
    """A Pong timeout in s with threefold room over the slowest answer, in steps of 5 s."""
    return max(DEFAULT_TIMEOUT_S, math.ceil(slowest_ms * HEADROOM / 1e3 / _STEP_S) * _STEP_S)


def advice(totals: PingTotals) -> list[str]:
    """Sentences with a setting and its reason; empty when the usual defaults are fine."""
    sentences = [_slow(totals), _skipped(totals), _overtaken(totals), _lost(totals)]
    sentences.append(_behind_data(totals))
    sentences.append(_closed_over_pings(totals))
    echoless = totals.no_echo and totals.unfinished is None
    sentences.append(_no_echo(totals) if echoless else _no_pong(totals))
    return [sentence for sentence in sentences if sentence]


def _slow(totals: PingTotals) -> str:
    slowest_s = (totals.slowest_ms or 0.0) / 1e3
    timeout_s = safe_timeout_s(slowest_s * 1e3)
    if timeout_s <= DEFAULT_TIMEOUT_S:
        return ""
    exceeded_s = min(DEFAULT_TIMEOUT_S, (math.ceil(slowest_s / _STEP_S) - 1) * _STEP_S)
    return (
        f"The slowest answer took {format_duration(slowest_s)}: a client with "
        f"ping_timeout={exceeded_s:g} s would have been dropped. Set ping_timeout to "
        f"{format_duration(timeout_s)} or more (three times what was seen), and ping_interval to "
        f"{format_duration(max(DEFAULT_INTERVAL_S, timeout_s / 2))}."
    )


def _behind_data(totals: PingTotals) -> str:
    """What data ahead of a Pong does to a deadline for it."""
    outliers = totals.attributor.causes["inbound-queue"]
    if not outliers and totals.behind_data <= totals.free.count:
        return ""
    slowest_s = (totals.slowest_ms or 0.0) / 1e3
    return (
        f"The endpoint sends more than is taken at once ({format_size(totals.inbound_bytes)} in "
        f"all), and its Pongs wait behind that: the slowest took {format_duration(slowest_s)} of a "
        "deadline for a Pong. Read faster or ask for less; a deadline must allow for what is "
        "queued, or it drops connections that are merely busy."
    )


def _skipped(totals: PingTotals) -> str:
    if not totals.skipped:
        return ""
    return (
        f"{totals.skipped} Ping{'s were' if totals.skipped > 1 else ' was'} skipped: a later one, "
        "which left before the usual answer time had passed, was answered instead. RFC 6455, 5.5.3 "
        "lets an endpoint answer only the latest, so this is no loss."
    )


def _overtaken(totals: PingTotals) -> str:
    if not totals.overtaken:
        return ""
    return (
        f"{counted(totals.overtaken, 'unanswered Ping')} had a later one "
        "answered, which left after the usual answer time had passed: RFC 6455, 5.5.3 lets an "
        "endpoint answer only the latest of the Pings that it has not answered yet, but this one "
        "had the time. Either it answers only some Pings, or it was busy in between."
    )


def _lost(totals: PingTotals) -> str:
    # What a drop cut off, or a later Pong made up for, is no loss to explain.
    lost = totals.lost - totals.cut_off - totals.overtaken
    behind_data = totals.behind_data > totals.free.count
    if lost <= 0 or not totals.received or behind_data:
        return ""
    usual_s = (totals.statistics.percentile(50) or 0.0) / 1e3
    return (
        f"{counted(lost, 'Ping was', 'Pings were')} not answered in time, although the usual "
        f"answer took {format_duration(usual_s)}: TCP retransmits lost data; if it stays silent "
        "the connection is broken. Keep ping_interval at 20 s so that clients notice, and let "
        "them reconnect."
    )


def _closed_over_pings(totals: PingTotals) -> str:
    drop = totals.last_drop
    said = "" if drop is None else over_pings(drop)
    if drop is None or not said:
        return ""
    if drop.how == "goaway":
        return f"The server sent {drop_phrase(drop)}, {drop.detail!r}: it {said}"
    return f"The server closed with {drop.code} {(drop.reason or '').strip()!r}: it {said}"


def keepalive_unanswered(drop: Drop | None) -> bool:
    """Whether the Close reason says that the peer's own keepalive got no answer, and no more."""
    return drop is not None and bool(_KEEPALIVE_REASON.fullmatch((drop.reason or "").strip()))


def over_pings(drop: Drop) -> str:
    """What to do about an end that says that it was about Pings, and nothing else, behind `it`; ""
    for any other."""
    from wsdiag.judgement.products.endpoints import limits_pings  # reads a table

    reason = (drop.reason or "").strip()
    if reason and limits_pings(drop):
        return "limits Pings. Send them less often (-i)."
    if keepalive_unanswered(drop):
        return (
            "says that its own keepalive got no answer in time. If its Pings were answered (-v "
            "shows them), they or the answers came too late: raise its ping_timeout."
        )
    if _NO_PINGS_REASON.fullmatch(reason):
        return (
            "cannot be pinged, although RFC 6455, 5.5.2 requires every endpoint to answer. "
            "--mode text measures with messages, if they are echoed."
        )
    return ""


def _no_pong(totals: PingTotals) -> str:
    lost = totals.lost - totals.cut_off
    if totals.unsent:
        every = totals.unsent == totals.sent
        which = "The Pings" if every else f"{totals.unsent} of the {lost} lost Pings"
        return f"{which} did not even leave: {TAKES_NO_BYTES}."
    # while data flows, a frame on its way is nothing special
    silent = totals.overdue or not totals.received
    if totals.unfinished is not None and (lost or totals.unanswered) and silent:
        return f"The last Pings got no answer: {unfinished_text(*totals.unfinished)}"
    drop = totals.last_drop
    if totals.received or not lost or (drop is not None and is_ours(drop)):
        return ""
    if totals.late:
        return "Answers came, but all of them too late: a longer -W measures them."
    if totals.unmatched >= lost:
        return (
            f"{totals.unmatched} Pongs came, but none with the payload of a Ping: RFC 6455, 5.5.3 "
            "requires it unchanged, and clients that check drop such a server."
        )
    if totals.inbound_bytes >= _MUCH_DATA:
        return (
            f"No Ping was answered in time, while {format_size(totals.inbound_bytes)} came: either "
            "the Pongs wait behind data that the endpoint sends and that is not taken as fast, or "
            "it answers none, as RFC 6455, 5.5.2 says it must. A longer -W tells the two apart."
        )
    return (
        "No Ping was answered: RFC 6455, 5.5.2 says an endpoint must, and clients that keep alive "
        "by Ping drop one that does not. --mode text measures with messages, if they are echoed."
    )


TAKES_NO_BYTES = (
    "the peer takes no bytes (over HTTP/2 its flow-control window is closed, RFC 9113, 5.2; "
    "otherwise TCP's is)"
)
"""About what has not left."""


def unfinished_text(announced: int, came: int) -> str:
    """About a frame whose header announced more bytes than came: nothing can follow it."""
    return (
        f"a frame of {announced} bytes was announced, and {came} came. Until the rest is there, no "
        "Pong can follow it (RFC 6455, 5.4: frames are not interleaved): the server, or a proxy "
        "that holds bytes back, stopped in the middle of it."
    )


def _no_echo(totals: PingTotals) -> str:
    others = f" (it sent {totals.unmatched} other messages)" if totals.unmatched else ""
    return (
        f"No message came back: this endpoint does not echo{others}. "
        "Use --mode ping, which every WebSocket endpoint answers (RFC 6455, 5.5.2)."
    )
