"""How `explain` shows itself: text, records or rows, with the picture of `--save` beside them.

What is not used is not imported: `-o json` has no use for rich.
"""

from __future__ import annotations

from typing import Any, Literal, TextIO

from wsdiag.records import Error
from wsdiag.records.explain import ExplainSource
from wsdiag.render.base.output import EventOutput, JsonRecords, Tee
from wsdiag.render.base.record_log import with_log
from wsdiag.render.base.terminal import Terminal


def explain_output(
    terminal: Terminal, format: Literal["text", "json", "csv"] = "text", *, live: bool = False
) -> EventOutput:
    """The output for `-o format`, with the files of `--save` and `--log`.

    `live`: connections are printed as they come.
    """

    def rows(terminal: Terminal, file: TextIO) -> EventOutput:
        from wsdiag.render.explain.csv import ExplainCsv

        return ExplainCsv(terminal, file)

    return with_log(_shown(terminal, format, live), terminal, rows)


def _shown(terminal: Terminal, format: str, live: bool) -> EventOutput:
    if format == "text":
        from wsdiag.render.explain.view import ExplainText

        return ExplainText(terminal, live=live)
    rows = _rows(terminal, format)
    if not terminal.save_paths:
        return rows
    from wsdiag.render.explain.view import ExplainPicture

    return Tee(rows, ExplainPicture(terminal))


def _rows(terminal: Terminal, format: str) -> EventOutput:
    if format == "json":
        return _ExplainJson(terminal)
    from wsdiag.render.explain.csv import ExplainCsv

    return ExplainCsv(terminal)


class _ExplainJson(JsonRecords):
    """Records on stdout; on stderr what a source lacks, and errors a second time, for people."""

    def handle(self, event: Any) -> None:
        """Write one event."""
        super().handle(event)
        if isinstance(event, Error | ExplainSource):
            from wsdiag.render.explain.view import log_source

            log_source(self._terminal, event)
