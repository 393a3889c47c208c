"""The books of one URL: what is counted, and what the summary makes of it."""

from __future__ import annotations

import pytest

from wsdiag.judgement.attribution import RoundTripFacts
from wsdiag.probes.ping.load import LoadMeter, LoadPlan
from wsdiag.probes.ping.totals import Limits, PingTotals, summarise

MS = 1_000_000


def books_with(*round_trips: float, **known: object) -> PingTotals:
    books = PingTotals("ws://a.test/", 100.0)
    for number, rtt in enumerate(round_trips):
        books.sent += 1
        facts = RoundTripFacts(rtt, tcp_rtt_ms=40.0, retransmits=0, **known)  # type: ignore[arg-type]
        books.reply(facts, number * 1000 * MS, late=False, usual=True)
    return books


def test_an_empty_run_claims_nothing() -> None:
    summary = summarise(PingTotals("ws://a.test/", 100.0), Limits(), 100.0)
    assert (summary.sent, summary.received, summary.loss_pct) == (0, 0, None)
    assert (summary.min_ms, summary.p50_ms, summary.jitter_ms) == (None, None, None)
    assert summary.attribution is None
    assert summary.advice == []


def test_loss_is_of_pings_whose_fate_is_known() -> None:
    books = books_with(48.0, 48.0, 48.0)
    books.sent, books.lost = 6, 1  # two are still under way
    assert summarise(books, Limits(), 110.0).loss_pct == 25.0


def test_an_outlier_is_counted_as_it_was_told() -> None:
    books = books_with(*[48.0] * 20)
    cause = books.reply(RoundTripFacts(400.0, retransmits=1), 30_000 * MS, late=False, usual=True)
    assert cause == "network"
    summary = summarise(books, Limits(), 130.0)
    assert summary.attribution is not None
    assert summary.attribution.causes == {"network": 1}
    assert "1 with TCP retransmissions (network)" in summary.attribution.explanation[-1]


def test_answers_that_come_in_one_burst_with_a_repaired_loss_share_its_cause() -> None:
    books = books_with(*[48.0] * 20)
    arrived = 30_000 * MS
    books.reply(RoundTripFacts(400.0, retransmits=1), arrived, late=False, usual=True)
    follower = RoundTripFacts(300.0, retransmits=0, acked_by_ms=48.0, unacked_for_ms=48.0)
    assert books.reply(follower, arrived + MS // 2, late=False, usual=True) == "network"
    assert books.reply(follower, arrived + 50 * MS, late=False, usual=True) is None
    for number in range(5):
        books.reply(
            RoundTripFacts(48.0, retransmits=0), (31 + number) * 1000 * MS, late=False, usual=True
        )
    assert books.reply(follower, 40_000 * MS, late=False, usual=True) == "endpoint"


def test_a_late_answer_is_no_reply_in_time_but_counts_for_advice() -> None:
    books = books_with(*[48.0] * 20)
    books.lost = 1
    books.reply(RoundTripFacts(25_000.0, retransmits=0), 30_000 * MS, late=True, usual=True)
    summary = summarise(books, Limits(), 130.0)
    assert (summary.received, summary.late) == (20, 1)
    assert summary.max_ms == 48.0
    assert any("25 s" in sentence for sentence in summary.advice)


def test_the_floor_is_the_lowest_of_all_connections() -> None:
    books = books_with(48.0, 48.0)
    for floor in (46.0, None, 45.0, 47.0):
        books.saw_floor(floor)
    assert books.floor_ms == 45.0


def test_under_load_the_median_is_split_as_it_was_idle() -> None:
    books = books_with(*[48.0] * 5, *[2000.0] * 20)
    books.saw_floor(46.0)
    meter = LoadMeter(LoadPlan(rate="max"))
    meter.sent_bytes, meter.queued_bytes_max = 8 * 2**20, 4 * 2**20
    for _ in range(5):
        meter.enter("idle", 48.0)
    for _ in range(20):
        meter.enter("loaded", 2000.0)
    meter.enter("after", 9999.0)
    summary = summarise(books, Limits(), 130.0, load=meter)
    assert summary.attribution is not None
    assert summary.attribution.explanation[0].startswith("48 ms at the median: 46 ms network")
    assert summary.load is not None
    assert (summary.load.idle_p50_ms, summary.load.loaded_p50_ms) == (48.0, 2000.0)
    assert summary.load.explanation[0] == (
        "8 MiB of load: up to 4 MiB of it waited on this side for the endpoint to take."
    )


@pytest.mark.parametrize(
    ("slowest_ms", "lost", "words"),
    [(6_000.0, 0, "30% of the usual 20 s deadline"), (100.0, 3, "3 Pings under load got no Pong")],
)
def test_load_says_what_it_means_for_a_pongs_deadline(
    slowest_ms: float, lost: int, words: str
) -> None:
    meter = LoadMeter(LoadPlan(rate=1000.0))
    meter.sent_bytes, meter.lost_loaded = 10_000, lost
    meter.enter("loaded", slowest_ms)
    assert any(words in sentence for sentence in meter.result().explanation)


def test_light_load_that_changes_nothing_raises_no_alarm() -> None:
    meter = LoadMeter(LoadPlan(rate=1000.0))
    meter.sent_bytes = 10_000
    meter.enter("idle", 48.0)
    meter.enter("loaded", 50.0)
    assert meter.result().explanation == [
        "9.8 KiB of load: the endpoint's machine took it as it came."
    ]


def test_the_plan_is_announced_with_its_bounds() -> None:
    plan = LoadPlan(rate=1_048_576, idle_s=5, time_s=10, most_bytes=64 * 2**20)
    assert plan.announcement() == (
        "--load: after 5 s of idle measuring, binary messages at 1 MiB/s for 10 s, at most 64 MiB."
    )
    assert "as fast as it is taken" in LoadPlan(rate="max").announcement()
