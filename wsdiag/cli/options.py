"""The options that connect, ping, idle-probe and check share (named as in curl(1))."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

from wsdiag.cli.params import (
    bad_parameter,
    duration_option,
    flag,
    parse_resolve,
    read_cookies,
    read_environment,
    read_headers,
    usage_errors,
)
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:  # see wsdiag/cli/quick
    from pathlib import Path

    import typer

REQUEST, TLS, PATH, OUTPUT = "Request", "TLS", "Route", "Output"


class Format(StrEnum):
    """Output formats every command has."""

    text = "text"
    json = "json"


class Color(StrEnum):
    """When to colour."""

    auto = "auto"
    always = "always"
    never = "never"


class TlsVersion(StrEnum):
    """TLS versions that can be asked for."""

    v1_0 = "1.0"
    v1_1 = "1.1"
    v1_2 = "1.2"
    v1_3 = "1.3"


class Output(NamedTuple):
    """How to print, for any command."""

    quiet: bool
    verbose: bool
    color: str
    save: Path | None
    trace: Path | None
    show_secrets: bool


def output_options(
    quiet: Annotated[
        bool, flag("-q", "--quiet", help="Only the summary or verdict.", rich_help_panel=OUTPUT)
    ] = False,
    verbose: Annotated[
        bool,
        flag("-v", "--verbose", help="Headers and every frame, on stderr.", rich_help_panel=OUTPUT),
    ] = False,
    color: Annotated[
        Color, typer.Option("--color", help="When to colour.", rich_help_panel=OUTPUT)
    ] = Color.auto,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            dir_okay=False,
            help="Final view as .svg, .html or .txt.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="FILE",
            dir_okay=False,
            help="Phases, headers and frames as NDJSON.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    show_secrets: Annotated[
        bool, flag("--show-secrets", help="Do not mask credentials.", rich_help_panel=OUTPUT)
    ] = False,
) -> Output:
    """Build what every command's printing depends on."""
    if save is not None and save.suffix.lower() not in (".svg", ".html", ".txt"):
        raise bad_parameter(f"{save} must end in .svg, .html or .txt", param_hint="--save")
    for option, path in (("--save", save), ("--trace", trace)):
        # found out before the measurement, not after it
        if path is not None and not path.parent.is_dir():
            raise bad_parameter(f"no such folder: {path.parent}", param_hint=option)
    return Output(quiet, verbose, color.value, save, trace, show_secrets)


