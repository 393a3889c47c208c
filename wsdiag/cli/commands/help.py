"""`wsdiag help`: every option of a command in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wsdiag.cli.declare import command, print_page
from wsdiag.cli.listing import COMMANDS

if TYPE_CHECKING:
    Topic = str
else:
    Topic = Literal[tuple(name for name in COMMANDS if name != "help")]


@command(runs_bare=True)
def help(
    ctx: typer.Context,
    topic: Annotated[Topic | None, typer.Argument(metavar="COMMAND", help="Which one")] = None,
) -> None:
    """Without a command: what each command answers, units and exit codes.

    wsdiag help ping
    wsdiag help idle-probe | less
    """
    top: Any = ctx.find_root()
    if topic is not None:
        top = top.command.get_command(top, topic).make_context(
            topic, [], top, resilient_parsing=True
        )
    print_page(top, full=True)
