"""Faults on every path: the command-line options made from the declarations, and back to paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from wsdiag.server.fault import Fault
from wsdiag.server.faults import FAULTS
from wsdiag.server.faults.drops import Idle
from wsdiag.server.params import params_of

_MANY_CHOICES = 8


@dataclass(frozen=True, slots=True)
class FaultOption:
    """One command-line option; `metavar` None: a flag; `optional`: works without its value."""

    name: str
    metavar: str | None
    help: str
    optional: bool = False
    choices: tuple[str, ...] = ()

    @property
    def attribute(self) -> str:
        """Its name as Python writes it."""
        return self.name.replace("-", "_")


def fault_options() -> list[FaultOption]:
    """An option for each fault that makes sense on every path, then those that several share."""
    options = []
    for fault in FAULTS:
        params = params_of(fault)
        if fault.option is not None:
            text = f"{fault.summary[:1].upper()}{fault.summary[1:]}."
            choices = params[0].kind.choices if params else ()
            metavar = first_metavar(fault)
            options.append(FaultOption(fault.option, metavar, text, metavar is not None, choices))
    return options + shared_options()


def first_metavar(fault: type[Fault]) -> str | None:
    """What the option's value is called: its choices where they fit a line, else one word."""
    params = params_of(fault)
    if not params:
        return None
    kind = params[0].kind
    return kind.metavar if len(kind.choices) < _MANY_CHOICES else params[0].name.upper()


def shared_options() -> list[FaultOption]:
    """`--drop` and what goes with it, each for all faults that have such a parameter.

    `Idle` has them all, after its own first parameter.
    """
    return [
        FaultOption(
            param.name,
            param.kind.metavar,
            f"With {', '.join('--' + name for name in _takers(param.name))}: {param.help}.",
            choices=param.kind.choices,
        )
        for param in params_of(Idle)[1:]
    ]


def _takers(shared: str) -> list[str]:
    """Names of the options whose faults take this shared one."""
    return [fault.option for fault in FAULTS if fault.option and shared in _shares(fault)]


def _shares(fault: type[Fault]) -> set[str]:
    """Names of the shared options that this fault takes: only those whose choices it knows.

    `counts` is whose bytes count for `idle`, and what is counted for `rate-limit`: not one option.
    """
    shared = {param.name: param.kind.choices for param in params_of(Idle)[1:]}
    return {
        param.name
        for param in params_of(fault)[1:]
        if param.name in shared and set(param.kind.choices) <= set(shared[param.name])
    }


def fault_specs(values: Mapping[str, str | bool | None]) -> list[str]:
    """Paths of the faults that options ask for, values by option name: a text or True.

    ValueError when what only some faults share is given without one of them.
    """
    return list(specs_by_option(values).values())


def specs_by_option(values: Mapping[str, str | bool | None]) -> dict[str, str]:
    """Paths of the faults that options ask for, by their names; values: a text or True.

    ValueError when what only some faults share is given without one of them.
    """
    given = {name: value for name, value in values.items() if value not in (None, False)}
    shared = {
        option.name: str(given.pop(option.name))
        for option in shared_options()
        if option.name in given
    }
    for name in shared:
        takers = _takers(name)
        if not set(takers) & set(given):
            raise ValueError(f"--{name} needs {' or '.join('--' + taker for taker in takers)}")
    return {
        fault.option: _spec(fault, given[fault.option], shared)
        for fault in FAULTS
        if fault.option in given
    }


def _spec(fault: type[Fault], value: str | bool | None, shared: Mapping[str, str]) -> str:
    first, _, query = ("" if value is True else str(value)).partition("?")
    own = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    takes = _shares(fault) - own
    more = [f"{name}={_quoted(text, '/')}" for name, text in shared.items() if name in takes]
    query = "&".join([query, *more] if query else more)
    path = fault.name + (f"/{_quoted(first)}" if first else "")
    return path + (f"?{query}" if query else "")


def _quoted(text: str, safe: str = "") -> str:
    # bytes of the command line that are not UTF-8 are for the fault's own parameter to refuse
    return quote(text, safe=safe, errors="surrogateescape")
