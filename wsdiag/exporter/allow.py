"""Which URLs /probe may be pointed at: a prober that takes any is a way into the network.

A glob is compared part by part, never as one string: in `wss://*.example.org/*` the first star
cannot reach beyond the host, so `wss://evil.test/x.example.org/` does not match. What is compared
is what the dialler would do with the URL, not how it is spelt.

    wss://*.example.org         any path, the scheme's own port
    wss://api.example.org:*     any port
    ws://10.0.0.*/health/*      as before, and the path (its query included)
    *.example.org               ws and wss
    ws://127.0.0.1*             a host that ends in a star, and no port after it: any port
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import unquote

from wsdiag.transport.dial.target import Target

_GLOB = re.compile(
    r"(?:(?P<scheme>[A-Za-z*]+)://)?(?P<host>\[[^\]/]+\]|[^:/?#@\[\]]+)(?::(?P<port>[0-9*]+))?"
    r"(?P<path>[/?].*)?"
)
_SCHEMES = {"ws": (False,), "http": (False,), "wss": (True,), "https": (True,), "*": (False, True)}


class _Glob(NamedTuple):
    secure: tuple[bool, ...]
    host: str
    port: str | None
    path: str | None

    def matches(self, target: Target) -> bool:
        if target.secure not in self.secure:
            return False
        host = target.host.lower().removesuffix(".")
        if not fnmatchcase(host, self.host):
            return False
        if self.port is None:
            own = 443 if target.secure else 80
            if target.port != own and not self.host.endswith("*"):
                return False
        elif not fnmatchcase(str(target.port), self.port):
            return False
        if self.path is None:
            return True
        # a server resolves `/health/../admin`, encoded or not; a glob cannot
        segments = unquote(target.path_and_query.partition("?")[0]).split("/")
        climbs = any(segment in (".", "..") for segment in segments)
        return not climbs and fnmatchcase(target.path_and_query, self.path)


class Allowed:
    """A list of globs; with none, nothing is allowed."""

    def __init__(self, globs: tuple[str, ...] = ()) -> None:
        """ValueError for a glob that cannot match any URL."""
        self.globs = globs
        read = [_parse(glob) for glob in globs]
        if bad := [repr(glob) for glob, parsed in zip(globs, read, strict=True) if parsed is None]:
            raise ValueError(f"not a glob of URLs, as wss://*.example.org/* is: {', '.join(bad)}")
        self._parsed = tuple(parsed for parsed in read if parsed is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Allowed) and other.globs == self.globs

    def __hash__(self) -> int:
        return hash(self.globs)

    def allows(self, target: Target) -> bool:
        """Whether one of the globs matches; never a URL with a user or a password in it."""
        return target.userinfo is None and any(glob.matches(target) for glob in self._parsed)


def _parse(text: str) -> _Glob | None:
    found = _GLOB.fullmatch(text.strip())
    scheme = "*" if found is None or found["scheme"] is None else found["scheme"].lower()
    if found is None or scheme not in _SCHEMES:
        return None
    host = found["host"].lower().removeprefix("[").removesuffix("]").removesuffix(".")
    return _Glob(_SCHEMES[scheme], host, found["port"], found["path"])
