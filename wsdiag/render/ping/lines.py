"""`ping` without a terminal: one line an event, as ping(8) prints them."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from wsdiag.records import Error, PingClosed, PingEvent, PingLost, PingReply, PingStart, PingSummary
from wsdiag.records.drops import describe_drop
from wsdiag.render.base.error import print_error
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.summary import summary_view
from wsdiag.units import format_duration, format_ms


class PingLines(EventOutput):
    """Prints events as they come; of several URLs, each line names its own.

    `-q` prints summaries only. `timestamps` (-D) puts `[1767225600.123456]` before each line.
    """

    def __init__(self, terminal: Terminal, *, timestamps: bool = False, urls: int = 1) -> None:
        self._terminal = terminal
        self._timestamps = timestamps
        self._several = urls > 1
        self._hints: dict[str, str | None] = {}

    def _hinted_once(self, error: Error) -> Error:
        """With --reconnect the same failure comes again and again; its hint need not."""
        if self._hints.get(error.url) == error.hint:
            return replace(error, hint=None)
        self._hints[error.url] = error.hint
        return error

    def handle(self, event: PingEvent) -> None:
        """Print one event."""
        if isinstance(event, Error):
            print_error(self._terminal, self._hinted_once(event))
            return
        event = self._terminal.clean(event)
        if isinstance(event, PingSummary):
            self._summary(event)
        elif not self._terminal.quiet:
            self._terminal.line(self._line(event))

    def _summary(self, summary: PingSummary) -> None:
        if self._terminal.out.file.isatty():
            self._terminal.print(summary_view(summary, self._terminal.glyphs, columns=True))
            return
        for part in summary_view(summary, self._terminal.glyphs).renderables:
            if isinstance(part, Text):  # for scripts: whole lines, however long
                self._terminal.line(part)
            else:
                self._terminal.print(part)

    def _line(self, event: PingStart | PingReply | PingLost | PingClosed) -> Text:
        line = event_line(event)
        if self._several and not isinstance(event, PingStart):
            line = Text.assemble((f"{event.url}: ", "dim"), line)
        if self._timestamps and not isinstance(event, PingStart):
            line = Text.assemble((f"[{event.time.timestamp():.6f}] ", "dim"), line)
        return line


def event_line(event: PingStart | PingReply | PingLost | PingClosed) -> Text:
    """The line of one cleaned event."""
    match event:
        case PingStart():
            again = f", reconnected ({event.reconnect})" if event.reconnect else ""
            where = f" ({event.address})" if event.address else ""
            where += f" through the proxy {event.proxy}" if event.proxy else ""
            spoken = "" if event.dialect is None else f"; speaks {event.dialect.title}"
            line = Text(f"PING {event.url}{where}: {event.clock} timestamps{again}{spoken}")
            if event.hello is not None and event.hello.answer is not None:
                line.append(f"; the hello was answered: {event.hello.answer}")
            return line
        case PingReply():
            line = Text(f"seq={event.seq} time={format_ms(event.rtt_ms)} ms")
            if event.late:
                line.append(" late", style="bold yellow")
            if event.retransmits:
                line.append(f" retransmits={event.retransmits}", style="yellow")
            if event.cause:
                line.append(f" cause={event.cause}", style="yellow")
            return line
        case PingLost():
            waited = format_duration(event.waited_ms / 1e3)
            lost = ("lost", "bold red")
            return Text.assemble(f"seq={event.seq} ", lost, f" (no Pong within {waited})")
        case PingClosed():
            said = f" after {format_duration(event.drop.at_s)}: {describe_drop(event.drop)}"
            return Text.assemble(("closed", "bold red"), said)
