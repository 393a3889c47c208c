"""`wsdiag help`, and `--help` as it is printed from the pages that lie in the package."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from wsdiag.cli import pages


class Topic(StrEnum):
    """Commands that have a page."""

    connect = "connect"
    ping = "ping"
    idle_probe = "idle-probe"
    check = "check"
    serve = "serve"
    demo = "demo"
    completion = "completion"


class PrintedHelp:
    """Mixed into a command or a group: its help is the page of its name, whatever typer's age."""

    name: str | None
    no_args_is_help: bool

    def get_help(self, ctx: Any) -> str:
        """The short page."""
        # typer takes escape sequences out for what is no terminal, asked for or not
        ctx.color = pages.wants_color(sys.argv[1:], os.environ)
        return (pages.page(self.name or "wsdiag", sys.argv[1:]) or "").rstrip("\n")

    def get_usage(self, ctx: Any) -> str:
        """The first line of the help, above a usage error as well."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.get_help(ctx)).partition("\n")[0]

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Without arguments where there must be some: help, and the code of a usage error."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), color=ctx.color)
            ctx.exit(pages.USAGE)
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc]
        except typer.BadParameter as error:
            error.message = _in_words(error.message)
            raise


def _in_words(message: str) -> str:
    """What typer from 0.29 on says of a bad value, without the terms of the library beneath it."""
    message = message.removeprefix("Value error, ").replace("Input should be", "it must be")
    return re.sub(r", unable to parse string as an? \w+$", "", message)


class HelpCommand(PrintedHelp, TyperCommand):
    """A subcommand."""


class HelpGroup(PrintedHelp, TyperGroup):
    """The group of all subcommands."""


def help(
    command: Annotated[Topic | None, typer.Argument(metavar="COMMAND", help="Which one")] = None,
) -> None:
    """Describe every option of a command.

    wsdiag help ping
    wsdiag help idle-probe | less
    """
    name = "wsdiag" if command is None else f"{command.value}.all"
    typer.echo(pages.page(name, sys.argv[1:]), nl=False)
