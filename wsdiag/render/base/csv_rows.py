"""Rows of comma-separated values, for spreadsheets and plots (RFC 4180, with plain line ends)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from wsdiag.records import Error
from wsdiag.render.base.error import print_error
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal


class CsvRows(EventOutput):
    """Writes a header line, and a row for each event that `row_of` makes one of (None: no row)."""

    def __init__(
        self,
        terminal: Terminal,
        columns: Sequence[str],
        row_of: Callable[[Any], dict[str, Any] | None],
        file: TextIO | None = None,
    ) -> None:
        """`file`: instead of stdout, for `--log`; errors are then left out."""
        self._terminal, self._row_of, self._errors = terminal, row_of, file is None
        self._file = terminal.out.file if file is None else file
        self._rows = csv.DictWriter(self._file, columns, restval="", lineterminator="\n")

    def start(self) -> None:
        """Write the header line."""
        self._rows.writeheader()
        self._file.flush()

    def handle(self, event: Any) -> None:
        """Write one event; errors go to stderr."""
        if isinstance(event, Error):
            if self._errors:
                print_error(self._terminal, event)
        elif (row := self._row_of(self._terminal.clean(event))) is not None:
            self._rows.writerow(row)
            self._file.flush()


def cell(text: str) -> str:
    """Text as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in "=+-@" else text


def decimals(value: float | None) -> str | None:
    """A figure to three decimals, as in the JSON records."""
    return None if value is None else f"{value:.3f}"
