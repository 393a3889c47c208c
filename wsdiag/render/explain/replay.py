"""wsdiag's own records, drawn as the run that wrote them was: chart, timeline, verdicts.

Times are the records' own. Only what a run left on the screen at its end is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TextIO

from wsdiag.records import (
    CheckResult,
    CheckSummary,
    ConnectResult,
    Error,
    IdleTrial,
    IdleVerdict,
    PingClosed,
    PingLost,
    PingReply,
    PingStart,
    PingSummary,
    TrialStarted,
)
from wsdiag.records.path import PathHop, PathStart, PathSummary
from wsdiag.records.stream import (
    StreamClosed,
    StreamEvent,
    StreamInterval,
    StreamMessage,
    StreamStart,
    StreamSummary,
)
from wsdiag.render.base.csv_rows import CsvRows
from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.output import concludes
from wsdiag.render.base.terminal import Terminal

_PING = (PingStart, PingReply, PingLost, PingClosed, PingSummary)
_IDLE = (IdleTrial, IdleVerdict)
_PATH = (PathStart, PathHop, PathSummary)
_STREAM = (StreamStart, StreamMessage, StreamInterval, StreamEvent, StreamClosed, StreamSummary)
_CHECK = (CheckResult, CheckSummary)
_ROWS = 40


def replay(
    terminal: Terminal, records: Sequence[Any], format: Literal["text", "json", "csv"]
) -> bool:
    """Print one file's records in the format asked for, save the picture, and log.

    False: there was nothing among them that the format shows.
    """
    if format == "json":
        for one in records:
            if concludes(one) or not terminal.quiet:
                terminal.json(one)
    elif format == "csv" and not _rows(terminal, records):
        return False
    for path in terminal.log_paths:  # behind what was told of recordings
        with terminal.writing(path), path.open("a", encoding="utf-8", newline="\n") as file:
            if path.suffix.lower() == ".csv":
                _rows(terminal, records, file)
            else:
                file.writelines(to_line(to_record(one, terminal.redactor)) for one in records)
    if format != "text" and not terminal.save_paths:
        return True
    return _draw(terminal, records, shown=format == "text")


def _draw(terminal: Terminal, records: Sequence[Any], *, shown: bool) -> bool:
    """Print the views (where they are `shown`), and save them; False: nothing can be drawn."""
    from rich.console import Group
    from rich.text import Text

    views: list[Any] = []
    for types, draw in _VIEWS:
        if chosen := [one for one in records if isinstance(one, types)]:
            views += draw(terminal, chosen)
    errors = [one for one in records if isinstance(one, Error)]
    if not views and not errors:
        return False
    drawn = (Error, *(each for types, _ in _VIEWS for each in types))
    rest = Counter(one.type for one in records if not isinstance(one, drawn))
    if rest:
        counted = ", ".join(f"{count} {name}" for name, count in rest.most_common())
        views.append(Text(f"not drawn: {counted}", style="dim"))
    if shown:
        from wsdiag.render.base.error import print_error

        for error in errors:
            print_error(terminal, error)
        for view in views:
            terminal.print(view)
    terminal.save(Group(*views), title="wsdiag explain")
    return True


def _rows(terminal: Terminal, records: Sequence[Any], file: TextIO | None = None) -> bool:
    """Write the rows that each command has; False: none of these commands has any."""
    from wsdiag.render.idle.csv import IdleCsv
    from wsdiag.render.path.csv import PathCsv
    from wsdiag.render.ping.csv import PingCsv
    from wsdiag.render.stream.csv import StreamCsv

    kinds: tuple[tuple[tuple[type, ...], Callable[..., CsvRows]], ...] = (
        (_PING, PingCsv),
        (_IDLE, IdleCsv),
        (_PATH, PathCsv),
        (_STREAM, StreamCsv),
    )
    found = False
    for types, rows in kinds:
        chosen = [one for one in records if isinstance(one, types)]
        if chosen:
            found, output = True, rows(terminal, file=file)
            output.start()
            for record in chosen:
                output.handle(record)
            output.finish()
    return found


def _connect_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    from wsdiag.render.connect.view import connect_view

    for record in records:
        yield connect_view(
            terminal.clean(record), terminal.glyphs, quiet=terminal.quiet, verbose=terminal.verbose
        )


def _check_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    """A run ends with its summary."""
    from wsdiag.render.check.view import checks_view

    results: list[CheckResult] = []
    for record in records:
        if isinstance(record, CheckResult):
            results.append(terminal.clean(record))
        else:
            yield checks_view(results, record, terminal.glyphs)
            results = []


def _ping_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    from wsdiag.render.ping.history import PingHistory
    from wsdiag.render.ping.options import PingViewOptions

    timed = [one.time for one in records if hasattr(one, "time")]
    urls = list(dict.fromkeys(one.url for one in records))
    began = min(timed) if timed else None
    history = PingHistory(
        terminal, urls, PingViewOptions(), **({} if began is None else {"clock": lambda: began})
    )
    history.start()
    for record in records:
        history.take(record)
    yield history.final()


def _idle_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    from wsdiag.render.idle.view import IdleHistory

    urls = list(dict.fromkeys(one.url for one in records))
    history = IdleHistory(terminal, urls, clock=lambda: 0.0)
    for record in records:
        if isinstance(record, IdleTrial):
            started = TrialStarted(
                record.url,
                record.connection,
                record.trial,
                record.idle_for_s,
                record.interval_s,
                record.age_s or 0.0,
            )
            history.rows.start(started, record.started_s)
        history.take(record)
    yield history.whole(_ROWS)


def _path_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    from wsdiag.render.path.view import PathHistory

    for url in dict.fromkeys(one.url for one in records):
        history = PathHistory(terminal, url)
        for record in records:
            if record.url == url:
                history.take(record)
        yield history.whole(terminal.width)


def _stream_views(terminal: Terminal, records: Sequence[Any]) -> Iterator[Any]:
    from wsdiag.render.stream.history import StreamHistory
    from wsdiag.render.stream.screen import final_view

    for url in dict.fromkeys(one.url for one in records):
        history = StreamHistory(terminal, url)
        for record in records:
            if record.url == url:
                history.take(record)
        yield final_view(history, terminal)


_VIEWS: tuple[tuple[tuple[type, ...], Callable[[Terminal, Sequence[Any]], Iterator[Any]]], ...] = (
    ((ConnectResult,), _connect_views),
    (_PING, _ping_views),
    (_IDLE, _idle_views),
    (_PATH, _path_views),
    (_STREAM, _stream_views),
    (_CHECK, _check_views),
)
