"""`wsdiag stream`: is the data coming?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wsdiag.cli.command_setup import open_terminal, refuse_bad_urls, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.drive import drive
from wsdiag.cli.feed_limits import FeedLimits
from wsdiag.cli.files import with_files
from wsdiag.cli.options import FORMAT, OutputOptions, RequestOptions, TableFormat
from wsdiag.cli.params import DURATION, JSONPATH, usage_errors, values_of

if TYPE_CHECKING:
    from wsdiag.probes.stream.options import StreamOptions

MESSAGES, TIMES, VIEW = "Messages", "Times", "View"
_messages = partial(typer.Option, rich_help_panel=MESSAGES)
_times = partial(typer.Option, rich_help_panel=TIMES)
_view = partial(typer.Option, rich_help_panel=VIEW)


@dataclass(frozen=True, kw_only=True)
class StreamFlags:
    """What to look at, and for how long; named as the fields of StreamOptions."""

    by: Annotated[
        str | None, _messages("--by", help="Figures for each value here.", **JSONPATH)
    ] = None
    seq: Annotated[
        str | None, _messages("--seq", help="Check sequence numbers here.", **JSONPATH)
    ] = None
    time: Annotated[
        str | None, _messages("--time", help="Measure lag against the time here.", **JSONPATH)
    ] = None
    show: Annotated[
        Literal["text", "json"] | None, _messages("--show", help="Print each message.")
    ] = None
    field: Annotated[
        str | None, _messages("--field", help="With --show: only what is here.", **JSONPATH)
    ] = None
    count: Annotated[
        int | None, _times("-c", "--count", min=1, metavar="N", help="Stop after N messages.")
    ] = None
    deadline_s: Annotated[
        float | None, _times("-w", "--deadline", help="Stop after this long.", **DURATION)
    ] = None
    interval_s: Annotated[
        float, _times("-i", "--interval", help="From figure to figure.", **DURATION)
    ] = 1.0
    silence_s: Annotated[
        float | None,
        _times(
            "--silence",
            help="No message for longer is a silence; by default --max-silence, or what is "
            "unusual for this feed.",
            **DURATION,
        ),
    ] = None
    ping_interval_s: Annotated[
        float, _times("--ping-interval", help="Between Pings beside it.", **DURATION)
    ] = 1.0
    reconnect: Annotated[
        bool, _times("--reconnect", help="Go on after a drop, saying the hello again.")
    ] = False
    retry_max_wait_s: Annotated[
        float, _times("--retry-max-wait", help="Longest wait before reconnecting.", **DURATION)
    ] = 30.0
    timeout_s: Annotated[
        float,
        _times(
            "-W", "--timeout", help="With --reconnect: give up without a Pong for this.", **DURATION
        ),
    ] = 20.0

    def options(self, limits: FeedLimits) -> StreamOptions:
        """The probe's options; a usage error for what cannot be."""
        from wsdiag.probes.stream.options import StreamOptions

        limits.refuse_unmeasured(self.seq, self.time)
        if self.field is not None and self.show is None:
            message = "it needs --show: it says what of a message is shown"
            raise typer.BadParameter(message, param_hint="--field")
        with usage_errors():
            return StreamOptions(**values_of(self), **values_of(limits))


@dataclass(frozen=True, kw_only=True)
class StreamViewFlags:
    """How the live view draws."""

    window_s: Annotated[
        float, _view("--window", help="How much of the past the live view shows.", **DURATION)
    ] = 60.0


@command()
def stream(
    url: Annotated[str, typer.Argument(metavar="URL", help="The endpoint that pushes.")],
    messages: StreamFlags,
    limits: FeedLimits,
    view: StreamViewFlags,
    request: RequestOptions,
    output: OutputOptions,
    format: Annotated[TableFormat, FORMAT] = "text",
) -> int:
    """Connects, says the hello, and watches what the endpoint pushes: rates, sizes, times between
    messages, silences and bursts, and with a path into JSON messages their sequence numbers and
    their lag. Pings run beside it, so that a silent path is told from a feed that is dead:
    connected, Pings answered, no data. Ctrl-C ends with the summary.

    wsdiag stream --hello '{"subscribe":"ticker"}' wss://example.org/ws
    wsdiag stream --by '$.symbol' --seq '$.seq' --time '$.ts' wss://example.org/ws
    wsdiag stream -w 60s --max-silence 10s -o json wss://example.org/ws
    """
    from wsdiag.probes.stream.outcome import shortfalls, stream_exit_code
    from wsdiag.probes.stream.run import StreamRun
    from wsdiag.records.stream import StreamSummary
    from wsdiag.render.stream.output import stream_output

    options = messages.options(limits)
    dial = request.dial(compression=True)
    terminal = open_terminal(output, dial, urls=[url])
    refuse_bad_urls([url], terminal, json=format == "json")
    with tracing(output, terminal) as tracer:
        show = options.show is not None
        shown = stream_output(terminal, url, format, window_s=view.window_s, show=show)
        draws = (format == "text" and not show) or bool(terminal.save_paths)
        run = StreamRun(url, options, dial, tracer, progress=draws)

        def exit_code(summaries: Sequence[StreamSummary], interrupted: bool) -> int:
            wanted = None if interrupted else options.count
            for sentence in shortfalls(summaries, count=wanted, deadline=options.deadline_s):
                terminal.log(f"error: {sentence}")
            return stream_exit_code(
                summaries,
                count=options.count,
                deadline=options.deadline_s,
                reconnect=options.reconnect,
                interrupted=interrupted,
            )

        code = drive(
            run,
            terminal,
            shown,
            StreamSummary,
            exit_code,
            on_quit=lambda: shown.handle(run.summary_so_far()),
            on_continue=run.continued,
            max_time_s=output.max_time,
        )
    return with_files(terminal, code)
