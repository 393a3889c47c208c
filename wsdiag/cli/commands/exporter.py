"""`wsdiag exporter`: a monitor that Prometheus scrapes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.command_setup import ensure_fd_limit, open_terminal
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode, when_unread
from wsdiag.cli.options import COLOR, FORMAT, OUTPUT, Color, Format, OutputOptions
from wsdiag.cli.params import EXISTING_FILE, FILE, usage_errors
from wsdiag.cli.run_async import run_async
from wsdiag.units import parse_port

if TYPE_CHECKING:
    from wsdiag.cli.exporter_file import FileSource
    from wsdiag.cli.exporter_report import ExporterReport
    from wsdiag.exporter.config import ExporterConfig
    from wsdiag.exporter.exporter import Exporter
    from wsdiag.render.base.terminal import Terminal

WHAT, WHERE = "Targets", "Listening"
_what = partial(typer.Option, rich_help_panel=WHAT)
_where = partial(typer.Option, rich_help_panel=WHERE)
_output = partial(typer.Option, rich_help_panel=OUTPUT)

_FILES_BESIDE = 512  # scrapers, probes
_IDLE_PROBE_FILES = 4 * 64


@dataclass(frozen=True, kw_only=True)
class ExporterFlags:
    """What to watch, and where to answer."""

    file: Annotated[
        Path | None,
        _what("-f", "--file", help="The TOML file of check -f: each endpoint is a target.", **FILE),
    ] = None
    textfile: Annotated[
        Path | None,
        _what("--textfile", help="Write metrics here as well, for node_exporter.", **FILE),
    ] = None
    mask: Annotated[
        list[str], _what("--mask", metavar="NAME", help="Mask this parameter of URLs as well.")
    ] = field(default_factory=list)
    listen: Annotated[
        str, _where("--listen", metavar="HOST:PORT", help="Where to answer; port 0: any free one.")
    ] = "127.0.0.1:9753"
    cert: Annotated[
        Path | None, _where("--cert", help="TLS with this certificate (PEM).", **EXISTING_FILE)
    ] = None
    key: Annotated[
        Path | None, _where("--key", help="Its key, when that is in another file.", **EXISTING_FILE)
    ] = None
    client_ca: Annotated[
        Path | None,
        _where("--client-ca", help="Answer only clients with this CA's.", **EXISTING_FILE),
    ] = None


@command()
def exporter(
    flags: ExporterFlags,
    output: Annotated[Format, FORMAT] = "text",
    quiet: Annotated[bool, _output("-q", "--quiet", help="Only where it listens.")] = False,
    color: Annotated[Color, COLOR] = "auto",
) -> int:
    """Stays connected to every endpoint of a file, Pings each once a second, and answers on
    /metrics; /probe?target=URL&module=NAME checks any URL that the file allows. The file is read
    again on SIGHUP and when it changes. SIGTERM closes all connections and ends it with 0.

    wsdiag exporter -f wsdiag.toml
    wsdiag exporter -f wsdiag.toml --listen :9753 --cert cert.pem --key key.pem
    """
    if flags.file is None:
        raise typer.BadParameter("name the file of targets", param_hint="-f")
    for option, given in (("--key", flags.key), ("--client-ca", flags.client_ca)):
        if given is not None and flags.cert is None:
            raise typer.BadParameter(f"{option} needs --cert", param_hint=option)
    if flags.textfile is not None:
        message = ""
        if not flags.textfile.parent.is_dir():
            message = f"no such folder: {flags.textfile.parent}"
        elif flags.textfile.exists() and not flags.textfile.is_file():  # it would be replaced
            message = f"not a regular file: {flags.textfile}"
        if message:
            raise typer.BadParameter(message, param_hint="--textfile")
    with usage_errors("--listen"):
        host, port = parse_listen(flags.listen)
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        typer.echo("error: exporter needs an extra: pip install 'wsdiag[prometheus]'", err=True)
        return ExitCode.USAGE
    from wsdiag.cli.exporter_file import FileSource
    from wsdiag.cli.exporter_report import ExporterReport
    from wsdiag.exporter.config import ConfigError

    terminal = open_terminal(OutputOptions(quiet=quiet, color=color))
    report = ExporterReport(terminal, json=output == "json")
    source = FileSource(flags.file, frozenset(map(str.lower, flags.mask)), terminal)
    try:
        config = source.read()
    except ConfigError as error:
        for line in str(error).splitlines():
            typer.echo(f"error: {terminal.text(line)}", err=True)
        return ExitCode.USAGE
    probing = any(target.idle_probe_s for target in config.targets)
    files = len(config.targets) + _FILES_BESIDE + _IDLE_PROBE_FILES * probing
    ensure_fd_limit(files, terminal, json=output == "json")
    return _run(flags, (host, port), config, source, terminal, report)


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:9753`, `[::1]:9753`, `:9753` ("": everywhere); ValueError."""
    host, colon, digits = text.rpartition(":")
    port = 0 if digits.strip("0") == "" and digits else parse_port(digits)
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or port is None or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:9753 or [::1]:9753")
    return host.strip("[]"), port


def _run(
    flags: ExporterFlags,
    where: tuple[str, int],
    config: ExporterConfig,
    source: FileSource,
    terminal: Terminal,
    report: ExporterReport,
) -> int:
    """Export until SIGINT or SIGTERM: 0; 1 when it cannot listen, 2 for unusable certificates."""
    from wsdiag.exporter.exporter import Exporter
    from wsdiag.exporter.http import server_tls
    from wsdiag.transport.tls.trust import TrustError

    running: list[Exporter] = []
    stopping = asyncio.Event()
    when_unread(terminal, stopping.set)

    async def export() -> int:
        made = Exporter(
            config,
            host=where[0],
            port=where[1],
            tls=server_tls(flags.cert, flags.key, flags.client_ca),
            textfile=flags.textfile,
            source=source,
            on_event=report.event,
        )
        try:
            await made.start()
        except (OSError, TrustError) as error:
            report.failed(flags.listen, error)
            return ExitCode.NO_ANSWER if isinstance(error, OSError) else ExitCode.USAGE
        running.append(made)
        report.listening(made)
        try:
            await stopping.wait()
        finally:
            await made.stop()
            report.finish()
        return ExitCode.OK

    def reload() -> None:
        if running:
            running[0].reload()

    # the coarse timer costs half the system calls; round trips rest on the kernel's timestamps
    return run_async(export, on_stop=stopping.set, on_hangup=reload, hires=False)
