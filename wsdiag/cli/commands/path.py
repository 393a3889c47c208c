"""`wsdiag path`: which machines are on the way, by the connection's own flow."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.command_setup import open_terminal, refuse, refuse_bad_urls, tracing
from wsdiag.cli.declare import command
from wsdiag.cli.drive import drive
from wsdiag.cli.files import with_files
from wsdiag.cli.options import FORMAT, OutputOptions, RequestOptions, TableFormat
from wsdiag.cli.params import DURATION, usage_errors, values_of

if TYPE_CHECKING:
    from wsdiag.probes.path.options import PathOptions

_ROUNDS_WITHOUT_TERMINAL = 10
_what = partial(typer.Option, rich_help_panel="Rounds")


@dataclass(frozen=True, kw_only=True)
class PathFlags:
    """How often, and what of the hops; named as the fields of PathOptions."""

    count: Annotated[
        int | None,
        _what(
            "-c",
            "--count",
            min=1,
            metavar="ROUNDS",
            help="Stop after so many rounds (default: 10 where stdout is no terminal).",
        ),
    ] = None
    interval_s: Annotated[float, _what("-i", "--interval", help="Between rounds.", **DURATION)] = (
        1.0
    )
    names: Annotated[bool, _what("--names", help="Names of addresses (reverse DNS).")] = False

    def options(self, *, endless: bool) -> PathOptions:
        """The probe's options; `endless`: a person watches, and ends it."""
        from wsdiag.probes.path.options import PathOptions

        values = values_of(self)
        if self.count is None and not endless:
            values["count"] = _ROUNDS_WITHOUT_TERMINAL
        with usage_errors():
            return PathOptions(**values)


@command()
def path(
    url: Annotated[str, typer.Argument(metavar="URL", help="ws://, wss://, or a bare host.")],
    flags: PathFlags,
    request: RequestOptions,
    output: OutputOptions,
    format: Annotated[TableFormat, FORMAT] = "text",
) -> int:
    """Shows the routers between here and where TCP ends, and the endpoint behind that, with loss
    and round trips, as mtr does, but within the connection's own flow: same addresses and ports,
    same NAT, same one of several equal paths. With CAP_NET_RAW (root, say) by copies of segments
    that were acknowledged already: no byte is added to the stream, and nothing is delayed.
    Without it by Pings with a small TTL, whose retransmission delivers them. Linux only.

    wsdiag path wss://example.org/ws
    sudo wsdiag path -c 20 --names -o json wss://example.org/ws
    """
    from wsdiag.probes.path.outcome import path_exit_code
    from wsdiag.probes.path.refusals import unsupported
    from wsdiag.probes.path.run import PathRun
    from wsdiag.records import PathSummary
    from wsdiag.render.path.output import path_output

    dial = request.dial(compression=False)
    if dial.http_version == "3":
        raise typer.BadParameter("a path is TCP's: HTTP/3 has none", param_hint="--http3")
    terminal = open_terminal(output, dial, urls=[url])
    refuse_bad_urls([url], terminal, json=format == "json")
    if not sys.platform.startswith("linux"):
        refuse(unsupported(url), terminal, json=format == "json")
    options = flags.options(endless=terminal.stdout.isatty() and format == "text")
    with tracing(output, terminal) as tracer:
        code = drive(
            PathRun(url, options, dial, tracer),
            terminal,
            path_output(terminal, url, format),
            PathSummary,
            lambda found, interrupted: path_exit_code(found, interrupted=interrupted),
            max_time_s=output.max_time,
        )
    return with_files(terminal, code)
