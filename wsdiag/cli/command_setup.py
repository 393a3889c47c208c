"""What commands set up around a probe: a terminal, a tracer, file descriptors; and bad URLs."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from wsdiag.cli.exit import ExitCode, when_unread
from wsdiag.cli.options import OutputOptions
from wsdiag.credentials import HEADERS, hidden_subprotocols, secrets_in, secrets_of_headers
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.records import Error
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.transport.trace import TraceEvent, Tracer

# The terminal, the loop, a trace, modules still to be imported; while dialling, a second address.
_OWN_FILES, _DIALLING_FILES = 32, 128
_SHORTEST_NAMED, _SHORTEST_PART = 8, 4
_STDERR = Path("stderr")
_AFTER_AUTHORITY = re.compile(r"(?<![:/])[/?#].*", re.DOTALL)


def open_terminal(
    output: OutputOptions,
    dial: DialOptions | None = None,
    *,
    urls: Sequence[str] = (),
    secrets: Sequence[str] = (),
    texts: Sequence[str | bytes | None] = (),
) -> Terminal:
    """The terminal that `output` asks for.

    It masks `secrets` whole (hello messages are), and the credentials that `dial`, `urls`, `texts`
    (messages to send) and the environment's proxies carry.
    """
    from wsdiag.render.base.redact import Redactor
    from wsdiag.render.base.terminal import Terminal

    names = frozenset(name.lower() for name in output.mask)
    secrets = [*secrets, *(secrets_of(dial, names) if dial is not None else ())]
    secrets += [*secrets_of_urls(urls, names), *secrets_of_texts(texts, names)]
    for name, value in os.environ.items():
        secrets += _userinfo_secrets(value) if name.lower().endswith("_proxy") else ()
    terminal = Terminal(
        color=output.color,
        quiet=output.quiet,
        verbose=output.verbose,
        save=output.save,
        log=output.log,
        redactor=Redactor(secrets, names=names, show=output.show_secrets),
    )
    when_unread(terminal)
    return terminal


def secrets_of(dial: DialOptions, names: frozenset[str] = frozenset()) -> list[str]:
    """Every string of `dial` that must not be printed, in each form in which it may appear."""
    secrets = [dial.bearer or "", dial.key_password or ""]
    if dial.user is not None:
        secrets += [
            dial.user.partition(":")[2],
            base64.b64encode(dial.user.encode("utf-8", "surrogateescape")).decode(),
        ]
    for entry in dial.netrc:
        pair = f"{entry.login}:{entry.password}"
        secrets += [entry.password, base64.b64encode(pair.encode("utf-8", "replace")).decode()]
    secrets += secrets_of_headers((("cookie", cookie) for cookie in dial.cookies), names)
    for name, value in dial.headers:
        found = secrets_of_headers([(name, value)], names)
        own = name.lower() in HEADERS
        secrets += found if own else [text for text in found if len(text) >= _SHORTEST_NAMED]
    secrets += hidden_subprotocols(dial.subprotocols)
    for text in (dial.origin or "", dial.user_agent or ""):
        secrets += secrets_of_texts([text], names)
    for hello in dial.hello:
        secrets += [*_hello_secrets(hello), *secrets_of_texts([hello], names)]
    if dial.proxy:
        secrets += _userinfo_secrets(dial.proxy)
    return [secret for secret in secrets if secret]


def _hello_secrets(hello: str | bytes) -> list[str]:
    """A hello as a whole, and as JSON quotes it: it may log in, whatever its words are."""
    import json

    from wsdiag.render.base.escape import escape

    text = hello if isinstance(hello, str) else hello.decode("utf-8", "backslashreplace")
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    return [text, text.strip(), quoted, escape(text)]


def secrets_of_urls(urls: Sequence[str], names: frozenset[str] = frozenset()) -> list[str]:
    """Credentials in URLs, in each form in which a server may say them again."""
    return [
        secret
        for url in urls
        for secret in (*_userinfo_secrets(_up_to_the_path(url)), *secrets_of_texts([url], names))
    ]


def secrets_of_texts(
    texts: Sequence[str | bytes | None], names: frozenset[str] = frozenset()
) -> list[str]:
    """Credentials in messages to send, by their names there.

    Short ones are masked at their places only: `?auth=true` is no reason to hide every "true".
    """
    found: list[str] = []
    for text in texts:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text or ""
        found += secrets_in(said, names)
    return [secret for secret in found if len(secret) >= _SHORTEST_NAMED]


def _up_to_the_path(url: str) -> str:
    """A URL's authority; of a broken one, all up to its last "@": the password may be why."""
    from wsdiag.transport.dial.target import Target, UrlError

    try:
        Target.parse(url)
    except UrlError:
        authority, at, _ = url.rpartition("@")
        return authority + at
    return _AFTER_AUTHORITY.sub("", url)


