"""Outages: when they begin, what counts as their end, what they come to."""

from __future__ import annotations

import pytest

from wsdiag.probes.ping.outage import OutageLog
from wsdiag.records import Drop

URL = "ws://a.test/"


def test_an_outage_lasts_from_the_end_of_a_connection_to_the_next_answer() -> None:
    log = OutageLog(URL, None, 100.0)
    assert log.up(100.1) is None, "an answer"
    assert log.attempt("") is None, "nothing is down"
    log.down(110.0, 110.0, Drop("rst", 10.0))
    for why in ("RST", "refused", "refused"):
        told = log.attempt(why)
        assert told is not None
        assert told.why == why
        if why:
            log.failed("refused")
    outage = log.up(115.0)
    assert outage is not None
    assert (outage.down_s, outage.attempts, outage.errors) == (5.0, 3, {"refused": 3})
    assert outage.drop == Drop("rst", 10.0)
    assert log.up(116.0) is None, "once"
    totals = log.totals(150.0)
    assert (totals.count, totals.down_s, totals.longest_s) == (1, 5.0, 5.0)
    assert totals.availability_pct == pytest.approx(90.0)


def test_a_second_end_before_an_answer_is_the_same_outage() -> None:
    log = OutageLog(URL, 2, 0.0)
    log.up(0.1)
    log.down(10.0, 10.0, Drop("fin", 10.0))
    log.down(12.0, 12.0, Drop("rst", 0.1))
    outage = log.up(13.0)
    assert outage is not None
    assert (outage.down_s, outage.target) == (3.0, 2)
    assert outage.drop == Drop("fin", 10.0)


def test_one_that_goes_on_counts_in_the_totals() -> None:
    log = OutageLog(URL, None, 0.0)
    log.down(0.0, 2.0)
    log.failed("dns")
    totals = log.totals(4.0)
    assert (totals.count, totals.down_s, totals.availability_pct) == (1, 4.0, 0.0)
    outage = log.up(4.0, over=False)
    assert outage is not None
    assert (outage.attempts, outage.over, outage.drop) == (1, False, None)


def test_what_was_never_up_was_available_for_no_time() -> None:
    """Whether it refused the first attempt, or opened a connection and answered nothing."""
    refusing, mute = OutageLog(URL, None, 0.0), OutageLog(URL, None, 0.0)
    refusing.down(0.008, 0.01)
    assert refusing.totals(4.0).availability_pct == 0.0
    mute.down(0.02, 2.0)
    assert mute.totals(4.0).availability_pct == 0.0
    mute.down(0.02, 5.0, Drop("silent", 5.0))
    assert mute.totals(6.0).availability_pct == 0.0


def test_a_silence_counts_when_it_is_over_as_it_did_while_it_lasted() -> None:
    log = OutageLog(URL, None, 0.0)
    log.up(0.1)
    log.down(10.0, 12.0)
    assert log.totals(20.0).availability_pct == pytest.approx(50.0)
    outage = log.up(20.0)
    assert outage is not None
    assert (outage.down_s, outage.attempts, outage.drop, outage.over) == (10.0, 0, None, True)
    totals = log.totals(20.0)
    assert (totals.count, totals.availability_pct) == (1, pytest.approx(50.0))


def test_a_silence_that_ends_the_connection_says_how() -> None:
    log = OutageLog(URL, None, 0.0)
    log.up(0.1)
    log.down(10.0, 12.0)
    log.down(13.0, 13.0, Drop("rst", 13.0))
    log.attempt("")
    outage = log.up(14.0)
    assert outage is not None
    assert (outage.down_s, outage.attempts, outage.drop) == (4.0, 1, Drop("rst", 13.0))
