"""`wsdiag connect`: does it connect, how long does each phase take, what was negotiated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.command_setup import open_terminal, refuse_bad_urls, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode
from wsdiag.cli.files import with_files
from wsdiag.cli.options import FORMAT, Format, OutputOptions, RequestOptions
from wsdiag.cli.params import DURATION, MESSAGE
from wsdiag.cli.run_async import run_async

if TYPE_CHECKING:
    from wsdiag.probes.connect.interrupt import Interrupt
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.dial.options import DialOptions
    from wsdiag.transport.trace import Tracer

_messages = partial(typer.Option, rich_help_panel="Messages")


@dataclass(frozen=True, kw_only=True)
class MessageFlags:
    """What to say once connected, and how long to listen."""

    send: Annotated[
        list[str],
        _messages("--send", help="Send a text and show the answer (repeatable).", **MESSAGE),
    ] = field(default_factory=list)
    listen: Annotated[
        float | None, _messages("--listen", help="Show what comes for this long.", **DURATION)
    ] = None


@command()
def connect(
    url: Annotated[str, typer.Argument(metavar="URL", help="ws://, wss://, or a bare host.")],
    request: RequestOptions,
    output: OutputOptions,
    messages: MessageFlags,
    format: Annotated[Format, FORMAT] = "text",
) -> int:
    """Connects once, from name to clean close, and shows a waterfall of the phases, what was
    negotiated, what TLS and TCP say, and hints of proxies on the way. For a failure it
    names the phase, what was seen, what it usually means and what to change.

    wsdiag connect wss://example.org/ws
    wsdiag connect -v -x http://proxy:3128 wss://example.org/ws
    wsdiag connect --send '{"op":"ping"}' --listen 10s wss://example.org/ws
    """
    output.refuse_csv_log()
    dial = request.dial(compression=True)
    terminal = open_terminal(output, dial, urls=[url], texts=messages.send or ())
    refuse_bad_urls([url], terminal, json=format == "json")
    from wsdiag.probes.connect.interrupt import Interrupt

    interrupt = Interrupt()
    with tracing(output, terminal) as tracer:
        code = run_async(
            lambda: connect_and_show(
                url,
                dial,
                terminal,
                format,
                tracer,
                messages=messages,
                max_time_s=output.max_time,
                look_at_http2=not (request.no_http2_look or request.http1_1),
                interrupt=interrupt,
            ),
            on_stop=interrupt,
            on_hurry=interrupt,
        )
    return with_files(terminal, code)


async def connect_and_show(
    url: str,
    dial: DialOptions,
    terminal: Terminal,
    format: Format = "text",
    tracer: Tracer | None = None,
    *,
    messages: MessageFlags | None = None,
    max_time_s: float | None = None,
    look_at_http2: bool = True,
    interrupt: Interrupt | None = None,
) -> int:
    """Connect once, print the result, and return the exit code."""
    from wsdiag.probes.connect.run import connect
    from wsdiag.render.base.record_log import log_records
    from wsdiag.render.connect.view import print_connect, save_connect
    from wsdiag.render.connect.waiting import WaitingLine

    messages = messages or MessageFlags()
    line = None
    if terminal.live_stderr and not terminal.verbose:
        line = WaitingLine(terminal)
    try:
        result = await connect(
            url,
            dial,
            tracer=tracer,
            send=messages.send,
            listen_s=messages.listen,
            max_time_s=max_time_s,
            on_wait=line,
            look_at_http2=look_at_http2,
            interrupt=interrupt,
        )
    finally:
        if line is not None:
            line.end()
    try:
        if format == "json":
            terminal.json(result)
            save_connect(terminal, result)
        else:
            print_connect(terminal, result)
    finally:
        log_records(terminal, result)
    if result.error is not None and result.error.kind == "usage":
        return ExitCode.USAGE
    return ExitCode.OK if result.ok else ExitCode.NO_ANSWER
