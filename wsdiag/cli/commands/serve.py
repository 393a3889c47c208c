"""`wsdiag serve`: an endpoint that behaves, or misbehaves exactly as asked."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsdiag.cli.command_setup import open_terminal
from wsdiag.cli.declare import HelpfulCommand, command
from wsdiag.cli.exit import ExitCode, print_answer, when_unread
from wsdiag.cli.options import COLOR, FORMAT, OUTPUT, Color, Format, OutputOptions
from wsdiag.cli.params import (
    EXISTING_FILE,
    FILE,
    FILE_OR_FOLDER,
    PORT,
    SIZE,
    usage_errors,
    values_of,
)
from wsdiag.cli.run_async import run_async
from wsdiag.server.fault_options import fault_options, specs_by_option
from wsdiag.server.routes import build_faults
from wsdiag.whole_file import write_whole

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.server import ServerOptions
    from wsdiag.server.fault_options import FaultOption

WHERE, RELAY, FAULTS, CLIENTS = "Listening", "Relay", "Faults (on every path)", "Clients"
_where = partial(typer.Option, rich_help_panel=WHERE)
_relay = partial(typer.Option, rich_help_panel=RELAY)
_fault = partial(typer.Option, rich_help_panel=FAULTS)
_client = partial(typer.Option, rich_help_panel=CLIENTS)

_FILES = 1 << 20  # every connection is one: as many as the system lets us have


@dataclass(frozen=True, kw_only=True)
class ServeFlags:
    """Where and how to serve; named as the fields of ServerOptions where they mean the same."""

    host: Annotated[str, _where("--host", metavar="ADDRESS", help="Address to listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, _where("--port", "-p", help="Port to listen on; 0: any free one.", **PORT)
    ] = 8765
    http2: Annotated[
        bool, _where("--http2", help="HTTP/2 as well: by ALPN, or h2c by prior knowledge.")
    ] = False
    tls: Annotated[bool, _where("--tls", help="TLS with a throw-away certificate.")] = False
    ca_out: Annotated[
        Path | None, _where("--ca-out", help="Write the throw-away CA here, for --cacert.", **FILE)
    ] = None
    cert: Annotated[
        Path | None,
        _where("--cert", help="TLS with this certificate chain (PEM).", **EXISTING_FILE),
    ] = None
    key: Annotated[
        Path | None, _where("--key", help="Its key, when that is in another file.", **EXISTING_FILE)
    ] = None
    upstream: Annotated[
        str | None,
        _relay("--upstream", metavar="URL", help="Relay to this endpoint, faults in between."),
    ] = None
    raw: Annotated[
        bool, _relay("--raw", help="Relay TCP bytes, not messages (tcp://HOST:PORT).")
    ] = False
    insecure: Annotated[
        bool, _relay("-k", "--insecure", help="Do not verify the upstream's certificate.")
    ] = False
    cacert: Annotated[
        Path | None,
        _relay(
            "--cacert", help="Trust this CA (file or folder) at the upstream.", **FILE_OR_FOLDER
        ),
    ] = None
    control_port: Annotated[
        int | None,
        _relay(
            "--control-port", help="Change faults at run time: POST /faults on loopback.", **PORT
        ),
    ] = None
    fault: Annotated[
        list[str],
        _fault("--fault", metavar="PATH", help="Any path's fault on every path (repeatable)."),
    ] = field(default_factory=list)
    list_paths: Annotated[
        bool, _fault("--list", help="Print every path with one line of help, and exit.")
    ] = False
    subprotocols: Annotated[
        list[str],
        _client("--subprotocol", metavar="NAME", help="Take this subprotocol (repeatable)."),
    ] = field(default_factory=list)
    allow_origins: Annotated[
        list[str],
        _client(
            "--allow-origin",
            metavar="ORIGIN",
            help="Let pages of this origin connect ('*': any), not only loopback's (repeatable).",
        ),
    ] = field(default_factory=list)
    max_connections: Annotated[
        int, _client("--max-connections", min=1, metavar="N", help="Answer 503 beyond so many.")
    ] = 20_000
    max_message_size: Annotated[
        int,
        _client("--max-message-size", help="Close with 1009 beyond.", show_default="16M", **SIZE),
    ] = 16 * 2**20
    compression: Annotated[
        bool, _client("--compression/--no-compression", help="Accept permessage-deflate.")
    ] = True

    def refuse_contradictions(self) -> None:
        """A usage error for options that make no sense together."""
        if self.key is not None and self.cert is None:
            raise typer.BadParameter("a --key needs its --cert", param_hint="--key")
        if self.tls and self.cert is not None:
            raise typer.BadParameter("--tls and --cert exclude each other", param_hint="--tls")
        if self.ca_out is not None and not self.tls:
            raise typer.BadParameter("--ca-out needs --tls", param_hint="--ca-out")
        if self.raw and self.http2:
            raise typer.BadParameter("--raw and --http2 exclude each other", param_hint="--raw")
        if self.raw and (self.insecure or self.cacert is not None):
            raise typer.BadParameter("--raw passes TLS through as it is", param_hint="--raw")
        of_relay = {"--raw": self.raw, "--insecure": self.insecure, "--cacert": self.cacert}
        for name, given in of_relay.items():
            if given and self.upstream is None:
                raise typer.BadParameter(f"{name} needs --upstream", param_hint=name)


def _fault_field(option: FaultOption) -> tuple[str, Any, Any]:
    declared = _fault(
        f"--{option.name}",
        metavar=f"[{option.metavar}]" if option.optional else option.metavar,
        help=option.help,
        autocompletion=lambda: list(option.choices),
    )
    if option.metavar is None:
        return option.attribute, Annotated[bool, declared], False
    return option.attribute, Annotated[str | None, declared], None


if TYPE_CHECKING:
    FaultFlags = Any
else:
    FaultFlags = make_dataclass("FaultFlags", map(_fault_field, fault_options()), kw_only=True)
    """One option a fault, made from the faults' own declarations."""


