"""A command line that is wrong, in the two lines of any failure: `error:` and `hint:`."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence
from typing import Any

from wsdiag.cli.listing import COMMANDS

# What other tools call it.
_FOREIGN_OPTIONS = {
    "--json": "-o json",
    "--csv": "-o csv",
    "--no-color": "--color never",
    "--data": "--send",
    "--message": "--send",
}
_FOREIGN_COMMANDS = {
    "mtr": "path",
    "traceroute": "path",
    "tracepath": "path",
    "test": "check",
    "probe": "idle-probe",
    "monitor": "ping",
}
_ADDRESS = re.compile(r"\w+://|localhost\b|\[[0-9a-f:.]+\]|[^\s/:]+(?:\.\w|:\d)", re.IGNORECASE)
_ITS_SUGGESTION = re.compile(r" \((?:Possible options|Did you mean)[^()]*\)$")
_CHOICES = re.compile(r"'([^']*)' is not one of ('.*')")
_TYPES = (("int range", "integer"), ("float range", "number"))


def usage_error(error: Any) -> tuple[str, str]:
    """(message, hint) of a usage error of typer's."""
    message: str = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    for its, ours in _TYPES:
        message = message.replace(f"is not a valid {its}", f"is not a valid {ours}")
    message = _ITS_SUGGESTION.sub("", message)
    ctx = error.ctx
    if ctx is None:
        return message, ""
    suggestion = _suggestion(ctx, message, getattr(error, "option_name", None))
    usage = ctx.command.get_usage(ctx).removeprefix("Usage: ")
    usage = f"usage: {usage} ({ctx.command_path} -h)"
    return message, f"{suggestion}\n{usage}" if suggestion else usage


def _suggestion(ctx: Any, message: str, option: str | None) -> str:
    meant = ""
    if option is not None and ctx.parent is None:
        return f"options follow the command: wsdiag COMMAND {_FOREIGN_OPTIONS.get(option, option)}"
    if option is not None:
        meant = _like_option(ctx, option)
    elif unknown := re.fullmatch("no such command '(.*)'", message, re.DOTALL):
        meant = _like_command(unknown[1])
    elif choices := _CHOICES.search(message):
        meant = nearest(choices[1], re.findall("'([^']*)'", choices[2]))
    return f"did you mean {meant}?" if meant else ""


def _like_option(ctx: Any, option: str) -> str:
    """An option of this command that `option` may have meant."""
    known: list[str] = [
        name
        for parameter in ctx.command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    ]
    foreign = _FOREIGN_OPTIONS.get(option, "")
    if foreign.partition(" ")[0] in known:
        return foreign
    if near := nearest(option, [name for name in known if name.startswith("--")]):
        return near
    ends = {name.rpartition("-")[2]: name for name in known if name.count("-") > 2}  # --max-time
    return ends.get(nearest(option.lstrip("-"), list(ends)), "")


def _like_command(word: str) -> str:
    """A command line that begins as `word` may have meant."""
    command = _FOREIGN_COMMANDS.get(word) or nearest(word, list(COMMANDS))
    if command in COMMANDS:
        return f"wsdiag {command}"
    if _ADDRESS.match(word):
        shown = shlex.quote(word)
        return f"wsdiag connect {shown} or wsdiag ping {shown}"
    return ""


def nearest(word: str, known: Sequence[str]) -> str:
    """The one of `known` that `word` begins, or is a slip of; "" where there is none."""
    begun = [name for name in known if len(word.lstrip("-")) > 1 and name.startswith(word)]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return begun[0] if begun else near[0] if near else ""


def report(error: Any, args: Sequence[str]) -> None:
    """Print a usage error; credentials in the URLs of `args` are masked."""
    from wsdiag.cli.command_setup import open_terminal
    from wsdiag.cli.options import OutputOptions
    from wsdiag.records import Error
    from wsdiag.render.base.error import print_error

    terminal = open_terminal(OutputOptions(), urls=[a for a in args if not a.startswith("-")])
    print_error(terminal, Error("", "usage", "usage", *usage_error(error)))
