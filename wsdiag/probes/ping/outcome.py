"""The outcome of a run of `ping`, from its summaries: facts, and the exit code."""

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
    wanted = None if interrupted or deadline is None else count
    if not summaries or not all(is_usable(s, wanted, reconnect=reconnect) for s in summaries):
        return ExitCode.NO_ANSWER
    return ExitCode.OK if limits_hold(summaries) else ExitCode.LIMIT_BROKEN


def is_usable(summary: PingSummary, wanted: int | None, *, reconnect: bool) -> bool:
    """Whether it answered (`wanted` times, if given) and stayed connected, or was reconnected."""
    if not summary.received or (summary.drops and not reconnect):
        return False
    return wanted is None or summary.received >= wanted


def limits_hold(summaries: Sequence[PingSummary]) -> bool:
    """Whether every limit that was asked for holds."""
    return all(limit.ok for s in summaries for limit in s.thresholds)


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
