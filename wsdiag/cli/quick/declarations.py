"""The table of ordinary options, made from what the commands declare to typer."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Any, get_args, get_origin

from typer.models import ArgumentInfo

from wsdiag.cli.connect import connect
from wsdiag.cli.idle_probe import idle_probe
from wsdiag.cli.inject import Injected
from wsdiag.cli.ping import ping

# Those whose users wait for a connection. check's ask for many and read a file; serve's wait.
QUICK = {"connect": connect, "ping": ping, "idle-probe": idle_probe}

_HEAD = '''"""Made from the declarations by `python -m wsdiag.cli.quick`; a test notices drift."""

from __future__ import annotations

from typing import Any

'''
_OPTIONS_NOTE = """
# Each name of an option: its parameter, the kind of its value, and what the kind needs to know:
# what a flag sets, the bounds of a number, the class of a choice.
"""
_PARSERS = {"parse_positive": "duration", "parse_size": "size", "parse_percent": "percent"}
_PLAIN = {int: "integer", float: "number", str: "text"}


def table_text() -> str:
    """The source of `table.py`."""
    lines = [_HEAD, "COMMANDS = {\n"]
    lines += [f'    "{name}": "{_place(command)}",\n' for name, command in QUICK.items()]
    lines += [
        "}\n\n# The parameter of the arguments, and whether there may be several.\nARGUMENTS = {\n"
    ]
    lines += [f'    "{name}": {_code(_argument(command))},\n' for name, command in QUICK.items()]
    lines += ["}\n", _OPTIONS_NOTE, "OPTIONS: dict[str, dict[str, tuple[str, str, Any]]] = {\n"]
    for name, command in QUICK.items():
        lines.append(f'    "{name}": {{\n')
        for parameter in inspect.signature(command).parameters.values():
            lines += [f"        {_code(o)}: {_code(e)},\n" for o, e in options(parameter).items()]
        lines.append("    },\n")
    return "".join([*lines, "}\n"])


def _code(value: Any) -> str:
    """A literal, in the quotes that the formatter wants."""
    return repr(value).replace("'", '"')


def _place(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__name__}"


def _argument(command: Injected) -> tuple[str, bool]:
    for parameter in inspect.signature(command).parameters.values():
        kind, info = _declared(parameter)
        if isinstance(info, ArgumentInfo):
            return parameter.name, get_origin(kind) is list
    raise LookupError(f"{command!r} takes no argument")


def options(parameter: inspect.Parameter) -> dict[str, tuple[str, str, Any]]:
    """The names of one option with what they mean; none for an option that only typer reads."""
    kind, info = _declared(parameter)
    if isinstance(info, ArgumentInfo) or info.callback or info.envvar:
        return {}
    declared = [info.default, *(info.param_decls or ())]
    if kind is bool:
        return _flags(parameter.name, declared)
    read = _kind(kind, info)
    return {} if read is None else dict.fromkeys(declared, (parameter.name, *read))


def _declared(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """(type without `| None`, typer's declaration)."""
    kind, (info,) = parameter.annotation.__origin__, parameter.annotation.__metadata__
    some = [arm for arm in get_args(kind) if arm is not type(None)]
    return (kind if get_origin(kind) is list or not some else some[0]), info


def _flags(parameter: str, declared: list[str]) -> dict[str, tuple[str, str, Any]]:
    found: dict[str, tuple[str, str, Any]] = {}
    for names in declared:
        on, _, off = names.partition("/")
        found[on] = (parameter, "flag", True)
        if off:
            found[off] = (parameter, "flag", False)
    return found


def _kind(kind: Any, info: Any) -> tuple[str, Any] | None:
    if info.parser is not None:
        read = _PARSERS.get(info.parser.__name__)
        return None if read is None else (read, None)
    if get_origin(kind) is list:
        return ("texts", None) if get_args(kind) == (str,) else None
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "choice", _place(kind)
    if kind not in _PLAIN:
        return None
    return _PLAIN[kind], None if kind is str else (info.min, info.max)
