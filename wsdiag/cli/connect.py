"""`wsdiag connect`: does it connect, how long does each phase take, what was negotiated."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from wsdiag.cli.inject import injects
from wsdiag.cli.options import Format, Output, default_compression, output_options, request_options
from wsdiag.cli.runtime import NO_ANSWER, USAGE, run_async
from wsdiag.cli.view import open_terminal, refuse_bad_urls, tracing
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    import typer

    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer


@injects(dial=request_options, output=output_options)
def connect(
    url: Annotated[str, typer.Argument(metavar="URL", help="ws://, wss://, or a bare host.")],
    dial: DialOptions,
    output: Output,
    format: Annotated[
        Format, typer.Option("-o", "--output", help="Output format.", rich_help_panel="Output")
    ] = Format.text,
) -> None:
    """Does it connect, what takes how long, and if it fails: where, why?

    wsdiag connect wss://example.org/ws
    wsdiag connect -v -x http://proxy:3128 wss://example.org/ws

    Connects once, from name to clean close, and shows a waterfall of the phases, what was
    negotiated, what TLS and TCP say, and hints of proxies on the way. A failure is told as the
    phase, what was seen, what it usually means and what to change.
    """
    terminal = open_terminal(output, dial, urls=[url])
    refuse_bad_urls([url], terminal, json=format is Format.json)
    with tracing(output, terminal) as tracer:
        code = run_async(lambda: connect_and_show(url, dial, terminal, format, tracer))
    sys.exit(code)


async def connect_and_show(
    url: str, dial: DialOptions, terminal: Terminal, format: Format, tracer: Tracer | None = None
) -> int:
    """Connect once, print the result, and return the exit code."""
    from wsdiag.probes.connect.run import connect
    from wsdiag.render.connect.view import print_connect, save_connect

    result = await connect(url, default_compression(dial, True), tracer=tracer)
    if format is Format.json:
        terminal.json(result)
        save_connect(terminal, result)
    else:
        print_connect(terminal, result)
    if result.error is not None and result.error.kind == "usage":
        return USAGE
    return 0 if result.ok else NO_ANSWER
