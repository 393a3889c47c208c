"""What a message of no known protocol says of itself."""

from __future__ import annotations

import time

import pytest

from wsdiag.dialects.unknown import asks_back, likely_answer


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
