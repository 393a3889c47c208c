"""The group of all commands, which imports the one that is asked for, and its own options."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from wsdiag.cli.declare import HelpPages, with_options
from wsdiag.cli.exit import print_answer
from wsdiag.cli.listing import COMMANDS
from wsdiag.version import __version__


class CommandGroup(HelpPages, TyperGroup):
    """Commands as modules of `commands/`; the one that is asked for is imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        return getattr(import_module(f"wsdiag.cli.commands.{name}"), name)

    def page(self, ctx: Any, *, full: bool) -> str:
        """What each command answers; `full`: the exit codes and units in words as well."""
        from wsdiag.cli.reference.model import describe_top
        from wsdiag.cli.reference.pages import overview

        return overview(COMMANDS, describe_top(self, ctx), full=full)


app = typer.Typer(
    name="wsdiag",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    add_help_option=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="ping, mtr and curl -v for WebSockets.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_answer(f"wsdiag {__version__}\n")
        raise typer.Exit


def _print_schema(wanted: bool) -> None:
    if wanted:
        from pkgutil import get_data  # a zip file has resources, too

        print_answer((get_data("wsdiag.render.base", "schema.json") or b"").decode())
        raise typer.Exit


@app.callback()
@with_options
def wsdiag(
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
    """Options before a command; all of them are answers."""
