"""The exit code of `idle-probe`, and what several verdicts say together."""

from __future__ import annotations

import pytest

from tests.unit.judgement.recorded_trials import idle, kept
from wsdiag.judgement.verdict.compare import compare, shared_end_s
from wsdiag.probes.idle.outcome import idle_exit_code
from wsdiag.records import Drop, IdleVerdict, Range


def verdict(kind: str, **facts: object) -> IdleVerdict:
    return IdleVerdict("ws://one.test/", kind, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "code"),
    [
        ([verdict("no-drop", tested_up_to_s=120.0)], False, 0),
        ([verdict("idle-timeout", drop=Drop("fin", 60.0))], False, 0),
        ([verdict("inconsistent", drop=Drop("fin", 60.0))], False, 0),
        ([verdict("unreachable")], False, 1),
        ([verdict("no-drop", tested_up_to_s=120.0), verdict("unreachable")], False, 1),
        ([verdict("idle-timeout", required_s=60.0, require_ok=False)], False, 3),
        ([verdict("unreachable"), verdict("no-drop", required_s=9.0, require_ok=False)], False, 3),
        ([verdict("kept-busy", tested_up_to_s=2.0, required_s=60.0)], False, 1),
        ([verdict("no-drop", tested_up_to_s=47.0)], True, 0),
        ([verdict("no-drop", tested_up_to_s=47.0, required_s=60.0)], True, 130),
        ([verdict("no-drop", tested_up_to_s=None)], True, 130),
        ([], True, 130),
        ([], False, 1),
    ],
)
def test_exit_code(verdicts: list[IdleVerdict], interrupted: bool, code: int) -> None:
    assert idle_exit_code(verdicts, interrupted=interrupted) == code


def test_edge_and_origin_are_compared_in_words() -> None:
    edge = verdict("idle-timeout", idle_timeout_s=Range(59.9, 60.1), explanation=("x",))
    origin = IdleVerdict("ws://two.test/", "no-drop", tested_up_to_s=120.0, explanation=("y",))
    through, direct = compare([edge, origin])
    assert "most likely" in through.explanation[-1]
    assert "60" in direct.explanation[-1]
    same = IdleVerdict("ws://two.test/", "idle-timeout", idle_timeout_s=Range(59.8, 60.2))
    assert "same time" in compare([edge, same])[0].explanation[-1]
    assert compare([edge]) == [edge]


def test_a_second_is_the_same_time_of_a_minute_and_another_of_three_seconds() -> None:
    def said(mine: Range, theirs: Range) -> str:
        one = verdict("idle-timeout", idle_timeout_s=mine, explanation=("x",))
        other = IdleVerdict("ws://two.test/", "idle-timeout", idle_timeout_s=theirs)
        return compare([one, other])[0].explanation[-1]

    assert "same time" in said(Range(59.0, 59.2), Range(60.0, 60.1))
    assert "same time" in said(Range(2.9, 3.0), Range(3.1, 3.2))
    assert said(Range(1.7, 3.0), Range(3.9, 4.0)) == "x"
    assert "shorter timeout" in said(Range(1.7, 3.0), Range(5.9, 6.0))


def test_unrelated_ends_at_one_moment_are_shared() -> None:
    one = [idle(44.0, "rst"), kept("ping", 44.0, "rst")]
    two = [idle(43.0, "fin", started_s=1.0), kept("ping", 43.0, "fin", started_s=1.0)]
    assert shared_end_s([one, two]) == 44.0
    assert shared_end_s([one, [idle(44.0, "rst"), kept("ping", 50.0)]]) is None
    assert shared_end_s([one]) is None
