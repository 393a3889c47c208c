"""`--log FILE`: the records of a run, beside whatever is shown of it, as NDJSON or as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.output import EventOutput, Tee
from wsdiag.render.base.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

Rows = Callable[[Terminal, TextIO], EventOutput]
"""Makes the output that writes rows to a file, for the commands that have rows."""


class RecordLog(EventOutput):
    """Writes each event to a file, flushed at once: a run that is killed leaves whole lines.

    A disk that is full ends the log and not the run, as with `--trace`: the terminal keeps note.
    """

    def __init__(self, terminal: Terminal, path: Path, rows: Rows | None = None) -> None:
        self._terminal, self._path = terminal, path
        self._new_rows = rows if path.suffix.lower() == ".csv" else None
        self._file: TextIO | None = None
        self._rows: EventOutput | None = None

    def start(self) -> None:
        """Open the file."""
        with self._ending_alone():
            self._file = self._path.open("w", encoding="utf-8", newline="\n")
            if self._new_rows is not None:
                self._rows = self._new_rows(self._terminal, self._file)
                self._rows.start()

    def handle(self, event: Any) -> None:
        """Write one event, if it is a record."""
        if self._file is None or not hasattr(event, "type"):
            return
        with self._ending_alone():
            if self._rows is not None:
                self._rows.handle(event)
            else:
                self._file.write(to_line(to_record(event, self._terminal.redactor)))
                self._file.flush()

    def stop(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):  # what it could not write is known
                self._file.close()
            self._file = None

    @contextmanager
    def _ending_alone(self) -> Iterator[None]:
        """What cannot be written ends the log."""
        with self._terminal.writing(self._path):
            try:
                yield
            except OSError:
                self.stop()
                raise


def with_log(shown: EventOutput, terminal: Terminal, rows: Rows | None = None) -> EventOutput:
    """An output, and beside it each file of `--log`."""
    logs = [RecordLog(terminal, path, rows) for path in terminal.log_paths]
    return Tee(*logs, shown) if logs else shown


def log_records(terminal: Terminal, *records: Any) -> None:
    """Write the records of a command that has them all at its end."""
    logs = Tee(*(RecordLog(terminal, path) for path in terminal.log_paths))
    logs.start()
    for record in records:
        logs.handle(record)
    logs.stop()
