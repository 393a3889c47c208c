"""From a path to its faults: `/idle/60?drop=fin`, or several in a row: `/latency/50/idle/60`."""

from __future__ import annotations

import difflib
from typing import Any
from urllib.parse import parse_qsl, unquote

from wsdiag.server.fault import Fault
from wsdiag.server.faults import FAULTS
from wsdiag.server.params import Param, params_of

BY_NAME: dict[str, type[Fault]] = {fault.name: fault for fault in FAULTS}


class RouteError(ValueError):
    """A path that nobody serves (404), or a parameter that nobody takes (400)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def resolve(target: str) -> list[Fault]:
    """The faults that a request target asks for, in order; RouteError with what to write instead.

    A fault's first parameter may stand in the path behind its name; all others, and the first
    too, in the query. A parameter that several of the path's faults have goes to each of them.
    """
    path, _, query = target.partition("?")
    segments = [unquote(part) for part in path.split("/") if part]
    chosen: list[tuple[type[Fault], dict[str, Any]]] = []
    while segments:
        fault = _match(segments, path)
        values: dict[str, Any] = {}
        if segments:
            _take_first(fault, segments, values)
        chosen.append((fault, values))
    _take_query(chosen, query)
    return [_build(fault, values) for fault, values in chosen]


def from_spec(spec: str) -> Fault:
    """The one fault of `idle/60?drop=fin`, as options and the control port spell it."""
    faults = resolve("/" + spec.lstrip("/"))
    if len(faults) != 1:
        raise RouteError(400, f"{spec!r} must name one fault")
    return faults[0]


def _match(segments: list[str], path: str) -> type[Fault]:
    """Take the longest known name off the front of the path's segments."""
    for length in (3, 2, 1):
        fault = BY_NAME.get("/".join(segments[:length])) if len(segments) >= length else None
        if fault is not None:
            del segments[:length]
            return fault
    wrong = "/".join(segments)
    close = difflib.get_close_matches(segments[0], BY_NAME, n=3, cutoff=0.5)
    like = [name for name in BY_NAME if name.startswith(segments[0] + "/")]
    hint = ", ".join("/" + name for name in (like or close))
    ask = f"did you mean {hint}? " if hint else ""
    raise RouteError(404, f"no path /{wrong} here; {ask}`wsdiag serve --list` shows all")


def _take_first(fault: type[Fault], segments: list[str], values: dict[str, Any]) -> None:
    params = params_of(fault)
    known = segments[0] in BY_NAME or "/".join(segments[:2]) in BY_NAME
    if not params:
        if not known:
            raise RouteError(400, f"/{fault.name} takes nothing behind its name")
        return
    if known and params[0].kind.free:
        return
    try:
        values[params[0].attribute] = params[0].read(segments[0])
    except ValueError as error:
        if not known:
            raise RouteError(400, f"/{fault.name}: {error}. {_allowed([fault])}") from None
    else:
        del segments[0]


def _take_query(chosen: list[tuple[type[Fault], dict[str, Any]]], query: str) -> None:
    for name, text in parse_qsl(query, keep_blank_values=True):
        takers = [
            (param, values)
            for fault, values in chosen
            for param in params_of(fault)
            if param.name == name
        ]
        if not takers:
            allowed = _allowed([fault for fault, _ in chosen])
            raise RouteError(400, f"no parameter {name!r} here. {allowed}")
        for param, values in takers:
            try:
                values[param.attribute] = param.read(text)
            except ValueError as error:
                raise RouteError(400, f"{error}. {_allowed([f for f, _ in chosen])}") from None


def _allowed(faults: list[type[Fault]]) -> str:
    params = [param for fault in faults for param in params_of(fault)]
    if not params:
        return "This path takes no parameters"
    return "Parameters: " + "; ".join(describe(param) for param in params)


def describe(param: Param) -> str:
    """One parameter in a line: `jitter=MS (default 0): spread of the delay`."""
    default = f" (default {param.show()})" if param.show() else ""
    return f"{param.name}={param.kind.metavar}{default}: {param.help}"


def _build(fault: type[Fault], values: dict[str, Any]) -> Fault:
    built = fault(**values)
    try:
        built.check()
    except ValueError as error:
        raise RouteError(400, f"/{fault.name}: {error}") from None
    return built


def signature(fault: type[Fault]) -> str:
    """A path as users write it: `/idle/SECONDS?drop=…`; the first parameter stands in the path."""
    params = params_of(fault)
    if not params:
        return f"/{fault.name}"
    first = params[0].show() or params[0].kind.metavar
    query = "&".join(f"{param.name}=" for param in params[1:])
    return f"/{fault.name}/{first}" + (f"?{query}" if query else "")


def example(fault: type[Fault]) -> str:
    """A path that works as it is: the first parameter at its default."""
    params = params_of(fault)
    first = params[0].show() if params else ""
    return f"/{fault.name}/{first}" if first else f"/{fault.name}"
