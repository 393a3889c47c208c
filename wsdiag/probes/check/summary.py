"""From results to counts and to the exit code: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.exit_codes import ExitCode
from wsdiag.records import CheckResult, CheckSummary


def summarize(
    results: Sequence[CheckResult], duration_s: float, *, unreachable: int = 0
) -> CheckSummary:
    """The counts over all endpoints; `unreachable` of them gave no usable answer."""
    counts = dict.fromkeys(("pass", "warn", "fail", "skip"), 0)
    for result in results:
        counts[result.status] += 1
    missing = sum(bool(result.unmeasured) for result in results)
    return CheckSummary(
        counts["pass"],
        counts["warn"],
        counts["fail"],
        counts["skip"],
        duration_s,
        unmeasured=missing or None,
        unreachable=unreachable or None,
    )


def exit_code(
    results: Sequence[CheckResult], *, unreachable: bool = False, interrupted: bool = False
) -> ExitCode:
    """0 all holds, 1 something could not be measured, 3 a check failed, 130 nothing was judged.

    `unreachable`: an endpoint gave no usable answer. The most serious wins: what was not measured
    may be worse than what failed.
    """
    judged = [result for result in results if result.status != "skip"]
    if interrupted and not judged:
        return ExitCode.INTERRUPTED
    missing = any(result.unmeasured for result in results) or _unjudged(results)
    if unreachable or missing or not judged:
        return ExitCode.NO_ANSWER
    return (
        ExitCode.LIMIT_BROKEN if any(result.status == "fail" for result in judged) else ExitCode.OK
    )


def _unjudged(results: Sequence[CheckResult]) -> bool:
    """Whether there is an endpoint of which nothing was judged: the others do not answer for it."""
    judged: dict[tuple[str | None, str], bool] = {}
    for result in results:
        key = (result.endpoint, result.url)
        judged[key] = judged.get(key, False) or result.status != "skip"
    return not all(judged.values())
