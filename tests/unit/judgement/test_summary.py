"""The summary drawn from a run's totals: its figures, and its sentences word for word."""

from __future__ import annotations

import pytest

from tests.unit.judgement.totals import outliers, totals_with
from wsdiag.judgement.attribution import RoundTrip
from wsdiag.judgement.summary import attribute, summarise, thresholds
from wsdiag.judgement.totals import PingTotals
from wsdiag.records import Attribution

URL = "ws://a.test/"
MS = 1_000_000
STEADY = (47.5, 48.0, 48.5)


def attributed(*round_trips: float, **counts: object) -> Attribution:
    totals = totals_with(*(round_trips or STEADY), **{"floor_ms": 46.0, **counts})
    return attribute(totals, totals.statistics)


def test_an_empty_run_claims_nothing() -> None:
    summary = summarise(URL, PingTotals(), {}, 0.0)
    assert (summary.sent, summary.received, summary.loss_pct) == (0, 0, None)
    assert (summary.min_ms, summary.p50_ms, summary.jitter_ms) == (None, None, None)
    assert summary.attribution is None
    assert summary.advice == []


def test_loss_is_what_is_lost_or_overdue_of_what_was_sent() -> None:
    totals = totals_with(48.0, 48.0, 48.0)
    totals.sent, totals.lost, totals.unanswered = 8, 1, 4
    assert summarise(URL, totals, {}, 10.0).loss_pct == 12.5
    totals.overdue = 3
    summary = summarise(URL, totals, {"max-loss": 20.0}, 10.0)
    assert summary.loss_pct == 50.0
    assert not summary.thresholds[0].ok


def test_a_late_answer_is_no_reply_in_time_but_counts_for_advice() -> None:
    totals = totals_with(*[48.0] * 20)
    totals.lost = 1
    totals.answered(25_000.0, "kernel", late=True)
    summary = summarise(URL, totals, {}, 30.0)
    assert (summary.received, summary.late) == (20, 1)
    assert summary.max_ms == 48.0
    assert any("25 s" in sentence for sentence in summary.advice)


def test_the_floor_is_the_lowest_of_all_connections() -> None:
    totals = totals_with(48.0, 48.0)
    for floor in (46.0, None, 45.0, 47.0):
        totals.saw_floor(floor)
    assert totals.floor_ms == 45.0


def test_only_limits_asked_for_are_judged_and_an_unmeasured_one_does_not_hold() -> None:
    figures = {"max-p50": 10.0, "max-p95": 21.0, "max-p99": None, "max-loss": 0.0}
    assert thresholds({}, figures) == ()
    limits = {"max-p50": 10.0, "max-p95": 20.0, "max-p99": 30.0, "max-loss": 0.0}
    judged = thresholds(limits, figures)
    assert [(j.name, j.ok) for j in judged] == [
        ("max-p50", True),
        ("max-p95", False),
        ("max-p99", False),
        ("max-loss", True),
    ]


def test_the_median_is_split() -> None:
    result = attributed()
    assert (result.network_ms, result.endpoint_ms) == (46.0, 2.0)
    assert result.explanation == ["48 ms at the median: 46 ms network, 2 ms endpoint."]


def test_a_wavering_path_makes_the_split_a_bound() -> None:
    assert attributed(31.0, 48.0, 49.0, floor_ms=30.0).explanation == [
        "48 ms at the median: at least 30 ms network, at most 18 ms endpoint."
    ]


def test_the_network_never_has_more_than_the_whole() -> None:
    result = attributed(floor_ms=60.0)
    assert (result.network_ms, result.endpoint_ms) == (48.0, 0.0)


def test_without_tcps_figures_nothing_is_split() -> None:
    result = attributed(floor_ms=None)
    assert (result.network_ms, result.endpoint_ms, result.explanation) == (None, None, [])


def outlier_sentence(limit_ms: float = 80.0, unexplained: int = 0, **causes: int) -> str:
    retransmitted = causes.pop("retransmitted", 0)
    totals = totals_with(*STEADY)
    totals.attributor = outliers(
        causes, retransmitted=retransmitted, unexplained=unexplained, limit_ms=limit_ms
    )
    (sentence,) = attribute(totals, totals.statistics).explanation
    return sentence


