"""The exit code of `idle-probe`, from its verdicts: one pure function."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.exit_codes import ExitCode
from wsdiag.records import IdleVerdict


def idle_exit_code(verdicts: Sequence[IdleVerdict], *, interrupted: bool = False) -> ExitCode:
    """0 measured, 1 no usable answer, 3 `--require` does not hold, 130 interrupted too early.

    With several URLs the most serious wins. A requirement that could neither be shown to hold nor
    to fail (`require_ok` None) is no usable answer either.
    """
    if interrupted and not any(_measured_something(verdict) for verdict in verdicts):
        return ExitCode.INTERRUPTED
    if any(verdict.require_ok is False for verdict in verdicts):
        return ExitCode.LIMIT_BROKEN
    if not verdicts or any(verdict.verdict == "unreachable" for verdict in verdicts):
        return ExitCode.NO_ANSWER
    unanswered = any(v.required_s is not None and v.require_ok is None for v in verdicts)
    if unanswered:
        return ExitCode.INTERRUPTED if interrupted else ExitCode.NO_ANSWER
    return ExitCode.OK


def _measured_something(verdict: IdleVerdict) -> bool:
    return verdict.drop is not None or bool(verdict.tested_up_to_s)
