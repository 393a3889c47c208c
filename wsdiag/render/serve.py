"""`serve` for people: where it listens, then one line per event of a connection, on stderr."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.text import Text

from wsdiag.records import ServeEvent, ServeListening
from wsdiag.render.base.terminal import Terminal

_STYLES = {
    "open": "green",
    "accept": "green",
    "opened": "green",
    "accepted": "green",
    "refused": "yellow",
    "rejected": "yellow",
    "violation": "bold red",
    "error": "bold red",
    "fault": "magenta",
    "drop": "magenta",
    "starved": "bold red",
    "close": "cyan",
    "closed": "cyan",
}


def print_listening(terminal: Terminal, listening: ServeListening) -> None:
    """Print the URL to connect to: the first line, on stdout, so that a script can wait for it."""
    clean = terminal.clean(listening)
    terminal.line(Text.assemble("listening on ", (clean.url, "bold")))


def print_event(terminal: Terminal, event: ServeEvent) -> None:
    """Print one event of a connection as one line on stderr."""
    terminal.log(event_line(terminal.clean(event)))


def event_line(event: ServeEvent) -> Text:
    """The line of one cleaned event: `12:00:00.123 #3 closed  code=1000 by=client`."""
    line = Text.assemble(
        (_clock(event.time), "dim"),
        f" #{event.connection} ",
        (f"{event.event:<10}", _STYLES.get(event.event, "bold")),
    )
    for name, value in event.data.items():
        if value is not None:
            line.append(f" {name}=", style="dim").append(_word(value))
    return line


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
