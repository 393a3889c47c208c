"""`wsdiag explain`: what happened and who ended it, from what was recorded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsdiag.cli.command_setup import open_terminal, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode, when_unread
from wsdiag.cli.files import with_files
from wsdiag.cli.interrupt import InterruptibleInput, interruptible
from wsdiag.cli.options import FORMAT, OutputOptions, TableFormat
from wsdiag.cli.params import EXISTING_FILE, usage_errors
from wsdiag.cli.run_async import collect_garbage_again

if TYPE_CHECKING:
    from wsdiag.capture.explain import ExplainRun
    from wsdiag.capture.tls.key_log import KeyLog
    from wsdiag.records import ExplainConnection
    from wsdiag.records.explain import ExplainSource
    from wsdiag.render.base.output import EventOutput
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import TraceEvent, Tracer

WHAT = "What to read and show"
_what = partial(typer.Option, rich_help_panel=WHAT)


@dataclass(frozen=True, kw_only=True)
class ExplainFlags:
    """How to read, what to show, and what must hold."""

    only: Annotated[
        str | None,
        _what(
            "--only",
            metavar="SELECTOR",
            help="Only these: numbers (3, 5-8), an outcome, part of a URL or address.",
        ),
    ] = None
    keylog: Annotated[
        Path | None,
        _what("--keylog", help="TLS secrets, as SSLKEYLOGFILE gets them.", **EXISTING_FILE),
    ] = None
    log_format: Annotated[
        str | None,
        _what("--log-format", metavar="FORMAT", help="Of access logs, in nginx's syntax."),
    ] = None
    require_clean: Annotated[
        bool, _what("--require-clean", help="Exit with 3 unless all ended by Close 1000 or 1001.")
    ] = False
    show: Annotated[bool, _what("--show", help="Show the first messages' payloads.")] = False


@command()
def explain(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Captures, HAR files, records, access logs; - is stdin."
        ),
    ],
    flags: ExplainFlags,
    output: OutputOptions,
    format: Annotated[TableFormat, FORMAT] = "text",
) -> int:
    """Reads pcap and pcapng captures, HAR files, wsdiag's own records and traces, and access logs
    (told by content, also gzipped), and says for each WebSocket connection in them how it ended,
    who ended it, by what evidence, and what several have in common. From stdin, connections are
    shown as they end; Ctrl-C ends with the verdict so far.

    wsdiag explain capture.pcapng
    tcpdump -i any -U -w - port 8080 | wsdiag explain -
    """
    from wsdiag.capture.explain import ExplainOptions, ExplainRun
    from wsdiag.render.explain.output import explain_output

    live = "-" in files
    with usage_errors("--only"):
        selects = Selector(flags.only)
    with usage_errors("--log-format"):
        options = ExplainOptions(
            key_log=_key_log(flags.keylog),
            log_format=flags.log_format,
            show=flags.show,
            show_secrets=output.show_secrets,
            live=live,
        )
    inputs, terminal = InterruptibleInput(), open_terminal(output)
    collect_garbage_again()
    with (
        tracing(output, terminal, urls=2, all_frames=True) as tracer,
        interruptible(inputs, output.max_time),
    ):
        with usage_errors("--log-format"):
            run = ExplainRun(
                files, options, inputs.open, until_stopped(tracer, inputs), lambda: inputs.stopped
            )
        if live:  # nobody waits for what is still to come
            when_unread(terminal, inputs.stop)
        shown = explain_output(terminal, format, live=live)
        own: list[Any] = []
        code = show_run(run, terminal, shown, selects, flags, inputs, own)
        if own:
            from wsdiag.render.explain.replay import replay

            if not replay(terminal, own, format):
                code = _refuse_records(own, terminal, format)
    return with_files(terminal, code)


def _refuse_records(own: Sequence[Any], terminal: Terminal, format: str) -> int:
    """wsdiag's own records of which there is nothing to show: what was given instead."""
    from wsdiag.records import Error
    from wsdiag.render.base.error import print_error

    kinds = ", ".join(Counter(one.type for one in own))
    message = f"there is nothing to draw of wsdiag's own records {kinds}"
    hint = (
        "explain draws what connect, ping, idle-probe, stream, path and check wrote with -o json "
        "or --log; of a run of serve, give a capture (tcpdump) or a client's --trace"
    )
    if format == "csv":
        message = f"wsdiag's own records {kinds} have no rows"
        hint = "those of ping, idle-probe, stream, path and explain have; -o json writes any again"
    print_error(terminal, Error("", "read", "usage", message, hint))
    return ExitCode.USAGE


def until_stopped(tracer: Tracer | None, inputs: InterruptibleInput) -> Tracer | None:
    """A tracer that says no more once reading was stopped: what was read ahead is much."""
    if tracer is None:
        return None

    def trace(event: TraceEvent) -> None:
        if not inputs.stopped:
            tracer(event)

    return trace


