"""How `ping` shows itself: a live chart on a terminal, lines elsewhere, rows or records as asked.

What is not used is not imported: `-o json` has no use for rich.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TextIO

from wsdiag.render.base.output import EventOutput, JsonRecords, Tee
from wsdiag.render.base.record_log import with_log
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.ping.options import PingViewOptions as PingViewOptions


def ping_output(
    terminal: Terminal,
    urls: Sequence[str],
    format: Literal["text", "json", "csv"] = "text",
    options: PingViewOptions | None = None,
) -> EventOutput:
    """The output for `-o format` on this terminal, with the files of `--save` and `--log`."""

    def rows(terminal: Terminal, file: TextIO) -> EventOutput:
        from wsdiag.render.ping.csv import PingCsv

        return PingCsv(terminal, file)

    return with_log(_shown(terminal, urls, format, options or PingViewOptions()), terminal, rows)


def _shown(
    terminal: Terminal, urls: Sequence[str], format: str, options: PingViewOptions
) -> EventOutput:
    # frames traced by -v go to stderr, which is mostly the same terminal: no screen to share
    if format == "text" and options.chart and terminal.live and not terminal.verbose:
        from wsdiag.render.ping.screen import PingScreen

        return PingScreen(terminal, urls, options)  # it saves what it shows
    shown = _plain_output(terminal, urls, format, options)
    if not terminal.save_paths:
        return shown
    from wsdiag.render.ping.screen import PingPicture

    return Tee(shown, PingPicture(terminal, urls, options))


def _plain_output(
    terminal: Terminal, urls: Sequence[str], format: str, options: PingViewOptions
) -> EventOutput:
    if format == "json":
        return JsonRecords(terminal)
    if format == "csv":
        from wsdiag.render.ping.csv import PingCsv

        return PingCsv(terminal)
    from wsdiag.render.ping.lines import PingLines

    return PingLines(terminal, timestamps=options.timestamps, urls=len(urls))
