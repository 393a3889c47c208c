"""`wsdiag exporter`: a monitor that Prometheus scrapes."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.command_setup import ensure_fd_limit, open_terminal, secrets_of
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode
from wsdiag.cli.options import COLOR, FORMAT, OUTPUT, Color, Format, OutputOptions
from wsdiag.cli.params import EXISTING_FILE, FILE, usage_errors
from wsdiag.cli.run_async import run_async
from wsdiag.units import counted, parse_port

if TYPE_CHECKING:
    from wsdiag.cli.check.file import CheckFile
    from wsdiag.exporter.config import ExporterConfig, ExporterTarget
    from wsdiag.exporter.exporter import Exporter
    from wsdiag.records import ExporterEvent
    from wsdiag.render.base.terminal import Terminal

WHAT, WHERE = "Targets", "Listening"
_what = partial(typer.Option, rich_help_panel=WHAT)
_where = partial(typer.Option, rich_help_panel=WHERE)
_output = partial(typer.Option, rich_help_panel=OUTPUT)

_FILES_BESIDE = 512  # scrapers, probes
_IDLE_PROBE_FILES = 4 * 64
_TOLD, _TOLD_PER_S = 20, 10.0


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
    from wsdiag.exporter.config import ConfigError

    terminal = open_terminal(OutputOptions(quiet=quiet, color=color))
    report = _Report(terminal, json=output == "json")
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
    return _run(flags, (host, port), config, source, report)


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:9753`, `[::1]:9753` or `:9753` (everywhere); ValueError."""
    host, colon, digits = text.rpartition(":")
    port = 0 if digits.strip("0") == "" and digits else parse_port(digits)
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or port is None or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:9753 or [::1]:9753")
    return host.strip("[]") or "0.0.0.0", port


class FileSource:
    """A file of targets, read as often as is asked for."""

    def __init__(self, path: Path, masked: frozenset[str], terminal: Terminal) -> None:
        self._path, self._masked, self._terminal = path, masked, terminal
        self._was_read = False

    def signature(self) -> Hashable:
        """What changes when the file is written or replaced."""
        try:
            seen = self._path.stat()
        except OSError as error:
            return error.errno
        if stat.S_ISFIFO(seen.st_mode):  # `-f <(...)`: its times change when it is read
            return seen.st_dev, seen.st_ino
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns

    def read(self) -> ExporterConfig:
        """What the file says. Raises ConfigError."""
        from wsdiag.cli.check.file import CheckFileError, read_check_file
        from wsdiag.exporter.allow import Allowed
        from wsdiag.exporter.config import BUCKETS_S, ConfigError, ExporterConfig

        if self._was_read and self._path.is_fifo():  # to open it waits for a writer, for ever
            raise ConfigError(f"{self._path}: a pipe is read once, at the start")
        self._was_read = True
        try:
            read = read_check_file(self._path, os.environ, "exporter")
        except CheckFileError as error:
            raise ConfigError("\n".join(error.lines())) from None
        assert read.exporter is not None  # it was read for the exporter
        try:
            return ExporterConfig(
                targets=self._targets(read),
                modules=read.modules,
                allow=Allowed(read.exporter.allow),
                buckets_s=read.exporter.buckets_s or BUCKETS_S,
            )
        except ValueError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def _targets(self, read: CheckFile) -> tuple[ExporterTarget, ...]:
        """The endpoints that can be watched; their URLs as labels show them."""
        from wsdiag.cli.command_setup import secrets_of_urls
        from wsdiag.exporter.config import ExporterTarget
        from wsdiag.render.base.redact import Redactor

        masked = self._masked.union(name.lower() for name in read.run.mask)
        secrets = list(read.secrets)
        for endpoint in (*read.endpoints, *read.modules.values()):
            secrets += secrets_of(endpoint.dial, masked)
        secrets += secrets_of_urls([each.url for each in read.endpoints], masked)
        redactor = Redactor(dict.fromkeys(secrets), names=masked)
        self._terminal.redactor = redactor
        assert read.exporter is not None
        usual = read.exporter.watch
        targets = []
        for endpoint, watch in zip(read.endpoints, read.watch, strict=True):
            if endpoint.check.must_refuse:
                continue  # it is to be refused (expect-status): there is nothing to stay in
            targets.append(
                ExporterTarget(
                    url=endpoint.url,
                    name=endpoint.name or "",
                    shown_url=redactor.text(_without_userinfo(endpoint.url)),
                    dial=endpoint.dial,
                    interval_s=watch.interval_s or usual.interval_s or 1.0,
                    timeout_s=endpoint.check.timeout_s,
                    idle_probe_s=watch.idle_probe_s or usual.idle_probe_s,
                    http2_look=endpoint.check.http2_look and not usual.no_http2_look,
                    seq=endpoint.check.seq or usual.seq,
                    time=endpoint.check.time or usual.time,
                )
            )
        return tuple(targets)


