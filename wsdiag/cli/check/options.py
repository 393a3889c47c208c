"""Options of `check`: what an endpoint must be, how often to try, and how to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wsdiag.cli.feed_limits import FeedLimits, limit
from wsdiag.cli.options import FORMAT, OUTPUT
from wsdiag.cli.params import (
    DURATION,
    FILE,
    JSONPATH,
    MESSAGE_OR_FILE,
    PERCENT,
    read_message,
    usage_errors,
    values_of,
)

if TYPE_CHECKING:
    from wsdiag.probes.check.options import CheckOptions

EXPECT, RULES, RUN = "Expect", "Rules", "Run"
_expect = partial(typer.Option, rich_help_panel=EXPECT)
_rules = partial(typer.Option, rich_help_panel=RULES)
_run = partial(typer.Option, rich_help_panel=RUN)
_output = partial(typer.Option, rich_help_panel=OUTPUT)

CheckFormat = Literal["text", "json", "junit", "github"]


@dataclass(frozen=True, kw_only=True)
class RetryFlags:
    """How often, and after how many seconds, to try an endpoint again that does not open."""

    retry: Annotated[
        int,
        _run(
            "--retry",
            min=0,
            metavar="N",
            help="Try again N times while the endpoint does not open as it should.",
        ),
    ] = 0
    retry_delay_s: Annotated[
        float, _run("--retry-delay", help="Between two attempts.", **DURATION)
    ] = 2.0


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """What a run of `check` is about as a whole, whichever its endpoints are."""

    file: Annotated[Path | None, _run("-f", "--file", help="Endpoints of a TOML file.", **FILE)] = (
        None
    )
    list_checks: Annotated[bool, _rules("--list-checks", help="Print every check and exit.")] = (
        False
    )
    jobs: Annotated[
        int, _run("--jobs", "-j", min=1, max=1000, metavar="N", help="Endpoints at once.")
    ] = 8
    format: Annotated[CheckFormat, FORMAT] = "text"
    junit: Annotated[Path | None, _output("--junit", help="Write JUnit XML as well.", **FILE)] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class CheckFlags:
    """What one endpoint must be; named as the fields of CheckOptions."""

    max_connect_s: Annotated[
        float | None, limit("--max-connect", help="Limit of name, TCP, proxy and TLS.", **DURATION)
    ] = None
    max_upgrade_s: Annotated[
        float | None, limit("--max-upgrade", help="Limit of the upgrade.", **DURATION)
    ] = None
    count: Annotated[
        int, limit("-c", "--count", min=1, max=1000, metavar="N", help="Pings to send.")
    ] = 5
    max_p95_s: Annotated[
        float | None, limit("--max-p95", help="Limit of the 95th percentile.", **DURATION)
    ] = None
    max_loss_pct: Annotated[
        float, limit("--max-loss", help="Limit of Pings without a Pong.", **PERCENT)
    ] = 0.0
    cert_days: Annotated[
        int | None,
        limit(
            "--cert-days",
            min=0,
            metavar="DAYS",
            show_default="14",
            help="The certificate must last longer.",
        ),
    ] = None
    timeout_s: Annotated[
        float, limit("--timeout", help="For any one answer: a Pong, a Close.", **DURATION)
    ] = 5.0
    expect_status: Annotated[
        str | None,
        _expect(
            "--expect-status",
            metavar="STATUS",
            help="HTTP status to answer with: 403, 401,403 or 4xx.",
        ),
    ] = None
    expect_headers: Annotated[
        list[str],
        _expect(
            "--expect-header", metavar="'NAME: REGEX'", help="Header of the answer (repeatable)."
        ),
    ] = field(default_factory=list)
    expect_subprotocol: Annotated[
        str | None,
        _expect(
            "--expect-subprotocol", metavar="NAME", help="Subprotocol to be chosen; it is offered."
        ),
    ] = None
    expect_extensions: Annotated[
        list[str],
        _expect("--expect-extension", metavar="NAME", help="Extension to be granted (repeatable)."),
    ] = field(default_factory=list)
    expect_http2: Annotated[
        bool, _expect("--expect-http2", help="Fail where WebSockets over HTTP/2 do not work.")
    ] = False
    send: Annotated[str | None, _expect("--send", help="Message to send.", **MESSAGE_OR_FILE)] = (
        None
    )
    expect: Annotated[
        str | None, _expect("--expect", metavar="REGEX", help="A message that must come.")
    ] = None
    expect_json: Annotated[
        list[str],
        _expect(
            "--expect-json",
            metavar="JSONPATH[=VALUE]",
            help="A JSON message that must come, as in $.items[0].id=7 (repeatable).",
        ),
    ] = field(default_factory=list)
    within_s: Annotated[
        float, _expect("--within", help="How soon that message must come.", **DURATION)
    ] = 2.0
    require_idle_s: Annotated[
        float | None, limit("--require-idle", help="Survive this long without traffic.", **DURATION)
    ] = None
    require_keepalive_s: Annotated[
        float | None,
        limit(
            "--require-keepalive",
            help="Survive with a Ping this often, three times or for as long as --require-idle.",
            **DURATION,
        ),
    ] = None
    conformance: Annotated[
        bool, _rules("--conformance", help="Judge protocol conformance by observation.")
    ] = False
    adversarial: Annotated[
        bool,
        _rules(
            "--adversarial",
            help="Also send what RFC 6455 forbids: only to endpoints that are yours.",
        ),
    ] = False
    only: Annotated[
        list[str],
        _rules("--only", metavar="GLOB", help="Judge only these checks (repeatable, or a,b)."),
    ] = field(default_factory=list)
    skip: Annotated[
        list[str],
        _rules("--skip", metavar="GLOB", help="Leave these checks out (repeatable, or a,b)."),
    ] = field(default_factory=list)

    def options(
        self, http_version: str, feed: FeedFlags, *, no_http2_look: bool = False
    ) -> CheckOptions:
        """The probe's options; a usage error for what cannot be."""
        from wsdiag.patterns import compile_regex
        from wsdiag.probes.check.options import (
            CheckOptions,
            HeaderExpectation,
            opening_status,
            parse_statuses,
        )
        from wsdiag.probes.check.registry import options_that_need_an_upgrade
        from wsdiag.probes.common.jsonpath import JsonExpectation

        values = values_of(self) | feed.values()
        with usage_errors("--expect-status"):
            status = self.expect_status
            values["expect_status"] = frozenset() if status is None else parse_statuses(status)
        with usage_errors("--expect-header"):
            values["expect_headers"] = tuple(map(HeaderExpectation.parse, self.expect_headers))
        with usage_errors("--expect"):
            values["expect"] = None if self.expect is None else compile_regex(self.expect)
        with usage_errors("--expect-json"):
            values["expect_json"] = tuple(map(JsonExpectation.parse, self.expect_json))
        values |= {
            "expect_extensions": tuple(self.expect_extensions),
            "opens_with": opening_status(http_version),
            "http2_look": not no_http2_look,
            "send": read_message(self.send, "--send"),
            "only": _patterns(self.only, "--only"),
            "skip": _patterns(self.skip, "--skip"),
        }
        options = CheckOptions(**values)
        if no_http2_look and self.expect_http2:
            message = "it takes the look that --no-http2-look leaves out"
            raise typer.BadParameter(message, param_hint="--expect-http2")
        if options.must_refuse:
            for flag, name in options_that_need_an_upgrade().items():
                if options.sets(name):
                    message = f"{flag} needs a connection, which --expect-status says is refused"
                    raise typer.BadParameter(message, param_hint=flag)
        return options