def _userinfo_secrets(url: str) -> list[str]:
    userinfo = (url.partition("://")[2] or url).rpartition("@")[0]
    if not userinfo:
        return []
    from urllib.parse import unquote

    user, _, password = userinfo.partition(":")
    plain = unquote(userinfo)
    secrets = [f"{userinfo}@", userinfo, plain, password or user, unquote(password or user)]
    # what a broken URL is split into appears in messages by itself
    secrets += [part for part in re.split("[/?#:@]", password) if len(part) >= _SHORTEST_PART]
    return [*secrets, base64.b64encode(plain.encode("utf-8", "surrogateescape")).decode()]


def refuse_bad_urls(urls: Sequence[str], terminal: Terminal, *, json: bool) -> None:
    """Exit with 2 and a message that marks the place when a URL cannot be one."""
    from wsdiag.transport.dial.target import Target, UrlError

    for url in urls:
        try:
            Target.parse(url)
        except UrlError as problem:
            # masked first: the mark stays below its place
            shown = terminal.redactor.text(problem.url)
            before = terminal.redactor.text(problem.url[: problem.position])
            mark = f"\n{' ' * len(before)}^" if shown.startswith(before) else ""
            marked = shown + mark
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

    refuse(Error(url, phase, "usage", message, hint), terminal, json=json)


def refuse(error: Error, terminal: Terminal, *, json: bool) -> NoReturn:
    """Exit with 2 and this failure."""
    from wsdiag.render.base.error import print_error

    if json:
        terminal.json(error)
    print_error(terminal, error)
    sys.exit(ExitCode.USAGE)


@contextmanager
def tracing(
    output: OutputOptions, terminal: Terminal, *, urls: int = 1, all_frames: bool = False
) -> Iterator[Tracer | None]:
    """A tracer for `-v` (lines on stderr) and `--trace FILE` (NDJSON), or None for neither.

    `all_frames`: `-v` shows each, however fast they come.
    """
    if not output.verbose and output.trace is None:
        yield None
        return
    from wsdiag.render.base.trace import TracePrinter, TraceWriter

    file: TextIO | None = None
    listeners: dict[Callable[[TraceEvent], None], Path] = {}
    printer = TracePrinter(terminal, urls=urls, all_frames=all_frames) if output.verbose else None
    if printer is not None:
        listeners[printer] = _STDERR
    if output.trace is not None:
        with terminal.writing(output.trace):
            file = output.trace.open("w", encoding="utf-8")
            listeners[TraceWriter(file, terminal.redactor)] = output.trace

    def tracer(event: TraceEvent) -> None:
        for listener, path in tuple(listeners.items()):
            with terminal.writing(path):
                listener(event)
                continue
            del listeners[listener]  # a full disk: told at the end, what is measured counts

    try:
        yield tracer
    finally:
        if printer is not None:
            with terminal.writing(_STDERR):
                printer.finish()
        if file is not None and output.trace is not None:
            with terminal.writing(output.trace):
                file.close()
