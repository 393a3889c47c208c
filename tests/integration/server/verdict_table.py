"""What `connect`, `ping` and `idle-probe` must say about every fault: the table, no test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wsdiag.records import DropHow, KeepaliveOutcome, TrialKind, Verdict

# Minutes in the field, seconds here: idle for 0.5 to 2 s, a Pong's deadline of 1 s.
IDLE = {"from_s": 0.5, "to_s": 2.0, "step_s": 0.5, "keepalive_s": 0.25, "pong_timeout_s": 1.0}
PING = {"count": 4, "interval_s": 0.2, "timeout_s": 1.0}


@dataclass(frozen=True)
class Connect:
    """`ok`, or the phase and kind of its error; `says` is in its message, hint or notes."""

    ok: bool = True
    phase: str = ""
    kind: str = ""
    says: str = ""
    code: int | None = None
    """The close code that it reports; None: whichever."""


@dataclass(frozen=True)
class Ping:
    """`lost`: none, some or all of the Pings; `how` the connection ended, if the peer ended it."""

    lost: str = "none"
    how: DropHow | None = None
    says: str = ""
    """In the advice."""
    slower_ms: float = 0.0
    """The slowest round trip took so long at least."""
    late: bool = False
    error: str = ""
    """The kind of the error, where there is no connection at all."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Idle:
    """`timeout_s` lies in the range of the verdict; `holds` are words for keepalives."""

    verdict: Verdict = "no-drop"
    says: str = ""
    timeout_s: float | None = None
    how: DropHow | None = None
    holds: Mapping[TrialKind, KeepaliveOutcome] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A path, or with `option` a fault on every path, and what each probe must say of it."""

    path: str
    connect: Connect = Connect()
    ping: Ping = Ping()
    idle: Idle = Idle()
    option: str | None = None


def refused(kind: str, says: str, phase: str = "upgrade") -> dict[str, Any]:
    """No connection: all three say why."""
    return {
        "connect": Connect(False, phase, kind, says),
        "ping": Ping(error=kind),
        "idle": Idle("unreachable", says),
    }


def broken(says: str) -> dict[str, Any]:
    """The endpoint breaks the protocol as soon as it may."""
    return {
        "connect": Connect(False, "ping", "protocol", says),
        "ping": Ping("any", "close"),
        "idle": Idle("unreachable", "broke the protocol"),
    }


# Two Pings with more than the timeout between them: the second meets what is left.
APART: dict[str, Any] = {"count": 2, "interval_s": 2.0}
KEPT: dict[TrialKind, KeepaliveOutcome] = {
    "ping": "holds",
    "pong": "holds",
    "tcp-keepalive": "untested",  # the kernel's probes, a second apart, prove nothing of 1.2 s
}


def idles(how: DropHow, seen: DropHow, lost: str = "none") -> Row:
    """An idle timeout of 1.2 s, dropped in this manner."""
    return Row(
        f"/idle/1.2?drop={how}&code=4321&reason=tired",
        ping=Ping(lost, None if lost == "some" else seen, options=APART),
        idle=Idle("idle-timeout", "Idle connections are dropped", 1.2, seen, KEPT),
    )


TABLE: tuple[Row, ...] = (
    Row("/echo"),
    # over HTTP/1.1 these do nothing; tests/integration/http2 has what they do
    Row("/http2/refuse"),
    Row("/http2/hang"),
    Row("/http2/unadvertised"),
    Row("/http2/goaway"),
    Row("/http2/rst-stream"),
    Row("/http2/zero-window"),
    Row("/sink"),
    Row("/headers"),
    Row("/stats"),
    idles("close", "close"),
    idles("fin", "fin"),
    idles("rst", "rst"),
    idles("silent", "silent", "some"),
    Row(
        "/idle/1.2?drop=hang",
        ping=Ping("some", options=APART),
        idle=Idle("idle-timeout", "TCP still acknowledged", 1.2, "silent", KEPT),
    ),
    # a RST, and no more is known, to a probe that writes all the time
    replace(idles("rst-on-write", "rst-on-write"), ping=Ping("any", "rst", options=APART)),
    Row(
        "/idle/1.2?counts=server",
        ping=Ping(options={"interval_s": 0.4}),
        idle=Idle("idle-timeout", "", 1.2, "fin", {"ping": "holds", "pong": "drops"}),
    ),
    Row(
        "/idle/1.2?counts=client",
        ping=Ping(options={"interval_s": 0.4}),
        idle=Idle("idle-timeout", "", 1.2, "fin", KEPT),
    ),
    Row(
        "/idle/1.2/push-on-request?counts=server",
        idle=Idle(
            "idle-timeout", "", 1.2, "fin", {"push": "holds", "ping": "holds"}, {"push": "push 0.4"}
        ),
    ),
    Row(
        "/lifetime/1.2",
        ping=Ping("any", "fin", options={"count": 20}),
        idle=Idle("lifetime", "in use or not", how="fin"),
    ),
    Row(
        "/lifetime/1.2?drop=close&code=4001",
        ping=Ping("any", "close", options={"count": 20}),
        idle=Idle("lifetime", "Close frame 4001", how="close"),
    ),
    Row(
        "/lifetime/1.2?drop=silent",
        ping=Ping("some", options={"count": 8}),
        idle=Idle("inconsistent", "went silent, those in use too"),
    ),
    Row(
        "/close/4000?reason=so%20long",
        Connect(False, "ping", "closed", "4000", 4000),
        Ping("any", "close"),
        Idle("unreachable", "ends each at once"),
    ),
    Row(
        "/close/1000?after=1.2",
        ping=Ping("any", "close", options={"count": 20}),
        idle=Idle("lifetime", "Close frame 1000", how="close"),
    ),
    Row(
        "/cut/3",
        Connect(False, "ping", "closed", "cut off in the middle"),
        Ping("any", "fin"),
        Idle("unreachable", "ends each at once"),
    ),
    Row(
        "/cut/3?after=1.2",
        ping=Ping("any", "fin", options={"count": 20}),
        idle=Idle("lifetime", how="fin"),
    ),
    Row(
        "/cut-after/30?drop=rst",
        ping=Ping("any", "rst", options={"count": 20}),
        # the first Pong passes, so idle connections that are asked once are well
        idle=Idle("no-drop", "dropped after", options={"to_s": 1.0}),
    ),
    Row("/hang/upgrade", **refused("timeout", "did not answer within")),
    Row("/hang/tls", **refused("timeout", "did not answer within")),
    Row("/hang/tcp", **refused("timeout", "did not answer within")),
    Row("/hang/close", Connect(says="did not answer our Close")),
    Row("/", option="hang/tcp", **refused("timeout", "to the TCP connection", "tcp")),
    Row("/", option="hang/tls", **refused("timeout", "did not answer within")),
    Row("/rate-limit/10"),  # Pings are not counted
    Row(
        "/rate-limit/10?of=pings",
        ping=Ping("any", "close", options={"count": 40, "interval_s": 0.02}),
    ),
    Row("/latency/50", ping=Ping(slower_ms=49)),
    Row("/stall?every=0.4&for=0.3", ping=Ping(slower_ms=150, options={"count": 8})),
    Row("/bandwidth/500", ping=Ping(slower_ms=20, options={"size": 60})),
    Row("/trickle/5", ping=Ping(slower_ms=50)),
    Row("/slow-reader/100", ping=Ping(slower_ms=50)),
    Row("/ping/0.3?timeout=5", idle=Idle("kept-busy", "never lets a connection idle")),
    Row(
        "/no-pong",
        Connect(says="does not answer Pings"),
        Ping("all", says="No Ping was answered"),
        Idle("no-drop", "answers no Pings"),
    ),
    # how many are lost is chance; that no connection is taken for dropped is not
    Row(
        "/lose-pongs/0.1",
        Connect(code=1000),
        Ping("some", options={"count": 150, "interval_s": 0.01}),
    ),
    Row(
        "/late-pong/1.5",
        ping=Ping("all", late=True, options={"count": 12}),
        idle=Idle("no-drop", "longer than --pong-timeout"),
    ),
    Row(
        "/late-pong/2.5",
        Connect(says="or it is busy"),
        ping=Ping("all", options={"count": 2}),
        idle=Idle("no-drop", "longer than --pong-timeout"),
    ),
    Row(
        "/wrong-pong",
        Connect(says="not with the payload"),
        Ping("all", says="payload of a Ping"),
        Idle("no-drop", "payloads of its own"),
    ),
    Row("/push/0.3", idle=Idle("kept-busy", "sent text messages on its own")),
    Row("/push/0.3?skip=3&keys=2", idle=Idle("kept-busy", "sent text messages on its own")),
    Row("/push-on-request"),
    Row("/mute"),
    Row("/mute/push/0.3"),
    Row("/flood?rate=100k&size=1k", idle=Idle("kept-busy", "sent binary messages on its own")),
    Row("/fragment/3", ping=Ping(options={"mode": "text", "size": 30})),
    Row("/status/403", **refused("upgrade", "403 Forbidden")),
    Row("/status/503?retry-after=7", **refused("upgrade", "503 Service Unavailable")),
    Row("/redirect/2", **refused("redirect", "302 Found")),
    Row("/auth/basic", **refused("upgrade", "401 Unauthorized")),
    Row("/subprotocol", **refused("upgrade", "offer a subprotocol")),
    Row("/deflate", **refused("upgrade", "offer permessage-deflate")),
    Row("/bad/accept", **refused("upgrade", "does not match our key")),
    Row("/bad/accept?with=none", **refused("upgrade", "Sec-WebSocket-Accept")),
    Row("/bad/upgrade", **refused("upgrade", "not to WebSocket")),
    Row("/bad/connection", **refused("upgrade", "not to WebSocket")),
    Row("/bad/subprotocol", **refused("upgrade", "not offered")),
    Row("/bad/extension", **refused("upgrade", "not offered")),
    Row("/bad/http", **refused("upgrade", "does not speak HTTP")),
    Row("/bad/frame/masked", **broken("5.1")),
    Row(
        "/bad/frame/masked?after=1.2",
        ping=Ping("any", "close", options={"count": 20}),
        idle=Idle("unreachable", "broke the protocol"),
    ),
    Row("/bad/utf8", **broken("8.1")),
    Row("/bad/deflate", **broken("reserved bit")),
)
