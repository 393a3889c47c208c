"""Every check, passing against an endpoint that behaves and failing against one that does not."""

from __future__ import annotations

import pytest

from tests.peers.peers import Peers

Statuses = dict[str, str]

# (path, options, exit code, what must be said of which checks)
TABLE: list[tuple[str, list[str], int, Statuses]] = [
    ("/echo", [], 0, {"connect": "pass", "upgrade": "pass", "ping": "pass", "close": "pass"}),
    ("/echo", ["--max-connect", "0.001ms"], 3, {"connect": "fail"}),
    ("/echo", ["--max-connect", "30s", "--max-upgrade", "30s"], 0, {"upgrade": "pass"}),
    ("/echo", ["--max-upgrade", "0.001ms"], 3, {"upgrade": "fail"}),
    ("/echo", ["--max-p95", "30s"], 0, {"ping.p95": "pass"}),
    ("/latency/60", ["--max-p95", "50ms"], 3, {"ping": "pass", "ping.p95": "fail"}),
    ("/no-pong", [], 3, {"ping": "fail", "close": "pass"}),
    ("/no-pong", ["--max-p95", "1s"], 1, {"ping": "fail", "ping.p95": "skip"}),
    ("/wrong-pong", [], 3, {"ping": "fail"}),
    ("/late-pong/30", [], 3, {"ping": "fail"}),
    ("/lose-pongs/1", ["--max-loss", "50"], 3, {"ping": "fail"}),
    ("/hang/close", [], 3, {"ping": "pass", "close": "fail"}),
    ("/close/1001", [], 1, {"ping": "fail", "close": "skip"}),
    ("/cut/3", [], 3, {"ping": "fail"}),
    ("/bad/frame/masked", ["--send", "x"], 3, {"message": "fail", "ping": "fail"}),
    ("/subprotocol?pick=chat", ["--expect-subprotocol", "chat"], 0, {"subprotocol": "pass"}),
    ("/echo", ["--expect-subprotocol", "chat"], 3, {"subprotocol": "fail"}),
    (
        "/echo",
        ["--expect-extension", "permessage-deflate"],
        0,
        {"extension.permessage-deflate": "pass"},
    ),
    (
        "/echo",
        ["--expect-extension", "permessage-deflate", "--no-compression"],
        3,
        {"extension.permessage-deflate": "fail"},
    ),
    ("/echo", ["--expect-header", "Upgrade: (?i)^websocket$"], 0, {"header.upgrade": "pass"}),
    ("/echo", ["--expect-header", "Upgrade: ^h2c$"], 3, {"header.upgrade": "fail"}),
    ("/echo", ["--expect-header", "X-Absent: ."], 3, {"header.x-absent": "fail"}),
    ("/status/403", ["--expect-status", "401,403"], 0, {"connect": "pass", "status": "pass"}),
    ("/status/404", ["--expect-status", "401,403"], 3, {"status": "fail"}),
    (
        "/auth/basic",
        ["--expect-status", "4xx", "--expect-header", "WWW-Authenticate: Basic"],
        0,
        {"status": "pass", "header.www-authenticate": "pass"},
    ),
    ("/echo", ["--expect-status", "403"], 3, {"status": "fail"}),
    ("/echo", ["--expect-status", "101"], 0, {"status": "pass", "ping": "pass"}),
    ("/echo", ["--send", "hi", "--expect", "^hi$"], 0, {"message": "pass"}),
    ("/echo", ["--send", "hi", "--expect", "^no$", "--within", "0.3"], 3, {"message": "fail"}),
    ("/sink", ["--send", "hi", "--within", "0.3"], 3, {"message": "fail"}),
    ("/push/0.1", ["--expect", r"\d"], 0, {"message": "pass"}),
    ("/echo", ["--expect", ".", "--within", "0.3"], 3, {"message": "fail"}),
    (
        "/echo",
        [
            "--send",
            '{"a": [1, {"b": true}]}',
            "--expect-json",
            "$.a[1].b=true",
            "--expect-json",
            "$.a[0]=1",
        ],
        0,
        {"message": "pass"},
    ),
    (
        "/echo",
        ["--send", '{"a": 1}', "--expect-json", "$.a=2", "--within", "0.3"],
        3,
        {"message": "fail"},
    ),
    (
        "/echo",
        ["--send", "no json", "--expect-json", "$", "--within", "0.3"],
        3,
        {"message": "fail"},
    ),
    ("/echo", ["--cert-days", "14"], 3, {"certificate": "fail"}),
    (
        "/idle/1.5",
        ["--require-idle", "3", "--require-keepalive", "0.4"],
        3,
        {"idle": "fail", "keepalive": "pass"},
    ),
    ("/idle/1?drop=silent", ["--require-idle", "3"], 3, {"idle": "fail"}),
    ("/idle/1?drop=close", ["--require-idle", "20"], 3, {"idle": "fail"}),
    ("/idle/1?drop=rst", ["--require-idle", "20"], 3, {"idle": "fail"}),
    ("/idle/5", ["--require-idle", "1"], 0, {"idle": "pass"}),
    (
        "/lifetime/1",
        ["--require-keepalive", "0.5", "--require-idle", "20", "--only", "keepalive"],
        3,
        {"keepalive": "fail"},
    ),
    ("/ping/0.1", ["--require-idle", "1.5"], 0, {"idle": "warn"}),
    ("/status/403", [], 1, {"connect": "pass", "upgrade": "fail", "ping": "skip"}),
    ("/bad/accept", ["--conformance"], 1, {"upgrade": "fail", "accept-key": "fail"}),
    ("/bad/accept?with=none", ["--conformance"], 1, {"accept-key": "fail"}),
    ("/bad/upgrade", ["--conformance"], 1, {"upgrade-headers": "fail"}),
    (
        "/bad/subprotocol",
        ["--conformance", "--only", "upgrade,subprotocol-*"],
        1,
        {"upgrade": "fail"},
    ),
    (
        "/no-pong",
        ["--conformance", "--only", "ping-*,fragment-ping,pong-*,frames,deflate"],
        3,
        {
            "ping-echo": "fail",
            "ping-empty": "fail",
            "ping-125": "fail",
            "fragment-ping": "fail",
            "pong-unsolicited": "fail",
            "deflate": "fail",
        },
    ),
    (
        "/wrong-pong",
        ["--conformance", "--only", "ping-echo,ping-125"],
        3,
        {"ping-echo": "fail", "ping-125": "fail"},
    ),
    (
        "/hang/close",
        ["--conformance", "--only", "close-*"],
        3,
        {"close-echo": "fail", "close-empty": "fail", "close-private": "fail"},
    ),
    (
        "/bad/frame/rsv2",
        ["--conformance", "--only", "frames,ping-echo"],
        3,
        {"frames": "fail", "ping-echo": "fail"},
    ),
]


