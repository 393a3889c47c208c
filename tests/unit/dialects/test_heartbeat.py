"""Messages that name themselves heartbeats, as feeds without a known dialect send them."""

from __future__ import annotations

import pytest

from wsdiag.dialects.heartbeat import says_heartbeat


@pytest.mark.parametrize(
    "message",
    [
        "ping",
        "PONG\n",
        b"heartbeat",
        '"ping"',
        '{"type":"heartbeat"}',
        '{"event": "heartbeat", "ts": 1767225600}',
        '{"channel":"heartbeats","events":[{"current_time":"2026-01-01","heartbeat_counter":7}]}',
        '{"op":"pong"}',
        '{"ping":1492420473027}',
        '{"id":3,"method":"public/heartbeat","code":0}',
        '{"type":"KEEP_ALIVE"}',
        '[340,"hb"]',
    ],
)
def test_what_says_so(message: str | bytes) -> None:
    assert says_heartbeat(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "pinging you",
        "hello",
        b"\x00\xff\x01ka\x02",
        '{"type":"message","text":"ping"}',
        '{"user":"heartbeat","price":3}',
        '{"type":"trade","channel":"kangaroo"}',
        '{"ping":1,"price":2}',
        '[1,[2,"hb"]]',
        '{"type":"heartbeat","rows":"' + "x" * 400 + '"}',
        '{"type":"ping"',
    ],
)
def test_what_does_not(message: str | bytes) -> None:
    assert not says_heartbeat(message)