def show_run(
    run: ExplainRun,
    terminal: Terminal,
    output: EventOutput,
    selects: Selector,
    flags: ExplainFlags,
    inputs: InterruptibleInput,
    own: list[Any],
) -> int:
    """Run to the exit code; wsdiag's own records are added to `own`."""
    from wsdiag.units import counted

    sources: list[ExplainSource] = []
    clean: Counter[bool | None] = Counter()
    output.start()
    try:
        left_out = _show(run, output, selects, inputs, own, sources, clean)
        output.finish()
    finally:
        output.stop()
    if left_out and not terminal.stdout.closed:
        what = counted(left_out, "more connection")
        print(f"note: {what} that had not ended: not shown, as it was stopped", file=sys.stderr)
    judged = clean.total()
    if run.unreadable and not inputs.stopped:
        return ExitCode.USAGE
    if not judged and not run.replayed:
        _say_nothing_judged(sources, selects.narrow)
        return ExitCode.INTERRUPTED if inputs.stopped else ExitCode.NO_ANSWER
    if flags.require_clean and clean[None]:
        print(
            f"note: how {counted(clean[None], 'connection')} ended is not known (--require-clean)",
            file=sys.stderr,
        )
    return ExitCode.LIMIT_BROKEN if flags.require_clean and clean[False] else ExitCode.OK


def _show(
    run: ExplainRun,
    output: EventOutput,
    selects: Selector,
    inputs: InterruptibleInput,
    own: list[Any],
    sources: list[ExplainSource],
    clean: Counter[bool | None],
) -> int:
    """Hand on what is found; how many connections were left out because it was stopped."""
    from wsdiag.capture.own_records import OwnRecord
    from wsdiag.records import Error, ExplainConnection, ExplainVerdict
    from wsdiag.records.explain import ExplainSource

    left_out = 0
    for event in run.events():
        if isinstance(event, OwnRecord):
            own.append(event.record)
            continue
        if inputs.stopped and isinstance(event, Error):
            continue  # there is less than it takes because we stopped reading
        if isinstance(event, ExplainSource):
            event = replace(event, broken=None if inputs.stopped else event.broken)
            sources.append(event)
        if isinstance(event, ExplainConnection):
            if not selects(event):
                continue
            clean[is_clean(event)] += 1
            if inputs.late and event.outcome == "open":
                left_out += 1
                continue
        elif isinstance(event, ExplainVerdict) and selects.narrow:
            continue
        output.handle(event)
    return left_out


def _say_nothing_judged(sources: Sequence[ExplainSource], narrow: bool) -> None:
    from wsdiag.render.explain.view import beside

    held = beside(sources)
    what = "no connection matches --only" if narrow else "no WebSocket connection"
    print(f"note: {what}" + (f": {held}" if held else ""), file=sys.stderr)


def is_clean(one: ExplainConnection) -> bool | None:
    """Whether it ended by Close 1000 or 1001, or not at all; None: not known.

    TLS that stays dark hides Close frames, and HAR files and most logs do not say how it ended.
    """
    if one.outcome == "open":
        return True
    if one.drop is not None and one.drop.how == "close":
        return one.drop.code in (1000, 1001)
    if one.outcome == "unknown" and (one.encrypted or one.drop is None):
        return None
    return False


class Selector:
    """`--only`: numbers and ranges separated by commas, an outcome, or part of a URL or address."""

    def __init__(self, text: str | None) -> None:
        self.narrow = text is not None
        self._text = text or ""
        self._ranges: list[tuple[int, int]] = []
        parts = [part.strip() for part in self._text.split(",")]
        if text is not None and not all(parts):
            raise ValueError(f"{text!r} is empty: give a number, an outcome, or part of a URL")
        for part in parts:
            low, dash, high = part.partition("-")
            if low.isdecimal() and (high.isdecimal() or not dash):
                self._ranges.append((int(low), int(high or low)))
        if len(self._ranges) < len(parts):
            self._ranges.clear()

    def __call__(self, one: ExplainConnection) -> bool:
        """Whether a connection is chosen."""
        if not self.narrow:
            return True
        if self._ranges:
            return any(low <= one.number <= high for low, high in self._ranges)
        if self._text in (one.outcome, one.ended_by):
            return True
        where: tuple[Any, ...] = (one.url, one.client, one.server)
        return any(self._text in text for text in where if text)


def _key_log(path: Path | None) -> KeyLog | None:
    if path is None:
        return None
    from wsdiag.capture.tls.key_log import KeyLog

    try:
        found = KeyLog(path)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--keylog") from None
    if not found.lines and found.unreadable:
        message = f"{path} is no key log: no line is LABEL RANDOM SECRET in hexadecimal"
        raise typer.BadParameter(message, param_hint="--keylog")
    return found
