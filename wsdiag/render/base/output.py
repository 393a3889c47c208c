"""What the events of a run are handed to: a live view, lines, rows or records, all driven alike.

A command calls `start()`, `handle()` for each event, `finish()` after the last one, and `stop()`
whatever happened. The picture that `--save` writes is one of them, and a `Tee` drives it beside the
output that is seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal


class EventOutput(ABC):
    """Takes the events of one run in their order; by default there is nothing to begin or end."""

    def start(self) -> None:  # noqa: B027
        """Before the first event: take the screen, write a header line."""

    @abstractmethod
    def handle(self, event: Any) -> None:
        """Take one event. A live view only queues it: the run never waits for a terminal."""

    def ending(self) -> None:  # noqa: B027
        """The run was asked to end, and will soon: a live view says so."""

    def finish(self) -> None:  # noqa: B027
        """After the last event: leave the final view."""

    def suspend(self) -> None:  # noqa: B027
        """Before the process is stopped (Ctrl-Z): give the terminal back."""

    def resume(self) -> None:  # noqa: B027
        """The process goes on: take the terminal again."""

    def stop(self) -> None:  # noqa: B027
        """Restore the terminal, whatever happened; harmless when repeated."""


_CONCLUSIONS = ("summary", "verdict", "result", "error")


def concludes(record: Any) -> bool:
    """Whether `-q` leaves this record: a summary, a verdict, a result, or why there is none.

    Of `check`, whose results are many, those that keep the exit code from being 0.
    """
    if getattr(record, "type", "") == "check.result":
        return record.status == "fail" or bool(record.unmeasured)
    return getattr(record, "type", "").rpartition(".")[2] in _CONCLUSIONS


class JsonRecords(EventOutput):
    """Every event that is a record as a line of NDJSON on stdout; `-q`: what concludes the run."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def handle(self, event: Any) -> None:
        """Write one record; progress that is not a record (it has no `type`) is left out."""
        if hasattr(event, "type") and (concludes(event) or not self._terminal.quiet):
            self._terminal.json(event)


class Tee(EventOutput):
    """Several outputs of one run, driven one after the other."""

    def __init__(self, *outputs: EventOutput) -> None:
        self._outputs = outputs

    def start(self) -> None:
        """Start each."""
        for output in self._outputs:
            output.start()

    def handle(self, event: Any) -> None:
        """Hand one event to each."""
        for output in self._outputs:
            output.handle(event)

    def ending(self) -> None:
        """Tell each."""
        for output in self._outputs:
            output.ending()

    def finish(self) -> None:
        """Finish each, whatever becomes of the others."""
        with ExitStack() as stack:
            for output in reversed(self._outputs):
                stack.callback(output.finish)

    def suspend(self) -> None:
        """Suspend each."""
        for output in self._outputs:
            output.suspend()

    def resume(self) -> None:
        """Resume each."""
        for output in self._outputs:
            output.resume()

    def stop(self) -> None:
        """Stop each."""
        for output in self._outputs:
            output.stop()