def _without_userinfo(url: str) -> str:
    before, slashes, after = url.strip().partition("://")
    scheme, rest = (before, after) if slashes else ("", before)
    end = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    return scheme + slashes + rest[:end].rpartition("@")[2] + rest[end:]


class _Report:
    """Prints what happens: NDJSON on stdout, or lines on stderr; a flood of it is cut short."""

    def __init__(self, terminal: Terminal, *, json: bool) -> None:
        self._terminal, self._json = terminal, json
        self._second, self._told, self._left_out = 0.0, 0, 0

    def listening(self, running: Exporter) -> None:
        """Where it answers: the first line, so that a script can wait for it."""
        from wsdiag.records import ExporterListening

        host, port = running.address
        targets, tls = len(running.config.targets), running.url.startswith("https")
        record = ExporterListening(running.url, host, port, tls, targets)
        if self._json:
            self._terminal.json(record)
        else:
            self._terminal.line(f"listening on {running.url}/metrics, {counted(targets, 'target')}")

    def event(self, event: ExporterEvent) -> None:
        """One event; `-q`: none."""
        if self._terminal.quiet:
            return
        now = asyncio.get_running_loop().time()
        if now - self._second > _TOLD_PER_S:
            left_out, self._left_out = self._left_out, 0
            if left_out:
                self._terminal.log(f"{left_out} more events within {_TOLD_PER_S:g} s")
            self._second, self._told = now, 0
        self._told += 1
        if self._told > _TOLD:
            self._left_out += 1
            return
        if self._json:
            self._terminal.json(event)
        else:
            self._terminal.log(_line(self._terminal.clean(event)))

    def failed(self, listen: str, problem: Exception) -> None:
        """Why it cannot listen."""
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        at = f"cannot listen on {listen}: " if isinstance(problem, OSError) else ""
        typer.echo(f"error: {self._terminal.text(f'{at}{why or problem}')}", err=True)


def _line(event: ExporterEvent) -> str:
    """An event for people."""
    who = event.name or event.url or event.peer
    figures = (("kept", event.kept), ("new", event.new), ("gone", event.gone))
    counted = ", ".join(f"{count} {what}" for what, count in figures if count is not None)
    said = f"{event.event}: {f'{who}: ' if who else ''}{event.message or counted}"
    return f"{said} (hint: {event.hint})" if event.hint else said


def _run(
    flags: ExporterFlags,
    where: tuple[str, int],
    config: ExporterConfig,
    source: FileSource,
    report: _Report,
) -> int:
    """Export until SIGINT or SIGTERM: 0; 1 when it cannot listen, 2 for unusable certificates."""
    from wsdiag.exporter.exporter import Exporter
    from wsdiag.exporter.http import server_tls
    from wsdiag.transport.tls.trust import TrustError

    running: list[Exporter] = []
    stopping = asyncio.Event()

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
        return ExitCode.OK

    def reload() -> None:
        if running:
            running[0].reload()

    # the coarse timer costs half the system calls; round trips rest on the kernel's timestamps
    return run_async(export, on_stop=stopping.set, on_hangup=reload, hires=False)
