"""How `path` shows itself: a live table, the table at the end, rows or records.

What is not used is not imported: `-o json` has no use for rich.
"""

from __future__ import annotations

from typing import Literal, TextIO

from wsdiag.records import PathEvent
from wsdiag.render.base.output import EventOutput, JsonRecords, Tee
from wsdiag.render.base.record_log import with_log
from wsdiag.render.base.terminal import Terminal


def path_output(
    terminal: Terminal, url: str, format: Literal["text", "json", "csv"] = "text"
) -> EventOutput:
    """The output for `-o format` on this terminal, with the files of `--save` and `--log`."""

    def rows(terminal: Terminal, file: TextIO) -> EventOutput:
        from wsdiag.render.path.csv import PathCsv

        return PathCsv(terminal, file)

    return with_log(_shown(terminal, url, format), terminal, rows)


class WhatIsMissing(EventOutput):
    """Says on stderr what an output of data cannot: which capability is missing, what grants it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def handle(self, event: PathEvent) -> None:
        """Say it once, with the summary."""
        needs = getattr(event, "needs", None)
        if needs and not self._terminal.quiet:
            self._terminal.log(f"note: {needs}")


def _shown(terminal: Terminal, url: str, format: str) -> EventOutput:
    if format == "text":
        from wsdiag.render.path.view import PathLines, PathScreen

        live = terminal.live and not terminal.verbose
        return PathScreen(terminal, url) if live else PathLines(terminal, url)
    if format == "json":
        data: EventOutput = Tee(JsonRecords(terminal), WhatIsMissing(terminal))
    else:
        from wsdiag.render.path.csv import PathCsv

        data = Tee(PathCsv(terminal), WhatIsMissing(terminal))
    if not terminal.save_paths:
        return data
    from wsdiag.render.path.view import PathPicture

    return Tee(data, PathPicture(terminal, url))
