"""The sentences of a summary, word for word, and its advice, which is silent without a reason."""

from __future__ import annotations

import pytest

from wsdiag.judgement.advice import AdviceFacts, advice, safe_timeout_s
from wsdiag.judgement.summary_text import SummaryFacts, attribute, number


def told(**found: object) -> list[str]:
    usual = {"p50_ms": 48.0, "min_ms": 47.5, "floor_ms": 46.0}
    return list(attribute(SummaryFacts(**(usual | found))).explanation)  # type: ignore[arg-type]


def test_the_median_is_split() -> None:
    result = attribute(SummaryFacts(p50_ms=48.0, min_ms=47.5, floor_ms=46.0))
    assert (result.network_ms, result.endpoint_ms) == (46.0, 2.0)
    assert result.explanation == ["48 ms at the median: 46 ms network, 2 ms endpoint."]


def test_a_wavering_path_makes_the_split_a_bound() -> None:
    assert told(min_ms=31.0, floor_ms=30.0) == [
        "48 ms at the median: at least 30 ms network, at most 18 ms endpoint."
    ]


def test_the_network_never_has_more_than_the_whole() -> None:
    result = attribute(SummaryFacts(p50_ms=48.0, min_ms=47.5, floor_ms=60.0))
    assert (result.network_ms, result.endpoint_ms) == (48.0, 0.0)


def test_without_tcps_figures_nothing_is_split() -> None:
    result = attribute(SummaryFacts(p50_ms=48.0, min_ms=47.5, floor_ms=None))
    assert (result.network_ms, result.endpoint_ms, result.explanation) == (None, None, [])


def test_outliers_are_counted_by_cause() -> None:
    sentence = told(causes={"network": 2, "endpoint": 1}, retransmitted=2, limit_ms=200.0)[1]
    assert sentence == (
        "3 outliers over 200 ms: 2 with TCP retransmissions (network), "
        "1 while the endpoint was busy."
    )


@pytest.mark.parametrize(
    ("causes", "retransmitted", "words"),
    [
        ({"network": 2}, 0, "2 with a slow path (network)"),
        ({"network": 3}, 1, "1 with TCP retransmissions and 2 with a slow path (network)"),
        ({"queue": 1}, 0, "1 outlier over 80 ms: 1 behind our own data (queue)."),
        ({"local": 1}, 0, "1 while this machine held wsdiag up (local)"),
    ],
)
def test_each_cause_has_its_words(causes: dict[str, int], retransmitted: int, words: str) -> None:
    assert words in told(causes=causes, retransmitted=retransmitted, limit_ms=80.0)[1]


def test_what_is_unexplained_is_said() -> None:
    assert told(unexplained=2, limit_ms=80.0)[1] == "2 outliers over 80 ms: 2 unexplained."


def test_behind_a_proxy_tcps_figures_are_of_the_first_hop() -> None:
    assert "first hop only" in told(proxy="http://proxy.test:3128")[-1]


def test_our_own_stalls_are_admitted() -> None:
    kept_out = told(stalls=3, longest_stall_ms=1204.0, clock="kernel")[-1]
    assert kept_out.startswith("This machine held wsdiag up 3 times, for up to 1204 ms;")
    assert "kept it out" in kept_out
    assert "include it" in told(stalls=1, longest_stall_ms=120.0, clock="user")[-1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.12"), (4.75, "4.8"), (48.3, "48"), (1203.4, "1203"), (0, "0")]
)
def test_numbers_are_as_short_as_they_are_useful(value: float, text: str) -> None:
    assert number(value) == text


def test_a_healthy_connection_needs_no_advice() -> None:
    assert advice(AdviceFacts(p50_ms=48.0, slowest_ms=900.0, received=100)) == []
    assert advice(AdviceFacts(p50_ms=None, slowest_ms=None)) == []


@pytest.mark.parametrize(
    ("slowest_ms", "safe_s"), [(100, 20), (6_000, 20), (7_000, 25), (20_000, 60), (31_000, 95)]
)
def test_a_safe_timeout_has_threefold_room(slowest_ms: float, safe_s: float) -> None:
    assert safe_timeout_s(slowest_ms) == safe_s


def test_slow_answers_ask_for_a_longer_timeout() -> None:
    (sentence,) = advice(AdviceFacts(p50_ms=2000.0, slowest_ms=12_300.0, received=100))
    assert "took 12.3 s" in sentence
    assert "ping_timeout to 40 s" in sentence
    assert "ping_interval to 20 s" in sentence


def test_loss_is_told_apart_from_pings_that_were_overtaken() -> None:
    (lost,) = advice(AdviceFacts(p50_ms=48.0, slowest_ms=60.0, received=90, lost=2))
    assert "2 Pings were not answered in time" in lost
    (overtaken,) = advice(
        AdviceFacts(p50_ms=48.0, slowest_ms=60.0, received=90, lost=2, overtaken=2)
    )
    assert "5.5.3" in overtaken


def test_a_servers_own_keepalive_is_recognised_by_its_reason() -> None:
    seen = AdviceFacts(
        p50_ms=48.0,
        slowest_ms=60.0,
        received=9,
        closed_by="keepalive ping timeout",
        close_code=1011,
    )
    assert "1011 'keepalive ping timeout'" in advice(seen)[0]
    other = AdviceFacts(
        p50_ms=48.0, slowest_ms=60.0, received=9, closed_by="shutdown", close_code=1001
    )
    assert advice(other) == []


def test_endpoints_that_do_not_answer_are_told_apart() -> None:
    mute = AdviceFacts(p50_ms=None, slowest_ms=None, lost=5)
    assert "must" in advice(mute)[0]
    wrong = AdviceFacts(p50_ms=None, slowest_ms=None, lost=5, unmatched=5)
    assert "unchanged" in advice(wrong)[0]
    slow = AdviceFacts(p50_ms=None, slowest_ms=800.0, lost=5, late=4)
    assert "a longer -W" in advice(slow)[0]
    no_echo = AdviceFacts(p50_ms=None, slowest_ms=None, lost=5, no_echo=True, unmatched=2)
    (sentence,) = advice(no_echo)
    assert "does not echo (it sent 2 other messages)" in sentence
