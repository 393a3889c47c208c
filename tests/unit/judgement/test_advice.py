"""Advice on Pings, which is silent without a reason."""

from __future__ import annotations

import pytest

from tests.unit.judgement.totals import totals_with
from wsdiag.judgement.advice import advice, safe_timeout_s
from wsdiag.judgement.totals import PingTotals
from wsdiag.records import Drop


def usual(answers: int, **counts: object) -> PingTotals:
    return totals_with(*[48.0] * answers, **counts)


def test_a_healthy_connection_needs_no_advice() -> None:
    assert advice(usual(100, slowest_ms=900.0)) == []
    assert advice(PingTotals()) == []


@pytest.mark.parametrize(
    ("slowest_ms", "safe_s"), [(100, 20), (6_000, 20), (7_000, 25), (20_000, 60), (31_000, 95)]
)
def test_a_safe_timeout_has_threefold_room(slowest_ms: float, safe_s: float) -> None:
    assert safe_timeout_s(slowest_ms) == safe_s


@pytest.mark.parametrize(
    ("slowest_ms", "words"),
    [
        (12_300.0, ("took 12.3 s", "ping_timeout=10 s", "ping_timeout to 40 s")),
        (10_000.0, ("took 10 s", "ping_timeout=5 s", "ping_timeout to 30 s")),
        (31_000.0, ("took 31 s", "ping_timeout=20 s", "ping_timeout to 1 m 35 s")),
    ],
)
def test_slow_answers_ask_for_a_longer_timeout(slowest_ms: float, words: tuple[str, ...]) -> None:
    (sentence,) = advice(usual(100, slowest_ms=slowest_ms))
    assert all(each in sentence for each in words), sentence


def test_a_longer_timeout_comes_with_a_fitting_interval() -> None:
    (sentence,) = advice(usual(100, slowest_ms=12_300.0))
    assert "ping_interval to 20 s" in sentence


def test_loss_is_told_apart_from_pings_that_were_overtaken() -> None:
    (lost,) = advice(usual(90, lost=2))
    assert "2 Pings were not answered in time" in lost
    (overtaken,) = advice(usual(90, lost=2, overtaken=2))
    assert "5.5.3" in overtaken


def test_what_a_drop_cut_off_is_no_loss_to_explain() -> None:
    assert advice(usual(90, lost=2, cut_off=2)) == []


def test_a_servers_own_keepalive_is_recognised_by_its_reason() -> None:
    seen = usual(9, last_drop=Drop("close", 9.0, code=1011, reason="keepalive ping timeout"))
    assert "1011 'keepalive ping timeout'" in advice(seen)[0]
    other = usual(9, last_drop=Drop("close", 9.0, code=1001, reason="shutdown"))
    assert advice(other) == []


@pytest.mark.parametrize(
    "reason",
    [
        "Shopping cart expired",
        "shipping timeout",
        "no pong table left",
        "mapping reloaded",
        "Session timeout: ping the help desk",
        "typing heartbeat stopped the game",
    ],
)
def test_a_word_in_a_reason_is_no_cause(reason: str) -> None:
    assert advice(usual(9, last_drop=Drop("close", 9.0, code=1001, reason=reason))) == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ping timeout", "its own keepalive"),
        ("Heartbeat timeout.", "its own keepalive"),
        ("No pong received", "its own keepalive"),
        ("too many pings", "it limits Pings"),
        ("too_many_pings", "it limits Pings"),
        ("pings are sent too often", "it limits Pings"),
        ("ping frames are not supported", "it cannot be pinged"),
        ("unexpected opcode 9", "it cannot be pinged"),
    ],
)
def test_reasons_about_pings_are_told_apart(reason: str, words: str) -> None:
    (sentence,) = advice(usual(9, last_drop=Drop("close", 9.0, code=1008, reason=reason)))
    assert words in sentence
    assert repr(reason) in sentence


def test_a_goaway_that_limits_pings_is_read() -> None:
    calm = Drop("goaway", 9.0, code=11, reason="ENHANCE_YOUR_CALM", detail="too_many_pings")
    (sentence,) = advice(usual(9, last_drop=calm))
    assert "too_many_pings" in sentence
    assert "it limits Pings" in sentence


def test_a_skipped_ping_is_no_loss() -> None:
    (sentence,) = advice(usual(90, skipped=3))
    assert "3 Pings were skipped" in sentence
    assert "no loss" in sentence


def test_endpoints_that_do_not_answer_are_told_apart() -> None:
    mute = PingTotals(lost=5)
    assert "must" in advice(mute)[0]
    wrong = PingTotals(lost=5, unmatched=5)
    assert "unchanged" in advice(wrong)[0]
    slow = PingTotals(slowest_ms=800.0, lost=5, late=4)
    assert "a longer -W" in advice(slow)[0]
    no_echo = PingTotals(lost=5, no_echo=True, unmatched=2)
    (sentence,) = advice(no_echo)
    assert "does not echo (it sent 2 other messages)" in sentence


def test_a_frame_that_never_came_whole_is_why_pings_have_no_answer() -> None:
    (sentence,) = advice(PingTotals(sent=3, lost=3, unfinished=(4096, 3)))
    assert "4096 bytes was announced, and 3 came" in sentence


def test_a_frame_on_its_way_is_nothing_special_while_pings_are_answered() -> None:
    assert advice(usual(100, slowest_ms=900.0, unanswered=1, unfinished=(4096, 3))) == []
