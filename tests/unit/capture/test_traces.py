"""`--trace` files of real runs, and of runs that there cannot be."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.peers import Peers
from wsdiag.capture.traces import TraceReader
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts

URL = "wss://example.com/chat"


def at(second: float) -> str:
    return f"2026-01-31T12:00:{second:09.6f}Z"


def phase(second: float, name: str, url: str = URL) -> dict[str, Any]:
    return {
        "schema_version": "2.0",
        "type": "trace.phase",
        "url": url,
        "time": at(second),
        "phase": name,
        "took_ms": 500.0,
        "ok": True,
        "detail": "192.0.2.1:443",
    }


def headers(second: float, line: str, **more: str) -> dict[str, Any]:
    sent = not line.startswith("HTTP/")
    return {
        "schema_version": "2.0",
        "type": "trace.headers",
        "url": URL,
        "time": at(second),
        "direction": "sent" if sent else "received",
        "first_line": line,
        "headers": [["Upgrade", "websocket"], *([name, value] for name, value in more.items())],
    }


def frame(second: float, direction: str, opcode: int, excerpt: str = "") -> dict[str, Any]:
    return {
        "schema_version": "2.0",
        "type": "trace.frame",
        "url": URL,
        "time": at(second),
        "direction": direction,
        "opcode": opcode,
        "fin": True,
        "rsv": [False, False, False],
        "masked": direction == "sent",
        "length": len(excerpt),
        "excerpt": excerpt,
    }


OPENED = [phase(1, "tcp"), headers(1.1, "GET /chat HTTP/1.1"), headers(1.5, "HTTP/1.1 101 Yes")]


def read(*events: dict[str, Any]) -> tuple[list[ConnectionFacts], TraceReader]:
    data = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    reader = TraceReader(io.BytesIO(data.encode()), "run.ndjson")
    return list(reader), reader


def test_frames_and_a_close() -> None:
    (facts,), _ = read(
        *OPENED,
        frame(2, "sent", 9, "one"),
        frame(2.25, "received", 10, "one"),
        frame(3, "received", 1, "hello"),
        frame(3.5, "received", 9, "anyone?"),
        frame(13.5, "received", 8, "\x03\\xf3ping timeout"),
        frame(13.6, "sent", 8, "\x03\\xf3"),
    )
    assert facts.server_address == "192.0.2.1:443"
    assert (facts.scheme, facts.host, facts.path) == ("wss", "example.com", "/chat")
    assert facts.began == pytest.approx(1769860800.5)
    assert facts.opened_s == pytest.approx(1.0)
    assert facts.rtts_ms == [pytest.approx(250)]
    assert facts.unanswered == {"server": 1}
    assert (facts.received.messages, facts.received.bytes, facts.received.pings) == (1, 5, 1)
    assert facts.received.last_message == "hello"
    assert facts.ended_s == pytest.approx(13.0)
    assert facts.idle_s == pytest.approx(10.0)
    assert facts.longest_idle_s == pytest.approx(0.75)
    assert [(close.by, close.code, close.reason) for close in facts.closes] == [
        ("server", 1011, "ping timeout"),
        ("client", 1011, ""),
    ]
    ending = judge_connection(facts)
    assert (ending.outcome, ending.ended_by) == ("pong-timeout", "server")


def test_without_a_close_nothing_is_said_of_the_end() -> None:
    (facts,), _ = read(*OPENED, frame(2, "sent", 1, "x"))
    assert facts.ended_s is None
    assert facts.idle_s is None
    assert "an end without a Close frame does not show" in facts.notes[0]


def test_connections_that_follow_one_another() -> None:
    found, _ = read(*OPENED, frame(2, "sent", 1, "x"), *OPENED, frame(3, "received", 1, "y"))
    assert [(f.sent.messages, f.received.messages) for f in found] == [(1, 0), (0, 1)]


def test_connections_at_once_are_left_out() -> None:
    found, reader = read(OPENED[1], OPENED[1], OPENED[2], OPENED[2], frame(3, "sent", 1, "x"))
    assert not found
    assert "cannot be told apart" in reader.totals.notes[0]


def test_a_refusal_and_what_never_answered() -> None:
    found, reader = read(*OPENED[:2], headers(2, "HTTP/1.1 403 Forbidden"))
    assert (found, reader.totals.refused) == ([], 1)
    found, reader = read(*OPENED[:1])
    assert (found, reader.totals.other) == ([], 1)


def test_a_run_of_our_own(peers: Peers, tmp_path: Path) -> None:
    url, _ = peers.serve()
    file = tmp_path / "run.ndjson"
    peers.wsdiag("ping", f"{url}/echo", "-c3", "-i0.05", "-q", "--trace", str(file), ok=0)
    with file.open("rb") as stream:
        (facts,) = TraceReader(stream, "run.ndjson")
    assert (facts.sent.pings, facts.received.pongs, len(facts.rtts_ms)) == (3, 3, 3)
    assert facts.unanswered == {}
    assert [(close.by, close.code) for close in facts.closes] == [
        ("client", 1000),
        ("server", 1000),
    ]
    assert judge_connection(facts).ended_by == "client"


EVENTS = [*OPENED, frame(2, "sent", 9, "a"), frame(2, "received", 10, "a"), frame(3, "sent", 8)]
JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.lists(st.integers())
)


@given(st.data())
def test_members_of_any_type(data: st.DataObject) -> None:
    events = [dict(event) for event in EVENTS]
    for _ in range(data.draw(st.integers(1, 4))):
        event = data.draw(st.sampled_from(events))
        event[data.draw(st.sampled_from(sorted(event)))] = data.draw(JSON)
    events = data.draw(st.permutations(events))
    read(*events)


def test_a_request_to_a_proxy_has_the_path_behind_the_host() -> None:
    (facts,), _ = read(OPENED[0], headers(1.1, "GET http://example.com/chat HTTP/1.1"), OPENED[2])
    assert (facts.host, facts.path) == ("example.com", "/chat")


def test_over_http2_the_answer_is_200() -> None:
    asks = headers(1.1, "CONNECT /chat HTTP/2")
    asks["headers"] = [["sec-websocket-version", "13"]]
    found = frame(2, "sent", 1, "x"), frame(3, "sent", 8, "\x03\\xe8")
    (facts,), _ = read(OPENED[0], asks, headers(1.5, "HTTP/2 200 OK"), *found)
    assert (facts.status, facts.version, facts.path) == (200, "2", "/chat")
    ending = judge_connection(facts)
    assert (ending.outcome, ending.ended_by) == ("close", "client")
    refused, reader = read(OPENED[0], asks, headers(1.5, "HTTP/2 502 Bad Gateway"), *found)
    assert (refused, reader.totals.refused) == ([], 1)
    tunnel = headers(1.1, "CONNECT example.com:443 HTTP/1.1")
    tunnel["headers"] = []
    found_behind, _ = read(OPENED[0], tunnel, headers(1.2, "HTTP/1.1 200 OK"), *OPENED[1:])
    assert [facts.status for facts in found_behind] == [101]
