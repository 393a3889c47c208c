"""The exit code of `ping`, from its summaries: one pure function."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.exit_codes import ExitCode
from wsdiag.records import PingSummary
from wsdiag.units import format_duration


def ping_exit_code(
    summaries: Sequence[PingSummary],
    *,
    count: int | None = None,
    deadline: float | None = None,
    reconnect: bool = False,
    interrupted: bool = False,
) -> ExitCode:
    """0 measured, 1 no usable answer, 3 a limit does not hold, 130 interrupted before anything.

    With several URLs the most serious wins: a missing answer before a broken limit.
    """
    if interrupted and not any(s.received or s.lost or s.drops for s in summaries):
        return ExitCode.INTERRUPTED
    short = None if interrupted or deadline is None else count
    if not summaries or any(_unusable(s, short, reconnect) for s in summaries):
        return ExitCode.NO_ANSWER
    if any(not limit.ok for s in summaries for limit in s.thresholds):
        return ExitCode.LIMIT_BROKEN
    return ExitCode.OK


def shortfalls(
    summaries: Sequence[PingSummary], *, count: int | None, deadline: float | None
) -> list[str]:
    """A sentence for each URL that answered, but less often than `-c` before `-w` (seconds)."""
    if count is None or deadline is None:
        return []
    return [
        f"{s.url}: {s.received} of {count} replies came before the deadline of "
        f"{format_duration(deadline)}"
        for s in summaries
        if 0 < s.received < count and not s.drops
    ]


def _unusable(summary: PingSummary, wanted: int | None, reconnect: bool) -> bool:
    if not summary.received or (summary.drops and not reconnect):
        return True
    return wanted is not None and summary.received < wanted
