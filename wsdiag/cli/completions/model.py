"""The command line as data: commands, their options, and what may follow each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer

from wsdiag.cli.fault_options import ServeCommand


@dataclass(frozen=True, slots=True)
class Flag:
    """One option: its names (`-o`, `--output`), and how its value is completed."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()
    files: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand with its options; `arguments` are the choices of its first argument."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    arguments: tuple[str, ...] = ()


HELP = Flag(("-h", "--help"), "Show help and exit.", takes_value=False)


def describe(app: typer.Typer) -> tuple[list[Command], list[Flag]]:
    """All subcommands of `app` in order, and the options that stand before a subcommand."""
    commands = [_command(info) for info in app.registered_commands]
    top = app.registered_callback
    own = _flags(top.callback) if top is not None and top.callback is not None else ()
    return commands, [*own, HELP]


def _command(info: Any) -> Command:
    callback = info.callback
    summary = (inspect.getdoc(callback) or "").split("\n", 1)[0]
    return Command(
        name=info.name or callback.__name__.replace("_", "-"),
        help=summary,
        flags=(*_flags(callback), *_fault_flags(callback), HELP),
        arguments=_argument_choices(callback),
    )


def _fault_flags(callback: Callable[..., Any]) -> tuple[Flag, ...]:
    """The options that `serve` makes from its faults' declarations when it is asked."""
    if getattr(callback, "command_class", None) is not ServeCommand:
        return ()
    from wsdiag.server.common import fault_options

    return tuple(
        Flag(
            (f"--{option.name}",),
            option.help,
            takes_value=option.metavar is not None,
            choices=option.choices,
        )
        for option in fault_options()
    )


def _flags(callback: Callable[..., Any]) -> tuple[Flag, ...]:
    found = (_flag(parameter, callback) for parameter in _parameters(callback))
    return tuple(flag for flag in found if flag is not None)


def _parameters(callback: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(callback).parameters.values())


def _annotation(parameter: inspect.Parameter, callback: Callable[..., Any]) -> Any:
    if isinstance(parameter.annotation, str):
        return eval(parameter.annotation, callback.__globals__)
    return parameter.annotation


def _flag(parameter: inspect.Parameter, callback: Callable[..., Any]) -> Flag | None:
    kind, info = _split(_annotation(parameter, callback))
    if info is None or isinstance(info, typer.models.ArgumentInfo) or info.hidden:
        return None
    names = _names(info, parameter.name)
    return Flag(
        names=names,
        help=(info.help or "").replace("\n", " "),
        takes_value=kind is not bool,
        choices=_choices(kind),
        files=kind is Path,
    )


def _argument_choices(callback: Callable[..., Any]) -> tuple[str, ...]:
    for parameter in _parameters(callback):
        kind, info = _split(_annotation(parameter, callback))
        if isinstance(info, typer.models.ArgumentInfo):
            return _choices(kind)
    return ()


def _split(annotation: Any) -> tuple[Any, Any]:
    """(plain type, typer's info) of an `Annotated`; the type inside `X | None` and `list[X]`."""
    info = next(iter(getattr(annotation, "__metadata__", ())), None)
    kind = annotation.__origin__ if info is not None else annotation
    while inner := [arg for arg in get_args(kind) if arg is not type(None)]:
        kind = inner[0]
    return kind, info


def _names(info: Any, parameter: str) -> tuple[str, ...]:
    # inside Annotated typer takes the first positional declaration for a default
    first = [info.default] if isinstance(info.default, str) else []
    declared = [*first, *(info.param_decls or ())] or [f"--{parameter.replace('_', '-')}"]
    return tuple(name for text in declared for name in text.split("/") if name)


def _choices(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()
