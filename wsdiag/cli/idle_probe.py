"""`wsdiag idle-probe`: does anything on the path drop idle connections?"""

from __future__ import annotations

import sys
from contextlib import aclosing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, get_args

from wsdiag.cli.inject import injects
from wsdiag.cli.options import Output, default_compression, output_options, request_options
from wsdiag.cli.params import bad_parameter, duration_option, flag, usage_errors
from wsdiag.cli.room import make_room
from wsdiag.cli.runtime import USAGE, run_async
from wsdiag.cli.view import EventWriter, JsonWriter, open_terminal, refuse_bad_urls, tracing
from wsdiag.records import TrialKind
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    import typer

    from wsdiag.probes.idle.options import IdleOptions
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer


class IdleFormat(StrEnum):
    """Output formats of idle-probe."""

    text = "text"
    json = "json"
    csv = "csv"


WHEN, WHAT = "Idle periods", "Trials"
DEFAULT_TRIALS = "idle,ping,pong,tcp-keepalive"


def idle_options(
    start: Annotated[
        float,
        duration_option(
            "--from",
            show_default="30s",
            help="Shortest idle period that is probed by a Ping.",
            rich_help_panel=WHEN,
        ),
    ] = 30.0,
    end: Annotated[
        float,
        duration_option(
            "--to", show_default="120s", help="Longest idle period.", rich_help_panel=WHEN
        ),
    ] = 120.0,
    step: Annotated[
        float,
        duration_option(
            "--step", show_default="5s", help="Between the idle periods.", rich_help_panel=WHEN
        ),
    ] = 5.0,
    keepalive: Annotated[
        float,
        duration_option(
            "--keepalive",
            show_default="20s",
            help="Interval of the keepalive trials.",
            rich_help_panel=WHAT,
        ),
    ] = 20.0,
    trials: Annotated[
        str,
        typer.Option("--trials", metavar="LIST", help="Which trials to run.", rich_help_panel=WHAT),
    ] = DEFAULT_TRIALS,
    push: Annotated[
        str | None,
        typer.Option(
            "--push",
            metavar="TEXT",
            help="Message that makes the endpoint send: adds a push trial.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    send: Annotated[
        str | None,
        typer.Option(
            "--send",
            metavar="TEXT",
            help="Message to send as keepalive: adds a data trial.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="REGEX",
            help="What answers --send (where no Pong comes).",
            rich_help_panel=WHAT,
        ),
    ] = None,
    pong_timeout: Annotated[
        float,
        duration_option(
            "--pong-timeout",
            show_default="10s",
            help="Silence longer than this is a drop.",
            rich_help_panel=WHEN,
        ),
    ] = 10.0,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat", min=1, max=100, metavar="N", help="Measure N times.", rich_help_panel=WHEN
        ),
    ] = 1,
    refine: Annotated[
        bool,
        flag(
            "--refine", help="Narrow a silent drop to 1 s with a second pass.", rich_help_panel=WHEN
        ),
    ] = False,
    max_connections: Annotated[
        int,
        typer.Option(
            "--max-connections",
            min=3,
            max=1000,
            metavar="N",
            help="Connections at once, for each URL.",
            rich_help_panel=WHAT,
        ),
    ] = 32,
    require: Annotated[
        float | None,
        duration_option(
            "--require", help="Exit with 3 unless this is survived.", rich_help_panel=WHEN
        ),
    ] = None,
) -> IdleOptions:
    """Build what to try for how long, refusing what cannot be."""
    from wsdiag.probes.idle.options import IdleOptions

    with usage_errors():
        return IdleOptions(
            from_s=start,
            to_s=end,
            step_s=step,
            keepalive_s=keepalive,
            trials=_trials(trials, push, send),
            push=push,
            send=send,
            expect=expect,
            pong_timeout_s=pong_timeout,
            repeat=repeat,
            refine=refine,
            max_connections=max_connections,
            require_s=require,
        )


