"""The outcome of a run of `stream`, from its summary: facts, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.exit_codes import ExitCode
from wsdiag.records.stream import StreamSummary
from wsdiag.units import format_duration


def stream_exit_code(
    summaries: Sequence[StreamSummary],
    *,
    count: int | None = None,
    deadline: float | None = None,
    reconnect: bool = False,
    interrupted: bool = False,
) -> ExitCode:
    """0 measured, 1 no message (or connection lost, or fewer than `count` before `deadline`).

    3: a limit does not hold; 130: interrupted before anything came.
    """
    if interrupted and not any(each.messages or each.drops for each in summaries):
        return ExitCode.INTERRUPTED
    wanted = count if deadline is not None and not interrupted else None
    for each in summaries:
        short = wanted is not None and each.messages < wanted
        finished = count is not None and each.messages >= count
        if not each.messages or (each.drops and not reconnect and not finished) or short:
            return ExitCode.NO_ANSWER
    if not summaries:
        return ExitCode.NO_ANSWER
    held = all(limit.ok for each in summaries for limit in each.thresholds)
    return ExitCode.OK if held else ExitCode.LIMIT_BROKEN


def shortfalls(
    summaries: Sequence[StreamSummary], *, count: int | None, deadline: float | None
) -> list[str]:
    """A sentence for a stream that brought something, but less than `-c` before `-w` (seconds)."""
    if count is None or deadline is None:
        return []
    return [
        f"{each.url}: {each.messages} of {count} messages came before the deadline of "
        f"{format_duration(deadline)}"
        for each in summaries
        if 0 < each.messages < count and not each.drops
    ]
