"""A connection's traffic and its idle times."""

from __future__ import annotations

import pytest

from wsdiag.probes.idle.activity import ActivityLog


def test_idle_times_are_told_in_both_directions() -> None:
    log = ActivityLog()
    log.add_unsolicited(10.0, "text")
    log.add(12.0, "sent")
    times = log.at(15.0)
    assert (times.idle_s, times.since_sent_s, times.since_received_s) == (3.0, 3.0, 5.0)
    assert times.longest_idle_s == 10.0


def test_what_we_send_proves_nothing_until_something_comes_back() -> None:
    log = ActivityLog()
    log.add(50.0, "sent")
    assert log.at(51.0).longest_idle_s == 0.0
    log.add(50.1, "received")
    assert log.at(51.0).longest_idle_s == 50.0


def test_trailing_traffic_does_not_restart_the_clock_but_regular_traffic_does() -> None:
    log = ActivityLog()
    log.add_unsolicited(60.0, "text")
    assert log.at_end(60.1).idle_s == pytest.approx(60.1)
    regular = ActivityLog()
    for at in range(1, 11):
        regular.add_unsolicited(float(at), "ping")
        regular.add(float(at), "sent", reply=True)
    assert regular.at_end(10.1).idle_s < 0.2


def test_endless_traffic_costs_no_memory() -> None:
    log = ActivityLog()
    for n in range(10_000):
        log.add_unsolicited(n * 0.01, "text")
    assert len(log.unsolicited) <= 64
    assert log.at(100.0).longest_idle_s == pytest.approx(0.01)


def test_parts_of_a_message_are_traffic_but_told_once_and_not_beside_their_message() -> None:
    log = ActivityLog()
    for n in range(1, 200):
        log.add_part(n * 0.1)
    assert log.unsolicited == [(0.1, "part")]
    assert log.at(20.0).longest_idle_s == pytest.approx(0.1)
    log.add_unsolicited(20.0, "binary")
    assert log.unsolicited == [(20.0, "binary")]