@pytest.mark.parametrize(
    ("path", "options", "code", "wanted"), TABLE, ids=[f"{p} {' '.join(o)}" for p, o, _, _ in TABLE]
)
def test_table(
    session_peers: Peers, serve: str, path: str, options: list[str], code: int, wanted: Statuses
) -> None:
    run = session_peers.wsdiag(
        "check", "-o", "json", "--timeout", "1.5", *options, serve + path, timeout=90
    )
    seen = {r["id"]: r["status"] for r in run.of("check.result")}
    assert {id: seen.get(id) for id in wanted} == wanted, run.out
    assert run.code == code, run.out + run.err


def test_serve_passes_every_check(session_peers: Peers, serve: str) -> None:
    run = session_peers.wsdiag("check", "--adversarial", "-o", "json", serve, timeout=90)
    odd = {r["id"]: r["detail"] for r in run.of("check.result") if r["status"] in ("warn", "fail")}
    assert odd == {}
    assert run.code == 0


def test_the_counts_are_those_of_the_results(session_peers: Peers, serve: str) -> None:
    run = session_peers.wsdiag("check", "--conformance", "-o", "json", serve)
    statuses = [r["status"] for r in run.of("check.result")]
    summary = run.record("check.summary")
    assert summary["passed"] == statuses.count("pass")
    assert summary["skipped"] == statuses.count("skip")
    assert run.records[-1] == summary


