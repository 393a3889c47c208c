"""A failure in two lines: `error:` says what was seen, `hint:` what to change."""

from __future__ import annotations

from rich.text import Text

from wsdiag.records import Error
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.terminal import Terminal


def print_error(terminal: Terminal, error: Error) -> None:
    """Print a diagnosis to stderr; quiet or not, an error is said."""
    for line in error_lines(terminal.clean(error)):
        terminal.log(line)


def error_lines(error: Error) -> list[Text]:
    """The lines of a cleaned diagnosis."""
    where = f"{shorten(error.url)}: " if error.url else ""
    lines = [Text.assemble(("error: ", "bold red"), where, error.message)]
    return lines + hint_lines(error.hint)


def hint_lines(hint: str | None, indent: str = "") -> list[Text]:
    """`hint:` and what to change; further lines of a hint are indented under its first."""
    if not hint:
        return []
    first, *more = hint.splitlines()
    lines = [Text.assemble(indent, ("hint: ", "bold cyan"), first)]
    return lines + [Text(indent + "      " + line) for line in more]
