"""`wsdiag ping`: round-trip latency over time."""

from __future__ import annotations

import sys
from contextlib import aclosing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from wsdiag.cli.inject import injects
from wsdiag.cli.options import Output, default_compression, output_options, request_options
from wsdiag.cli.params import (
    bad_parameter,
    duration_option,
    flag,
    percent_option,
    size_option,
    usage_errors,
)
from wsdiag.cli.room import make_room
from wsdiag.cli.runtime import USAGE, run_async
from wsdiag.cli.view import EventWriter, JsonWriter, open_terminal, refuse_bad_urls, tracing
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    import typer

    from wsdiag.probes.ping.options import PingOptions
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer

WHAT, LIMITS, VIEW = "Pings", "Limits (exit code 3 where one does not hold)", "View"


class PingFormat(StrEnum):
    """Output formats of ping."""

    text = "text"
    json = "json"
    csv = "csv"


class Mode(StrEnum):
    """What carries a measurement: a Ping frame, or a message that the endpoint echoes."""

    ping = "ping"
    text = "text"
    binary = "binary"


def ping_options(
    count: Annotated[
        int | None,
        typer.Option(
            "-c", "--count", min=1, metavar="N", help="Stop after N Pings.", rich_help_panel=WHAT
        ),
    ] = None,
    interval: Annotated[
        float | None,
        duration_option(
            "-i",
            "--interval",
            help="Between Pings (1ms and up).",
            show_default="1s",
            rich_help_panel=WHAT,
        ),
    ] = None,
    timeout: Annotated[
        float,
        duration_option(
            "-W",
            "--timeout",
            help="A Pong later than this is lost.",
            show_default="20s",
            rich_help_panel=WHAT,
        ),
    ] = 20.0,
    deadline: Annotated[
        float | None,
        duration_option("-w", "--deadline", help="Stop after this long.", rich_help_panel=WHAT),
    ] = None,
    size: Annotated[
        int | None,
        size_option("-s", "--size", help="Payload (a Ping: 8 to 125 bytes).", rich_help_panel=WHAT),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode", help="Ping frames, or messages to an echoing endpoint.", rich_help_panel=WHAT
        ),
    ] = Mode.ping,
    flood: Annotated[
        bool,
        flag(
            "-f",
            "--flood",
            help="The next Ping as soon as the Pong is there.",
            rich_help_panel=WHAT,
        ),
    ] = False,
    adaptive: Annotated[
        bool, flag("--adaptive", help="Interval follows the round trip.", rich_help_panel=WHAT)
    ] = False,
    reconnect: Annotated[
        bool, flag("--reconnect", help="Go on after a drop; record each.", rich_help_panel=WHAT)
    ] = False,
    load: Annotated[
        str | None,
        typer.Option(
            "--load",
            metavar="RATE|max",
            help="Send data at RATE bytes/s while measuring.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    max_p50: Annotated[
        float | None,
        duration_option("--max-p50", help="Limit of the median.", rich_help_panel=LIMITS),
    ] = None,
    max_p95: Annotated[
        float | None,
        duration_option("--max-p95", help="Limit of the 95th percentile.", rich_help_panel=LIMITS),
    ] = None,
    max_p99: Annotated[
        float | None,
        duration_option("--max-p99", help="Limit of the 99th percentile.", rich_help_panel=LIMITS),
    ] = None,
    max_loss: Annotated[
        float | None,
        percent_option("--max-loss", help="Limit of lost Pings.", rich_help_panel=LIMITS),
    ] = None,
) -> PingOptions:
    """Build what to send and what must hold, refusing what cannot be."""
    from wsdiag.probes.ping.options import PingOptions

    _refuse_impossible(size, mode, interval)
    with usage_errors():
        return PingOptions(
            count=count,
            interval_s=interval,
            timeout_s=timeout,
            deadline_s=deadline,
            size=size,
            mode=mode.value,
            flood=flood,
            adaptive=adaptive,
            reconnect=reconnect,
            load=None if load is None else _load_rate(load),
            max_p50_ms=_in_ms(max_p50),
            max_p95_ms=_in_ms(max_p95),
            max_p99_ms=_in_ms(max_p99),
            max_loss_pct=max_loss,
        )


def _refuse_impossible(size: int | None, mode: Mode, interval: float | None) -> None:
    if interval is not None and interval < 0.001:
        raise bad_parameter("1ms is the shortest interval", param_hint="-i")
    if mode is Mode.ping and size is not None and not 8 <= size <= 125:
        raise bad_parameter(
            "a Ping carries 8 to 125 bytes (RFC 6455, 5.5); --mode text or binary carries more",
            param_hint="-s",
        )


def _load_rate(text: str) -> float | Literal["max"]:
    from wsdiag.units import parse_size

    if text == "max":
        return "max"
    try:
        rate = parse_size(text.removesuffix("/s"))
    except ValueError:
        rate = 0
    if rate <= 0:
        raise bad_parameter(
            f"{text!r} is neither 'max' nor bytes a second (16k, 4M)", param_hint="--load"
        )
    return rate


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


class ViewOptions(NamedTuple):
    """How the live view draws."""

    timestamps: bool
    window_s: float
    y_max_ms: float | None
    log_scale: bool
    chart: bool


