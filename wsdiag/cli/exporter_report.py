"""What `exporter` prints while it runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import typer

from wsdiag.cli.event_printer import EventPrinter
from wsdiag.units import counted

if TYPE_CHECKING:
    from wsdiag.exporter.exporter import Exporter
    from wsdiag.records import ExporterEvent
    from wsdiag.render.base.terminal import Terminal

_TOLD, _TOLD_PER_S = 20, 10.0
_IN_FLOODS = ("drop", "unreachable", "reachable", "refused", "starved")


class ExporterReport:
    """Prints what happens: NDJSON on stdout, or lines on stderr.

    A flood of one kind of event is cut short, and hides nothing of another kind.
    """

    def __init__(self, terminal: Terminal, *, json: bool) -> None:
        self._terminal, self._json = terminal, json
        self.printer = EventPrinter(
            terminal,
            json=json,
            show=_show,
            left_out=lambda count: _left_out(f"nobody read {count} events"),
        )
        self._told = Counter[str]()
        """Of each kind of event: how many came in the ten seconds that began with the first."""
        self._ends: dict[str, asyncio.TimerHandle] = {}

    def listening(self, running: Exporter) -> None:
        """Where it answers: the first line, so that a script can wait for it."""
        from wsdiag.records import ExporterListening

        host, port = running.address
        targets, tls = len(running.config.targets), running.url.startswith("https")
        record = ExporterListening(running.url, host, port, tls, targets)
        if self._json:
            self._terminal.json(record)
        else:
            self._terminal.line(f"listening on {running.url}/metrics, {counted(targets, 'target')}")

    def event(self, event: ExporterEvent) -> None:
        """One event."""
        if event.event not in _IN_FLOODS:
            self.printer.print(event)
            return
        kind = event.event
        if kind not in self._ends:
            loop = asyncio.get_running_loop()
            self._ends[kind] = loop.call_later(_TOLD_PER_S, self._begin_again, kind)
        self._told[kind] += 1
        if self._told[kind] <= _TOLD:
            self.printer.print(event)

    def _begin_again(self, kind: str) -> None:
        """Say how many were left out, and tell those of this kind again."""
        self._ends.pop(kind).cancel()
        left_out = self._told.pop(kind) - _TOLD
        if left_out > 0:
            said = counted(left_out, "more line", "more lines")
            self.printer.print(_left_out(f"{said} of `{kind}` within {_TOLD_PER_S:g} s"))

    def finish(self) -> None:
        """Print what is left."""
        for kind in list(self._ends):
            self._begin_again(kind)
        self.printer.finish()

    def failed(self, listen: str, problem: Exception) -> None:
        """Why it cannot listen."""
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        at = f"cannot listen on {listen}: " if isinstance(problem, OSError) else ""
        typer.echo(f"error: {self._terminal.text(f'{at}{why or problem}')}", err=True)


def _show(terminal: Terminal, event: ExporterEvent) -> None:
    terminal.log(_line(terminal.clean(event)))


def _left_out(why: str) -> ExporterEvent:
    from wsdiag.records import ExporterEvent, utc_now

    return ExporterEvent(utc_now(), "left-out", message=why)


def _line(event: ExporterEvent) -> str:
    """An event for people."""
    who = event.name or event.url or event.peer
    figures = (("kept", event.kept), ("new", event.new), ("gone", event.gone))
    counted = ", ".join(f"{count} {what}" for what, count in figures if count is not None)
    said = f"{event.event}: {f'{who}: ' if who else ''}{event.message or counted}"
    return f"{said} (hint: {event.hint})" if event.hint else said
