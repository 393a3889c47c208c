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
    Topic = Literal[(*(name for name in COMMANDS if name != "help"), "keepalive", "dialects")]


@command(runs_bare=True)
def help(
    ctx: typer.Context,
    topic: Annotated[Topic | None, typer.Argument(metavar="COMMAND", help="One of")] = None,
) -> None:
    """Without a command: what each command answers, units and exit codes.

    wsdiag help ping
    wsdiag help dialects
    """
    if topic == "keepalive":
        print(_keepalive_page())
        return
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


def _keepalive_page() -> str:
    """The settings of libraries that send Pings, for the usual interval."""
    from textwrap import fill

    from wsdiag.judgement.verdict.advice import ping_advice

    intro = (
        "How libraries are told to send a Ping every 20 s. Where `wsdiag idle-probe` recommends "
        "another interval, take that one; -v shows it in these lines."
    )
    lines = [
        fill(
            line,
            78,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in ping_advice(20.0)
    ]
    return "\n".join([fill(intro, 78), "", *lines])