# What a server does with every forbidden byte sequence -> the status of every adversarial rule,
# --timeout, and at least how many of these rules. What is never answered is waited for as long,
# again and again, and another connection must be answered within it: half of them, with more time.
HALF = "rsv1,opcode-[3b],length-*,orphan-*,interleaved,*-fragmented,*-oversize,utf8-b*,close-*[0e8]"
MANNERS: dict[str, tuple[str, int, list[str]]] = {
    "drop": ("warn", 30, ["--timeout", "10"]),
    "wrong-code": ("warn", 30, ["--timeout", "10"]),
    "freeze": ("fail", 15, ["--timeout", "1.2", "--only", HALF]),
}
LENIENT = {"length-not-minimal"}  # forbidden to send, but nobody must fail over it
SILENT_END_IS_FINE = {"unmasked-frame"}


@pytest.mark.parametrize("behaviour", MANNERS)
def test_servers_that_receive_badly(peers: Peers, behaviour: str) -> None:
    url, (status, at_least, options) = peers.lenient(behaviour).url, MANNERS[behaviour]
    run = peers.wsdiag("check", "--adversarial", *options, "-o", "json", url, timeout=110)
    results = [r for r in run.of("check.result") if r["group"] == "adversarial"]
    attacks = [r for r in results if not r["id"].startswith(("deflate-", "failure-"))]
    assert len(attacks) >= at_least
    for result in attacks:
        wanted = {status}
        if result["id"] in LENIENT:
            wanted = {"warn"}
        elif result["id"] in SILENT_END_IS_FINE and behaviour == "drop":
            wanted = {"pass"}
        assert result["status"] in wanted, result
    # Close 1000 to a legal Pong accuses nobody, so what that rule asks was not measured
    assert run.code == (1 if behaviour == "wrong-code" else 3)


def test_a_server_that_agrees_to_anything_is_odd_but_not_wrong(peers: Peers) -> None:
    run = peers.wsdiag(
        "check",
        "--conformance",
        "--only",
        "subprotocol-unknown",
        "-o",
        "json",
        "--subprotocol",
        "chat",
        peers.lenient("any-subprotocol").url,
    )
    assert [r["status"] for r in run.of("check.result")] == ["warn"], run.out


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/lifetime/0.5?drop=close&code=4408", '{"type":"connection_init"}'),
        ("/lifetime/0.5?drop=close&code=4001&reason=login%20timeout", "a first message"),
        ("/lifetime/0.5?drop=close&code=4000", "what ends WebSocket before it"),
        ("/lifetime/0.5?drop=close&code=1001", "shut down"),
    ],
)
def test_a_close_frame_is_not_put_on_a_nat(path: str, says: str, peers: Peers, serve: str) -> None:
    # alone: the others have their connection for half a second; and long enough to end before
    for rule in ("idle", "keepalive"):
        run = peers.wsdiag(
            *("check", serve + path, f"--require-{rule}", "60", "--only", rule, "-o", "json")
        )
        (why,) = [r["why"] for r in run.of("check.result") if r["status"] == "fail"]
        assert says in why
        assert "NAT" not in why


@pytest.mark.parametrize(
    ("code", "words"), [(1008, "authentication"), (1011, "inside the server"), (1013, "sheds load")]
)
def test_a_close_code_that_is_no_refusal_is_not_called_one(
    peers: Peers, serve: str, code: int, words: str
) -> None:
    run = peers.wsdiag("check", f"{serve}/close/{code}", "--only", "ping", "-o", "json", ok=3)
    (ping,) = run.of("check.result")
    assert words in str(ping)
