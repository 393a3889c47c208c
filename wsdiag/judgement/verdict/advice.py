"""What to set: a Ping interval for the libraries people use, and the directives of candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wsdiag.judgement.verdict.candidates import product_of
from wsdiag.records import Candidate

# Longer than any sensible Ping interval, and a round number in every unit.
_GENEROUS_S = 3600


def ping_advice(interval_s: float) -> tuple[str, ...]:
    """One line a library, each with the interval in its own unit."""
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
        "timeout of 20 s would end the connection for want of a Pong",
        "Python aiohttp: no heartbeat=, which wants Pongs",
        f"Node.js ws: setInterval(() => ws.ping(), {ms}), and no terminate() for want of a pong",
    )


def message_advice(interval_s: float) -> tuple[str, ...]:
    """What helps where only messages count."""
    return (f"Send an application message every {interval_s:g} s, or let the endpoint send one.",)


def directive_advice(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """For candidates with a directive: how one would write a longer timeout."""
    lines = []
    for candidate in candidates:
        product = product_of(candidate)
        if product is not None and product.set is not None:
            lines.append(f"If it is {candidate.product}: {_filled(product.set)}")
    return tuple(lines)


def _filled(template: str) -> str:
    values = {
        "seconds": str(_GENEROUS_S),
        "ms": str(_GENEROUS_S * 1000),
        "hms": "01:00:00",
        "minutes": "30",
    }
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def _go(seconds: float) -> str:
    if seconds == math.floor(seconds):
        return f"{seconds:g} * time.Second"
    return f"{round(seconds * 1000)} * time.Millisecond"


def _timespan(seconds: float) -> str:
    if seconds >= 1:
        return f"TimeSpan.FromSeconds({seconds:g})"
    return f"TimeSpan.FromMilliseconds({round(seconds * 1000)})"
