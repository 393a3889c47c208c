"""Option groups shared by commands: declared once as a function, merged into each command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

from typer.models import ArgumentInfo


def injects(**groups: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the named parameters of a command by the parameters of option-group functions.

    typer reads a command's signature; this gives it the union, and calls each group function with
    its share to build the argument that the command asked for.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shares = {name: _parameters(group) for name, group in groups.items()}
        own = _parameters(command, skip=groups)

        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            built = {
                name: group(**{p.name: values.pop(p.name) for p in shares[name]})
                for name, group in groups.items()
            }
            command(**values, **built)

        # arguments, the groups in their order, then the command's own options: so --help reads
        arguments = [p for p in own if _is_argument(p)]
        options = [p for p in own if not _is_argument(p)]
        merged = [*arguments, *(p for share in shares.values() for p in share), *options]
        wrapper.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in merged}
        return wrapper

    return decorate


def _is_argument(parameter: inspect.Parameter) -> bool:
    metadata = getattr(parameter.annotation, "__metadata__", ())
    return any(isinstance(each, ArgumentInfo) for each in metadata)


def _parameters(
    function: Callable[..., Any], skip: Collection[str] = ()
) -> list[inspect.Parameter]:
    # Annotations are resolved one by one: those that are skipped, and the return type, may name
    # classes that are imported for type checking only. typer passes everything by keyword, and
    # keyword-only parameters may stand in any order.
    return [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=eval(parameter.annotation, function.__globals__),
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in skip
    ]
