"""From a path to its faults: `/idle/60?drop=fin`, or several in a row: `/latency/50/idle/60`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from wsdiag.server.fault import Fault
from wsdiag.server.faults import FAULTS
from wsdiag.server.params import params_of

BY_NAME: dict[str, type[Fault]] = {fault.name: fault for fault in FAULTS}

_MOST_FAULTS, _MOST_PARAMETERS = 32, 256


class RouteError(ValueError):
    """An unknown path (404) or a bad parameter (400)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def resolve(target: str) -> list[Fault]:
    """The faults that a request target asks for, in order; RouteError with what to write instead.

    A fault's first parameter may follow its name in the path; all others, and the first too, are
    query parameters. A parameter that several of the path's faults have goes to each of them.
    """
    path, _, query = target.partition("?")
    segments = [unquote(part) for part in path.split("/") if part]
    chosen: list[tuple[type[Fault], dict[str, Any]]] = []
    while segments:
        if len(chosen) == _MOST_FAULTS:
            raise RouteError(400, f"more than {_MOST_FAULTS} faults in one path")
        fault = _take_name(segments)
        values: dict[str, Any] = {}
        if segments:
            _take_first_param(fault, segments, values)
        chosen.append((fault, values))
    _read_query(chosen, query)
    return [fault(**values) for fault, values in chosen]


def _take_name(segments: list[str]) -> type[Fault]:
    """Remove the longest known name from the front of the path's segments."""
    for length in (3, 2, 1):
        fault = BY_NAME.get("/".join(segments[:length])) if len(segments) >= length else None
        if fault is not None:
            del segments[:length]
            return fault
    like = [name for name in BY_NAME if name.startswith(segments[0] + "/")]
    like = like or difflib.get_close_matches(segments[0], BY_NAME, n=3, cutoff=0.5)
    ask = f"did you mean {', '.join('/' + name for name in like)}? " if like else ""
    path = "/".join(segments)
    raise RouteError(404, f"there is no path /{path}; {ask}`wsdiag serve --list` shows all")


def _take_first_param(fault: type[Fault], segments: list[str], values: dict[str, Any]) -> None:
    """Read the fault's first parameter from the path, unless the next fault's name follows."""
    params = params_of(fault)
    is_name = segments[0] in BY_NAME or "/".join(segments[:2]) in BY_NAME
    if is_name and (not params or params[0].kind.any_word):
        return
    if not params:
        raise RouteError(400, f"/{fault.name} takes no path parameter")
    try:
        values[params[0].attribute] = params[0].read(segments[0])
    except ValueError as error:
        if is_name:
            return
        raise RouteError(400, f"/{fault.name}: {error}. {_allowed([fault])}") from None
    del segments[0]


def _read_query(chosen: list[tuple[type[Fault], dict[str, Any]]], query: str) -> None:
    faults = [fault for fault, _ in chosen]
    if query.count("&") >= _MOST_PARAMETERS:
        raise RouteError(400, f"more than {_MOST_PARAMETERS} parameters")
    for name, text in parse_qsl(query, keep_blank_values=True):
        takers = [
            (param, values)
            for fault, values in chosen
            for param in params_of(fault)
            if param.name == name
        ]
        if not takers:
            raise RouteError(400, f"there is no parameter {name!r}. {_allowed(faults)}")
        for param, values in takers:
            try:
                values[param.attribute] = param.read(text)
            except ValueError as error:
                raise RouteError(400, f"{error}. {_allowed(faults)}") from None


def _allowed(faults: list[type[Fault]]) -> str:
    """What a path takes, in a line: `Parameters: jitter=MS (default 0): its spread; …`."""
    params = [param for fault in faults for param in params_of(fault)]
    if not params:
        return "This path takes no parameters"
    return "Parameters: " + "; ".join(
        f"{param.name}={param.kind.metavar}"
        + (f" (default {param.show()})" if param.show() else "")
        + f": {param.help}"
        for param in params
    )


def from_spec(spec: str) -> Fault:
    """The one fault of `idle/60?drop=fin`, as options and the control port write it."""
    faults = resolve("/" + spec.lstrip("/"))
    if len(faults) != 1:
        raise RouteError(400, f"{spec!r} must name one fault")
    return faults[0]


def build_faults(specs: Sequence[str]) -> list[Fault]:
    """Faults from `latency/50?jitter=5`, each named once; ValueError says what to write instead."""
    faults = [from_spec(spec) for spec in specs]
    names = [fault.name for fault in faults]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    return faults


def spec_of(fault: Fault) -> str:
    """A fault as `from_spec` reads it, parameters at their defaults left out."""
    query = "&".join(
        f"{param.name}={getattr(fault, param.attribute)}"
        for param in params_of(type(fault))
        if getattr(fault, param.attribute) != param.default
    )
    return fault.name + (f"?{query}" if query else "")


def example(fault: type[Fault]) -> str:
    """A path that works as it is: the first parameter at its default."""
    params = params_of(fault)
    first = params[0].show() if params else ""
    return f"/{fault.name}/{first}" if first else f"/{fault.name}"