def test_an_outlier_is_counted_as_it_was_told() -> None:
    totals = totals_with(*[48.0] * 20)
    trip = RoundTrip(400.0, retransmits=1)
    assert totals.attributor.add(trip, 30_000 * MS) == "network"
    summary = summarise(URL, totals, {}, 30.0)
    assert summary.attribution is not None
    assert summary.attribution.causes == {"network": 1}
    assert "caused by TCP retransmissions (network)" in summary.attribution.explanation[-1]


@pytest.mark.parametrize(
    ("causes", "sentence"),
    [
        (
            {"network": 2, "endpoint": 1, "retransmitted": 2, "limit_ms": 200},
            "3 outliers over 200 ms: 2 caused by TCP retransmissions (network), 1 by the endpoint.",
        ),
        ({"network": 2}, "2 outliers over 80 ms, all caused by a slow path (network)."),
        (
            {"network": 3, "retransmitted": 1},
            "3 outliers over 80 ms: 1 caused by TCP retransmissions (network), 2 by a slow path "
            "(network).",
        ),
        ({"endpoint": 4}, "4 outliers over 80 ms, all caused by the endpoint."),
        ({"queue": 1}, "1 outlier over 80 ms, caused by our own queued data (queue)."),
        ({"local": 1}, "1 outlier over 80 ms, caused by wsdiag not being scheduled (local)."),
        (
            {"local": 1, "unexplained": 1},
            "2 outliers over 80 ms: 1 caused by wsdiag not being scheduled (local), 1 unexplained.",
        ),
        ({"unexplained": 2}, "2 outliers over 80 ms: 2 unexplained."),
    ],
)
def test_outliers_are_counted_by_cause(causes: dict[str, int], sentence: str) -> None:
    assert outlier_sentence(**causes) == sentence


@pytest.mark.parametrize(
    ("round_trips", "subject"),
    [
        ([1.0] * 20 + [30.0] * 2, "2 outliers over 21 ms"),
        # the limit rises in a burst, which is usual from its seventh on
        ([1.0] * 6 + [30.0] * 8, "6 outliers over what was usual at the time (21 ms)"),
        # the first ones are judged by nothing
        ([30.0] + [1.0] * 20 + [30.0], "1 outlier over what was usual at the time (21 ms)"),
    ],
)
def test_so_many_outliers_are_over_the_limit_that_is_named(
    round_trips: list[float], subject: str
) -> None:
    totals = totals_with(*round_trips)
    (sentence, *_) = [
        said for said in attribute(totals, totals.statistics).explanation if "outlier" in said
    ]
    assert sentence.startswith(subject)


def test_behind_a_proxy_tcps_figures_are_of_the_first_hop() -> None:
    seen = attributed(proxy="http://proxy.test:3128")
    assert "first hop only" in seen.explanation[-1]
    assert (seen.network_ms, seen.endpoint_ms) == (None, None)
    direct = attributed()
    assert (seen.proxy_ms, seen.behind_proxy_ms) == (direct.network_ms, direct.endpoint_ms)
    assert "ms to the proxy," in seen.explanation[0]
    assert "ms behind it." in seen.explanation[0]


@pytest.mark.parametrize(
    ("stalls", "longest_ms", "clock", "sentence"),
    [
        (
            3,
            1204.0,
            "kernel",
            "wsdiag itself was delayed 3 times (worst 1204 ms); kernel timestamps keep that out of "
            "the figures.",
        ),
        (
            1,
            120.0,
            "user",
            "wsdiag itself was delayed once (worst 120 ms); round trips of those moments include "
            "it.",
        ),
    ],
)
def test_our_own_stalls_are_admitted(
    stalls: int, longest_ms: float, clock: str, sentence: str
) -> None:
    totals = totals_with(*STEADY, clock=clock)
    summary = summarise(URL, totals, {}, 3.0, stalls=stalls, longest_stall_ms=longest_ms)
    assert summary.attribution is not None
    assert summary.attribution.explanation[-1] == sentence
