"""The tables of `check -f` as commands: a table's members are the words of a command line.

So a key means what the option means, its value is read as the option's is, and a complaint about
it is the option's own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from wsdiag.cli.check.options import CheckFlags, FeedFlags, RetryFlags, RunFlags, refuse_empty
from wsdiag.cli.declare import command
from wsdiag.cli.options import OutputOptions, RequestOptions
from wsdiag.cli.params import DURATION, JSONPATH, PING_INTERVAL, usage_errors
from wsdiag.probes.check.options import Endpoint

_LONG = re.compile(r"--([a-z0-9-]+)")
Table = dict[str, Any]
Reading = Literal["check", "exporter"]


@dataclass(frozen=True, kw_only=True)
class WatchFlags:
    """How `exporter` watches an endpoint, besides what is an option of `check` as well."""

    interval_s: Annotated[float | None, typer.Option("--interval", **PING_INTERVAL)] = None
    idle_probe_s: Annotated[float | None, typer.Option("--idle-probe", **DURATION)] = None


@dataclass(frozen=True, kw_only=True)
class WatchDefaults(WatchFlags):
    """In [exporter]: how it watches the endpoints that do not say."""

    no_http2_look: Annotated[bool, typer.Option("--no-http2-look")] = False
    seq: Annotated[str | None, typer.Option("--seq", **JSONPATH)] = None
    time: Annotated[str | None, typer.Option("--time", **JSONPATH)] = None


@dataclass(frozen=True, kw_only=True)
class RunDefaults:
    """In [defaults]: those of the connection options that are about the whole run."""

    mask: Annotated[list[str], typer.Option("--mask")] = field(default_factory=list)
    show_secrets: Annotated[bool, typer.Option("--show-secrets")] = False
    max_time: Annotated[float | None, typer.Option("--max-time", **DURATION)] = None


@dataclass(frozen=True)
class ExporterTable:
    """The table [exporter]."""

    allow: tuple[str, ...] = ()
    """Globs of what /probe may be pointed at."""
    buckets_s: tuple[float, ...] | None = None
    watch: WatchDefaults = field(default_factory=WatchDefaults)


@command()
def endpoint(
    url: Annotated[str, typer.Option("--url")],
    flags: CheckFlags,
    feed: FeedFlags,
    retry: RetryFlags,
    request: RequestOptions,
    watch: WatchFlags,
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option("--name")] = None,
) -> None:
    """A table of the file, read with the very options of the command line, into `ctx.obj`."""
    dial = request.dial(compression=ctx.obj == "check")
    check = flags.options(dial.http_version, feed, no_http2_look=request.no_http2_look)
    refuse_empty(check)
    read = Endpoint(
        url=url,
        name=name,
        dial=dial,
        check=check,
        retry=retry.retry,
        retry_delay_s=retry.retry_delay_s,
    )
    ctx.obj = read, watch


@command(runs_bare=True)
def exporter_table(
    watch: WatchDefaults,
    ctx: typer.Context,
    allow: Annotated[list[str] | None, typer.Option("--allow")] = None,
    buckets: Annotated[list[float] | None, typer.Option("--buckets", **DURATION)] = None,
) -> None:
    """The table [exporter], into `ctx.obj`."""
    # imported when there is such a table
    from wsdiag.exporter.allow import Allowed
    from wsdiag.exporter.config import check_buckets

    with usage_errors("--allow"):
        Allowed(tuple(allow or ()))
    with usage_errors("--buckets"):
        check_buckets(buckets or (1.0,))
    ctx.obj = ExporterTable(tuple(allow or ()), tuple(buckets or ()) or None, watch)


@command(runs_bare=True)
def run_defaults(run: RunDefaults, ctx: typer.Context) -> None:
    """What [defaults] says of the run, into `ctx.obj`."""
    ctx.obj = run


@command()
def of_the_run(output: OutputOptions, run: RunFlags) -> None:
    """What is about the run and not about an endpoint: for the command line only."""


Options = dict[str, Any]


def _by_key(made: TyperCommand) -> Options:
    return {
        name[2:]: parameter
        for parameter in made.params
        for name in parameter.opts
        if name.startswith("--") and name != "--help"
    }


ENDPOINT_OPTIONS = _by_key(endpoint)
"""The options that a table may have, by their keys."""
_RUN_OPTIONS = _by_key(of_the_run)
RUN_DEFAULTS = _by_key(run_defaults)
EXPORTER_OPTIONS = _by_key(exporter_table)
WATCH_OPTIONS = ("interval", "idle-probe")
TABLES = frozenset({"defaults", "endpoint", "exporter", "module"})


def nearest(key: str, known: Sequence[str]) -> str:
    """`; did you mean …?`, where a known key is like this one."""
    near = difflib.get_close_matches(key.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def complaint(error: typer.BadParameter) -> tuple[str, str]:
    """(key, message) of a usage error, whether an option's type or a rule of ours complained."""
    names = " ".join(error.param.opts) if error.param is not None else str(error.param_hint or "")
    long = _LONG.search(names)
    key = long[1] if long else ""
    return key, f"{key}: {error.message}" if key else error.message


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def refusal(key: str, value: Any, options: Options) -> str | None:
    """Why a key cannot have this value, before the option itself looks at it."""
    if key in _RUN_OPTIONS and key not in options:
        where = "in [defaults] or " if key in RUN_DEFAULTS else ""
        return f"{key!r} belongs {where}on the command line: it is about the run"
    if key in ("url", "name") and not isinstance(value, str):
        return f"{key} must be a string"
    option = options.get(key)
    if option is None:
        return f"unknown {key!r}{nearest(key, list(options))}"
    if option.is_flag:
        return None if isinstance(value, bool) else f"{key} must be true or false"
    if option.multiple:
        good = isinstance(value, list) and all(_is_plain(each) for each in value)
        return None if good or _is_plain(value) else f"{key} must be a list of strings"
    return None if _is_plain(value) else f"{key} must be a string or a number"


def parse(values: Table, reading: Reading) -> tuple[Endpoint, WatchFlags]:
    """The endpoint of a table; a usage error of typer's."""
    refuse_bad_url(values)
    read: tuple[Endpoint, WatchFlags] = invoke(endpoint, ENDPOINT_OPTIONS, values, reading)
    return read


def refuse_bad_url(values: Table) -> None:
    """A usage error for a url that cannot be one."""
    from wsdiag.transport.dial.target import Target, UrlError

    try:
        Target.parse(str(values["url"]))
    except UrlError as error:
        raise typer.BadParameter(error.message, param_hint="--url") from None


def invoke(made: TyperCommand, options: Options, values: Table, reading: Reading) -> Any:
    """What a command makes of a table's values: it leaves it in `ctx.obj`."""
    line = [word for key, value in values.items() for word in _words(key, value, options)]
    with made.make_context("check", line, obj=reading) as ctx:
        made.invoke(ctx)
    return ctx.obj


def _words(key: str, value: Any, options: Options) -> list[str]:
    """A table's member as words of a command line."""
    if isinstance(value, bool):
        negated = [name for name in options[key].secondary_opts if name[:5] == "--no-"]
        return [f"--{key}"] if value else negated
    return [f"--{key}={each}" for each in (value if isinstance(value, list) else [value])]
