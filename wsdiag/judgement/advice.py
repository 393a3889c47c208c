"""What to set for what a run saw: `ping_interval` and `ping_timeout`, where there is a reason."""

from __future__ import annotations

import math
from typing import NamedTuple

from wsdiag.judgement.summary_text import number
from wsdiag.units import format_duration

# The usual defaults of servers and clients: a Ping every 20 s, 20 s for its Pong.
DEFAULT_TIMEOUT_S = 20.0
DEFAULT_INTERVAL_S = 20.0
HEADROOM = 3.0


class AdviceFacts(NamedTuple):
    """What advice rests on; times in ms."""

    p50_ms: float | None
    slowest_ms: float | None
    """The longest answer, late ones included."""
    lost: int = 0
    """Not answered in time on a connection that stayed open."""
    received: int = 0
    late: int = 0
    overtaken: int = 0
    """Lost Pings whose successors were answered on the same connection."""
    closed_by: str | None = None
    """The reason of a Close frame that ended a connection, if any."""
    close_code: int | None = None
    no_echo: bool = False
    unmatched: int = 0


def safe_timeout_s(slowest_ms: float) -> float:
    """A Pong deadline in s with threefold room over the slowest answer, in steps of 5 s."""
    return max(DEFAULT_TIMEOUT_S, math.ceil(slowest_ms * HEADROOM / 1e3 / 5) * 5.0)


def advice(seen: AdviceFacts) -> list[str]:
    """Sentences with a setting and its reason; empty when the usual defaults are fine."""
    told = [_slow(seen), _overtaken(seen), _lost(seen), _keepalive_close(seen)]
    told += [_no_echo(seen) if seen.no_echo else _no_pong(seen)]
    return [sentence for sentence in told if sentence]


def _slow(seen: AdviceFacts) -> str:
    if seen.slowest_ms is None:
        return ""
    timeout = safe_timeout_s(seen.slowest_ms)
    if timeout <= DEFAULT_TIMEOUT_S:
        return ""
    return (
        f"The slowest answer took {format_duration(seen.slowest_ms / 1e3)}: with the usual "
        f"ping_timeout of 20 s a client would be close to being dropped, or is. Set "
        f"ping_timeout to {format_duration(timeout)} or more (three times what was seen), and "
        f"ping_interval to {format_duration(max(DEFAULT_INTERVAL_S, timeout / 2))}."
    )


def _overtaken(seen: AdviceFacts) -> str:
    if not seen.overtaken:
        return ""
    return (
        f"{seen.overtaken} unanswered Ping{'s' if seen.overtaken > 1 else ''} had a later one "
        "answered: an endpoint may answer only the latest Ping (RFC 6455, 5.5.3), so this need "
        "not be loss. A longer -i tells the two apart."
    )


def _lost(seen: AdviceFacts) -> str:
    really = seen.lost - seen.overtaken
    if really <= 0 or not seen.received:
        return ""
    return (
        f"{really} Ping{'s were' if really > 1 else ' was'} not answered in time although the "
        "usual answer took "
        f"{number(seen.p50_ms or 0)} ms: TCP repairs loss by itself, so a connection that stays "
        "silent is cut or stuck. Keep ping_interval at 20 s so that clients notice, and let them "
        "reconnect."
    )


def _keepalive_close(seen: AdviceFacts) -> str:
    reason = (seen.closed_by or "").lower()
    if not any(word in reason for word in ("keepalive", "ping", "pong", "heartbeat")):
        return ""
    return (
        f"The server closed with {seen.close_code} {seen.closed_by!r}: its own keepalive got no "
        "answer it accepted within its ping_timeout. Raise it on the server, or answer its "
        "Pings sooner."
    )


def _no_pong(seen: AdviceFacts) -> str:
    if seen.received or not seen.lost:
        return ""
    if seen.late:
        return "Answers came, but all of them too late: a longer -W measures them."
    if seen.unmatched >= seen.lost:
        return (
            f"{seen.unmatched} Pongs came, but none with the payload of a Ping: RFC 6455, 5.5.3 "
            "wants it back unchanged, and clients that check drop such a server."
        )
    return (
        "No Ping was answered: RFC 6455, 5.5.2 says an endpoint must, and clients that keep alive "
        "by Ping drop one that does not. --mode text measures with messages, if they are echoed."
    )


def _no_echo(seen: AdviceFacts) -> str:
    others = f" (it sent {seen.unmatched} other messages)" if seen.unmatched else ""
    return (
        f"No message came back: this endpoint does not echo{others}. "
        "Use --mode ping, which every WebSocket endpoint answers (RFC 6455, 5.5.2)."
    )
