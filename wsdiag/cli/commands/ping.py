"""`wsdiag ping`: round-trip latency over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wsdiag.cli.command_setup import ensure_fd_limit, open_terminal, refuse_bad_urls, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.drive import drive
from wsdiag.cli.files import with_files
from wsdiag.cli.options import FORMAT, OutputOptions, RequestOptions, TableFormat
from wsdiag.cli.params import (
    DURATION,
    MILLISECONDS,
    PERCENT,
    PING_INTERVAL,
    SIZE,
    usage_errors,
    values_of,
)
from wsdiag.probes.ping.payloads import Mode
from wsdiag.transport.dial.options import DialOptions
from wsdiag.units import parse_size

if TYPE_CHECKING:
    from wsdiag.probes.ping.options import PingOptions
    from wsdiag.render.base.output import EventOutput
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer

WHAT, LIMITS, VIEW = "Pings", "Limits (exit code 3 where one does not hold)", "View"
_what = partial(typer.Option, rich_help_panel=WHAT)
_limit = partial(typer.Option, rich_help_panel=LIMITS)
_view = partial(typer.Option, rich_help_panel=VIEW)


@dataclass(frozen=True, kw_only=True)
class PingFlags:
    """What to send and what must hold; named as the fields of PingOptions."""

    count: Annotated[
        int | None, _what("-c", "--count", min=1, metavar="N", help="Stop after N Pings.")
    ] = None
    interval_s: Annotated[
        float | None,
        _what(
            "-i",
            "--interval",
            help="Between Pings (1ms and up).",
            show_default="1s",
            **PING_INTERVAL,
        ),
    ] = None
    timeout_s: Annotated[
        float, _what("-W", "--timeout", help="A Pong later than this is lost.", **DURATION)
    ] = 20.0
    deadline_s: Annotated[
        float | None, _what("-w", "--deadline", help="Stop after this long.", **DURATION)
    ] = None
    size: Annotated[
        int | None, _what("-s", "--size", help="Payload (a Ping: 8 to 125 bytes).", **SIZE)
    ] = None
    mode: Annotated[
        Mode, _what("--mode", help="Ping frames, or messages to an echoing endpoint.")
    ] = "ping"
    no_http2_ping: Annotated[
        bool, _what("--no-http2-ping", help="With --http2: no PING of HTTP/2 beside each Ping.")
    ] = False
    flood: Annotated[
        bool, _what("-f", "--flood", help="The next Ping as soon as the Pong is there.")
    ] = False
    adaptive: Annotated[bool, _what("--adaptive", help="Interval follows the round trip.")] = False
    reconnect: Annotated[bool, _what("--reconnect", help="Go on after a drop; record each.")] = (
        False
    )
    retry_max_wait_s: Annotated[
        float, _what("--retry-max-wait", help="Longest wait before reconnecting.", **DURATION)
    ] = 30.0
    load: Annotated[
        str | None,
        _what("--load", metavar="RATE|max", help="Send data at RATE bytes/s while measuring."),
    ] = None
    download: Annotated[
        str | None,
        _what(
            "--download",
            metavar="RATE|max",
            help="Ask wsdiag serve for data at RATE bytes/s while measuring; another endpoint is "
            "asked by --hello.",
        ),
    ] = None
    read_rate: Annotated[
        str | None, _what("--read-rate", metavar="RATE", help="Read no faster than RATE bytes/s.")
    ] = None
    max_p50_ms: Annotated[
        float | None, _limit("--max-p50", help="Limit of the median.", **MILLISECONDS)
    ] = None
    max_p95_ms: Annotated[
        float | None, _limit("--max-p95", help="Limit of the 95th percentile.", **MILLISECONDS)
    ] = None
    max_p99_ms: Annotated[
        float | None, _limit("--max-p99", help="Limit of the 99th percentile.", **MILLISECONDS)
    ] = None
    max_loss_pct: Annotated[
        float | None, _limit("--max-loss", help="Limit of lost and overdue Pings.", **PERCENT)
    ] = None
    max_drops: Annotated[
        int | None,
        _limit("--max-drops", min=0, metavar="N", help="Limit of connections that ended."),
    ] = None
    min_availability_pct: Annotated[
        float | None,
        _limit("--min-availability", help="Least time without an outage (--reconnect).", **PERCENT),
    ] = None

    def options(self) -> PingOptions:
        """The probe's options; a usage error for what cannot be."""
        from wsdiag.probes.ping.options import LONGEST_MESSAGE, PingOptions
        from wsdiag.probes.ping.payloads import SHORTEST
        from wsdiag.units import format_size

        if self.mode == "ping" and self.size is not None and not 8 <= self.size <= 125:
            raise typer.BadParameter(
                "a Ping carries 8 to 125 bytes (RFC 6455, 5.5); --mode text or binary carries more",
                param_hint="-s",
            )
        if self.size is not None and not SHORTEST <= self.size <= LONGEST_MESSAGE:
            raise typer.BadParameter(
                f"a message to be echoed has {SHORTEST} bytes to {format_size(LONGEST_MESSAGE)}",
                param_hint="-s",
            )
        if self.flood and self.adaptive:
            raise typer.BadParameter("-f and --adaptive exclude each other", param_hint="-f")
        if self.min_availability_pct is not None and not self.reconnect:
            raise typer.BadParameter(
                "without --reconnect the first outage ends the run", param_hint="--min-availability"
            )
        load = None if self.load is None else _rate(self.load, "--load")
        download = None if self.download is None else _rate(self.download, "--download")
        slow = None if self.read_rate is None else _rate(self.read_rate, "--read-rate")
        if slow == "max":
            raise typer.BadParameter("it takes bytes a second (16k, 4M)", param_hint="--read-rate")
        with usage_errors():
            values = values_of(self, "load", "download", "read_rate", "no_http2_ping")
            return PingOptions(
                **values,
                load=load,
                download=download,
                read_rate=slow,
                http2_ping=not self.no_http2_ping,
            )


