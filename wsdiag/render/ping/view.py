"""How `ping` shows itself: a live chart on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsdiag.records import PingEvent
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.lines import PingLines
from wsdiag.render.ping.screen import ChartOptions, PingScreen


class PingOutput(Protocol):
    """What a command drives: start, handle each event, finish; stop restores the terminal."""

    def start(self) -> None:
        """Take the screen, if this view needs it."""

    def handle(self, event: PingEvent) -> None:
        """Take one event in; cheap, never blocks on the terminal of a live view."""

    def finish(self) -> None:
        """Leave the final view on the screen; and save it, where that was asked for."""

    def stop(self) -> None:
        """Restore the terminal, whatever happened; harmless when repeated."""


class PingView(PingOutput, Protocol):
    """Output for people, which may be redrawn."""

    def refresh(self) -> None:
        """Redraw soon; views redraw by themselves, so this is for a resize."""


class SavedPing:
    """Any output of a run, and beside it the picture for `--save` that a terminal would show."""

    def __init__(
        self, shown: PingOutput, terminal: Terminal, urls: Sequence[str], options: ChartOptions
    ) -> None:
        self._shown = shown
        self._picture = PingScreen(terminal, urls, options)

    def start(self) -> None:
        """Start the output; the picture needs no screen."""
        self._shown.start()

    def handle(self, event: PingEvent) -> None:
        """Hand one event to both."""
        self._shown.handle(event)
        self._picture.handle(event)
        self._picture.take_in()

    def refresh(self) -> None:
        """Nothing to redraw: lines, records and rows are final."""

    def finish(self) -> None:
        """End the output, then write the picture; OSError when the file cannot be written."""
        self._shown.finish()
        self._picture.save()

    def stop(self) -> None:
        """Give back what the output took."""
        self._shown.stop()


def ping_view(
    terminal: Terminal,
    urls: Sequence[str],
    *,
    window_s: float = 60.0,
    y_max_ms: float | None = None,
    log_scale: bool = False,
    chart: bool = True,
    timestamps: bool = False,
) -> PingView:
    """The view that fits: a live chart on a terminal unless `chart` is off, else lines."""
    # frames traced by -v go to stderr, which is mostly the same terminal: no screen to share
    if not (chart and terminal.live) or terminal.verbose:
        lines = PingLines(terminal, timestamps=timestamps, urls=len(urls))
        if terminal.save_path is None:
            return lines
        return save_beside(lines, terminal, urls, y_max_ms=y_max_ms, log_scale=log_scale)
    options = ChartOptions(
        window_s=window_s, y_max_ms=y_max_ms, log_scale=log_scale, dots=terminal.dots
    )
    return PingScreen(terminal, urls, options)


def save_beside(
    shown: PingOutput,
    terminal: Terminal,
    urls: Sequence[str],
    *,
    y_max_ms: float | None = None,
    log_scale: bool = False,
) -> SavedPing:
    """An output that draws nothing by itself, with the picture for `--save` beside it."""
    options = ChartOptions(y_max_ms=y_max_ms, log_scale=log_scale)
    return SavedPing(shown, terminal, urls, options)
