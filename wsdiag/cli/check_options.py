"""Options of `check` that belong to one endpoint: limits, expectations, which rules, retries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsdiag.cli.params import duration_option, flag, percent_option, usage_errors

if TYPE_CHECKING:
    from wsdiag.probes.check.options import CheckOptions

LIMITS, EXPECT, RULES, RUN = (
    "Limits (exit code 3 where one does not hold)",
    "Expect",
    "Rules",
    "Run",
)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after how many seconds, to try an endpoint again that does not open."""

    times: int
    delay_s: float


def retry_options(
    retry: Annotated[
        int,
        typer.Option(
            "--retry",
            min=0,
            metavar="N",
            rich_help_panel=RUN,
            help="Try again N times while the endpoint does not open as it should.",
        ),
    ] = 0,
    retry_delay: Annotated[
        float,
        duration_option(
            "--retry-delay", help="Between two attempts.", show_default="2s", rich_help_panel=RUN
        ),
    ] = 2.0,
) -> Retry:
    """Build how to wait for a deploy that is still warming up."""
    return Retry(retry, retry_delay)


def check_options(
    max_connect: Annotated[
        float | None,
        duration_option(
            "--max-connect", help="Limit of name, TCP, proxy and TLS.", rich_help_panel=LIMITS
        ),
    ] = None,
    max_upgrade: Annotated[
        float | None,
        duration_option("--max-upgrade", help="Limit of the upgrade.", rich_help_panel=LIMITS),
    ] = None,
    count: Annotated[
        int,
        typer.Option(
            "-c",
            "--count",
            min=1,
            max=1000,
            metavar="N",
            help="Pings to send.",
            rich_help_panel=LIMITS,
        ),
    ] = 5,
    max_p95: Annotated[
        float | None,
        duration_option("--max-p95", help="Limit of the 95th percentile.", rich_help_panel=LIMITS),
    ] = None,
    max_loss: Annotated[
        float,
        percent_option("--max-loss", help="Limit of Pings without a Pong.", rich_help_panel=LIMITS),
    ] = 0.0,
    cert_days: Annotated[
        int | None,
        typer.Option(
            "--cert-days",
            min=0,
            metavar="DAYS",
            show_default="14",
            help="The certificate must last longer.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    timeout: Annotated[
        float,
        duration_option(
            "--timeout",
            help="For any one answer: a Pong, a Close.",
            show_default="5s",
            rich_help_panel=LIMITS,
        ),
    ] = 5.0,
    expect_status: Annotated[
        str | None,
        typer.Option(
            "--expect-status",
            metavar="STATUS",
            rich_help_panel=EXPECT,
            help="HTTP status to answer with: 403, 401,403 or 4xx.",
        ),
    ] = None,
    expect_header: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-header",
            metavar="'NAME: REGEX'",
            help="Header of the answer (repeatable).",
            rich_help_panel=EXPECT,
        ),
    ] = None,
    expect_subprotocol: Annotated[
        str | None,
        typer.Option(
            "--expect-subprotocol",
            metavar="NAME",
            help="Subprotocol to be chosen; it is offered.",
            rich_help_panel=EXPECT,
        ),
    ] = None,
    expect_extension: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-extension",
            metavar="NAME",
            help="Extension to be granted (repeatable).",
            rich_help_panel=EXPECT,
        ),
    ] = None,
    send: Annotated[
        str | None,
        typer.Option(
            "--send", metavar="TEXT|@FILE", help="Message to send.", rich_help_panel=EXPECT
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect", metavar="REGEX", help="A message that must come.", rich_help_panel=EXPECT
        ),
    ] = None,
    expect_json: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-json",
            metavar="JSONPATH[=VALUE]",
            help="A JSON message that must come, as in $.items[0].id=7 (repeatable).",
            rich_help_panel=EXPECT,
        ),
    ] = None,
    within: Annotated[
        float,
        duration_option(
            "--within",
            help="How soon that message must come.",
            show_default="2s",
            rich_help_panel=EXPECT,
        ),
    ] = 2.0,
    require_idle: Annotated[
        float | None,
        duration_option(
            "--require-idle", rich_help_panel=LIMITS, help="Survive this long without traffic."
        ),
    ] = None,
    require_keepalive: Annotated[
        float | None,
        duration_option(
            "--require-keepalive",
            rich_help_panel=LIMITS,
            help="Survive with a Ping this often, three times or for as long as --require-idle.",
        ),
    ] = None,
    conformance: Annotated[
        bool,
        flag(
            "--conformance",
            help="Judge protocol conformance by observation.",
            rich_help_panel=RULES,
        ),
    ] = False,
    adversarial: Annotated[
        bool,
        flag(
            "--adversarial",
            rich_help_panel=RULES,
            help="Also send what RFC 6455 forbids: only to endpoints that are yours.",
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="GLOB",
            rich_help_panel=RULES,
            help="Judge only these checks (repeatable, or a,b).",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="GLOB",
            rich_help_panel=RULES,
            help="Leave these checks out (repeatable, or a,b).",
        ),
    ] = None,
) -> CheckOptions:
    """Build what an endpoint must be, refusing what cannot be."""
    from wsdiag.probes.check.jsonpath import JsonExpectation
    from wsdiag.probes.check.options import (
        CheckOptions,
        HeaderExpectation,
        compile_regex,
        parse_statuses,
    )

    with usage_errors("--expect-status"):
        statuses = parse_statuses(expect_status) if expect_status is not None else frozenset()
    with usage_errors("--expect-header"):
        headers = tuple(HeaderExpectation.parse(text) for text in expect_header or ())
    with usage_errors("--expect"):
        pattern = compile_regex(expect) if expect is not None else None
    with usage_errors("--expect-json"):
        values = tuple(JsonExpectation.parse(text) for text in expect_json or ())
    options = CheckOptions(
        max_connect_s=max_connect,
        max_upgrade_s=max_upgrade,
        cert_days=cert_days,
        expect_subprotocol=expect_subprotocol,
        expect_extensions=tuple(expect_extension or ()),
        expect_status=statuses,
        expect_headers=headers,
        count=count,
        max_p95_s=max_p95,
        max_loss_pct=max_loss,
        send=_message(send),
        expect=pattern,
        expect_json=values,
        within_s=within,
        require_idle_s=require_idle,
        require_keepalive_s=require_keepalive,
        timeout_s=timeout,
        conformance=conformance,
        adversarial=adversarial,
        only=patterns(only, "--only"),
        skip=patterns(skip, "--skip"),
    )
    _refuse_contradictions(options)
    return options