def request_options(
    header: Annotated[
        list[str] | None,
        typer.Option(
            "-H",
            "--header",
            metavar="'NAME: VALUE'",
            help="Add a header (@FILE reads them).",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    subprotocol: Annotated[
        list[str] | None,
        typer.Option(
            "--subprotocol",
            metavar="NAME",
            help="Offer a subprotocol (repeatable).",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="ORIGIN",
            help="Origin, as a browser sends.",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "-u",
            "--user",
            metavar="USER[:PASSWORD]",
            help="Basic authentication.",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    bearer_env: Annotated[
        str | None,
        typer.Option(
            "--bearer-env",
            metavar="NAME",
            help="Bearer token from this environment variable.",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    cookie: Annotated[
        list[str] | None,
        typer.Option(
            "-b",
            "--cookie",
            metavar="NAME=VALUE",
            help="Send a cookie (repeatable).",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    user_agent: Annotated[
        str | None,
        typer.Option(
            "-A", "--user-agent", metavar="TEXT", help="User-Agent.", rich_help_panel=REQUEST
        ),
    ] = None,
    compression: Annotated[
        bool | None,
        flag(
            "--compression/--no-compression",
            help="Offer permessage-deflate or not; connect and check do by default.",
            rich_help_panel=REQUEST,
        ),
    ] = None,
    insecure: Annotated[
        bool, flag("-k", "--insecure", help="Do not verify the certificate.", rich_help_panel=TLS)
    ] = False,
    cacert: Annotated[
        Path | None,
        typer.Option(
            "--cacert",
            metavar="FILE",
            exists=True,
            readable=True,
            help="Trust this CA (file or folder).",
            rich_help_panel=TLS,
        ),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(
            "--cert",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Client certificate (PEM).",
            rich_help_panel=TLS,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Its key (PEM).",
            rich_help_panel=TLS,
        ),
    ] = None,
    key_password_env: Annotated[
        str | None,
        typer.Option(
            "--key-password-env",
            metavar="NAME",
            help="Key's password from this environment variable.",
            rich_help_panel=TLS,
        ),
    ] = None,
    tls_min: Annotated[
        TlsVersion | None,
        typer.Option("--tls-min", help="Oldest TLS version to accept.", rich_help_panel=TLS),
    ] = None,
    tls_max: Annotated[
        TlsVersion | None,
        typer.Option("--tls-max", help="Newest TLS version to offer.", rich_help_panel=TLS),
    ] = None,
    sni: Annotated[
        str | None,
        typer.Option(
            "--sni",
            metavar="NAME",
            help="Server name to ask for and to verify.",
            rich_help_panel=TLS,
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            "-x",
            "--proxy",
            metavar="URL",
            help="http://, https://, socks5:// or socks5h://; '' for none.",
            rich_help_panel=PATH,
        ),
    ] = None,
    noproxy: Annotated[
        str | None,
        typer.Option(
            "--noproxy", metavar="HOSTS", help="Hosts to reach directly.", rich_help_panel=PATH
        ),
    ] = None,
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            "--resolve",
            metavar="HOST:PORT:ADDRESS",
            help="Use this address for that host.",
            rich_help_panel=PATH,
        ),
    ] = None,
    unix_socket: Annotated[
        Path | None,
        typer.Option(
            "--unix-socket",
            metavar="PATH",
            help="Connect through this socket.",
            rich_help_panel=PATH,
        ),
    ] = None,
    ipv4: Annotated[bool, flag("-4", "--ipv4", help="IPv4 only.", rich_help_panel=PATH)] = False,
    ipv6: Annotated[bool, flag("-6", "--ipv6", help="IPv6 only.", rich_help_panel=PATH)] = False,
    location: Annotated[
        bool, flag("-L", "--location", help="Follow redirects.", rich_help_panel=PATH)
    ] = False,
    max_redirs: Annotated[
        int,
        typer.Option(
            "--max-redirs",
            min=0,
            metavar="N",
            help="Redirects to follow at most.",
            rich_help_panel=PATH,
        ),
    ] = 5,
    connect_timeout: Annotated[
        float,
        duration_option(
            "--connect-timeout",
            help="For the whole dial.",
            show_default="10s",
            rich_help_panel=PATH,
        ),
    ] = 10.0,
) -> DialOptions:
    """Build how to reach the endpoint; `compression` is settled by each command's default."""
    if ipv4 and ipv6:
        raise bad_parameter("-4 and -6 exclude each other", param_hint="-4/-6")
    if user is not None and bearer_env is not None:
        raise bad_parameter("-u and --bearer-env exclude each other", param_hint="-u")
    if cert is None and key is not None:
        raise bad_parameter("a --key needs its --cert", param_hint="--key")
    if tls_min is not None and tls_max is not None and tls_min > tls_max:
        raise bad_parameter(f"{tls_min} is newer than --tls-max {tls_max}", param_hint="--tls-min")
    dial = DialOptions(
        headers=read_headers(header or []),
        subprotocols=tuple(subprotocol or ()),
        origin=origin,
        user=user,
        bearer=read_environment(bearer_env, "--bearer-env"),
        cookies=read_cookies(cookie or []),
        user_agent=user_agent,
        compression=compression,
        insecure=insecure,
        cacert=cacert,
        cert=cert,
        key=key,
        key_password=read_environment(key_password_env, "--key-password-env"),
        tls_min=tls_min,
        tls_max=tls_max,
        sni=sni,
        proxy=proxy,
        noproxy=noproxy,
        resolve=_resolved(resolve or []),
        unix_socket=None if unix_socket is None else str(unix_socket),
        family=4 if ipv4 else 6 if ipv6 else None,
        location=location,
        max_redirs=max_redirs,
        connect_timeout=connect_timeout,
    )
    if cert is None and user is None:
        return dial
    from wsdiag.cli.asking import ask_for_passwords

    return ask_for_passwords(dial)


def _resolved(texts: list[str]) -> tuple[tuple[str, int, str], ...]:
    with usage_errors("--resolve"):
        return tuple(triple for text in texts for triple in parse_resolve(text))


def default_compression(dial: DialOptions, offer: bool) -> DialOptions:
    """`dial` with a command's default where the user said neither yes nor no."""
    return dial if dial.compression is not None else replace(dial, compression=offer)
