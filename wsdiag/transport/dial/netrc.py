"""Users and passwords of `.netrc`, by curl(1)'s rules (`-n`)."""

from __future__ import annotations

import re
from typing import NamedTuple

# a quoted string, in which a backslash escapes, or a word
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class NetrcEntry(NamedTuple):
    """One `machine`; `host` None for `default`."""

    host: str | None
    login: str = ""
    password: str = ""


def parse(text: str) -> tuple[NetrcEntry, ...]:
    """The entries of a file, in order; comments and macros are passed over."""
    entries: list[NetrcEntry] = []
    in_macro, key = False, ""
    for line in text.splitlines():
        if in_macro:  # until an empty line
            in_macro = bool(line.strip())
            continue
        for quoted, word in _TOKEN.findall(line):
            token = word or re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), quoted)
            if key == "machine":
                entries.append(NetrcEntry(token))
            elif key in ("login", "password") and entries:
                entries[-1] = entries[-1]._replace(**{key: token})
            elif not key and word.startswith("#"):
                break
            elif not key and word == "default":
                entries.append(NetrcEntry(None))
            elif not key and word == "macdef":
                in_macro = True
                break
            elif not key:
                key = word if word in ("machine", "login", "password", "account") else ""
                continue
            key = ""
    return tuple(entries)


def find(entries: tuple[NetrcEntry, ...], host: str, user: str | None) -> str | None:
    """`USER:PASSWORD` for a host, of the first entry that fits `user`; None without one.

    `user`: what was asked for so far. With a password of its own, nothing is looked up.
    """
    login = (user or "").partition(":")[0]
    if user is not None and ":" in user:
        return user
    for entry in entries:
        if entry.host is not None and entry.host.lower() != host.lower().removesuffix("."):
            continue
        if not login or entry.login == login:
            return f"{entry.login}:{entry.password}"
    return user
