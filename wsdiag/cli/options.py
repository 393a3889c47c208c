"""The options that commands share, each declared once; connection options are named as in curl(1).

A new one is a field here; where the probe has a field of that name, nothing more is needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from wsdiag.cli.files import refuse_unwritable
from wsdiag.cli.params import (
    DIALECT,
    DURATION,
    EXISTING_FILE,
    FILE,
    FILE_OR_FOLDER,
    MESSAGE_OR_FILE,
    REGEX,
    SIZE,
    parse_resolve,
    read_cookies,
    read_environment,
    read_header_variables,
    read_headers,
    read_message,
    read_netrc,
    read_server_name,
    usage_errors,
    values_of,
)
from wsdiag.transport.dial.options import DialOptions

REQUEST, PROTOCOL, TLS, ROUTE, OUTPUT = "Request", "Protocol", "TLS", "Route", "Output"

Format = Literal["text", "json"]
TableFormat = Literal["text", "json", "csv"]
Color = Literal["auto", "always", "never"]
TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]

_request = partial(typer.Option, rich_help_panel=REQUEST)
_protocol = partial(typer.Option, rich_help_panel=PROTOCOL)
_tls = partial(typer.Option, rich_help_panel=TLS)
_route = partial(typer.Option, rich_help_panel=ROUTE)
_output = partial(typer.Option, rich_help_panel=OUTPUT)

FORMAT = _output("-o", "--output", help="Output format.")
"""`-o`, whose choices are each command's own."""
COLOR = _output("--color", help="When to colour.")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How to print, for any command that measures."""

    quiet: Annotated[bool, _output("-q", "--quiet", help="Only the summary or verdict.")] = False
    verbose: Annotated[
        bool, _output("-v", "--verbose", help="Headers and every frame, on stderr.")
    ] = False
    color: Annotated[Color, COLOR] = "auto"
    save: Annotated[
        list[Path],
        _output("--save", help="Final view as .svg, .html, .txt or .md (repeatable).", **FILE),
    ] = field(default_factory=list)
    log: Annotated[
        list[Path],
        _output("--log", help="Records beside the view: .ndjson or .csv (repeatable).", **FILE),
    ] = field(default_factory=list)
    trace: Annotated[
        Path | None, _output("--trace", help="Phases, headers and frames as NDJSON.", **FILE)
    ] = None
    mask: Annotated[
        list[str],
        _output("--mask", metavar="NAME", help="Mask this header, parameter or cookie as well."),
    ] = field(default_factory=list)
    show_secrets: Annotated[bool, _output("--show-secrets", help="Do not mask credentials.")] = (
        False
    )
    max_time: Annotated[
        float | None, _route("-m", "--max-time", help="For the whole command.", **DURATION)
    ] = None

    def __post_init__(self) -> None:
        traces = [] if self.trace is None else [self.trace]
        for option, paths, suffixes in (
            ("--save", self.save, (".svg", ".html", ".txt", ".md")),
            ("--log", self.log, (".ndjson", ".csv")),
            ("--trace", traces, ()),
        ):
            for path in paths:  # found out before the measurement, not after it
                if suffixes and path.suffix.lower() not in suffixes:
                    wanted = " or ".join((", ".join(suffixes[:-1]), suffixes[-1]))
                    raise typer.BadParameter(f"{path} must end in {wanted}", param_hint=option)
                if not path.parent.is_dir():
                    raise typer.BadParameter(f"no such folder: {path.parent}", param_hint=option)
                refuse_unwritable(path, option)
        others = {os.path.realpath(path) for path in (*self.save, *self.log)}
        if any(os.path.realpath(path) in others for path in traces):
            message = f"{self.trace} is written by --save or --log already"
            raise typer.BadParameter(message, param_hint="--trace")

    def refuse_csv_log(self) -> None:
        """A usage error for `--log` with rows, in a command that has none."""
        for path in self.log:
            if path.suffix.lower() == ".csv":
                message = f"{path} must end in .ndjson: this command has no rows"
                raise typer.BadParameter(message, param_hint="--log")


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """How to reach an endpoint; named as the fields of DialOptions where they mean the same."""

    headers: Annotated[
        list[str],
        _request(
            "-H", "--header", metavar="'NAME: VALUE'", help="Add a header (@FILE reads them)."
        ),
    ] = field(default_factory=list)
    header_env: Annotated[
        list[str],
        _request(
            "--header-env",
            metavar="NAME=VARIABLE",
            help="Add a header whose value is in this environment variable.",
        ),
    ] = field(default_factory=list)
    subprotocols: Annotated[
        list[str],
        _request("--subprotocol", metavar="NAME", help="Offer a subprotocol (repeatable)."),
    ] = field(default_factory=list)
    origin: Annotated[
        str | None, _request("--origin", metavar="ORIGIN", help="Origin, as a browser sends.")
    ] = None
    user: Annotated[
        str | None,
        _request("-u", "--user", metavar="USER[:PASSWORD]", help="Basic authentication."),
    ] = None
    netrc: Annotated[
        bool, _request("-n", "--netrc", help="User and password from ~/.netrc (or $NETRC).")
    ] = False
    user_env: Annotated[
        str | None,
        _request(
            "--user-env", metavar="NAME", help="USER:PASSWORD from this environment variable."
        ),
    ] = None
    bearer_env: Annotated[
        str | None,
        _request(
            "--bearer-env", metavar="NAME", help="Bearer token from this environment variable."
        ),
    ] = None
    cookies: Annotated[
        list[str],
        _request("-b", "--cookie", metavar="NAME=VALUE", help="Send a cookie (repeatable)."),
    ] = field(default_factory=list)
    user_agent: Annotated[
        str | None, _request("-A", "--user-agent", metavar="TEXT", help="User-Agent.")
    ] = None
    http1_1: Annotated[bool, _request("--http1.1", help="Upgrade over HTTP/1.1 (default).")] = False
    http2: Annotated[bool, _request("--http2", help="Extended CONNECT over HTTP/2 (RFC 8441).")] = (
        False
    )
    http3: Annotated[bool, _request("--http3", help="Extended CONNECT over HTTP/3 (RFC 9220).")] = (
        False
    )
    compression: Annotated[
        bool | None,
        _request(
            "--compression/--no-compression",
            help="Offer permessage-deflate or not; connect and check do by default.",
        ),
    ] = None
    no_http2_look: Annotated[
        bool,
        _request(
            "--no-http2-look",
            help="connect, check: do not look what browsers find over HTTP/2 (wss).",
        ),
    ] = False
    hello: Annotated[
        list[str],
        _protocol("--hello", help="Send once, at the opening (repeatable).", **MESSAGE_OR_FILE),
    ] = field(default_factory=list)
    hello_expect: Annotated[
        str | None, _protocol("--hello-expect", help="What must answer --hello.", **REGEX)
    ] = None
    hello_wait: Annotated[
        float, _protocol("--hello-wait", help="For the answer to a hello.", **DURATION)
    ] = 5.0
    dialect: Annotated[
        str,
        _protocol(
            "--dialect",
            help="Application protocol: a name (wsdiag help dialects), auto or none.",
            **DIALECT,
        ),
    ] = "auto"
    max_message_size: Annotated[
        int,
        _protocol("--max-message-size", help="Close with 1009 beyond.", show_default="16M", **SIZE),
    ] = 16 * 2**20
    insecure: Annotated[bool, _tls("-k", "--insecure", help="Do not verify the certificate.")] = (
        False
    )
    cacert: Annotated[
        Path | None, _tls("--cacert", help="Trust this CA (file or folder).", **FILE_OR_FOLDER)
    ] = None
    cert: Annotated[
        Path | None, _tls("--cert", help="Client certificate (PEM).", **EXISTING_FILE)
    ] = None
    key: Annotated[Path | None, _tls("--key", help="Its key (PEM).", **EXISTING_FILE)] = None
    key_password_env: Annotated[
        str | None,
        _tls(
            "--key-password-env",
            metavar="NAME",
            help="Key's password from this environment variable.",
        ),
    ] = None
    tls_min: Annotated[
        TlsVersion | None, _tls("--tls-min", help="Oldest TLS version to accept.")
    ] = None
    tls_max: Annotated[
        TlsVersion | None, _tls("--tls-max", help="Newest TLS version to offer.")
    ] = None
    sni: Annotated[
        str | None, _tls("--sni", metavar="NAME", help="Server name to ask for and to verify.")
    ] = None
    proxy: Annotated[
        str | None,
        _route(
            "-x",
            "--proxy",
            metavar="URL",
            help="http://, https://, socks5:// or socks5h://; '' for none.",
        ),
    ] = None
    noproxy: Annotated[
        str | None, _route("--noproxy", metavar="HOSTS", help="Hosts to reach directly.")
    ] = None
    resolve: Annotated[
        list[str],
        _route("--resolve", metavar="HOST:PORT:ADDRESS", help="Use this address for that host."),
    ] = field(default_factory=list)
    unix_socket: Annotated[
        Path | None, _route("--unix-socket", metavar="PATH", help="Connect through this socket.")
    ] = None
    ipv4: Annotated[bool, _route("-4", "--ipv4", help="IPv4 only.")] = False
    ipv6: Annotated[bool, _route("-6", "--ipv6", help="IPv6 only.")] = False
    location: Annotated[bool, _route("-L", "--location", help="Follow redirects.")] = False
    max_redirs: Annotated[
        int, _route("--max-redirs", min=0, metavar="N", help="Redirects to follow at most.")
    ] = 5
    connect_timeout: Annotated[
        float, _route("--connect-timeout", help="For the whole dial.", **DURATION)
    ] = 10.0

    def dial(self, *, compression: bool) -> DialOptions:
        """How to dial; `compression`: whether this command offers it by default.

        Prompts for missing passwords on a terminal.
        """
        if self.ipv4 and self.ipv6:
            raise typer.BadParameter("-4 and -6 exclude each other", param_hint="-4/-6")
        given = {"-u": self.user, "--user-env": self.user_env, "--bearer-env": self.bearer_env}
        first, *others = [name for name, value in given.items() if value is not None] or [""]
        if others:
            message = f"{first} and {others[0]} exclude each other"
            raise typer.BadParameter(message, param_hint=first)
        if self.cert is None and self.key is not None:
            raise typer.BadParameter("a --key needs its --cert", param_hint="--key")
        if self.tls_min is not None and self.tls_max is not None and self.tls_min > self.tls_max:
            message = f"{self.tls_min} is newer than --tls-max {self.tls_max}"
            raise typer.BadParameter(message, param_hint="--tls-min")
        with usage_errors("--resolve"):
            resolve = tuple(triple for text in self.resolve for triple in parse_resolve(text))
        versions = {"--http1.1": self.http1_1, "--http2": self.http2, "--http3": self.http3}
        wanted = [name for name, given in versions.items() if given]
        if len(wanted) > 1:
            message = f"{wanted[0]} and {wanted[1]} exclude each other"
            raise typer.BadParameter(message, param_hint=wanted[0])
        values = values_of(
            self,
            *("header_env", "user_env", "bearer_env", "key_password_env", "ipv4", "ipv6"),
            *("http1_1", "http2", "http3", "no_http2_look"),
        )
        values |= {
            "http_version": "3" if self.http3 else "2" if self.http2 else "1.1",
            "headers": (*read_headers(self.headers), *read_header_variables(self.header_env)),
            "user": self.user or read_environment(self.user_env, "--user-env"),
            "subprotocols": tuple(self.subprotocols),
            "hello": tuple(read_message(text, "--hello") for text in self.hello),
            "cookies": read_cookies(self.cookies),
            "netrc": read_netrc() if self.netrc else (),
            "bearer": read_environment(self.bearer_env, "--bearer-env"),
            "key_password": read_environment(self.key_password_env, "--key-password-env"),
            "resolve": resolve,
            "sni": read_server_name(self.sni),
            "unix_socket": None if self.unix_socket is None else str(self.unix_socket),
            "family": 4 if self.ipv4 else 6 if self.ipv6 else None,
            "compression": compression if self.compression is None else self.compression,
        }
        dial = DialOptions(**values)
        if self.cert is None and dial.user is None:
            return dial
        from wsdiag.cli.password_prompt import prompt_for_passwords

        return prompt_for_passwords(dial)
