"""`wsdiag serve`: an endpoint that behaves, or misbehaves exactly as asked."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.fault_options import FAULTS_PANEL, ServeCommand
from wsdiag.cli.inject import injects
from wsdiag.cli.options import OUTPUT, Color, Format, Output
from wsdiag.cli.params import size_option
from wsdiag.cli.runtime import NO_ANSWER, USAGE, run_async
from wsdiag.cli.view import open_terminal

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.server import ServerOptions

WHERE, WHO, RELAY = "Listening", "Clients", "Relay"
_FILES = 1 << 20  # every connection is one: as many as the system lets us have


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and with which certificate."""

    host: str
    port: int
    tls: bool
    ca_out: Path | None
    cert: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True)
class Relaying:
    """What to put the faults in front of."""

    upstream: str | None
    raw: bool
    insecure: bool
    cacert: Path | None
    control_port: int | None


def listen_options(
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on.", rich_help_panel=WHERE
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            "-p",
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to listen on; 0: any free one.",
            rich_help_panel=WHERE,
        ),
    ] = 8765,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="TLS with a throw-away certificate.", rich_help_panel=WHERE),
    ] = False,
    ca_out: Annotated[
        Path | None,
        typer.Option(
            "--ca-out",
            metavar="FILE",
            dir_okay=False,
            help="Write the throw-away CA here, for --cacert.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(
            "--cert",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="TLS with this certificate chain (PEM).",
            rich_help_panel=WHERE,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Its key, when that is in another file.",
            rich_help_panel=WHERE,
        ),
    ] = None,
) -> Listening:
    """Check that the TLS options make sense together."""
    if key is not None and cert is None:
        raise typer.BadParameter("a --key needs its --cert", param_hint="--key")
    if tls and cert is not None:
        raise typer.BadParameter("--tls and --cert exclude each other", param_hint="--tls")
    if ca_out is not None and not tls:
        raise typer.BadParameter("--ca-out needs --tls", param_hint="--ca-out")
    return Listening(host, port, tls, ca_out, cert, key)


def relay_options(
    upstream: Annotated[
        str | None,
        typer.Option(
            "--upstream",
            metavar="URL",
            help="Relay to this endpoint, faults in between.",
            rich_help_panel=RELAY,
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Relay TCP bytes, not messages (tcp://HOST:PORT).", rich_help_panel=RELAY
        ),
    ] = False,
    insecure: Annotated[
        bool,
        typer.Option(
            "-k",
            "--insecure",
            help="Do not verify the upstream's certificate.",
            rich_help_panel=RELAY,
        ),
    ] = False,
    cacert: Annotated[
        Path | None,
        typer.Option(
            "--cacert",
            metavar="FILE",
            exists=True,
            readable=True,
            help="Trust this CA (file or folder) at the upstream.",
            rich_help_panel=RELAY,
        ),
    ] = None,
    control_port: Annotated[
        int | None,
        typer.Option(
            "--control-port",
            min=0,
            max=65535,
            metavar="PORT",
            help="Change faults at run time: POST /faults on loopback.",
            rich_help_panel=RELAY,
        ),
    ] = None,
) -> Relaying:
    """Check that the relay's options make sense together."""
    given = {"--raw": raw, "--insecure": insecure, "--cacert": cacert is not None}
    name = next((name for name, there in given.items() if there), None)
    if upstream is None and name is not None:
        raise typer.BadParameter(f"{name} needs --upstream", param_hint=name)
    if raw and (insecure or cacert is not None):
        raise typer.BadParameter("--raw passes TLS through as it is", param_hint="--raw")
    return Relaying(upstream, raw, insecure, cacert, control_port)


@injects(listen=listen_options, relay=relay_options)
def serve(
    listen: Listening,
    relay: Relaying,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="PATH",
            help="Any path's fault on every path (repeatable).",
            rich_help_panel=FAULTS_PANEL,
        ),
    ] = None,
    subprotocol: Annotated[
        list[str] | None,
        typer.Option(
            "--subprotocol",
            metavar="NAME",
            help="Take this subprotocol (repeatable).",
            rich_help_panel=WHO,
        ),
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option(
            "--max-connections",
            min=1,
            metavar="N",
            help="Answer 503 beyond so many.",
            rich_help_panel=WHO,
        ),
    ] = None,
    max_message_size: Annotated[
        int,
        size_option(
            "--max-message-size",
            help="Close with 1009 beyond.",
            show_default="16M",
            rich_help_panel=WHO,
        ),
    ] = 16 * 2**20,
    compression: Annotated[
        bool,
        typer.Option(
            "--compression/--no-compression", help="Accept permessage-deflate.", rich_help_panel=WHO
        ),
    ] = True,
    list_paths: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Print every path with one line of help, and exit.",
            rich_help_panel=FAULTS_PANEL,
        ),
    ] = False,
    output: Annotated[
        Format, typer.Option("-o", "--output", help="Output format.", rich_help_panel=OUTPUT)
    ] = Format.text,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only where it listens.", rich_help_panel=OUTPUT)
    ] = False,
    color: Annotated[
        Color, typer.Option("--color", help="When to colour.", rich_help_panel=OUTPUT)
    ] = Color.auto,
) -> None:
    """Serve an endpoint that behaves, or misbehaves exactly as asked.

    wsdiag serve --idle-timeout 60 --drop silent
    wsdiag serve --upstream wss://example.org/ws --latency 200

    Faults are paths (/idle/60?drop=fin; --list prints them all), and the options below put them on
    every path. With --upstream it relays to a real endpoint, faults in between. It listens on
    loopback unless told otherwise; GET / shows the paths in a browser, with a live echo page.
    """
    from wsdiag.cli.fault_options import read_faults
    from wsdiag.server import ServerOptions

    terminal = open_terminal(Output(quiet, False, color.value, None, None, False))
    if list_paths:
        _print_paths(terminal, output)
        return
    chosen = read_faults(fault or [])
    with _certificate(listen) as (cert, key):
        options = ServerOptions(
            host=listen.host,
            port=listen.port,
            cert=cert,
            key=key,
            subprotocols=tuple(subprotocol or ()),
            compression=compression,
            max_connections=max_connections,
            max_message_size=max_message_size,
            faults=tuple(chosen),
            upstream=relay.upstream,
            raw=relay.raw,
            insecure=relay.insecure,
            cacert=relay.cacert,
            control_port=relay.control_port,
            control_token=os.environ.get("WSDIAG_CONTROL_TOKEN"),
        )
        code = _run(options, terminal, output)
    raise typer.Exit(code)


