"""`stream` without a terminal: a line per interval, event and shown message."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from rich.text import Text

from wsdiag.records import Error
from wsdiag.records.drops import describe_drop
from wsdiag.records.stream import (
    StreamClosed,
    StreamEvent,
    StreamInterval,
    StreamMessage,
    StreamRecord,
    StreamStart,
    StreamSummary,
)
from wsdiag.render.base.error import print_error
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.start_line import start_line
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.stream.summary import summary_view
from wsdiag.units import (
    counted,
    format_duration,
    format_lags,
    format_ms,
    format_number,
    format_size,
)

_SHOWN_CHARS, _SECRET_CHARS = 64 * 1024, 8192
_LAYOUT = json.JSONEncoder(ensure_ascii=False, indent=2)
EVENT_STYLES = {
    "silence": "bold yellow",
    "mute": "bold red",
    "burst": "yellow",
    "resumed": "green",
    "gap": "bold red",
    "outage": "bold red",
}


class StreamLines(EventOutput):
    """Prints what happens as it does; `-q` prints the summary only.

    `show`: messages are printed, and intervals are not.
    """

    def __init__(self, terminal: Terminal, *, show: bool = False) -> None:
        self._terminal, self._show = terminal, show
        self._errors: Counter[str] = Counter()

    def handle(self, event: StreamRecord) -> None:
        """Print one event."""
        terminal = self._terminal
        if isinstance(event, Error):
            self._error(event)
            return
        if isinstance(event, StreamSummary):
            whole = summary_view(terminal.clean(event), terminal.glyphs)
            for part in whole.renderables:
                if isinstance(part, Text) and not terminal.out.file.isatty():
                    terminal.line(part)  # for scripts: whole lines, however long
                else:
                    terminal.print(part)
            terminal.out.file.flush()
            return
        if isinstance(event, StreamStart):
            self._errors.clear()
        if terminal.quiet or (self._show and isinstance(event, StreamInterval)):
            return
        if isinstance(event, StreamMessage):
            terminal.line(self._message_line(event))
        elif (line := event_line(terminal.clean(event))) is not None:
            terminal.line(line)

    def _message_line(self, event: StreamMessage) -> Text:
        """Time and text, escaped; JSON on several lines is laid out here and has no others."""
        at = event.time.astimezone().strftime("%H:%M:%S.%f")[:-3]
        said = event.text or ""
        if event.data is not None:
            said = f"binary, {format_size(event.bytes)}: {event.data}"
        elif event.value is not None:
            said = _laid_out(event.value)
        elif event.text is None:
            said = f"({format_size(event.bytes)}: not looked into)"
        if len(said) > _SHOWN_CHARS:
            # masked before it is cut: half a credential is not recognised as one
            said = self._terminal.redactor.text(said[: _SHOWN_CHARS + _SECRET_CHARS])
            more = "more" if event.cut_bytes else "all"
            said = f"{said[:_SHOWN_CHARS]}… ({format_size(event.bytes)}; -o json has {more})"
        parts = [said] if event.value is None else said.split("\n")
        lines = "\n".join(map(self._terminal.text, parts))
        return Text.assemble((f"{at} ", "dim"), lines)

    def _error(self, error: Error) -> None:
        """With --reconnect the same failure comes again and again: told at 1, 2, 4, 8 and so on."""
        self._errors[error.message] += 1
        count = self._errors[error.message]
        if count == 1:
            print_error(self._terminal, error)
        elif count.bit_count() == 1:
            again = f"{error.message} ({count} times)"
            print_error(self._terminal, replace(error, message=again, hint=None))


def _laid_out(value: str) -> str:
    """JSON on several lines, as far as it is shown: each is as long as its value is deep."""
    said: list[str] = []
    size = 0
    try:
        for piece in _LAYOUT.iterencode(json.loads(value)):
            said.append(piece)
            size += len(piece)
            if size > _SHOWN_CHARS + _SECRET_CHARS:
                break
    except RecursionError:
        return value
    return "".join(said)


def event_line(event: StreamRecord) -> Text | None:
    """The line of one cleaned event; None for progress."""
    match event:
        case StreamStart():
            packed = any("deflate" in each for each in event.extensions)
            return start_line("STREAM", event, "; compressed" if packed else "")
        case StreamInterval():
            return _interval_line(event)
        case StreamEvent():
            at = event.time.astimezone().strftime("%H:%M:%S")
            name = (event.event, EVENT_STYLES[event.event])
            return Text.assemble((f"{at} ", "dim"), name, f" {event.message}")
        case StreamClosed():
            said = f" after {format_duration(event.drop.at_s)}: {describe_drop(event.drop)}"
            return Text.assemble(("closed", "bold red"), said)
    return None


def _interval_line(event: StreamInterval) -> Text:
    at = event.time.astimezone().strftime("%H:%M:%S")
    text = Text.assemble((f"{at} ", "dim"))
    if not event.connected:
        return text.append("not connected", style="bold red")
    if event.messages:
        text.append(f"{format_number(event.rate)} msg/s  {format_size(int(event.bytes_rate))}/s")
        if event.longest_gap_s is not None:
            text.append(f"  longest gap {format_duration(event.longest_gap_s)}")
    else:
        text.append(f"no message for {format_duration(event.silent_s)}", style="yellow")
    if event.lag_ms is not None:
        text.append(f"  lag up to {format_lags(event.lag_ms)}")
    if event.rtt_ms is not None:
        text.append(f"  rtt {format_ms(event.rtt_ms)} ms", style="dim")
    if event.keys:
        text.append(f"  {counted(len(event.keys), 'key')}", style="dim")
    return text
