"""What `check --stream` makes of a feed's summary."""

from __future__ import annotations

import json

from wsdiag.probes.check.rules.feed import judge_feed
from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.records.stream import StreamSummary


def summary_of(*messages: dict[str, object], by: str | None = None) -> StreamSummary:
    analysis = StreamAnalysis("ws://feed", StreamOptions(seq="$.n", by=by, max_gap=0))
    analysis.opened(0.0)
    for number, message in enumerate(messages):
        analysis.message(json.dumps(message), number * 0.1, number * 0.1)
    return analysis.summary(len(messages) * 0.1)


def test_a_key_that_mends_the_gaps_is_the_hint() -> None:
    both = [{"k": key, "n": number} for number in range(0, 400, 4) for key in ("a", "b")]
    for message in both:
        message["n"] = int(str(message["n"])) // 4 + 1000 * (message["k"] == "b")
    _, gap = judge_feed(summary_of(*both))
    assert gap.status == "fail"
    assert "--by '$.k'" in (gap.hint or "")
    _, mended = judge_feed(summary_of(*both, by="$.k"))
    assert (mended.status, mended.hint) == ("pass", None)


def test_numbers_without_one_to_follow_are_not_measured() -> None:
    _, gap = judge_feed(summary_of(*({"k": f"k{n}", "n": n} for n in range(30)), by="$.k"))
    assert gap.status == "fail"
    assert "no number had an earlier one of its key to follow" in gap.detail
    _, none = judge_feed(summary_of({"k": 1}))
    assert "no message has a number" in none.detail


def test_numbers_that_fall_and_clocks_that_differ_are_no_comfort() -> None:
    _, gap = judge_feed(summary_of(*({"n": 900 - n} for n in range(30))))
    assert gap.status == "fail"
    assert "not measured (the numbers do not follow each other)" in gap.detail
    analysis = StreamAnalysis("ws://feed", StreamOptions(time="$.t", max_lag_s=1.0))
    analysis.opened(0.0)
    analysis.message(json.dumps({"t": 1_800_003_600}), 1.0, 1_800_000_000.0)
    _, lag = judge_feed(analysis.summary(2.0))
    assert lag.status == "fail"
    assert "lag not measured (the clocks differ by at least 1 h)" in lag.detail
