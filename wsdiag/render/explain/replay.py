"""wsdiag's own records, drawn as the run that wrote them was: chart, timeline, verdicts.

Times are the records' own. Only what a run left on the screen at its end is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TextIO

from wsdiag.records import (
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
_ROWS = 40


def replay(
    terminal: Terminal, records: Sequence[Any], format: Literal["text", "json", "csv"]
) -> None:
    """Print one file's records in the format asked for, save the picture, and log; OSError."""
    pings = [one for one in records if isinstance(one, _PING)]
    trials = [one for one in records if isinstance(one, _IDLE)]
    if format == "json":
        for one in records:
            if concludes(one) or not terminal.quiet:
                terminal.json(one)
    elif format == "csv":
        _rows(terminal, pings, trials)
    for path in terminal.log_paths:  # behind what was told of recordings
        with path.open("a", encoding="utf-8", newline="\n") as file:
            if path.suffix.lower() == ".csv":
                _rows(terminal, pings, trials, file)
            else:
                file.writelines(to_line(to_record(one, terminal.redactor)) for one in records)
    if format != "text" and not terminal.save_paths:
        return
    from rich.console import Group
    from rich.text import Text

    views = [*(_ping_views(terminal, pings) if pings else ())]
    views += [*(_idle_views(terminal, trials) if trials else ())]
    views += _path_views(terminal, [one for one in records if isinstance(one, _PATH)])
    views += _stream_views(terminal, [one for one in records if isinstance(one, _STREAM)])
    errors = [one for one in records if isinstance(one, Error)]
    drawn = (*_PING, *_IDLE, *_PATH, *_STREAM, Error)
    rest = Counter(one.type for one in records if not isinstance(one, drawn))
    if rest:
        counted = ", ".join(f"{count} {name}" for name, count in rest.most_common())
        views.append(Text(f"not drawn: {counted}", style="dim"))
    if format == "text":
        from wsdiag.render.base.error import print_error

        for error in errors:
            print_error(terminal, error)
        for view in views:
            terminal.print(view)
    terminal.save(Group(*views), title="wsdiag explain")


def _rows(
    terminal: Terminal, pings: Sequence[Any], trials: Sequence[Any], file: TextIO | None = None
) -> None:
    from wsdiag.render.idle.csv import IdleCsv
    from wsdiag.render.ping.csv import PingCsv

    both: tuple[tuple[Sequence[Any], type[CsvRows]], ...] = ((pings, PingCsv), (trials, IdleCsv))
    for records, rows in both:
        if records:
            output = rows(terminal, file=file)  # type: ignore[call-arg]
            output.start()
            for record in records:
                output.handle(record)
            output.finish()


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
