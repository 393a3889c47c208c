"""`wsdiag help`: every option of a command in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wsdiag.cli.declare import command, print_page
from wsdiag.cli.exit import print_answer
from wsdiag.cli.listing import COMMANDS

if TYPE_CHECKING:
    Topic = str
else:
    Topic = Literal[(*(name for name in COMMANDS if name != "help"), "dialects")]


@command(runs_bare=True)
def help(
    ctx: typer.Context,
    topic: Annotated[Topic | None, typer.Argument(metavar="COMMAND", help="Or: dialects")] = None,
) -> None:
    """Without a command: what each command answers, units and exit codes.

    wsdiag help ping
    wsdiag help dialects
    """
    if topic == "dialects":
        from wsdiag.dialects.listing import listing

        print_answer(listing())
        return
    top: Any = ctx.find_root()
    if topic is not None:
        top = top.command.get_command(top, topic).make_context(
            topic, [], top, resilient_parsing=True
        )
    print_page(top, full=True)
