"""The command line as data: commands, their options, and what may follow each.

Read from the commands that typer made: public attributes of commands and parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wsdiag.cli.options import OUTPUT

GENERAL = "General"


@dataclass(frozen=True, slots=True)
class Flag:
    """One option: its names (`-o`, `--output`), its value, and how that is completed.

    `value` is what the value is called in help (`FILE`, `text|json`; empty: it takes none);
    `default` what holds without it, as a user would write it. `panel`: the options' group.
    """

    names: tuple[str, ...]
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    files: bool = False
    default: str | None = None
    panel: str = GENERAL

    @property
    def is_help(self) -> bool:
        """Whether it asks for a page of help."""
        return self.names in (("-h",), ("--help",))

    @property
    def takes_value(self) -> bool:
        """Whether a value follows."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Operand:
    """The argument of a command: how it is written (`URL...`), its help, its choices."""

    value: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: the question it answers, prose, examples, and what it takes."""

    name: str
    help: str
    prose: tuple[str, ...]
    examples: tuple[str, ...]
    flags: tuple[Flag, ...]
    operand: Operand | None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The choices of its argument."""
        return self.operand.choices if self.operand is not None else ()

    @property
    def synopsis(self) -> str:
        """What follows its name on a command line."""
        return " ".join(("[OPTION]...", self.operand.value) if self.operand else ("[OPTION]...",))

    def panels(self) -> dict[str, list[Flag]]:
        """Its options by purpose, in the order of their declaration; --output leads its own."""
        found: dict[str, list[Flag]] = {}
        for flag in self.flags:
            found.setdefault(flag.panel, []).append(flag)
        if OUTPUT in found:
            found[OUTPUT] += found.pop(GENERAL, [])
        for flags in found.values():
            flags.sort(key=lambda flag: "--output" not in flag.names)
        return found


@dataclass(frozen=True, slots=True)
class CommandLine:
    """All subcommands in order, and the options before a subcommand."""

    help: str
    commands: tuple[Command, ...]
    top: tuple[Flag, ...]


def describe(group: Any) -> CommandLine:
    """The whole command line of a group; imports every command of it."""
    with group.make_context("wsdiag", [], resilient_parsing=True) as ctx:
        commands = [group.get_command(ctx, name) for name in group.list_commands(ctx)]
        return CommandLine(
            help=group.help,
            commands=tuple(describe_command(command, ctx) for command in commands),
            top=describe_top(group, ctx),
        )


def describe_top(group: Any, ctx: Any) -> tuple[Flag, ...]:
    """The options of a group itself."""
    return tuple(_flags(group, ctx))


def describe_command(command: Any, ctx: Any) -> Command:
    """One command of typer's."""
    blocks = (command.help or "").split("\n\n")
    examples = [block for block in blocks if all("wsdiag " in row for row in block.splitlines())]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    return Command(
        name=command.name,
        help=command.short_help or "",
        prose=tuple(" ".join(block.split()) for block in blocks if block not in examples),
        examples=tuple(row.strip() for block in examples for row in block.splitlines()),
        flags=tuple(_flags(command, ctx)),
        operand=_operand(arguments[0], ctx) if arguments else None,
    )


def _flags(command: Any, ctx: Any) -> Iterator[Flag]:
    for option in command.params:
        if option.param_type_name != "option" or option.hidden:
            continue
        choices = () if option.is_flag else _choices(option, ctx)
        names = sorted(
            [*option.opts, *option.secondary_opts], key=lambda name: name.startswith("--")
        )
        yield Flag(
            names=tuple(names),  # short ones first
            help=(option.help or "").replace("\n", " "),
            value="" if option.is_flag else option.metavar or "|".join(choices),
            choices=choices,
            files=option.type.name in ("file", "path", "directory"),
            default=_default(option),
            panel=option.rich_help_panel or GENERAL,
        )


def _choices(parameter: Any, ctx: Any) -> tuple[str, ...]:
    """What a shell may complete: the values of a Literal, or those that a declaration names."""
    return tuple(item.value for item in parameter.shell_complete(ctx, "") if item.type == "plain")


def _default(option: Any) -> str | None:
    """A default as the user would write it; None where there is none, and for a plain flag."""
    shown, value = option.show_default, option.default
    if isinstance(shown, str):
        return shown
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not shown:
        return None
    unit = "s" if option.metavar == "DURATION" else ""
    return f"{value:g}{unit}" if isinstance(value, float) else str(value)


def _operand(argument: Any, ctx: Any) -> Operand:
    value = (argument.metavar or argument.name.upper()).strip("[].")
    value += "..." if argument.nargs == -1 else ""
    choices = _choices(argument, ctx)
    about = (argument.help or "").rstrip(".") + (f": {', '.join(choices)}." if choices else ".")
    return Operand(value if argument.required else f"[{value}]", about, choices)
