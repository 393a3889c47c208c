"""What trials send, and when keepalives are due."""

from __future__ import annotations

from typing import get_args

from wsdiag.probes.idle.keepalives import BEHAVIOURS, KeepaliveSchedule
from wsdiag.records import DeadKind, TrialKind


def test_every_kind_of_trial_has_its_row() -> None:
    assert set(BEHAVIOURS) == set(get_args(TrialKind)) - set(get_args(DeadKind))


def test_doubling_gaps_never_exceed_half_of_the_age() -> None:
    schedule = KeepaliveSchedule(20.0, 1.25)
    while schedule.due_s < 200:
        schedule.sent.append(schedule.due_s)
    assert schedule.sent[:5] == [1.25, 2.5, 5.0, 10.0, 20.0]
    assert schedule.sent[6] - schedule.sent[5] == 20
    for age in (3.0, 11.0, 39.0, 100.0):
        before = [at for at in schedule.sent if at <= age]
        gaps = [b - a for a, b in zip([0.0, *before], before, strict=False)]
        assert max(gaps) <= age / 2 + 1e-9


def test_a_known_timeout_limits_the_gaps() -> None:
    schedule = KeepaliveSchedule(20.0, 1.25)
    while schedule.due_s < 15:
        schedule.sent.append(schedule.due_s)
    schedule.limit_gaps(15.0)
    assert schedule.due_s == 10 + 7.5


def test_connections_that_end_at_once_make_no_flood() -> None:
    schedule = KeepaliveSchedule(20.0, 1.25)
    schedule.limit_gaps(1e-5)
    assert schedule.next_gap_s == 1.25
