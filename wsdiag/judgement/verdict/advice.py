"""What to set: a Ping interval for the libraries people use, and the directives of candidates."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence

from wsdiag.dialects.heartbeat import likely_answer
from wsdiag.judgement.advice import keepalive_unanswered
from wsdiag.judgement.products.endpoints import token_expired
from wsdiag.judgement.verdict.candidates import product_of
from wsdiag.judgement.verdict.classification import Classification
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.judgement.verdict.headline import is_certain_lifetime
from wsdiag.judgement.verdict.keepalives import LONGEST_INTERVAL_S, rounded_down
from wsdiag.records import Candidate, KeepaliveOutcome, TrialKind
from wsdiag.units import format_seconds

# Longer than any sensible Ping interval, and a round number in every unit.
_GENEROUS = {"seconds": "3600", "ms": "3600000", "hms": "01:00:00", "minutes": "30"}


def advice(
    found: Classification,
    evidence: Evidence,
    context: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
    interval_s: float | None,
    chosen: Sequence[Candidate],
) -> tuple[str, ...]:
    """What helps against this verdict; `interval_s`: the Ping interval recommended, if any."""
    lines = _where_it_says_why(found)
    if lines:
        pass
    elif found.reason == "displaced":
        most = found.allowed or 1
        fewer = "one connection" if most == 1 else f"{most} connections"
        lines = (f"Probe with {fewer} at a time: --max-connections {most}.",)
    elif found.reason == "touch":
        lines = (
            "Use messages as keepalive, not Pings: --send TEXT --expect REGEX shows whether they "
            "help.",
        )
    elif found.reason == "sent":
        lines = (
            "Send less often, or other messages as keepalive: --keepalive DURATION and --send TEXT "
            "show what the endpoint takes.",
        )
    elif found.verdict == "event":
        lines = (
            "Reconnect when it happens, after a random delay that grows (jitter), so that not all "
            "clients come back at once."
            + (" --repeat 2 shows whether it happens again." if context.repeat == 1 else ""),
        )
    elif found.verdict == "application-timeout":
        lines = _what_it_wants(found, context)
    elif found.verdict == "lifetime" and not is_certain_lifetime(found, evidence, chosen):
        lines = (
            "Find out which: --hello TEXT sends a first message, where the endpoint wants a login "
            "or a subscription, --send TEXT messages that it knows again and again.",
            "If it is a lifetime, reconnect when the connection ends.",
        )
    elif found.verdict == "lifetime":
        lines = ("Reconnect when the connection ends: no keepalive prevents it.",)
    elif found.verdict in ("no-drop", "kept-busy"):
        unanswered = context.answers_pings is False and interval_s is not None
        lines = pongless_advice(interval_s) if unanswered and interval_s else ()
    elif interval_s is not None:
        unanswered = context.answers_pings is False
        lines = pongless_advice(interval_s) if unanswered else ping_summary(interval_s)
    elif found.verdict == "idle-timeout" and kept.get("ping") == "drops":
        low_s = found.range.low if found.range is not None else 0.0
        message_s = rounded_down(min(LONGEST_INTERVAL_S, low_s / 2))
        lines = _messages(message_s, context, kept) if low_s else ()
    return (*lines, *_less_often(evidence), *_room(evidence), *directive_advice(chosen))


def _where_it_says_why(found: Classification) -> tuple[str, ...]:
    """What helps where the endpoint's Close names the cause; () where it does not."""
    if found.reason in ("age", "moment") and found.all_say(token_expired):
        return (
            "Fetch a new token and reconnect with it before the old one expires, or send it over "
            "the open connection where the endpoint takes it; tokens that are valid for "
            "longer make connections that last longer.",
        )
    if found.verdict == "lifetime" and found.all_say(keepalive_unanswered):
        return (
            "Probe the endpoint without what stands before it: a gateway that ends WebSocket "
            "itself may pass Pings and Pongs on to nobody. Until that is mended, turn the "
            "endpoint's own keepalive off, or let it send messages instead (Python websockets, "
            "uvicorn: ping_interval, ping_timeout).",
        )
    return ()


def library_settings(
    found: Classification, context: ProbeContext, interval_s: float | None
) -> tuple[str, ...]:
    """How libraries are told to send the Pings that are recommended against a timeout."""
    if found.verdict != "idle-timeout" or interval_s is None or context.answers_pings is False:
        return ()
    return ping_advice(interval_s)


def ping_summary(interval_s: float) -> tuple[str, ...]:
    """What to set, without saying where."""
    return (
        f"Send a Ping every {interval_s:g} s, from the client or the server: "
        "`wsdiag help keepalive` has the setting of each library.",
    )


