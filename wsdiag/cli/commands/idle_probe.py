"""`wsdiag idle-probe`: does anything on the path drop idle connections?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from wsdiag.cli.command_setup import ensure_fd_limit, open_terminal, refuse_bad_urls, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.drive import drive
from wsdiag.cli.files import with_files
from wsdiag.cli.options import FORMAT, OutputOptions, RequestOptions, TableFormat
from wsdiag.cli.params import DURATION, MESSAGE, usage_errors, values_of
from wsdiag.records import TrialKind
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.probes.idle.options import IdleOptions
    from wsdiag.render.base.output import EventOutput
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer

WHEN, WHAT = "Idle periods", "Trials"
DEFAULT_TRIALS = "idle,ping,pong,tcp-keepalive"
_when = partial(typer.Option, rich_help_panel=WHEN)
_what = partial(typer.Option, rich_help_panel=WHAT)


@dataclass(frozen=True, kw_only=True)
class IdleFlags:
    """What to try for how long; named as the fields of IdleOptions."""

    from_s: Annotated[
        float | None,
        _when("--from", help="Shortest idle period (default: 30s, a quarter of --to).", **DURATION),
    ] = None
    to_s: Annotated[float, _when("--to", help="Longest idle period.", **DURATION)] = 120.0
    step_s: Annotated[
        float | None,
        _when(
            "--step",
            help="Between idle periods (default: 5s; beyond 120s, known defaults).",
            **DURATION,
        ),
    ] = None
    keepalive_s: Annotated[
        float | None,
        _what("--keepalive", help="Interval of the keepalives (default: 20s).", **DURATION),
    ] = None
    trials: Annotated[str, _what("--trials", metavar="LIST", help="Which trials to run.")] = (
        DEFAULT_TRIALS
    )
    push: Annotated[
        str | None,
        _what("--push", help="Message that makes the endpoint send: adds a push trial.", **MESSAGE),
    ] = None
    send: Annotated[
        str | None,
        _what("--send", help="Message to send as keepalive: adds a data trial.", **MESSAGE),
    ] = None
    expect: Annotated[
        str | None,
        _what("--expect", metavar="REGEX", help="What answers --send (where no Pong comes)."),
    ] = None
    pong_timeout_s: Annotated[
        float, _when("--pong-timeout", help="Silence longer than this is a drop.", **DURATION)
    ] = 10.0
    repeat: Annotated[
        int, _when("--repeat", min=1, max=100, metavar="N", help="Measure N times.")
    ] = 1
    refine: Annotated[
        bool, _when("--refine", help="Narrow a silent drop to 1 s with a second pass.")
    ] = False
    max_connections: Annotated[
        int,
        _what(
            "--max-connections",
            min=1,
            max=1000,
            metavar="N",
            help="Connections at once, for each URL.",
        ),
    ] = 32
    one_connection: Annotated[
        bool, _what("--one-connection", help="With --http2: idle streams on one connection.")
    ] = False
    require_s: Annotated[
        float | None, _when("--require", help="Exit with 3 unless this is survived.", **DURATION)
    ] = None

    lifetime_s: Annotated[
        float | None, _when("--lifetime", help="Watch those kept alive until this age.", **DURATION)
    ] = None

    locate: Annotated[
        bool | None,
        _what(
            "--locate/--no-locate",
            help="Where on the way idle flows die (CAP_NET_RAW; by default where it is there).",
        ),
    ] = None

    def options(self) -> IdleOptions:
        """The probe's options; a usage error for what cannot be."""
        from wsdiag.probes.idle.options import IdleOptions

        with usage_errors():
            return IdleOptions(
                **values_of(self, "trials"), trials=_trials(self.trials, self.push, self.send)
            )


def _trials(text: str, push: str | None, send: str | None) -> tuple[TrialKind, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in get_args(TrialKind)]
    if unknown or not names:
        raise typer.BadParameter(
            f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(get_args(TrialKind))}",
            param_hint="--trials",
        )
    for name, text_to_send, option in (("push", push, "--push"), ("data", send, "--send")):
        if text_to_send is not None and name not in names:
            names.append(name)
        if text_to_send is None and name in names:
            raise typer.BadParameter(f"{name} needs {option} TEXT", param_hint="--trials")
    return tuple(trial for trial in get_args(TrialKind) if trial in names)


@command()
def idle_probe(
    urls: Annotated[
        list[str],
        typer.Argument(metavar="URL", help="One or more endpoints, such as edge and origin."),
    ],
    trials: IdleFlags,
    request: RequestOptions,
    output: OutputOptions,
    format: Annotated[TableFormat, FORMAT] = "text",
) -> int:
    """Opens some thirty connections side by side: some stay idle for --from, and --step more, up
    to --to, and are then probed by a Ping; others are kept alive in one way each. It takes about
    as long as --to. The verdict says what was seen, what keeps connections open, which products
    are known for such a limit, and what to set. Two URLs, edge and origin for example, show
    which side it is.

    wsdiag idle-probe wss://example.org/ws
    wsdiag idle-probe --require 60 wss://example.org/ws ws://10.0.0.7/ws
    """
    from wsdiag.probes.idle.plan import plan_dead, plan_round
    from wsdiag.render.idle.output import idle_output

    options = trials.options()
    dial = request.dial(compression=False)
    terminal = open_terminal(output, dial, urls=urls, texts=(trials.push, trials.send))
    refuse_bad_urls(urls, terminal, json=format == "json")
    http2 = dial.http_version == "2"
    if dial.http_version == "3":
        message = "idle-probe does not measure over HTTP/3"
        raise typer.BadParameter(message, param_hint="--http3")
    if options.one_connection and not http2:
        raise typer.BadParameter("it takes --http2", param_hint="--one-connection")
    if "h2-ping" in options.trials and not http2:
        raise typer.BadParameter("h2-ping takes --http2", param_hint="--trials")
    # one more watches over them
    each = 1 + len(plan_round(options, http2=http2).trials) + len(plan_dead(options))
    ensure_fd_limit(len(urls) * each, terminal, json=format == "json")
    with tracing(output, terminal, urls=len(urls)) as tracer:
        shown = idle_output(terminal, urls, format)
        code = probe_and_show(
            urls, options, dial, terminal, shown, tracer, max_time_s=output.max_time
        )
    return with_files(terminal, code)


def probe_and_show(
    urls: Sequence[str],
    options: IdleOptions,
    dial: DialOptions,
    terminal: Terminal,
    output: EventOutput,
    tracer: Tracer | None = None,
    *,
    max_time_s: float | None = None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> int:
    """Run the probe to its exit code."""
    from wsdiag.probes.idle.outcome import idle_exit_code
    from wsdiag.probes.idle.run import IdleRun
    from wsdiag.records import IdleVerdict

    def exit_code(verdicts: Sequence[IdleVerdict], interrupted: bool) -> int:
        return idle_exit_code(verdicts, interrupted=interrupted)

    run = IdleRun(urls, options, dial, tracer)
    return drive(
        run,
        terminal,
        output,
        IdleVerdict,
        exit_code,
        on_interrupt=on_interrupt,
        max_time_s=max_time_s,
    )
