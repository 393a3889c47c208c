"""Payloads find their way back to their Ping, and to no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.ping.load import _BODY
from wsdiag.probes.ping.payloads import Payloads, is_load
from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage


@given(st.integers(8, 125), st.integers(1, 2**40))
def test_a_pong_answers_exactly_its_ping(size: int, seq: int) -> None:
    payloads = Payloads("ping", size)
    key, payload = payloads.make(seq)
    assert len(payload) == size
    assert payloads.keys(Pong(payload)) == [key]
    assert key not in payloads.keys(Pong(payload[:-1]))
    assert payloads.keys(TextMessage("hello")) == []


@pytest.mark.parametrize("mode", ["text", "binary"])
@pytest.mark.parametrize("size", [8, 14, 15, 16, 64, 70_000])
def test_an_echo_answers_its_message(mode: str, size: int) -> None:
    payloads = Payloads(mode, size)  # type: ignore[arg-type]
    key, payload = payloads.make(1)
    other, _ = payloads.make(2)
    assert len(payload) == size
    echo: Event = TextMessage(payload.decode()) if mode == "text" else BinaryMessage(payload)
    found = payloads.keys(echo)
    assert (key in found) or size < 15
    assert other not in found
    if size >= 15:
        assert key in payloads.keys(TextMessage('{"echo": "' + payload.decode() + '"}'))


def test_short_echoes_are_found_by_their_first_bytes() -> None:
    payloads = Payloads("text", 8)
    key, payload = payloads.make(1)
    assert key == payload
    assert key in payloads.keys(TextMessage(payload.decode()))


@given(st.text())
def test_no_text_of_the_peer_is_an_answer_by_chance_or_an_error(text: str) -> None:
    payloads = Payloads("text", 30)
    key, _ = payloads.make(1)
    assert key not in payloads.keys(TextMessage(text))


def test_tokens_do_not_repeat() -> None:
    for mode in ("ping", "text"):
        payloads = Payloads(mode, 16)  # type: ignore[arg-type]
        assert len({payloads.make(seq)[0] for seq in range(10_000)}) == 10_000


def test_our_load_is_known_when_it_comes_back() -> None:
    assert is_load(BinaryMessage(_BODY))
    assert is_load(TextMessage(_BODY.decode()))
    assert not is_load(BinaryMessage(b"else"))
    assert not is_load(Ping(b""))