def _trials(text: str, push: str | None, send: str | None) -> tuple[TrialKind, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in get_args(TrialKind)]
    if unknown or not names:
        raise bad_parameter(
            f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(get_args(TrialKind))}",
            param_hint="--trials",
        )
    for name, text_to_send, option in (("push", push, "--push"), ("data", send, "--send")):
        if text_to_send is not None and name not in names:
            names.append(name)
        if text_to_send is None and name in names:
            raise bad_parameter(f"{name} needs {option} TEXT", param_hint="--trials")
    return tuple(trial for trial in get_args(TrialKind) if trial in names)


@injects(options=idle_options, dial=request_options, output=output_options)
def idle_probe(
    urls: Annotated[
        list[str],
        typer.Argument(metavar="URL", help="One or more endpoints: edge and origin, say."),
    ],
    options: IdleOptions,
    dial: DialOptions,
    output: Output,
    format: Annotated[
        IdleFormat, typer.Option("-o", "--output", help="Output format.", rich_help_panel="Output")
    ] = IdleFormat.text,
) -> None:
    """Does anything drop idle connections: when, how, what prevents it?

    wsdiag idle-probe wss://example.org/ws
    wsdiag idle-probe --require 60 wss://example.org/ws ws://10.0.0.7/ws

    Opens some thirty connections side by side: some stay idle for --from, and --step more, up to
    --to, and are then asked by a Ping; others are kept alive in one way each. It takes about as
    long as --to. The verdict says what was seen, what keeps connections open, which products are
    known for such a limit, and what to set. Two URLs, edge and origin say, tell which side it is.
    """
    from wsdiag.probes.idle.plan import plan_round

    terminal = open_terminal(output, dial, urls=urls)
    refuse_bad_urls(urls, terminal, json=format is IdleFormat.json)
    each = 1 + len(plan_round(options).trials)  # one more watches over them
    make_room(len(urls) * each, terminal, json=format is IdleFormat.json)
    with tracing(output, terminal, urls=len(urls)) as tracer:
        sys.exit(probe_and_show(urls, options, dial, terminal, format, tracer))


def probe_and_show(
    urls: list[str],
    options: IdleOptions,
    dial: DialOptions,
    terminal: Terminal,
    format: IdleFormat,
    tracer: Tracer | None,
) -> int:
    """Run the probe, hand each event to the chosen output, and return the exit code."""
    from wsdiag.probes.idle.outcome import idle_exit_code
    from wsdiag.probes.idle.run import IdleRun
    from wsdiag.records import Error, IdleVerdict

    run = IdleRun(urls, options, default_compression(dial, False), tracer)
    show = _writer(urls, terminal, format)
    verdicts: list[IdleVerdict] = []
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()

    async def measure() -> int:
        misused = False
        async with aclosing(run.events()) as events:
            async for event in events:
                show.handle(event)
                if isinstance(event, IdleVerdict):
                    verdicts.append(event)
                elif isinstance(event, Error) and event.kind == "usage":
                    misused = True
        show.finish()
        return USAGE if misused else idle_exit_code(verdicts, interrupted=interrupted)

    show.start()
    try:
        return run_async(measure, on_stop=stop)
    finally:
        show.stop()


def _writer(urls: list[str], terminal: Terminal, format: IdleFormat) -> EventWriter:
    """Where events go: a view for people, or data, with the picture of `--save` beside it."""
    if format is not IdleFormat.text:
        data = _data_writer(terminal, format)
        if terminal.save_path is None:
            return data
        from wsdiag.render.idle.view import SavedIdle

        return SavedIdle(data, terminal, urls)
    from wsdiag.render.idle.view import idle_view

    return idle_view(terminal, urls)


def _data_writer(terminal: Terminal, format: IdleFormat) -> EventWriter:
    if format is IdleFormat.json:
        return JsonWriter(terminal)
    from wsdiag.render.idle.csv import IdleCsv

    return IdleCsv(terminal)