@dataclass(frozen=True, kw_only=True)
class FeedFlags(FeedLimits):
    """What one endpoint's feed must be; named as the fields of CheckOptions."""

    stream_s: Annotated[
        float | None, _expect("--stream", help="Watch what it pushes for this long.", **DURATION)
    ] = None
    by: Annotated[str | None, _expect("--by", help="Key of a message.", **JSONPATH)] = None
    seq: Annotated[str | None, _expect("--seq", help="Its sequence number.", **JSONPATH)] = None
    time: Annotated[str | None, _expect("--time", help="Its own time.", **JSONPATH)] = None

    def values(self) -> dict[str, Any]:
        """The same for CheckOptions; a usage error for a limit that nothing is measured by."""
        if self.stream_s is None:
            self.refuse_unwatched()
        self.refuse_unmeasured(self.seq, self.time)
        return values_of(self)


def _patterns(values: Sequence[str], option: str) -> tuple[str, ...]:
    """The globs of a repeated, comma-separated option; a usage error for one that fits nothing."""
    from wsdiag.probes.check.registry import refuse_unknown

    parts = [part.strip() for value in values for part in value.split(",")]
    globs = tuple(part for part in parts if part)
    if values and not globs and option == "--only":
        raise typer.BadParameter("names no check", param_hint=option)
    with usage_errors(option):
        refuse_unknown(globs)
    return globs


def refuse_empty(options: CheckOptions) -> None:
    """A usage error when no check is left, or none of those that an --only names."""
    from wsdiag.probes.check.registry import chosen, refuse_inapplicable

    with usage_errors("--only"):
        refuse_inapplicable(options)
    if not chosen(options):
        option = "--only" if options.only else "--skip"
        raise typer.BadParameter("nothing is left to check", param_hint=option)
