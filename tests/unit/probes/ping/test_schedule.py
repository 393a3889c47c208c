"""Slots stay where they were planned, whatever happens between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.ping.schedule import Slots, backoff, retry_wait, stagger


def test_intervals_do_not_drift_when_every_wakeup_is_late() -> None:
    slots = Slots(100.0, 0.25)
    for number in range(1000):
        assert slots.due == pytest.approx(100.0 + number * 0.25)
        assert slots.take(slots.due + 0.1) == pytest.approx(0.1)
    assert slots.skipped == 0


def test_missed_slots_are_skipped_not_caught_up() -> None:
    slots = Slots(0.0, 1.0)
    assert slots.take(3.4) == pytest.approx(3.4)
    assert slots.due == 4.0
    assert slots.skipped == 3


def test_the_timers_coarseness_does_not_cost_slots_at_a_millisecond() -> None:
    slots, now = Slots(0.0, 0.001), 0.0
    for _ in range(1000):
        now = max(now, slots.due) + 0.00015
        now += 0.001 if slots.due > now else 0.0  # a sleep of whole milliseconds
        slots.take(now)
    assert slots.skipped == 0


@given(st.floats(0.001, 10), st.lists(st.floats(0, 30), max_size=50))
def test_the_next_slot_is_never_in_the_past_by_more_than_the_grain(
    interval: float, delays: list[float]
) -> None:
    slots, now = Slots(5.0, interval), 5.0
    for delay in delays:
        now = max(now, slots.due) + delay
        before = slots.index
        slots.take(now)
        assert slots.index > before
        assert slots.due > now - 0.0016


def test_starts_are_spread_over_one_interval() -> None:
    assert [stagger(i, 4, 1.0) for i in range(4)] == [0.0, 0.25, 0.5, 0.75]
    assert stagger(0, 1, 1.0) == 0


def test_backoff_doubles_up_to_its_bound() -> None:
    assert [backoff(n) for n in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert backoff(1000) == 30.0


def test_after_an_answer_the_next_connection_is_tried_nearly_at_once() -> None:
    assert retry_wait(0, 30.0, lambda: 0.0) == 0.1
    assert [retry_wait(n, 3.0, lambda: 0.0) for n in (1, 2, 3, 4, 9)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert retry_wait(0, 0.02, lambda: 0.0) == 0.02


@given(st.integers(0, 50), st.floats(0, 1))
def test_jitter_takes_half_of_a_wait_at_most(failures: int, drawn: float) -> None:
    whole = retry_wait(failures, 30.0, lambda: 0.0)
    assert whole / 2 <= retry_wait(failures, 30.0, lambda: drawn) <= whole
