"""Messages that name themselves heartbeats, as feeds without a known dialect send them."""

from __future__ import annotations

import time

import pytest

from wsdiag.dialects.heartbeat import asks_back, likely_answer, says_heartbeat


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
        '[1767225600,"HB",42.1]',
        '{"channel":"trades.KA","price":3}',
        '{"type":"heartbeat","rows":"' + "x" * 400 + '"}',
        '{"type":"ping"',
    ],
)
def test_what_does_not(message: str | bytes) -> None:
    assert not says_heartbeat(message)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("ping", "pong"),
        ("PING :irc.example.test\r\n", "PONG :irc.example.test"),
        ("primus::ping::1492", "primus::pong::1492"),
        ('{"type":"ping"}', '{"type":"pong"}'),
        ('{"event":"app:ping","data":{}}', '{"event":"app:pong","data":{}}'),
        ('{"ping":1492420473027}', '{"pong":1492420473027}'),
        ('{"op":"heartbeat","ts":1}', None),
        ('{"type": "keep_alive"}', None),
        ('{"id":7,"method":"server.ping"}', None),  # JSON-RPC wants a result
    ],
)
def test_a_message_that_calls_itself_a_heartbeat_is_one(message: str, answer: str | None) -> None:
    assert asks_back(message)
    assert likely_answer(message) == answer


@pytest.mark.parametrize(
    "message",
    [
        "tick",
        "pinged",
        "Ping pong club opens at nine",
        '{"type":"chat","text":"ping"}',
        '{"type":"data","value":{"type":"ping"}}',
        '{"type":"typing"}',
    ],
)
def test_a_word_within_a_message_makes_it_no_heartbeat(message: str) -> None:
    assert not asks_back(message)
    assert likely_answer(message) is None


def test_a_long_message_costs_no_more() -> None:
    for beginning in ("ping", '{"type":', "{" * 99, '["' * 99, " " * 99):
        began = time.process_time()
        asks_back(beginning * 20_000)
        assert time.process_time() - began < 1.0
