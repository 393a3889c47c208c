"""The frame around the demo: a heading for each step, and what to type next."""

from __future__ import annotations

from rich.rule import Rule
from rich.text import Text

from wsdiag.render.base.terminal import Terminal

_NEXT = (
    ("wsdiag connect wss://your.host/", "does it connect; if not, where and why"),
    ("wsdiag ping wss://your.host/", "latency, drawn live; Ctrl-C ends it"),
    ("wsdiag idle-probe wss://your.host/", "is it dropped when idle (two minutes)"),
    ("wsdiag serve --list", "an endpoint that misbehaves as asked"),
)


def print_heading(terminal: Terminal, question: str, command: str) -> None:
    """Announce a step: the question it answers and the command that was run."""
    rule = "-" if terminal.glyphs.ascii else "─"
    terminal.print(Text())
    terminal.print(Rule(Text(question, style="bold"), characters=rule, align="left", style="dim"))
    # never wrapped: it is there to be copied
    terminal.line(Text.assemble(("$ ", "dim"), command))
    terminal.print(Text())


def print_farewell(terminal: Terminal) -> None:
    """Say what was seen and what to type next."""
    rule = "-" if terminal.glyphs.ascii else "─"
    terminal.print(Text())
    terminal.print(
        Rule(Text("What you just saw", style="bold"), characters=rule, align="left", style="dim")
    )
    terminal.print(
        Text(
            "A connection in its phases; round trips of an endpoint that answers after about "
            "20 ms; and an idle timeout of 3 s found, with what keeps the connection alive. "
            "The same three, and the endpoint, for your own:"
        )
    )
    terminal.print(Text())
    width = max(len(command) for command, _ in _NEXT)
    for command, purpose in _NEXT:
        terminal.print(Text.assemble("  ", (command.ljust(width), "bold"), "  ", purpose))
