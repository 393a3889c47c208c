"""What Node's `ws` must see on every path of `serve`: the table, no test. Times in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wsdiag.server.faults.bad_frames import RULES, UTF8

Saw = dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """A path, what the client does there (see `ws_visits.js`), and whether it saw the effect."""

    path: str
    saw: Callable[[Saw], bool]
    does: dict[str, Any] = field(default_factory=dict)


def echoes(saw: Saw) -> bool:
    return [text for _, text in saw["messages"]] == ["hello"] and saw["error"] is None


def ended(code: int, at_ms: float = 0.0) -> Callable[[Saw], bool]:
    """1006: `ws` got no Close frame."""
    return lambda saw: saw["code"] == code and saw["closed"] >= at_ms


def silent(saw: Saw) -> bool:
    return saw["open"] is not None and saw["closed"] is None and not saw["pongs"]


def unanswered(saw: Saw) -> bool:
    return saw["open"] is None and saw["error"] is None and saw["status"] is None


def refused(status: int) -> Callable[[Saw], bool]:
    return lambda saw: saw["open"] is None and saw["status"] == status


def fails(words: str) -> Callable[[Saw], bool]:
    return lambda saw: words in (saw["error"] or "")


def wire(data: bytes) -> Callable[[Saw], bool]:
    """These bytes came, right behind the upgrade."""
    return lambda saw: saw["raw"].startswith(data.hex()[:400])


def slowest_pong(saw: Saw) -> float:
    return max(took for took, *_ in saw["pongs"])


HELLO = {"send": ["hello"]}
LATE_PING = {"pings": 2, "pings_every": 1300}
PINGS = {"pings": 10, "pings_every": 100}
ALONE = {"start_ms": 2000}  # much work for the client: what is timed goes first
DEFLATE = {"options": {"perMessageDeflate": True}}

VISITS: tuple[Visit, ...] = (
    Visit("/echo", echoes, HELLO),
    *(
        Visit(f"/http2/{name}", echoes, HELLO)
        for name in ("refuse", "hang", "unadvertised", "goaway", "rst-stream", "zero-window")
    ),
    Visit(
        "/sink", lambda saw: not saw["messages"] and len(saw["pongs"]) == 1, {**HELLO, "pings": 1}
    ),
    Visit(
        "/headers",
        lambda saw: ["X-Probe", "7"] in json.loads(saw["messages"][0][1])["headers"],
        {"options": {"headers": {"X-Probe": "7"}}},
    ),
    Visit("/stats", lambda saw: json.loads(saw["messages"][0][1])["open"] >= 1),
    Visit(
        "/idle/0.4?drop=close&code=4321&reason=tired",
        lambda saw: (saw["code"], saw["reason"]) == (4321, "tired") and saw["closed"] >= 390,
    ),
    Visit("/idle/0.4?drop=fin", ended(1006, 390)),
    Visit("/idle/0.4?drop=rst", lambda saw: ended(1006, 390)(saw) and fails("ECONNRESET")(saw)),
    Visit(
        "/idle/0.7?drop=silent",
        lambda saw: saw["closed"] is None and len(saw["pongs"]) == 1,
        LATE_PING,
    ),
    Visit(
        "/idle/0.7?drop=hang",
        lambda saw: saw["closed"] is None and len(saw["pongs"]) == 1,
        LATE_PING,
    ),
    Visit(
        "/idle/0.7?drop=rst-on-write",
        lambda saw: ended(1006, 1290)(saw) and fails("ECONNRESET")(saw),
        LATE_PING,
    ),
    Visit("/idle/0.4?drop=tls-eof", ended(1006, 390)),
    Visit("/lifetime/0.6?drop=close", ended(1001, 590), PINGS),
    Visit(
        "/close/4000?reason=so%20long",
        lambda saw: (saw["code"], saw["reason"]) == (4000, "so long"),
    ),
    Visit("/close/0", ended(1005)),
    Visit("/cut/3", lambda saw: ended(1006)(saw) and len(saw["raw"]) == 6),
    Visit(
        "/cut-after/5?drop=fin",
        lambda saw: ended(1006)(saw) and saw["raw"] == b"\x81\x05hel".hex(),
        HELLO,
    ),
    Visit("/hang?phase=upgrade", unanswered),
    Visit("/hang?phase=tcp", unanswered),
    Visit("/hang?phase=tls", unanswered),
    Visit("/hang?phase=close", silent, {"close_at": 50}),
    Visit(
        "/rate-limit/3",
        lambda saw: (
            (saw["code"], saw["reason"]) == (1008, "rate limit exceeded")
            and len(saw["messages"]) == 3
        ),
        {"send": ["hello"] * 5},
    ),
    Visit("/latency/200?jitter=1", lambda saw: saw["messages"][0][0] >= 190, HELLO),
    Visit("/stall?every=0.3&for=0.4", lambda saw: slowest_pong(saw) >= 150, PINGS),
    Visit("/bandwidth?rate=20k", lambda saw: saw["messages"][0][0] >= 400, {"binary": 10000}),
    # 7 bytes at 30 a second take 0.2 s at least; a busy client hears of its opening late
    Visit("/trickle/30", lambda saw: echoes(saw) and saw["messages"][0][0] >= 190, HELLO),
    Visit("/slow-reader?rate=1k", lambda saw: saw["buffered"] > 2**20, {**ALONE, "binary": 2**23}),
    Visit("/ping/0.2?timeout=5", lambda saw: saw["pings"] >= 3 and saw["closed"] is None),
    Visit("/ping/0.2?timeout=0.4", ended(1011, 590), {"options": {"autoPong": False}}),
    Visit("/no-pong", lambda saw: echoes(saw) and not saw["pongs"], {**HELLO, "pings": 1}),
    Visit("/lose-pongs/0.5", lambda saw: 3 < len(saw["pongs"]) < 57, {"pings": 60}),
    Visit(
        "/late-pong/0.4",
        lambda saw: saw["pongs"][0][0] >= 390 and saw["messages"][0][0] < saw["pongs"][0][2],
        {**HELLO, "pings": 1},
    ),
    Visit("/wrong-pong", lambda saw: saw["pongs"][0][1] == chr(ord("0") ^ 0xFF), {"pings": 1}),
    Visit(
        "/push/0.2?size=50",
        lambda saw: len(saw["messages"]) >= 3 and len(saw["messages"][0][1]) == 50,
    ),
    Visit(
        "/push/0.05?skip=2",
        lambda saw: [json.loads(text)["seq"] for _, text in saw["messages"]][:3] == [1, 3, 5],
    ),
    Visit("/mute", lambda saw: saw["pongs"] and not saw["messages"], {**HELLO, "pings": 1}),
    Visit(
        "/push-on-request",
        lambda saw: [text for _, text in saw["messages"]][:2] == ["pushed 1", "pushed 2"],
        {"send": ["push 0.2"]},
    ),
    Visit(
        "/flood?size=1k",
        lambda saw: saw["received"] > 200_000 and saw["messages"][0][1] == 1024,
        ALONE,
    ),
    Visit(
        "/fragment/5", lambda saw: echoes(saw) and wire(b"\1\1h\0\1e\0\1l\0\1l\x80\1o")(saw), HELLO
    ),
    Visit("/status/418", refused(418)),
    Visit(
        "/redirect/2",
        lambda saw: echoes(saw) and saw["url"].endswith("/redirect/0"),
        {**HELLO, "options": {"followRedirects": True}},
    ),
    Visit("/redirect/1", refused(302)),
    Visit("/auth/basic", refused(401)),
    Visit("/auth/basic?user=me&password=pw", echoes, {**HELLO, "options": {"auth": "me:pw"}}),
    Visit("/subprotocol", lambda saw: saw["protocol"] == "b", {"offer": ["b", "a"]}),
    Visit("/subprotocol?pick=a", lambda saw: saw["protocol"] == "a", {"offer": ["b", "a"]}),
    Visit(
        "/deflate?takeover=no",
        lambda saw: (
            echoes(saw)
            and "server_no_context_takeover" in saw["headers"]["sec-websocket-extensions"]
        ),
        {**HELLO, **DEFLATE},
    ),
    Visit("/deflate", refused(400)),
    Visit("/bad/accept", fails("Invalid Sec-WebSocket-Accept")),
    Visit("/bad/upgrade", fails("Invalid Upgrade")),
    # `ws` does not look at Connection; the wire does
    Visit("/bad/connection", lambda saw: saw["headers"]["connection"] == "keep-alive"),
    Visit("/bad/subprotocol", fails("subprotocol")),
    Visit("/bad/extension", fails("Sec-WebSocket-Extensions")),
    Visit("/bad/http", fails("Parse Error")),
    *(Visit(f"/bad/frame/{rule}", wire(data)) for rule, (_, data) in RULES.items()),
    Visit("/bad/frame/masked?after=0.3", fails("MASK must be clear")),
    *(
        Visit(
            f"/bad/utf8/{kind}", fails("invalid UTF-8") if kind != "truncated" else fails("UTF-8")
        )
        for kind in UTF8
    ),
    Visit("/bad/deflate", lambda saw: saw["code"] == 1006 and saw["error"] is not None, DEFLATE),
    Visit(
        "/bad/deflate?kind=bomb",
        lambda saw: fails("Max payload size exceeded")(saw),
        {**ALONE, "options": {"perMessageDeflate": True, "maxPayload": 2**20}},
    ),
)
