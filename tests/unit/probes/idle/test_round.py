"""When a round knows enough: pure decisions on what its trials have shown so far."""

from __future__ import annotations

import pytest

from tests.unit.judgement.recorded_trials import idle
from wsdiag.probes.idle.round import IdlePeriod, overall_limit_s, settled_by_silence, timeout_so_far


@pytest.mark.parametrize(
    ("periods", "settled"),
    [
        ([(30, True), (35, False)], False),
        ([(30, True), (35, False), (40, False)], True),
        ([(30, False), (35, True), (40, False)], False),
        ([(35, False), (40, False)], True),
        ([], False),
    ],
)
def test_two_silent_periods_settle_it(periods: list[tuple[float, bool]], settled: bool) -> None:
    assert settled_by_silence([IdlePeriod(*period) for period in periods]) is settled


def test_the_first_estimate_prefers_announced_drops() -> None:
    assert timeout_so_far([idle(30.0)]) is None
    assert timeout_so_far([idle(60.0, "fin"), idle(65.0, "rst-on-write")]) == 60
    assert timeout_so_far([idle(65.0, "silent")]) == 65


def test_no_drop_ends_within_the_promise() -> None:
    assert overall_limit_s(120.0) + 0.03 * 28 + 2 < 135
