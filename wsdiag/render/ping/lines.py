"""`ping` without a terminal: one line per event, as ping(8) prints them."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace
from typing import get_args

from rich.text import Text

from wsdiag.records import (
    Error,
    PingClosed,
    PingEvent,
    PingLost,
    PingNotice,
    PingOutage,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingSummary,
    PingWaiting,
)
from wsdiag.records.drops import describe_drop, short_drop
from wsdiag.records.ping import PingProgress
from wsdiag.render.base.error import print_error
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.start_line import start_line
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.summary import summary_table, summary_view
from wsdiag.units import counted, format_duration, format_ms

_REMINDED_S = 1.0
Shown = (
    PingStart
    | PingReply
    | PingLost
    | PingWaiting
    | PingResumed
    | PingNotice
    | PingClosed
    | PingOutage
)
"""Events with a line of their own."""


class PingLines(EventOutput):
    """Prints events as they come; of several URLs, each line names its own.

    `-q` prints summaries only. `timestamps` (-D) puts `[1767225600.123456]` before each line.
    """

    def __init__(self, terminal: Terminal, *, timestamps: bool = False, urls: int = 1) -> None:
        self._terminal = terminal
        self._timestamps = timestamps
        self._several = urls > 1
        self._summaries: list[PingSummary] = []
        """Those that wait for the others, to be one table."""
        self._seen: dict[str, Counter[str]] = {}
        """By URL, the errors since it last answered."""
        self._silent: dict[str, float] = {}
        """By URL, when it was last said that no answer has come (monotonic)."""

    def handle(self, event: PingEvent) -> None:
        """Print one event."""
        name = f"{getattr(event, 'target', None)} {event.url}"
        if isinstance(event, Error):
            self._error(name, event)
            return
        self._follow(name, event)
        if isinstance(event, get_args(PingProgress)) and not isinstance(event, PingNotice):
            return
        if was_a_silence(event):
            return
        event = self._terminal.clean(event)
        if isinstance(event, PingSummary):
            self._summary(event)
        elif not self._terminal.quiet:
            assert isinstance(event, Shown)  # all that is neither progress nor the end
            self._terminal.line(self._line(event))

    def _error(self, name: str, error: Error) -> None:
        """With --reconnect the same failure comes again and again: it is told once, and counted.

        So that a log shows that it goes on, the count is told at 2, 4, 8 and so on.
        """
        seen = self._seen.setdefault(name, Counter())
        seen[error.message] += 1
        count = seen[error.message]
        if count == 1:
            print_error(self._terminal, error)
        elif count.bit_count() == 1:
            again = f"{error.message} ({count} times)"
            print_error(self._terminal, replace(error, message=again, hint=None))

    def _follow(self, name: str, event: PingEvent) -> None:
        """What an event says about a URL that does not answer; while it is silent, as ping -O."""
        if isinstance(event, PingReply | PingOutage):
            self._seen.pop(name, None)
        if isinstance(event, PingWaiting):
            self._silent[name] = time.monotonic()
        elif isinstance(event, PingResumed | PingClosed | PingSummary):
            self._silent.pop(name, None)
        elif isinstance(event, PingSent) and not self._terminal.quiet:
            now_s = time.monotonic()
            if now_s - self._silent.get(name, math.inf) >= _REMINDED_S * 0.9:
                self._silent[name] = now_s
                clean = self._terminal.clean(event)
                whose = (f"{clean.url}: ", "dim") if self._several else ""
                said = f"seq={clean.seq - 1} no answer yet ({clean.unanswered - 1} unanswered)"
                self._terminal.line(Text.assemble(whose, (said, "yellow")))

    def finish(self) -> None:
        """Print one table where a person asked for several URLs."""
        if self._summaries:
            ordered = sorted(self._summaries, key=lambda one: one.target or 0)
            width, glyphs = self._terminal.width, self._terminal.glyphs
            for part in summary_table(ordered, width, glyphs):
                self._terminal.print(part)

    def _summary(self, summary: PingSummary) -> None:
        if self._terminal.out.file.isatty():
            if self._several and not summary.partial:
                self._summaries.append(summary)
                return
            self._terminal.print(summary_view(summary, self._terminal.glyphs, columns=True))
            return
        for part in summary_view(summary, self._terminal.glyphs).renderables:
            if isinstance(part, Text):  # for scripts: whole lines, however long
                self._terminal.line(part)
            else:
                self._terminal.print(part)

    def _line(self, event: Shown) -> Text:
        line = event_line(event)
        if self._several and not isinstance(event, PingStart):
            line = Text.assemble((f"{event.url}: ", "dim"), line)
        if self._timestamps and not isinstance(event, PingStart):
            at = event.began if isinstance(event, PingOutage) else event.time
            line = Text.assemble((f"[{at.timestamp():.6f}] ", "dim"), line)
        return line


def was_a_silence(event: PingEvent) -> bool:
    """Whether this is an outage of a connection that lives: `PingResumed` tells the same."""
    return isinstance(event, PingOutage) and event.over and not event.attempts


def event_line(event: Shown) -> Text:
    """The line of one cleaned event."""
    match event:
        case PingStart():
            return start_line("PING", event)
        case PingReply():
            return _reply_line(event)
        case PingLost():
            return Text.assemble(f"seq={event.seq} ", ("lost", "bold red"), f" ({_why(event)})")
        case PingWaiting():
            said = f"no answer for {format_duration(event.waited_ms / 1e3)}"
            rest = f" ({event.unanswered} unanswered)"
            return Text.assemble(f"seq={event.seq} ", (said, "bold yellow"), rest)
        case PingResumed():
            said = f"answered again after {format_duration(event.waited_ms / 1e3)} of silence"
            return Text.assemble(f"seq={event.seq} ", (said, "green"))
        case PingNotice():
            return Text.assemble(("the server sent", "bold yellow"), f" {event.message}")
        case PingClosed():
            said = f" after {format_duration(event.drop.at_s)}: {describe_drop(event.drop)}"
            if event.drop.last_message:
                said += f"; last message: {event.drop.last_message}"
            return Text.assemble(("closed", "bold red"), said)
        case PingOutage():
            tried = f", {counted(event.attempts, 'attempt')}" if event.attempts else ""
            failed = ", ".join(f"{n} {_FAILED.get(kind, kind)}" for kind, n in event.errors.items())
            said = f" for {format_duration(event.down_s)}{tried}{f' ({failed})' * bool(failed)}"
            words = ("answers again, was down", "green") if event.over else ("down", "bold red")
            return Text.assemble(words, said)


# What an attempt came to, by `error.kind`.
_FAILED = {
    "dns": "without an address",
    "connect": "not connected",
    "proxy": "stopped by the proxy",
    "tls": "failed in TLS",
    "cert": "with a certificate that is not accepted",
    "upgrade": "with the upgrade refused",
    "redirect": "redirected",
    "timeout": "timed out",
    "closed": "ended before the upgrade",
}


def _reply_line(event: PingReply) -> Text:
    line = Text(f"seq={event.seq} time={format_ms(event.rtt_ms)} ms")
    if event.http2_rtt_ms is not None:
        line.append(f" http2={format_ms(event.http2_rtt_ms)} ms", style="dim")
    if event.late:
        line.append(" late", style="bold yellow")
    if event.retransmits:
        line.append(f" retransmits={event.retransmits}", style="yellow")
    if event.cause:
        line.append(f" cause={event.cause}", style="yellow")
    return line


def _why(lost: PingLost) -> str:
    waited = format_duration(lost.waited_ms / 1e3)
    answer = "echo" if lost.mode else "Pong"
    if lost.unsent:
        return f"not even sent within {waited}: the peer's flow-control window is closed"
    if lost.drop is None:
        return f"no {answer} within {waited}"
    if lost.drop.how == "silent":
        return f"no {answer} within {waited}, and the connection was given up"
    return f"the connection ended {waited} after it was sent: {short_drop(lost.drop)}"