def view_options(
    timestamps: Annotated[
        bool, flag("-D", "--timestamps", help="Wall-clock time on each line.", rich_help_panel=VIEW)
    ] = False,
    window: Annotated[
        float,
        duration_option(
            "--window",
            help="How much of the past the chart shows.",
            show_default="60s",
            rich_help_panel=VIEW,
        ),
    ] = 60.0,
    y_max: Annotated[
        float | None, duration_option("--y-max", help="Top of the chart.", rich_help_panel=VIEW)
    ] = None,
    log_scale: Annotated[
        bool, flag("--log-scale", help="Logarithmic axis.", rich_help_panel=VIEW)
    ] = False,
    no_chart: Annotated[
        bool, flag("--no-chart", help="Plain lines on a terminal too.", rich_help_panel=VIEW)
    ] = False,
) -> ViewOptions:
    """Build how the live view draws."""
    return ViewOptions(timestamps, window, _in_ms(y_max), log_scale, not no_chart)


@injects(options=ping_options, view=view_options, dial=request_options, output=output_options)
def ping(
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="One or more endpoints.")],
    options: PingOptions,
    view: ViewOptions,
    dial: DialOptions,
    output: Output,
    format: Annotated[
        PingFormat, typer.Option("-o", "--output", help="Output format.", rich_help_panel="Output")
    ] = PingFormat.text,
) -> None:
    """How long are round trips over time: network, endpoint or queue?

    wsdiag ping wss://example.org/ws
    wsdiag ping -c 20 --max-p95 250ms -o json wss://example.org/ws

    Sends Ping frames, draws the round trips live on a terminal, and names a cause for outliers
    where there is evidence. Several URLs are measured side by side. A Ping that is not answered
    in time is lost; the run goes on, and a Pong that comes later is shown as late. Ctrl-C ends
    with the statistics, Ctrl-\\ (SIGQUIT) prints them and goes on.
    """
    terminal = open_terminal(output, dial, urls=urls)
    refuse_bad_urls(urls, terminal, json=format is PingFormat.json)
    make_room(len(urls), terminal, json=format is PingFormat.json)
    with tracing(output, terminal, urls=len(urls)) as tracer:
        sys.exit(ping_and_show(urls, options, view, dial, terminal, format, tracer))


def ping_and_show(
    urls: list[str],
    options: PingOptions,
    view: ViewOptions,
    dial: DialOptions,
    terminal: Terminal,
    format: PingFormat,
    tracer: Tracer | None,
) -> int:
    """Run the probe, hand each event to the chosen output, and return the exit code."""
    from wsdiag.probes.ping.outcome import ping_exit_code, shortfalls
    from wsdiag.probes.ping.run import PingRun
    from wsdiag.records import Error, PingSummary

    run = PingRun(urls, options, default_compression(dial, False), tracer)
    show = _writer(urls, view, terminal, format)
    summaries: list[PingSummary] = []
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()

    def statistics_so_far() -> None:
        for url in urls:
            if (summary := run.summary_so_far(url)) is not None:
                show.handle(summary)

    async def measure() -> int:
        misused = False
        async with aclosing(run.events()) as events:
            async for event in events:
                show.handle(event)
                if isinstance(event, PingSummary) and not event.partial:
                    summaries.append(event)
                elif isinstance(event, Error) and event.kind == "usage":
                    misused = True
        show.finish()
        wanted = None if interrupted else options.count
        for sentence in shortfalls(summaries, count=wanted, deadline=options.deadline_s):
            terminal.log(f"error: {sentence}")
        return (
            USAGE
            if misused
            else ping_exit_code(
                summaries,
                count=options.count,
                deadline=options.deadline_s,
                reconnect=options.reconnect,
                interrupted=interrupted,
            )
        )

    _announce_load(options, terminal)
    show.start()
    try:
        return run_async(measure, on_stop=stop, on_quit=statistics_so_far)
    finally:
        show.stop()


def _announce_load(options: PingOptions, terminal: Terminal) -> None:
    plan = options.load_plan()
    if plan is not None:
        terminal.log(plan.announcement())


def _writer(
    urls: list[str], view: ViewOptions, terminal: Terminal, format: PingFormat
) -> EventWriter:
    """Where events go: a view for people, or data, with the picture of `--save` beside it."""
    if format is not PingFormat.text:
        data = _data_writer(terminal, format)
        if terminal.save_path is None:
            return data
        from wsdiag.render.ping.view import save_beside

        return save_beside(data, terminal, urls, y_max_ms=view.y_max_ms, log_scale=view.log_scale)
    from wsdiag.render.ping.view import ping_view

    return ping_view(
        terminal,
        urls,
        window_s=view.window_s,
        y_max_ms=view.y_max_ms,
        log_scale=view.log_scale,
        chart=view.chart,
        timestamps=view.timestamps,
    )


def _data_writer(terminal: Terminal, format: PingFormat) -> EventWriter:
    if format is PingFormat.json:
        return JsonWriter(terminal)
    from wsdiag.render.ping.csv import PingCsv

    return PingCsv(terminal)
