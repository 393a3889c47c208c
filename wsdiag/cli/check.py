"""`wsdiag check`: pass or fail for a pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.check_options import RULES, RUN, Retry, check_options, refuse_empty, retry_options
from wsdiag.cli.check_output import CheckFormat, Printer, refuse_unwritable
from wsdiag.cli.inject import injects
from wsdiag.cli.options import Output, output_options, request_options
from wsdiag.cli.params import flag
from wsdiag.cli.runtime import NO_ANSWER, USAGE, run_async
from wsdiag.cli.view import open_terminal, refuse_bad_urls, secrets_of, tracing
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.probes.check.options import CheckOptions, Endpoint
    from wsdiag.probes.check.runner import Progress
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import Tracer

# With -f these still count: they are about the run, and win over what the file says.
_BESIDE_FILE = frozenset(
    {
        "file",
        "jobs",
        "list_checks",
        "format",
        "junit",
        "quiet",
        "verbose",
        "color",
        "save",
        "trace",
        "show_secrets",
        "only",
        "skip",
        "retry",
        "retry_delay",
    }
)


@injects(options=check_options, retry=retry_options, dial=request_options, output=output_options)
def check(
    ctx: typer.Context,
    options: CheckOptions,
    retry: Retry,
    dial: DialOptions,
    output: Output,
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="[URL]...", help="Endpoints to check.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            dir_okay=False,
            help="Endpoints of a TOML file.",
            rich_help_panel=RUN,
        ),
    ] = None,
    list_checks: Annotated[
        bool, flag("--list-checks", help="Print every check and exit.", rich_help_panel=RULES)
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=1000,
            metavar="N",
            help="Endpoints at once.",
            rich_help_panel=RUN,
        ),
    ] = 8,
    format: Annotated[
        CheckFormat, typer.Option("-o", "--output", help="Output format.", rich_help_panel="Output")
    ] = CheckFormat.text,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            dir_okay=False,
            help="Write JUnit XML as well.",
            rich_help_panel="Output",
        ),
    ] = None,
) -> None:
    """Is this endpoint fit? Pass or fail, for a pipeline.

    wsdiag check --max-p95 250ms --require-idle 60 wss://example.org/ws
    wsdiag check -f wsdiag.toml --junit report.xml

    Judges each endpoint by the limits and expectations that were asked for, and with
    --conformance by the rules of RFC 6455 and RFC 7692. With -f, endpoints and what they must be
    come from a TOML file; --list-checks prints every check with its reason.
    """
    if list_checks:
        _print_rules()
        raise typer.Exit
    endpoints, secrets = _endpoints(ctx, urls or [], file, options, retry, dial)
    for endpoint in endpoints:
        secrets += secrets_of(endpoint.dial)
    terminal = open_terminal(output, urls=[each.url for each in endpoints], secrets=secrets)
    if file is None:
        refuse_bad_urls(urls or [], terminal, json=format is CheckFormat.json)
    endpoints = _with_something_to_check(endpoints, terminal)
    refuse_unwritable(junit, "--junit")
    refuse_unwritable(output.save, "--save")
    with tracing(output, terminal, urls=len(endpoints)) as tracer:
        raise typer.Exit(check_and_show(endpoints, jobs, terminal, format, junit, tracer))


def _print_rules() -> None:
    from wsdiag.probes.check.registry import ALL

    widest = max(len(rule.id) for rule in ALL)
    for rule in ALL:
        print(f"{rule.id:{widest}}  {rule.group:11}  {rule.section or '':19}  {rule.why}")


def _endpoints(
    ctx: typer.Context,
    urls: list[str],
    file: Path | None,
    options: CheckOptions,
    retry: Retry,
    dial: DialOptions,
) -> tuple[list[Endpoint], list[str]]:
    """(endpoints, values to mask) of the command line or the file; a usage error for both."""
    from wsdiag.probes.check.options import Endpoint

    if (file is None) == (not urls):
        raise typer.BadParameter("name either URLs or a file (-f FILE)", param_hint="URL")
    if file is not None:
        return _from_file(ctx, file, options, retry)
    if len(set(urls)) < len(urls):
        raise typer.BadParameter("one of them is named twice", param_hint="URL")
    refuse_empty(options)
    return [
        Endpoint(url=url, dial=dial, check=options, retry=retry.times, retry_delay_s=retry.delay_s)
        for url in urls
    ], []


def _from_file(
    ctx: typer.Context, file: Path, options: CheckOptions, retry: Retry
) -> tuple[list[Endpoint], list[str]]:
    from wsdiag.cli.checkfile import CheckFileError, read_check_file

    given = {name for name in ctx.params if _is_given(ctx, name)}
    if misplaced := given - _BESIDE_FILE - {"urls"}:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(misplaced))
        raise typer.BadParameter(
            f"with -f, {names} belongs into the file ([defaults])", param_hint="-f"
        )
    try:
        read = read_check_file(file, os.environ)
    except CheckFileError as error:
        for line in error.lines():
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(USAGE) from None
    return [_overridden(e, options, retry, given) for e in read.endpoints], read.secrets


def _with_something_to_check(endpoints: Sequence[Endpoint], terminal: Terminal) -> list[Endpoint]:
    """The endpoints of which --only and --skip leave something; a usage error when none is left."""
    from wsdiag.probes.check.registry import chosen

    left = [endpoint for endpoint in endpoints if chosen(endpoint.check)]
    if not left:
        raise typer.BadParameter(
            "nothing is left to check in any endpoint of the file", param_hint="--only"
        )
    if len(left) < len(endpoints):
        gone = ", ".join(e.label for e in endpoints if e not in left)
        terminal.log(f"not checked, for nothing is left of them: {terminal.text(gone)}")
    return left


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _overridden(
    endpoint: Endpoint, options: CheckOptions, retry: Retry, given: set[str]
) -> Endpoint:
    """The file's endpoint with what the command line says about the whole run."""
    chosen = endpoint.check
    if "only" in given:
        chosen = replace(chosen, only=options.only)
    if "skip" in given:
        chosen = replace(chosen, skip=options.skip)
    times = retry.times if "retry" in given else endpoint.retry
    delay_s = retry.delay_s if "retry_delay" in given else endpoint.retry_delay_s
    return replace(endpoint, check=chosen, retry=times, retry_delay_s=delay_s)


def check_and_show(
    endpoints: Sequence[Endpoint],
    jobs: int,
    terminal: Terminal,
    format: CheckFormat,
    junit: Path | None,
    tracer: Tracer | None = None,
) -> int:
    """Judge all endpoints, print in the chosen format, and return the exit code."""
    from wsdiag.probes.check.runner import CheckRun
    from wsdiag.probes.check.summary import exit_code

    def tell(progress: Progress) -> None:
        if not terminal.quiet:
            label, said = progress.endpoint.label, progress.text
            terminal.log(f"{terminal.text(label)}: {terminal.text(said)}")

    printer = Printer(terminal, format, junit)

    async def judge() -> int:
        async for report in run.reports():
            printer.take(report)
        written = printer.finish()
        if any(error.kind == "usage" for error in printer.errors):
            return USAGE
        code = exit_code(
            printer.results, unreachable=bool(printer.errors), interrupted=run.interrupted
        )
        return code if written else code or NO_ANSWER

    run = CheckRun(endpoints, jobs=jobs, tell=tell, tracer=tracer)
    return run_async(judge, on_stop=run.stop)
