"""Commands from functions: shared options and help (theory in `wsdiag.cli`)."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, cast, get_type_hints

import typer
from typer.core import TyperCommand

from wsdiag.cli.exit import ExitCode, print_answer
from wsdiag.cli.listing import COMMANDS

_LINE = "wsdiag.line"
_UsageProblem: Any = typer.BadParameter.__mro__[2]  # ClickException, wherever typer keeps it


def command(
    *, runs_bare: bool = False, cls: type[HelpfulCommand] | None = None
) -> Callable[[Callable[..., int | None]], TyperCommand]:
    """Make a command of a function that returns its exit code, or None for 0.

    Without `runs_bare` its bare name is answered by help.
    """

    def make(function: Callable[..., int | None]) -> TyperCommand:
        name = function.__name__.replace("_", "-")
        app = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        app.command(
            name,
            cls=cls or HelpfulCommand,
            short_help=COMMANDS.get(name),
            no_args_is_help=not runs_bare,
            add_help_option=False,
        )(with_options(function))
        return cast(TyperCommand, typer.main.get_command(app))

    return make


def with_options(function: Callable[..., int | None]) -> Callable[..., None]:
    """`function` for typer: parameters that are groups are replaced by the groups' options."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    own = {
        name: parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in groups
    }

    def run(**values: Any) -> None:
        built = {
            name: group(**{field.name: values[field.name] for field in fields(group)})
            for name, group in groups.items()
        }
        code = function(**{name: values[name] for name in own}, **built)
        if code:
            raise typer.Exit(code)

    arguments = [p for p in own.values() if p.default is inspect.Parameter.empty]
    options = [p for p in own.values() if p not in arguments]
    shared = [p for group in groups.values() for p in _parameters(group)]
    parameters = [*arguments, *shared, *options, *_parameters(_HelpOptions)]
    # typer reads both the signature and the annotations, and passes every value by keyword
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default if field.default_factory is MISSING else field.default_factory(),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


class HelpPages:
    """Mixed into a command or a group: help is our pages instead of typer's."""

    no_args_is_help: bool

    def page(self, ctx: Any, *, full: bool) -> str:
        """Help: on one screen, or `full`: in words; `**bold**`."""
        raise NotImplementedError

    def get_help(self, ctx: Any) -> str:
        """The page that fits a screen."""
        return self.page(ctx, full=False).replace("**", "")

    def get_usage(self, ctx: Any) -> str:
        """The first line of the help, above a usage error as well."""
        return self.get_help(ctx).partition("\n")[0]

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run as a program; what is wrong with its line is printed as any other failure is."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **extra)  # type: ignore[misc]
        except _UsageProblem as error:
            from wsdiag.cli.usage import report

            report(error, sys.argv[1:] if args is None else args)
            code = error.exit_code
        except typer.Abort:
            code = ExitCode.NO_ANSWER
        sys.exit(code or 0)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse; without arguments where some are needed: help, and the code of a usage error."""
        ctx.meta[_LINE] = list(args)
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            print_page(ctx, full=False)
            ctx.exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)  # type: ignore[misc]


class HelpfulCommand(HelpPages, TyperCommand):
    """A subcommand."""

    def page(self, ctx: Any, *, full: bool) -> str:
        """Its options by name, or `full`: every one with its description."""
        from wsdiag.cli.reference.model import describe_command
        from wsdiag.cli.reference.pages import full_page, short_page

        return (full_page if full else short_page)(describe_command(self, ctx))


def print_page(ctx: typer.Context, *, full: bool) -> None:
    """Print the help of a context's command, its headings bold where that can be seen."""
    command: Any = ctx.command
    plain, *rest = command.page(ctx, full=full).split("**")
    bold = wants_color(_color_option(ctx))
    for number, part in enumerate(rest):
        plain += (("\x1b[1m", "\x1b[0m")[number % 2] if bold else "") + part
    print_answer(plain)


def _color_option(ctx: Any) -> str:
    """`--color` as given before or after the help option, which is answered before it is read."""
    given, _, _ = ctx.command.make_parser(ctx).parse_args(list(ctx.meta.get(_LINE, ())))
    return str(given.get("color", "auto"))


def wants_color(option: str) -> bool:
    """Whether to colour stdout: by --color, NO_COLOR, FORCE_COLOR, or else on a terminal."""
    if option in ("always", "never"):
        return option == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return os.environ["FORCE_COLOR"] not in ("0", "false")
    if os.name == "nt" and "WT_SESSION" not in os.environ:
        return False  # an old console shows escape sequences as they are
    return sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def _show_page(ctx: typer.Context, full: bool) -> None:
    if not ctx.resilient_parsing:
        print_page(ctx, full=full)
        raise typer.Exit


def _show_overview(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        _show_page(ctx, full=False)


def _show_words(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        _show_page(ctx, full=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HelpOptions:
    overview: Annotated[
        bool,
        typer.Option(
            "-h",
            help="Show the options on one screen and exit.",
            callback=_show_overview,
            is_eager=True,
            expose_value=False,
        ),
    ] = False
    words: Annotated[
        bool,
        typer.Option(
            "--help",
            help="Describe every option and exit.",
            callback=_show_words,
            is_eager=True,
            expose_value=False,
        ),
    ] = False
