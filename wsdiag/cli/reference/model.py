"""The command line as data: commands, their options, and what may follow each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer

from wsdiag.cli.fault_options import FAULTS_PANEL, ServeCommand
from wsdiag.cli.options import OUTPUT

GENERAL = "General"


@dataclass(frozen=True, slots=True)
class Flag:
    """One option: its names (`-o`, `--output`), its value, and how that is completed.

    `value` is what stands for the value in help (`FILE`, `text|json`; empty: it takes none);
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
    """All subcommands in order, and the options that stand before a subcommand."""

    help: str
    commands: tuple[Command, ...]
    top: tuple[Flag, ...]


HELP = Flag(("-h", "--help"), "Print the first page of help, and exit.")


def describe(app: typer.Typer) -> CommandLine:
    """The whole command line of `app`."""
    top = app.registered_callback
    own = _flags(top.callback) if top is not None and top.callback is not None else ()
    return CommandLine(
        help=str(app.info.help),
        commands=tuple(_command(info) for info in app.registered_commands),
        top=(*own, HELP),
    )


def _command(info: Any) -> Command:
    callback = info.callback
    question, *blocks = (inspect.getdoc(callback) or "").split("\n\n")
    examples = [block for block in blocks if all("wsdiag " in row for row in block.splitlines())]
    return Command(
        name=info.name or callback.__name__.replace("_", "-"),
        help=" ".join(question.split()),
        prose=tuple(" ".join(block.split()) for block in blocks if block not in examples),
        examples=tuple(row.strip() for block in examples for row in block.splitlines()),
        flags=(*_flags(callback), *_fault_flags(callback), HELP),
        operand=_operand(callback),
    )


def _fault_flags(callback: Callable[..., Any]) -> tuple[Flag, ...]:
    """The options that `serve` makes from its faults' declarations when it is asked."""
    if getattr(callback, "command_class", None) is not ServeCommand:
        return ()
    from wsdiag.server.fault_options import fault_options

    return tuple(
        Flag(
            (f"--{option.name}",),
            option.help,
            value=f"[{option.metavar}]" if option.optional else option.metavar or "",
            choices=option.choices,
            panel=FAULTS_PANEL,
        )
        for option in fault_options()
    )


def _flags(callback: Callable[..., Any]) -> tuple[Flag, ...]:
    return tuple(
        _flag(kind, info, parameter)
        for kind, info, parameter in _declared(callback)
        if not isinstance(info, typer.models.ArgumentInfo) and not info.hidden
    )


def _declared(callback: Callable[..., Any]) -> Iterator[tuple[Any, Any, inspect.Parameter]]:
    """(plain type, typer's info, parameter) of each parameter that typer reads."""
    for parameter in inspect.signature(callback).parameters.values():
        annotation = parameter.annotation
        if isinstance(annotation, str):
            annotation = eval(annotation, callback.__globals__)
        info = next(iter(getattr(annotation, "__metadata__", ())), None)
        if info is not None:
            yield _plain_type(annotation.__origin__), info, parameter


def _plain_type(kind: Any) -> Any:
    """The type inside `X | None` and `list[X]`."""
    while inner := [arg for arg in get_args(kind) if arg is not type(None)]:
        kind = inner[0]
    return kind


def _flag(kind: Any, info: Any, parameter: inspect.Parameter) -> Flag:
    choices = _choices(kind)
    return Flag(
        names=_names(info, parameter.name),
        help=(info.help or "").replace("\n", " "),
        value="" if kind is bool else info.metavar or "|".join(choices),
        choices=choices,
        files=kind is Path,
        default=_default(info.show_default, parameter.default),
        panel=info.rich_help_panel or GENERAL,
    )


def _default(shown: Any, value: Any) -> str | None:
    """A default as the user would write it; None where there is none, and for a plain flag."""
    if isinstance(shown, str):
        return shown
    if value is None or isinstance(value, bool) or not shown:
        return None
    if isinstance(value, float):
        return f"{value:g}"
    return str(value.value if isinstance(value, Enum) else value)


def _operand(callback: Callable[..., Any]) -> Operand | None:
    for kind, info, parameter in _declared(callback):
        if not isinstance(info, typer.models.ArgumentInfo):
            continue
        many = "list[" in str(parameter.annotation)
        value = (info.metavar or parameter.name.upper()).strip("[].") + ("..." if many else "")
        needed = parameter.default is inspect.Parameter.empty
        choices = _choices(kind)
        about = (info.help or "").rstrip(".") + (f": {', '.join(choices)}." if choices else ".")
        return Operand(value if needed else f"[{value}]", about, choices)
    return None


def _names(info: Any, parameter: str) -> tuple[str, ...]:
    # inside Annotated typer takes the first positional declaration for a default
    first = [info.default] if isinstance(info.default, str) else []
    declared = [*first, *(info.param_decls or ())] or [f"--{parameter.replace('_', '-')}"]
    names = [name for text in declared for name in text.split("/") if name]
    return tuple(sorted(names, key=lambda name: name.startswith("--")))  # short ones first


def _choices(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()
