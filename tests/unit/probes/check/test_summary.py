"""Counts and exit codes of check."""

from __future__ import annotations

from itertools import permutations

import pytest

from wsdiag.probes.check.summary import exit_code, summarize
from wsdiag.records import CheckResult


def judged(status: str, unmeasured: bool = False) -> CheckResult:
    return CheckResult("x", "ws://x/", "fitness", status, unmeasured=unmeasured or None)  # type: ignore[arg-type]


PASS, FAIL, WARN, SKIP, MISSING = (
    judged("pass"),
    judged("fail"),
    judged("warn"),
    judged("skip"),
    judged("skip", True),
)


@pytest.mark.parametrize(
    ("results", "unreachable", "interrupted", "code"),
    [
        ([PASS], False, False, 0),
        ([PASS, WARN, SKIP], False, False, 0),
        ([PASS, FAIL], False, False, 3),
        ([PASS, MISSING], False, False, 1),
        ([FAIL, MISSING], False, False, 1),
        ([PASS], True, False, 1),
        ([FAIL], True, False, 1),
        ([], False, False, 1),
        ([SKIP], False, False, 1),
        ([MISSING], False, True, 130),
        ([], False, True, 130),
        ([PASS, MISSING], False, True, 1),
    ],
)
def test_exit_codes(
    results: list[CheckResult], unreachable: bool, interrupted: bool, code: int
) -> None:
    for order in permutations(results):
        assert exit_code(order, unreachable=unreachable, interrupted=interrupted) == code


def test_endpoints_that_pass_do_not_answer_for_one_that_was_not_judged() -> None:
    other = CheckResult("x", "ws://y/", "fitness", "skip")
    assert exit_code([PASS, other]) == 1
    assert exit_code([PASS, other, CheckResult("z", "ws://y/", "fitness", "pass")]) == 0


def test_summary_counts() -> None:
    summary = summarize([PASS, FAIL, WARN, SKIP, MISSING], 2.0)
    assert (summary.passed, summary.warned, summary.failed, summary.skipped) == (1, 1, 1, 2)
    assert summary.unmeasured == 1
    assert summarize([PASS], 1.0).unmeasured is None
