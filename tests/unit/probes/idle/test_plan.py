"""The plan of a round: which connections, when, within which budget; and the options."""

from __future__ import annotations

import pytest

from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.plan import idle_periods, plan_refinement, plan_round, thin


def test_the_default_plan_fits_its_budget() -> None:
    plan = plan_round(IdleOptions())
    periods = [trial.idle_for_s for trial in plan.trials if trial.idle_for_s is not None]
    assert periods == [30 + 5 * i for i in range(19)]
    assert len(plan.trials) + 1 <= 32
    assert plan.notes == ()
    kinds = [trial.trial for trial in plan.trials]
    assert [kinds.count(kind) for kind in ("ping", "pong", "tcp-keepalive")] == [2, 2, 2]
    assert sum(trial.idle_for_s is None for trial in plan.trials if trial.trial == "idle") == 3
    assert any(trial.late for trial in plan.trials if trial.trial == "ping")


@pytest.mark.parametrize("most", range(2, 40))
def test_any_budget_is_kept_and_leaves_idle_and_keepalive(most: int) -> None:
    plan = plan_round(IdleOptions(max_connections=most))
    kinds = {trial.trial for trial in plan.trials}
    assert len(plan.trials) + (most > 2) <= most
    assert {"idle"} < kinds
    if most < 26:
        assert plan.notes


def test_required_time_becomes_an_idle_period() -> None:
    assert 47.0 in idle_periods(IdleOptions(require_s=47.0))
    assert IdleOptions(require_s=300).longest_s == 300


def test_thinning_keeps_the_longest() -> None:
    assert thin([1.0, 2.0, 3.0, 4.0, 5.0], 3) == [1.0, 3.0, 5.0]
    assert thin([1.0, 2.0], 1) == [2.0]


def test_refinement_splits_the_bracket_by_the_second() -> None:
    trials = plan_refinement(IdleOptions(), 55.0, 60.0).trials
    assert [trial.idle_for_s for trial in trials if trial.idle_for_s] == [56, 57, 58, 59]
    assert plan_refinement(IdleOptions(), 55.0, 55.5).trials == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"from_s": 0},
        {"from_s": 30.0, "to_s": 10},
        {"step_s": -1},
        {"max_connections": 0},
        {"lifetime_s": 0},
        {"trials": ("ping",)},
        {"trials": ("idle", "data")},
        {"trials": ("idle", "push")},
        {"expect": "x"},
        {"repeat": 0},
        {"pong_timeout_s": 0},
        {"keepalive_s": 0},
    ],
)
def test_senseless_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        IdleOptions(**bad)  # type: ignore[arg-type]


def test_http2s_pings_are_tried_where_the_trials_were_not_narrowed() -> None:
    def tried(options: IdleOptions, *, http2: bool) -> set[str]:
        return {trial.trial for trial in plan_round(options, http2=http2).trials}

    assert "h2-ping" in tried(IdleOptions(), http2=True)
    assert "h2-ping" not in tried(IdleOptions(), http2=False)
    assert tried(IdleOptions(trials=("idle",)), http2=True) == {"idle"}
    assert tried(IdleOptions(trials=("idle", "h2-ping")), http2=True) == {"idle", "h2-ping"}
