"""Fault options of `serve`, made from the faults' declarations only when `serve` is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import typer

from wsdiag.cli.help import HelpCommand

if TYPE_CHECKING:
    from wsdiag.server.fault import Fault

FAULTS_PANEL = "Faults (on every path)"


class ServeCommand(HelpCommand):
    """Adds the fault options when parameters are looked at: other commands never pay for them."""

    _fault_params: list[Any] | None = None

    def get_params(self, ctx: Any) -> Any:
        """All parameters, the help option last."""
        if self._fault_params is None:
            self._fault_params = _fault_params()
        *own, help_option = super().get_params(ctx)
        return [*own, *self._fault_params, help_option]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`--stall` without a value is `--stall=`: all of the fault's defaults."""
        from wsdiag.server.fault_options import fault_options

        optional = {f"--{option.name}" for option in fault_options() if option.optional}
        return list(
            super().parse_args(
                ctx,
                [
                    f"{arg}=" if arg in optional and then.startswith("-") else arg
                    for arg, then in pairwise([*args, "-"])
                ],
            )
        )

    def invoke(self, ctx: Any) -> Any:
        """Turn the fault options into values of `--fault`, which the command knows."""
        from wsdiag.server.fault_options import fault_options, fault_specs

        given = {o.name: ctx.params.pop(o.attribute, None) for o in fault_options()}
        try:
            specs = fault_specs(given)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx) from None
        ctx.params["fault"] = [*(ctx.params.get("fault") or ()), *specs]
        return super().invoke(ctx)


def _fault_params() -> list[Any]:
    """typer makes its options from a signature; this makes the signature from the declarations."""
    from wsdiag.server.fault_options import fault_options

    def collect(**_: Any) -> None:
        pass

    collect.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                option.attribute,
                inspect.Parameter.KEYWORD_ONLY,
                default=typer.Option(
                    None if option.metavar else False,
                    f"--{option.name}",
                    metavar=f"[{option.metavar}]" if option.optional else option.metavar,
                    help=option.help,
                    rich_help_panel=FAULTS_PANEL,
                ),
                annotation=str | None if option.metavar else bool,
            )
            for option in fault_options()
        ]
    )
    collect.__annotations__ = {
        parameter.name: parameter.annotation
        for parameter in inspect.signature(collect).parameters.values()
    }
    app = typer.Typer(add_completion=False)
    app.command()(collect)
    command: Any = typer.main.get_command(app)
    return list(command.params)


def read_faults(specs: Sequence[str]) -> list[Fault]:
    """The faults that `--fault` and the fault options ask for; a usage error for senseless ones."""
    from wsdiag.server.routes import build_faults

    try:
        return build_faults(specs)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