def _rate(text: str, option: str) -> float | Literal["max"]:
    if text == "max":
        return "max"
    try:
        rate = parse_size(text.removesuffix("/s"))
    except ValueError:
        rate = 0
    if rate <= 0:
        message = f"{text!r} is neither 'max' nor bytes a second (16k, 4M)"
        raise typer.BadParameter(message, param_hint=option)
    return rate


@dataclass(frozen=True, kw_only=True)
class ViewFlags:
    """How the live view draws; named as the fields of PingViewOptions."""

    timestamps: Annotated[
        bool, _view("-D", "--timestamps", help="Wall-clock time on each line.")
    ] = False
    window_s: Annotated[
        float, _view("--window", help="How much of the past the chart shows.", **DURATION)
    ] = 60.0
    y_max_ms: Annotated[
        float | None, _view("--y-max", help="Top of the chart.", **MILLISECONDS)
    ] = None
    log_scale: Annotated[bool, _view("--log-scale", help="Logarithmic axis.")] = False
    no_chart: Annotated[bool, _view("--no-chart", help="Plain lines on a terminal too.")] = False


@command()
def ping(
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="One or more endpoints.")],
    pings: PingFlags,
    view: ViewFlags,
    request: RequestOptions,
    output: OutputOptions,
    format: Annotated[TableFormat, FORMAT] = "text",
) -> int:
    """Sends Ping frames, draws the round trips live on a terminal, and names a cause for outliers
    where there is evidence. Several URLs are measured side by side. A Ping that is not answered
    in time is lost; the run goes on, and a Pong that comes later is shown as late. Ctrl-C ends
    with the statistics, Ctrl-\\ (SIGQUIT) prints them and goes on.

    wsdiag ping wss://example.org/ws
    wsdiag ping -c 20 --max-p95 250ms -o json wss://example.org/ws
    """
    from wsdiag.render.ping.output import PingViewOptions, ping_output

    options = pings.options()
    view_options = PingViewOptions(**values_of(view, "no_chart"), chart=not view.no_chart)
    dial = request.dial(compression=False)
    terminal = open_terminal(output, dial, urls=urls)
    refuse_bad_urls(urls, terminal, json=format == "json")
    ensure_fd_limit(len(urls), terminal, json=format == "json")
    with tracing(output, terminal, urls=len(urls)) as tracer:
        shown = ping_output(terminal, urls, format, view_options)
        code = ping_and_show(
            urls, options, dial, terminal, shown, tracer, max_time_s=output.max_time
        )
    return with_files(terminal, code)


def ping_and_show(
    urls: Sequence[str],
    options: PingOptions,
    dial: DialOptions,
    terminal: Terminal,
    output: EventOutput,
    tracer: Tracer | None = None,
    *,
    max_time_s: float | None = None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> int:
    """Run the probe to its exit code; SIGQUIT shows the statistics so far."""
    from wsdiag.probes.ping.outcome import ping_exit_code, shortfalls
    from wsdiag.probes.ping.run import PingRun
    from wsdiag.records import PingSummary

    run = PingRun(urls, options, dial, tracer)

    def statistics_so_far() -> None:
        for summary in run.summaries_so_far():
            output.handle(summary)

    def exit_code(summaries: Sequence[PingSummary], interrupted: bool) -> int:
        wanted = None if interrupted else options.count
        for sentence in shortfalls(summaries, count=wanted, deadline=options.deadline_s):
            terminal.log(f"error: {sentence}")
        return ping_exit_code(
            summaries,
            count=options.count,
            deadline=options.deadline_s,
            reconnect=options.reconnect,
            interrupted=interrupted,
        )

    if (load := options.load_plan()) is not None:
        terminal.log(load.announcement())
    return drive(
        run,
        terminal,
        output,
        PingSummary,
        exit_code,
        on_quit=statistics_so_far,
        on_continue=run.continued,
        on_interrupt=on_interrupt,
        max_time_s=max_time_s,
    )
