"""What a command drives to show a run, whatever it shows it as."""

from __future__ import annotations

from typing import Any, Protocol


class EventOutput(Protocol):
    """Takes the events of one run, one after the other: a live view, lines, records, rows."""

    def start(self) -> None:
        """Before the first event."""

    def handle(self, event: Any) -> None:
        """One event, as it happens; must not wait for a terminal that is paused."""

    def finish(self) -> None:
        """After the last event: the final view, the file of --save."""

    def stop(self) -> None:
        """Give the terminal back, whatever happened; may be called again."""


class Tee:
    """Several outputs of the same events, such as records and a picture beside them."""

    def __init__(self, *outputs: EventOutput) -> None:
        self._outputs = outputs

    def start(self) -> None:
        """Start each."""
        for output in self._outputs:
            output.start()

    def handle(self, event: Any) -> None:
        """Hand the event to each."""
        for output in self._outputs:
            output.handle(event)

    def finish(self) -> None:
        """Finish each."""
        for output in self._outputs:
            output.finish()

    def stop(self) -> None:
        """Stop each."""
        for output in self._outputs:
            output.stop()
