"""Which output `stream` has: a live view on a terminal, lines elsewhere, rows or records as asked.

What is not used is not imported: `-o json` has no use for rich.
"""

from __future__ import annotations

from typing import Literal, TextIO

from wsdiag.render.base.output import EventOutput, JsonRecords, Tee
from wsdiag.render.base.record_log import with_log
from wsdiag.render.base.terminal import Terminal


def stream_output(
    terminal: Terminal,
    url: str,
    format: Literal["text", "json", "csv"] = "text",
    *,
    window_s: float = 60.0,
    show: bool = False,
) -> EventOutput:
    """The output for `-o format` on this terminal, with the files of `--save` and `--log`.

    `show`: messages are printed, so that there is no screen to draw on.
    """

    def rows(terminal: Terminal, file: TextIO) -> EventOutput:
        from wsdiag.render.stream.csv import StreamCsv

        return StreamCsv(terminal, file)

    return with_log(_shown(terminal, url, format, window_s, show), terminal, rows)


def _shown(terminal: Terminal, url: str, format: str, window_s: float, show: bool) -> EventOutput:
    # frames traced by -v go to stderr, which is mostly the same terminal: no screen to share
    if format == "text" and terminal.live and not terminal.verbose and not show:
        from wsdiag.render.stream.screen import StreamScreen

        return StreamScreen(terminal, url, window_s)  # it saves what it shows
    shown = _plain_output(terminal, format, show)
    if not terminal.save_paths:
        return shown
    from wsdiag.render.stream.screen import StreamPicture

    return Tee(shown, StreamPicture(terminal, url))


def _plain_output(terminal: Terminal, format: str, show: bool) -> EventOutput:
    if format == "json":
        return JsonRecords(terminal)
    if format == "csv":
        from wsdiag.render.stream.csv import StreamCsv

        return StreamCsv(terminal)
    from wsdiag.render.stream.lines import StreamLines

    return StreamLines(terminal, show=show)
