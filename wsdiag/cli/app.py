"""The command line: all subcommands, `--version` and `--json-schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from wsdiag.cli.check import check
from wsdiag.cli.completion import completion
from wsdiag.cli.connect import connect
from wsdiag.cli.demo import demo
from wsdiag.cli.help import HelpCommand, HelpGroup, help
from wsdiag.cli.idle_probe import idle_probe
from wsdiag.cli.ping import ping
from wsdiag.cli.serve import serve
from wsdiag.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="wsdiag",
    cls=HelpGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    help="ping, mtr and curl -v for WebSockets.",
)

for command, name in (
    (connect, "connect"),
    (ping, "ping"),
    (idle_probe, "idle-probe"),
    (check, "check"),
    (serve, "serve"),
    (demo, "demo"),
    (completion, "completion"),
    (help, "help"),
):
    app.command(
        name,
        cls=getattr(command, "command_class", HelpCommand),
        no_args_is_help=name not in ("serve", "demo", "help"),
        context_settings=CONTEXT,
    )(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"wsdiag {__version__}")
        raise typer.Exit


def _print_schema(wanted: bool) -> None:
    if wanted:
        from wsdiag.render.base.schema import schema_text

        print(schema_text())
        raise typer.Exit


@app.callback()
def _wsdiag(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
    json_schema: Annotated[
        bool,
        typer.Option(
            "--json-schema",
            help="Print the JSON Schema of all records and exit.",
            callback=_print_schema,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass
