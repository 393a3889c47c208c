"""The exit code of `path`, from its summary: one pure function."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.exit_codes import ExitCode
from wsdiag.records import PathSummary


def path_exit_code(summaries: Sequence[PathSummary], *, interrupted: bool = False) -> ExitCode:
    """0 measured, 1 unreachable or the connection was lost, 130 interrupted too early."""
    if not any(summary.rounds or summary.hops == 0 for summary in summaries):
        return ExitCode.INTERRUPTED if interrupted else ExitCode.NO_ANSWER
    if any(summary.drop is not None for summary in summaries):
        return ExitCode.NO_ANSWER
    return ExitCode.OK
