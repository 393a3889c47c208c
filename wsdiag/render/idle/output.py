"""How `idle-probe` shows itself: a live timeline, progress lines, rows or records.

What is not used is not imported: `-o json` has no use for rich.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TextIO

from wsdiag.render.base.output import EventOutput, JsonRecords, Tee
from wsdiag.render.base.record_log import with_log
from wsdiag.render.base.terminal import Terminal


def idle_output(
    terminal: Terminal, urls: Sequence[str], format: Literal["text", "json", "csv"] = "text"
) -> EventOutput:
    """The output for `-o format` on this terminal, with the files of `--save` and `--log`."""

    def rows(terminal: Terminal, file: TextIO) -> EventOutput:
        from wsdiag.render.idle.csv import IdleCsv

        return IdleCsv(terminal, file)

    return with_log(_shown(terminal, urls, format), terminal, rows)


def _shown(terminal: Terminal, urls: Sequence[str], format: str) -> EventOutput:
    if format == "text":
        from wsdiag.render.idle.view import IdleLines, IdleScreen

        # frames traced by -v go to stderr, which is mostly the same terminal: no screen to share
        live = terminal.live and not terminal.verbose
        return IdleScreen(terminal, urls) if live else IdleLines(terminal, urls)
    rows = _rows(terminal, format)
    if not terminal.save_paths:
        return rows
    from wsdiag.render.idle.view import IdlePicture

    return Tee(rows, IdlePicture(terminal, urls))


def _rows(terminal: Terminal, format: str) -> EventOutput:
    if format == "json":
        return JsonRecords(terminal)
    from wsdiag.render.idle.csv import IdleCsv

    return IdleCsv(terminal)
