"""Idle connections learn their hops in turns: all have theirs, and the run is hardly longer."""

from __future__ import annotations

import itertools

import pytest

from wsdiag.probes.idle.locate import waits_for_turns

DEFAULT = [float(period) for period in range(30, 125, 5)]


def test_in_the_default_plan_every_connection_has_its_turn() -> None:
    waits = waits_for_turns(DEFAULT)
    assert sorted(waits) == DEFAULT
    assert waits[120.0] == 0
    assert max(period + wait for period, wait in waits.items()) <= 120 + 3


def test_not_more_than_four_at_once_and_one_a_second() -> None:
    waits = sorted(waits_for_turns(DEFAULT).values())
    assert waits[:5] == [0, 0, 0, 0, pytest.approx(1.05)]
    assert all(b - a >= 1 for a, b in itertools.pairwise(waits[3:]))


def test_of_two_neighbours_one_has_its_turn_early() -> None:
    waits = waits_for_turns(DEFAULT)
    for one, other in itertools.pairwise(DEFAULT):
        assert min(waits[one] / one, waits[other] / other) <= 0.25


@pytest.mark.parametrize("longest", [2.0, 10.0, 30.0, 900.0])
def test_a_wait_is_at_most_half_of_the_idle_period(longest: float) -> None:
    waits = waits_for_turns([longest * period / 120 for period in DEFAULT])
    assert waits[longest] == 0
    assert len(waits) >= 4
    assert all(wait <= period / 2 for period, wait in waits.items())
    assert max(period + wait for period, wait in waits.items()) <= longest + 3


def test_a_single_one_waits_for_nobody() -> None:
    assert waits_for_turns([60.0]) == {60.0: 0}
    assert waits_for_turns([]) == {}