class ServeCommand(HelpfulCommand):
    """Takes `--stall` without a value as `--stall=`: all of the fault's defaults."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read the line, values put in where they are optional."""
        optional = {f"--{option.name}" for option in fault_options() if option.optional}
        filled = [
            f"{arg}=" if arg in optional and following.startswith("-") else arg
            for arg, following in pairwise([*args, "-"])
        ]
        return super().parse_args(ctx, filled)


@command(runs_bare=True, cls=ServeCommand)
def serve(
    flags: ServeFlags,
    faults: FaultFlags,
    output: Annotated[Format, FORMAT] = "text",
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only where it listens.", rich_help_panel=OUTPUT)
    ] = False,
    color: Annotated[Color, COLOR] = "auto",
) -> int:
    """Faults are paths (/idle/60?drop=fin; --list prints them all), and the options below put them
    on every path. With --upstream it relays to a real endpoint, faults in between. It listens on
    loopback unless told otherwise; GET / shows the paths in a browser, with a live echo page.

    wsdiag serve --idle-timeout 60 --drop silent
    wsdiag serve --upstream wss://example.org/ws --latency 200
    """
    from wsdiag.server import ServerOptions
    from wsdiag.server.connection.upstream import check_upstream

    flags.refuse_contradictions()
    upstream = [flags.upstream] if flags.upstream else []
    terminal = open_terminal(OutputOptions(quiet=quiet, color=color), urls=upstream)
    if flags.list_paths:
        _print_paths(output)
        return ExitCode.OK
    given = {option.name: getattr(faults, option.attribute) for option in fault_options()}
    with usage_errors("--fault"):
        build_faults(flags.fault)
    with usage_errors():
        specs = specs_by_option(given)
        for name, spec in specs.items():
            with usage_errors(f"--{name}"):
                build_faults([spec])
        chosen = build_faults([*flags.fault, *specs.values()])
    if flags.upstream is not None:
        with usage_errors("--upstream"):
            check_upstream(flags.upstream, raw=flags.raw)
    with _certificate(flags) as (cert, key):
        own = values_of(flags, "tls", "ca_out", "cert", "key", "fault", "list_paths")
        own["subprotocols"] = tuple(flags.subprotocols)
        own["allow_origins"] = tuple(flags.allow_origins)
        with usage_errors():
            options = ServerOptions(
                **own,
                cert=cert,
                key=key,
                faults=tuple(chosen),
                control_token=os.environ.get("WSDIAG_CONTROL_TOKEN"),
            )
        return _run(options, terminal, output)


def _print_paths(output: Format) -> None:
    """`--list`, as text or as one JSON array."""
    import json

    from wsdiag.server.page import catalogue
    from wsdiag.server.reference import listing

    if output == "json":
        print_answer(json.dumps(catalogue(), ensure_ascii=False) + "\n")
    else:
        print_answer("\n".join([*listing(), ""]))


@contextmanager
def _certificate(flags: ServeFlags) -> Iterator[tuple[Path | None, Path | None]]:
    """The certificate's files; a throw-away one lives as long as the server."""
    if not flags.tls:
        yield flags.cert, flags.key
        return
    from wsdiag.transport.tls.certs import CertificateToolError, throwaway_certificate

    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", flags.host))
    try:
        made = throwaway_certificate([name for name in names if name not in ("0.0.0.0", "::")])
    except CertificateToolError as error:
        raise typer.BadParameter(str(error), param_hint="--tls") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--host") from None
    if flags.ca_out is not None:
        try:
            write_whole(flags.ca_out, made.ca)
        except OSError as error:
            message = f"cannot write {flags.ca_out}: {error.strerror}"
            raise typer.BadParameter(message, param_hint="--ca-out") from None
    with tempfile.TemporaryDirectory(prefix="wsdiag-") as folder:
        yield made.write(Path(folder))


def _run(options: ServerOptions, terminal: Terminal, output: Format) -> int:
    """Serve until SIGINT, SIGTERM, SIGHUP; 0, 1 when it cannot listen, 2 for senseless options."""
    from wsdiag.cli.serve_report import Reporter
    from wsdiag.server import Server
    from wsdiag.transport.machine import allow_files
    from wsdiag.transport.tls.trust import TrustError

    allow_files(_FILES)
    report = Reporter(terminal, json=output == "json")
    stopped: list[asyncio.Event] = []

    async def serve_until_stopped() -> int:
        stopped.append(asyncio.Event())
        when_unread(terminal, stopped[0].set)
        server = Server(options, report.event)
        try:
            await server.start()
        except (OSError, ValueError, TrustError) as error:
            report.failed(options, error)
            return ExitCode.NO_ANSWER if isinstance(error, OSError) else ExitCode.USAGE
        report.listening(server, options)
        try:
            await stopped[0].wait()
        finally:
            await server.stop()
            report.finish()
        return ExitCode.OK

    # its clients' messages are many more than its own timers
    return run_async(serve_until_stopped, on_stop=lambda: stopped[0].set(), hires=False)
