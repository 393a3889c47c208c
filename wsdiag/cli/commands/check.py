"""`wsdiag check`: pass or fail for a pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.check.options import CheckFlags, FeedFlags, RetryFlags, RunFlags, refuse_empty
from wsdiag.cli.check.output import Printer
from wsdiag.cli.command_setup import open_terminal, refuse_bad_urls, secrets_of, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode, print_answer
from wsdiag.cli.files import refuse_unwritable, with_files
from wsdiag.cli.options import OutputOptions, RequestOptions
from wsdiag.cli.run_async import run_async

if TYPE_CHECKING:
    from pathlib import Path

    from wsdiag.cli.check.tables import RunDefaults
    from wsdiag.probes.check.options import CheckOptions, Endpoint
    from wsdiag.probes.check.runner import CheckProgress
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.dial.options import DialOptions
    from wsdiag.transport.trace import Tracer

# An endpoint's options that count beside -f as well: for all endpoints of the file.
_BESIDE_FILE = frozenset({"only", "skip", "retry", "retry-delay"})


@command()
def check(
    ctx: typer.Context,
    flags: CheckFlags,
    feed: FeedFlags,
    retry: RetryFlags,
    request: RequestOptions,
    output: OutputOptions,
    run: RunFlags,
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="[URL]...", help="Endpoints to check.")
    ] = None,
) -> int:
    """Judges each endpoint by the limits and expectations that were asked for, and with
    --conformance by the rules of RFC 6455 and RFC 7692. With -f, endpoints and what they must be
    come from a TOML file; --list-checks prints every check with its reason.

    wsdiag check --max-p95 250ms --require-idle 60 wss://example.org/ws
    wsdiag check -f wsdiag.toml --junit report.xml
    """
    if run.list_checks:
        _print_rules()
        return ExitCode.OK
    output.refuse_csv_log()
    dial = request.dial(compression=True)
    options = flags.options(dial.http_version, feed, no_http2_look=request.no_http2_look)
    secrets: list[str] = []
    if (run.file is None) == (not urls):
        raise typer.BadParameter("name either URLs or a file (-f FILE)", param_hint="URL")
    if run.file is not None:
        endpoints, secrets, said = _from_file(ctx, run.file, options, retry)
        output = _with_defaults(output, said)
    else:
        endpoints = _from_line(urls or [], options, retry, dial)
    for endpoint in endpoints:
        secrets += secrets_of(endpoint.dial, frozenset(map(str.lower, output.mask)))
    terminal = open_terminal(
        output,
        urls=[each.url for each in endpoints],
        secrets=secrets,
        texts=[each.check.send for each in endpoints],
    )
    if run.file is None:
        refuse_bad_urls(urls or [], terminal, json=run.format == "json")
    endpoints = _with_something_to_check(endpoints, terminal)
    if run.junit is not None:
        refuse_unwritable(run.junit, "--junit")
    with tracing(output, terminal, urls=len(endpoints)) as tracer:
        printer = Printer(terminal, run.format, run.junit)
        code = check_and_show(endpoints, run.jobs, terminal, printer, tracer, output.max_time)
    return with_files(terminal, code)


def _print_rules() -> None:
    from wsdiag.probes.check.registry import ALL

    widest = max(len(rule.id) for rule in ALL)
    rows = [f"{r.id:{widest}}  {r.group:11}  {r.section or '':19}  {r.why}\n" for r in ALL]
    print_answer("".join(rows))


def _from_line(
    urls: Sequence[str], options: CheckOptions, retry: RetryFlags, dial: DialOptions
) -> list[Endpoint]:
    """The endpoints of the command line; a usage error for one that is there twice."""
    from wsdiag.probes.check.options import Endpoint

    if len(set(urls)) < len(urls):
        raise typer.BadParameter("duplicate URL", param_hint="URL")
    refuse_empty(options)
    return [
        Endpoint(
            url=url, dial=dial, check=options, retry=retry.retry, retry_delay_s=retry.retry_delay_s
        )
        for url in urls
    ]


def _from_file(
    ctx: typer.Context, file: Path, options: CheckOptions, retry: RetryFlags
) -> tuple[list[Endpoint], list[str], RunDefaults]:
    """(endpoints, values to mask, what is said of the run) of a file, and of the command line."""
    from wsdiag.cli.check.file import CheckFileError, read_check_file
    from wsdiag.cli.check.tables import ENDPOINT_OPTIONS

    given = _given_options(ctx)
    if misplaced := (given & ENDPOINT_OPTIONS.keys()) - _BESIDE_FILE:
        names = ", ".join(f"--{name}" for name in sorted(misplaced))
        message = f"with -f, {names} must be in the file ([defaults])"
        raise typer.BadParameter(message, param_hint="-f")
    try:
        read = read_check_file(file, os.environ)
    except CheckFileError as error:
        for line in error.lines():
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(ExitCode.USAGE) from None
    endpoints = [_overridden(each, options, retry, given) for each in read.endpoints]
    return endpoints, read.secrets, read.run


def _with_defaults(output: OutputOptions, said: RunDefaults) -> OutputOptions:
    """What a file says of the run, unless the command line says it."""
    return replace(
        output,
        mask=[*output.mask, *said.mask],
        show_secrets=output.show_secrets or said.show_secrets,
        max_time=said.max_time if output.max_time is None else output.max_time,
    )


def _given_options(ctx: typer.Context) -> set[str]:
    """The long names of all options that the command line gives, as keys of a file."""
    given = set()
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            given |= {name[2:] for name in parameter.opts if name.startswith("--")}
    return given


def _overridden(
    endpoint: Endpoint, options: CheckOptions, retry: RetryFlags, given: set[str]
) -> Endpoint:
    chosen = endpoint.check
    if "only" in given:
        chosen = replace(chosen, only=options.only)
    if "skip" in given:
        chosen = replace(chosen, skip=options.skip)
    times = retry.retry if "retry" in given else endpoint.retry
    delay_s = retry.retry_delay_s if "retry-delay" in given else endpoint.retry_delay_s
    return replace(endpoint, check=chosen, retry=times, retry_delay_s=delay_s)


def _with_something_to_check(endpoints: Sequence[Endpoint], terminal: Terminal) -> list[Endpoint]:
    """The endpoints of which --only and --skip leave something; a usage error when none is left."""
    from wsdiag.probes.check.registry import chosen

    left = [endpoint for endpoint in endpoints if chosen(endpoint.check)]
    if not left:
        message = "nothing is left to check in any endpoint of the file"
        raise typer.BadParameter(message, param_hint="--only")
    if len(left) < len(endpoints):
        gone = ", ".join(each.label for each in endpoints if each not in left)
        terminal.log(f"not checked, no checks left: {terminal.text(gone)}")
    return left


def check_and_show(
    endpoints: Sequence[Endpoint],
    jobs: int,
    terminal: Terminal,
    printer: Printer,
    tracer: Tracer | None = None,
    max_time_s: float | None = None,
) -> int:
    """Judge all endpoints, print, and return the exit code."""
    from wsdiag.probes.check.runner import CheckRun
    from wsdiag.probes.check.summary import exit_code

    def on_progress(progress: CheckProgress) -> None:
        if not terminal.quiet:
            label, text = progress.endpoint.label, progress.text
            terminal.log(f"{terminal.text(label)}: {terminal.text(text)}")

    async def judge() -> int:
        async for report in run.reports():
            printer.take(report)
        printer.finish()
        if any(error.kind == "usage" for error in printer.errors):
            return ExitCode.USAGE
        code = exit_code(
            printer.results, unreachable=bool(printer.errors), interrupted=run.interrupted
        )
        return code or ExitCode.NO_ANSWER if printer.lost else code

    run = CheckRun(endpoints, jobs=jobs, on_progress=on_progress, tracer=tracer)
    return run_async(judge, on_stop=run.stop, on_expire=run.expire, max_time_s=max_time_s)