def _print_paths(terminal: Terminal, output: Format) -> None:
    """`--list`, as text or as one JSON array."""
    import json

    from wsdiag.server.page import catalogue
    from wsdiag.server.reference import listing

    if output is Format.json:
        print(json.dumps(catalogue(), ensure_ascii=False))
        return
    for line in listing():
        terminal.line(line)


@contextmanager
def _certificate(listen: Listening) -> Iterator[tuple[Path | None, Path | None]]:
    """The certificate's files; a throw-away one lives as long as the server."""
    if not listen.tls:
        yield listen.cert, listen.key
        return
    from wsdiag.transport.tls.certs import throwaway_certificate

    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", listen.host))
    made = throwaway_certificate([name for name in names if name not in ("0.0.0.0", "::")])
    if listen.ca_out is not None:
        try:
            listen.ca_out.write_bytes(made.ca)
        except OSError as error:
            message = f"cannot write {listen.ca_out}: {error.strerror}"
            raise typer.BadParameter(message, param_hint="--ca-out") from None
    with tempfile.TemporaryDirectory(prefix="wsdiag-") as folder:
        yield made.write(Path(folder))


def _run(options: ServerOptions, terminal: Terminal, output: Format) -> int:
    """Serve until SIGINT or SIGTERM; 0, 1 when it cannot listen, 2 for senseless options."""
    from wsdiag.cli.serve_events import Reporter
    from wsdiag.server import Server
    from wsdiag.transport.machine import allow_files
    from wsdiag.transport.tls.trust import TrustError

    allow_files(_FILES)
    report = Reporter(terminal, json=output is Format.json)
    stopped: list[asyncio.Event] = []

    async def serve_until_stopped() -> int:
        stopped.append(asyncio.Event())
        server = Server(options, report.event)
        try:
            await server.start()
        except (OSError, ValueError, TrustError) as error:
            report.failed(options, error)
            return NO_ANSWER if isinstance(error, OSError) else USAGE
        report.listening(server, options)
        try:
            await stopped[0].wait()
        finally:
            await server.stop()
            report.finish()
        return 0

    # its clients' messages are many more than its own timers
    return run_async(serve_until_stopped, on_stop=lambda: stopped[0].set(), hires=False)


serve.command_class = ServeCommand  # type: ignore[attr-defined]
