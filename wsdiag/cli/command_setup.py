"""What commands set up around a probe: a terminal, a tracer, file descriptors; and bad URLs."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from wsdiag.cli.exit import ExitCode
from wsdiag.cli.options import OutputOptions
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import TraceEvent, Tracer

# The terminal, the loop, a trace, modules still to be imported; while dialling, a second address.
_OWN_FILES, _DIALLING_FILES = 32, 128
_NAMED_SECRET = re.compile(
    r"""[\w-]*(?:token|secret|pass|passcode|key|auth|authorization|credentials?|jwt|bearer|session)"""
    r"""["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)\s+)?([^"'\s,;}&\0]{4,})""",
    re.IGNORECASE,
)
_AFTER_AUTHORITY = re.compile(r"(?<![:/])[/?#].*", re.DOTALL)


def open_terminal(
    output: OutputOptions,
    dial: DialOptions | None = None,
    *,
    urls: Sequence[str] = (),
    secrets: Sequence[str] = (),
) -> Terminal:
    """The terminal that `output` asks for.

    It masks `secrets` and those that `dial`, `urls` and the environment's proxies carry.
    """
    from wsdiag.render.base.redact import Redactor
    from wsdiag.render.base.terminal import Terminal

    secrets = [*secrets, *(secrets_of(dial) if dial is not None else ()), *secrets_of_urls(urls)]
    for name, value in os.environ.items():
        secrets += _userinfo_secrets(value) if name.lower().endswith("_proxy") else ()
    return Terminal(
        color=output.color,
        quiet=output.quiet,
        verbose=output.verbose,
        save=output.save,
        log=output.log,
        redactor=Redactor(secrets, show=output.show_secrets),
    )


def secrets_of(dial: DialOptions) -> list[str]:
    """Every string of `dial` that must not be printed, in each form in which it may appear."""
    secrets = [dial.bearer or "", dial.key_password or ""]
    if dial.user is not None:
        secrets += [dial.user.partition(":")[2], base64.b64encode(dial.user.encode()).decode()]
    for entry in dial.netrc:
        pair = f"{entry.login}:{entry.password}"
        secrets += [entry.password, base64.b64encode(pair.encode("utf-8", "replace")).decode()]
    for cookie in dial.cookies:
        secrets += [pair.partition("=")[2].strip() for pair in cookie.split(";")]
    for name, value in dial.headers:
        if name.lower() in ("authorization", "proxy-authorization"):
            secrets.append(value.partition(" ")[2] or value)
        elif name.lower() == "cookie":
            secrets += [pair.partition("=")[2].strip() for pair in value.split(";")]
    for hello in dial.hello:
        secrets += _hello_secrets(hello)
    if dial.proxy:
        secrets += _userinfo_secrets(dial.proxy)
    return [secret for secret in secrets if secret]


def _hello_secrets(hello: str | bytes) -> list[str]:
    """A hello as a whole, as JSON quotes it, and the values in it whose names say what they are."""
    import json

    from wsdiag.render.base.escape import escape

    text = hello if isinstance(hello, str) else hello.decode("utf-8", "backslashreplace")
    parts = [match[1] for match in _NAMED_SECRET.finditer(text)]
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    return [text, text.strip(), quoted, escape(text), *parts]


def secrets_of_urls(urls: Sequence[str]) -> list[str]:
    """Passwords in URLs, in each form in which a server may say them again."""
    return [secret for url in urls for secret in _userinfo_secrets(_AFTER_AUTHORITY.sub("", url))]


def _userinfo_secrets(url: str) -> list[str]:
    userinfo = (url.partition("://")[2] or url).rpartition("@")[0]
    password = userinfo.partition(":")[2]
    if not password:
        return []
    from urllib.parse import unquote

    plain = unquote(userinfo)
    return [password, unquote(password), base64.b64encode(plain.encode()).decode()]


def refuse_bad_urls(urls: Sequence[str], terminal: Terminal, *, json: bool) -> None:
    """Exit with 2 and a message that marks the place when a URL cannot be one."""
    from wsdiag.transport.dial.target import Target, UrlError

    for url in urls:
        try:
            Target.parse(url)
        except UrlError as problem:
            marked = f"{problem.url}\n{' ' * problem.position}^"
            _refuse(terminal, url, "url", problem.message, marked, json=json)


def ensure_fd_limit(connections: int, terminal: Terminal, *, json: bool) -> None:
    """Raise the limit on open files for so many connections; exit with 2 where that cannot be."""
    from wsdiag.transport.machine import allow_files

    limit = allow_files(connections + _OWN_FILES + _DIALLING_FILES)
    if limit is None or limit >= connections + _OWN_FILES:
        return
    message = f"{connections} connections at once, but this process may open {limit} files only"
    wanted = connections + _OWN_FILES + _DIALLING_FILES
    hint = f"raise the limit (ulimit -n {wanted}), or ask for fewer at once"
    _refuse(terminal, "", "connect", message, hint, json=json)


def _refuse(
    terminal: Terminal, url: str, phase: str, message: str, hint: str, *, json: bool
) -> NoReturn:
    from wsdiag.records import Error
    from wsdiag.render.base.error import print_error

    error = Error(url, phase, "usage", message, hint)
    if json:
        terminal.json(error)
    print_error(terminal, error)
    sys.exit(ExitCode.USAGE)


@contextmanager
def tracing(output: OutputOptions, terminal: Terminal, *, urls: int = 1) -> Iterator[Tracer | None]:
    """A tracer for `-v` (lines on stderr) and `--trace FILE` (NDJSON), or None for neither."""
    if not output.verbose and output.trace is None:
        yield None
        return
    from wsdiag.render.base.trace import TracePrinter, TraceWriter

    file = open(output.trace, "w", encoding="utf-8") if output.trace is not None else None  # noqa: SIM115
    listeners: list[Callable[[TraceEvent], None]] = []
    if output.verbose:
        listeners.append(TracePrinter(terminal, urls=urls))
    if file is not None:
        listeners.append(TraceWriter(file, terminal.redactor))

    def tracer(event: TraceEvent) -> None:
        for listener in listeners:
            listener(event)

    try:
        yield tracer
    finally:
        if file is not None:
            file.close()
