"""Realistic results for pictures: what people meet, with every figure fixed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from wsdiag.records import (
    Attribution,
    Candidate,
    CheckResult,
    CheckSummary,
    CloseInfo,
    ConnectResult,
    Drop,
    Error,
    Hop,
    HttpInfo,
    IdleEvent,
    IdleTrial,
    IdleVerdict,
    Load,
    Phases,
    PingClosed,
    PingEvent,
    PingLost,
    PingReply,
    PingStart,
    PingSummary,
    Range,
    ServeEvent,
    ServeListening,
    TcpFacts,
    Threshold,
    TlsInfo,
    TrialActivity,
    TrialStarted,
)

BEGIN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
EDGE = "wss://edge.example.com/socket"
ORIGIN = "wss://origin.example.com/socket"


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return BEGIN + timedelta(seconds=seconds)


CONNECTED = ConnectResult(
    url="wss://echo.example.com/chat",
    ok=True,
    address="203.0.113.34:443",
    phases=Phases(12.1, 31.04, None, 62.5, 37.6, 15.2, 14.9, 173.34),
    http=HttpInfo(
        101,
        "Switching Protocols",
        (("Server", "nginx/1.22.1"), ("Upgrade", "websocket"), ("Set-Cookie", "AWSALB=k3; Path=/")),
    ),
    tls=TlsInfo(
        "TLSv1.3",
        "TLS_AES_256_GCM_SHA384",
        "http/1.1",
        "echo.example.com",
        "Example CA R11",
        ("echo.example.com", "*.echo.example.com"),
        "2026-02-08T00:00:00Z",
        8,
    ),
    subprotocol="chat",
    extensions=("permessage-deflate; client_max_window_bits=15",),
    tcp=TcpFacts(15.1, 14.8, 1, 1448),
    hops=(Hop("nginx", "Server: nginx/1.22.1"), Hop("AWS ALB", "Set-Cookie: AWSALB=k3")),
    close=CloseInfo(1000, "", True, "server"),
    request=(("Host", "echo.example.com"), ("Authorization", "Bearer hunter2hunter2")),
    notes=("The certificate ends in 8 days; clients refuse the endpoint from that moment on.",),
)
PLAIN = ConnectResult(
    url="ws://127.0.0.1:8765/",
    ok=True,
    address="127.0.0.1:8765",
    phases=Phases(None, 0.081, None, None, 0.94, 0.212, 0.31, 1.543),
    http=HttpInfo(101, "Switching Protocols"),
    tcp=TcpFacts(0.02, 0.012, 0, 65483),
    close=CloseInfo(1000, "", True, "server"),
)
REFUSED = ConnectResult(
    url="wss://echo.example.com/chat",
    ok=False,
    address="203.0.113.34:443",
    phases=Phases(12.1, 31.04, None, 62.5, 37.6),
    http=HttpInfo(
        403,
        "Forbidden",
        (("Server", "nginx"), ("Content-Type", "text/html")),
        "<html>\n<head><title>403 Forbidden</title></head>\n</html>",
    ),
    error=Error(
        "wss://echo.example.com/chat",
        "upgrade",
        "upgrade",
        "the server answered 403 Forbidden instead of 101",
        "It may want an Origin or credentials:\n--origin https://example.com, -u USER, -b COOKIE",
    ),
)
NO_NAME = ConnectResult(
    url="wss://nowhere.example/",
    ok=False,
    phases=Phases(dns_ms=41.2),
    error=Error(
        "wss://nowhere.example/",
        "dns",
        "dns",
        "there is no host named nowhere.example",
        "Check the spelling, or whether the name is known only inside a VPN.",
    ),
)


def ping_run(url: str = EDGE, base_ms: float = 46.0, count: int = 120) -> Iterator[PingEvent]:
    """Two minutes: two losses, a late Pong, an outlier of each cause, a drop near the end."""
    rng = random.Random(7)
    yield PingStart(url, "203.0.113.7:443", Phases(tcp_ms=45.8), "kernel")
    causes = {31: "network", 54: "endpoint", 71: "queue", 88: "local"}
    for seq in range(1, count + 1):
        rtt = base_ms + rng.gauss(0, 0.9) + 3 * math.sin(seq / 9)
        if seq in (40, 41):
            yield PingLost(url, seq, at(seq + 2), 2000.0)
        elif seq in causes:
            slow = rtt + 55 - seq / 4
            yield PingReply(
                url,
                seq,
                at(seq),
                slow,
                tcp_rtt_ms=45.9,
                retransmits=int(seq == 31),
                cause=causes[seq],
                clock="kernel",
            )  # type: ignore[arg-type]
        elif seq == 112:
            yield PingClosed(url, at(seq), Drop("close", 112.3, code=1001, reason="going away"))
        else:
            yield PingReply(url, seq, at(seq), rtt, tcp_rtt_ms=45.9, clock="kernel")
    yield PingReply(url, 41, at(45), 4000.0, late=True)


PING_SUMMARY = PingSummary(
    url=EDGE,
    sent=120,
    received=117,
    lost=2,
    loss_pct=1.667,
    min_ms=41.2,
    avg_ms=47.9,
    p50_ms=46.1,
    p90_ms=49.4,
    p95_ms=50.3,
    p99_ms=93.5,
    max_ms=96.4,
    stddev_ms=7.21,
    jitter_ms=1.44,
    duration_s=120.0,
    late=1,
    drops=1,
    attribution=Attribution(
        45.6,
        0.5,
        {"network": 1, "endpoint": 1},
        (
            "46.1 ms at the median: 45.6 ms network, 0.5 ms endpoint.",
            "2 outliers over 80 ms: 1 caused by TCP retransmissions (network), 1 by the endpoint.",
        ),
    ),
    load=Load(46.1, 310.4, 16 << 20, 1 << 20, ("Pings waited behind 1 MiB of our own data.",)),
    thresholds=(Threshold("max-p95", 250.0, 50.3, True), Threshold("max-loss", 0.0, 1.667, False)),
    advice=("ping_interval=20 with ping_timeout=20 suits this path.",),
)


def idle_run(until_s: float) -> Iterator[tuple[float, IdleEvent]]:
    """(seconds, event) of a probe through something that drops after 60 s, up to a moment."""
    for moment, event in sorted(_idle_events(), key=lambda pair: pair[0]):
        if moment <= until_s:
            yield moment, event


def _idle_events() -> Iterator[tuple[float, IdleEvent]]:
    drop = Drop("fin", 60.01)
    for connection, period_s in enumerate(range(30, 125, 5)):
        yield (
            0.03 * connection,
            TrialStarted(EDGE, connection, "idle", float(period_s), None, float(period_s)),
        )
        idle_s, dropped = min(period_s, 60.01), period_s > 60
        yield (
            0.03 * connection + idle_s,
            IdleTrial(
                EDGE,
                "idle",
                float(period_s),
                None,
                "dropped" if dropped else "alive",
                idle_s,
                drop if dropped else None,
                connection,
                idle_s,
                0.03 * connection,
            ),
        )
    for connection, trial in enumerate(("ping", "pong", "tcp-keepalive"), 19):
        yield 0.6, TrialStarted(EDGE, connection, trial, None, 20.0, 120.0)  # type: ignore[arg-type]
        for number in range(1, 6):
            sent = TrialActivity(EDGE, connection, 20.0 * number, "sent", trial)
            if trial != "tcp-keepalive":
                yield 20.6 * number, sent
    yield (
        60.7,
        IdleTrial(
            EDGE, "tcp-keepalive", None, 20.0, "dropped", 60.02, Drop("fin", 60.02), 21, 60.02, 0.6
        ),
    )


VERDICT = IdleVerdict(
    url=EDGE,
    verdict="idle-timeout",
    idle_timeout_s=Range(59.9, 60.1),
    tested_up_to_s=60.0,
    drop=Drop("fin", 60.01),
    keepalives={"ping": "holds", "pong": "holds", "tcp-keepalive": "drops", "push": "untested"},
    recommended_ping_interval_s=20.0,
    candidates=(
        Candidate(
            "nginx (http proxy)", "proxy_read_timeout", 60.0, "identified by its Server header"
        ),
        Candidate("AWS ALB", "idle_timeout.timeout_seconds", 60.0),
    ),
    explanation=(
        "Idle connections are dropped after 60 s (FIN, no Close frame).",
        "13 idle connections ended between 59.98 and 60.03 s after their last byte.",
        "A connection cut without a Close frame was most likely cut by something in between.",
    ),
    advice=("Python websockets: connect(…, ping_interval=20, ping_timeout=20)",),
    hops=(Hop("nginx", "Server: nginx/1.22.1"),),
    required_s=90.0,
    require_ok=False,
)
NO_DROP = IdleVerdict(
    url=EDGE,
    verdict="no-drop",
    tested_up_to_s=120.0,
    keepalives={"ping": "holds"},
    recommended_ping_interval_s=20.0,
    explanation=("Idle connections are not dropped within 120 s.",),
)

CHECKS = (
    CheckResult(
        "connect", EDGE, "fitness", "pass", 143.2, 1000.0, "connected in 143 ms", took_ms=143.2
    ),
    CheckResult(
        "certificate",
        EDGE,
        "fitness",
        "warn",
        8,
        14,
        "8 days left",
        why="Clients refuse the endpoint from that moment on.",
        took_ms=0.1,
    ),
    CheckResult("ping-p95", EDGE, "fitness", "fail", 312.5, 250.0, "p95 312 ms", took_ms=1022.0),
    CheckResult(
        "close-echo",
        EDGE,
        "conformance",
        "pass",
        None,
        None,
        "echoed 1000",
        "RFC 6455, 5.5.1",
        12.0,
    ),
    CheckResult(
        "reserved-bits",
        EDGE,
        "conformance",
        "fail",
        None,
        None,
        "a frame with RSV1 was echoed",
        "RFC 6455, 5.2",
        31.0,
        "An endpoint that ignores reserved bits breaks with any extension.",
    ),
    CheckResult("ipv6", ORIGIN, "fitness", "skip", None, None, "no AAAA record"),
    CheckResult(
        "connect", ORIGIN, "fitness", "pass", 44.0, 1000.0, "connected in 44 ms", took_ms=44.0
    ),
)
CHECK_SUMMARY = CheckSummary(3, 1, 2, 1, 1.35)
LISTENING = ServeListening("ws://127.0.0.1:8765", "127.0.0.1", 8765, False)
SERVED = (
    ServeEvent(at(0), 1, "open", {"peer": "127.0.0.1:51312", "path": "/", "subprotocol": None}),
    ServeEvent(at(2.5), 1, "closed", {"code": 1000, "by": "client", "duration_s": 2.5}),
    ServeEvent(at(3), 2, "refused", {"message": "not a \x1b[31mWebSocket request"}),
)
ERROR = Error(
    "ws://localhost:1/",
    "tcp",
    "refused",
    "connection refused by 127.0.0.1:1",
    "Is the server running, and on this port?",
)
EVERY = (
    CONNECTED,
    PLAIN,
    REFUSED,
    NO_NAME,
    *ping_run(),
    PING_SUMMARY,
    VERDICT,
    NO_DROP,
    *CHECKS,
    CHECK_SUMMARY,
    LISTENING,
    *SERVED,
    ERROR,
    *(event for _, event in idle_run(120) if isinstance(event, IdleTrial)),
)
"""Every scene that is a record."""
