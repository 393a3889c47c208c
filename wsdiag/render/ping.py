"""How `ping` shows itself: a live chart on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsdiag.probes.results import PingEvent
from wsdiag.render.ping_lines import PingLines
from wsdiag.render.ping_screen import ChartOptions, PingScreen
from wsdiag.render.terminal import Terminal


class PingView(Protocol):
    """What a command drives: start, handle each event, finish; stop restores the terminal."""

    def start(self) -> None:
        """Take the screen, if this view needs it."""

    def handle(self, event: PingEvent) -> None:
        """Take one event in; cheap, never blocks on the terminal of a live view."""

    def refresh(self) -> None:
        """Redraw soon; views redraw by themselves, so this is for a resize."""

    def finish(self) -> None:
        """Leave the final view on the screen; and save it, where that was asked for."""

    def stop(self) -> None:
        """Restore the terminal, whatever happened; harmless when repeated."""


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
        return PingLines(terminal, timestamps=timestamps, urls=len(urls))
    options = ChartOptions(
        window_s=window_s, y_max_ms=y_max_ms, log_scale=log_scale, dots=terminal.dots
    )
    return PingScreen(terminal, urls, options)