def patterns(values: list[str] | None, option: str) -> tuple[str, ...]:
    """The globs of a repeated, comma-separated option; a usage error for one that fits nothing."""
    from wsdiag.probes.check.registry import refuse_unknown

    parts = [part.strip() for value in values or () for part in value.split(",")]
    globs = tuple(part for part in parts if part)
    if values and not globs and option == "--only":
        raise typer.BadParameter("names no check", param_hint=option)
    with usage_errors(option):
        refuse_unknown(globs)
    return globs


def _message(text: str | None) -> str | bytes | None:
    """A message as typed, or of `@FILE`: text where it is UTF-8, else binary."""
    if text is None or not text.startswith("@"):
        return text
    try:
        data = Path(text[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {text[1:]!r}: {error.strerror}", param_hint="--send"
        ) from None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _refuse_contradictions(options: CheckOptions) -> None:
    if options.must_refuse:
        for option in NEEDS_UPGRADE:
            if _asked(options, option):
                raise typer.BadParameter(
                    f"--{option} needs a connection, which --expect-status says is refused",
                    param_hint=f"--{option}",
                )


def refuse_empty(options: CheckOptions) -> None:
    """A usage error when no check is left, or none of those that an --only names."""
    from wsdiag.probes.check.registry import chosen, refuse_idle_patterns

    with usage_errors("--only"):
        refuse_idle_patterns(options)
    if not chosen(options):
        option = "--only" if options.only else "--skip"
        raise typer.BadParameter("nothing is left to check", param_hint=option)


NEEDS_UPGRADE: dict[str, str] = {
    "max-upgrade": "max_upgrade_s",
    "max-p95": "max_p95_s",
    "send": "send",
    "expect": "expect",
    "expect-json": "expect_json",
    "expect-subprotocol": "expect_subprotocol",
    "expect-extension": "expect_extensions",
    "require-idle": "require_idle_s",
    "require-keepalive": "require_keepalive_s",
    "conformance": "conformance",
    "adversarial": "adversarial",
}
"""Options that make no sense for an endpoint that must refuse, and their attributes."""


def _asked(options: CheckOptions, option: str) -> bool:
    value = getattr(options, NEEDS_UPGRADE[option])
    return value is not None and value is not False and value != ()