def _what_it_wants(found: Classification, context: ProbeContext) -> tuple[str, ...]:
    wanted = found.application
    row, dialect = None if wanted is None else wanted.endpoint, context.dialect
    if wanted is not None and dialect is not None and wanted.after_message:
        return (
            f"Use a client that speaks {dialect.title}: it answers these heartbeats by itself. "
            "Neither Pings nor other messages take their place.",
        )
    if dialect is not None and dialect.hello:
        return (
            f"Say its hello, to measure idle times: --dialect {dialect.name}, or --hello TEXT "
            "where a token is needed.",
        )
    if wanted is not None and wanted.asked is not None:
        text = likely_answer(wanted.asked)
        example = f" Try --send {shlex.quote(text)}." if text is not None else ""
        return (f"Answer it in the client, by the message that the endpoint expects.{example}",)
    if wanted is not None and wanted.after_message:
        answer = (
            "Answer it: --dialect NAME where it speaks an application protocol, or --send TEXT "
            "with the answer that it wants."
        )
        if row is None and wanted.like_a_lifetime:
            return (
                f"{answer} If connections then live on, it was that.",
                "If it is a lifetime, reconnect when the connection ends.",
            )
        return (answer,)
    what = "" if row is None or row.wants is None else f" Here that is {row.wants}."
    return (f"Send it right after the opening: --hello TEXT, or --dialect NAME.{what}",)


def _less_often(evidence: Evidence) -> tuple[str, ...]:
    if not evidence.too_often:
        return ()
    gap = format_seconds(max(t.gap_s or 0.0 for t in evidence.too_often))
    return (
        f"Send Pings less often than every {gap}: --keepalive DURATION shows which interval the "
        "endpoint takes.",
    )


def _room(evidence: Evidence) -> tuple[str, ...]:
    if not (evidence.refused or evidence.turned_away):
        return ()
    least = min(evidence.most_open, 1000)
    return (f"Probe with fewer connections at once: --max-connections {max(1, least)}.",)


def ping_advice(interval_s: float) -> tuple[str, ...]:
    """One line per library, each with the interval in its own unit."""
    seconds, ms = f"{interval_s:g}", f"{round(interval_s * 1000)}"
    return (
        f"Python websockets: connect(…, ping_interval={seconds}, ping_timeout=20); likewise "
        "serve(…)",
        f"Python aiohttp: ws_connect(…, heartbeat={seconds}) or WebSocketResponse(heartbeat="
        f"{seconds}); the Pong must come within half of it",
        f"Node.js ws: setInterval(() => ws.ping(), {ms})",
        f"Browsers cannot send Pings: setInterval(() => ws.send('keepalive'), {ms}) with a "
        "message that your endpoint ignores, or Pings from the server",
        f"Socket.IO server: pingInterval: {ms} (its default is 25000)",
        f"Go gorilla/websocket: time.NewTicker({_go(interval_s)}) and conn.WriteControl("
        "websocket.PingMessage, nil, time.Now().Add(10*time.Second))",
        f"Go coder/websocket: time.NewTicker({_go(interval_s)}) and conn.Ping(ctx)",
        f"Spring: session.sendMessage(new PingMessage()) every {seconds} s; STOMP: "
        f"setHeartbeatValue(new long[]{{{ms}, {ms}}}) with a task scheduler",
        f"SignalR server: KeepAliveInterval = {_timespan(interval_s)} (its default is 15 s)",
    )


def pongless_advice(interval_s: float) -> tuple[str, ...]:
    """What to set where Pings are not answered: no client may wait for a Pong."""
    seconds, ms = f"{interval_s:g}", f"{round(interval_s * 1000)}"
    return (
        *message_advice(interval_s),
        f"Python websockets: connect(…, ping_interval={seconds}, ping_timeout=None): its default "
        "timeout of 20 s would end the connection, as no Pong comes",
        "Python aiohttp: no heartbeat=, which requires Pongs",
        f"Node.js ws: setInterval(() => ws.ping(), {ms}), without terminate() on a missing pong",
    )


def message_advice(interval_s: float) -> tuple[str, ...]:
    """What helps where only messages count."""
    return (f"Send an application message every {interval_s:g} s, or let the endpoint send one.",)


def _messages(
    interval_s: float, context: ProbeContext, kept: Mapping[TrialKind, KeepaliveOutcome]
) -> tuple[str, ...]:
    """What helps where Pings do not: the client's messages, as far as they are known to count."""
    if kept.get("heartbeat") == "holds" and context.dialect is not None:
        return (
            f"Send a heartbeat of {context.dialect.title} every {interval_s:g} s, as its client "
            "libraries do.",
        )
    if kept.get("data") == "holds":
        return (f"Send an application message from the client every {interval_s:g} s.",)
    return message_advice(interval_s)


def directive_advice(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """For candidates with a directive: how one would write a longer timeout."""
    lines = []
    for candidate in candidates:
        product = product_of(candidate)
        if product is not None and product.set is not None:
            setting = product.set
            for name, value in _GENEROUS.items():
                setting = setting.replace("{" + name + "}", value)
            lines.append(f"If it is {candidate.product}: {setting}")
    return tuple(lines)


def _go(seconds: float) -> str:
    if seconds == math.floor(seconds):
        return f"{seconds:g} * time.Second"
    return f"{round(seconds * 1000)} * time.Millisecond"


def _timespan(seconds: float) -> str:
    if seconds >= 1:
        return f"TimeSpan.FromSeconds({seconds:g})"
    return f"TimeSpan.FromMilliseconds({round(seconds * 1000)})"
