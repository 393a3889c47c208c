"""Option groups shared by commands: declared once as a function, merged into each command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import cached_property, update_wrapper
from typing import Any

# Without what typer reads, which is put together when it asks.
_COPIED = ("__module__", "__name__", "__qualname__", "__doc__")


def injects(**groups: Callable[..., Any]) -> Callable[[Callable[..., None]], Injected]:
    """Replace the named parameters of a command by the parameters of option-group functions."""
    return lambda command: Injected(command, groups)


class Injected:
    """A command that takes its groups' parameters and its own, all by keyword.

    typer reads a command's signature; this one's is the union. A call hands each group function
    its share, and the command what the groups built. Until typer looks, no annotation is evaluated
    and so typer is not imported.
    """

    def __init__(self, command: Callable[..., None], groups: dict[str, Callable[..., Any]]) -> None:
        update_wrapper(self, command, assigned=_COPIED, updated=())
        self._command, self._groups = command, groups

    def __call__(self, **values: Any) -> None:
        """Run the command over all parameters that typer read."""
        self.prepare(values)()

    def prepare(self, values: dict[str, Any]) -> Callable[[], None]:
        """The command's body over these values; a usage error of typer's for what cannot be."""
        own = dict(values)
        built = {
            name: group(**{p: own.pop(p) for p in inspect.signature(group).parameters if p in own})
            for name, group in self._groups.items()
        }
        return lambda: self._command(**own, **built)

    @cached_property
    def __signature__(self) -> inspect.Signature:
        # arguments, the groups in their order, then the command's own options: so --help reads
        shares = [p for group in self._groups.values() for p in _parameters(group)]
        own = _parameters(self._command, skip=self._groups)
        arguments = [p for p in own if _is_argument(p)]
        options = [p for p in own if not _is_argument(p)]
        return inspect.Signature([*arguments, *shares, *options])

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return {p.name: p.annotation for p in self.__signature__.parameters.values()}


def _is_argument(parameter: inspect.Parameter) -> bool:
    from typer.models import ArgumentInfo

    metadata = getattr(parameter.annotation, "__metadata__", ())
    return any(isinstance(each, ArgumentInfo) for each in metadata)


def _parameters(
    function: Callable[..., Any], skip: Collection[str] = ()
) -> list[inspect.Parameter]:
    # Annotations are resolved one by one: those that are skipped, and the return type, may name
    # classes that are imported for type checking only, as typer and Path are. typer passes
    # everything by keyword, and keyword-only parameters may stand in any order.
    from pathlib import Path

    import typer

    names = {**function.__globals__, "typer": typer, "Path": Path}
    return [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY, annotation=eval(parameter.annotation, names)
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in skip
    ]
