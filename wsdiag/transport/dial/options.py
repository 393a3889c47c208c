"""How to reach an endpoint: everything a connection option of the command line can say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from wsdiag.transport.dial.netrc import NetrcEntry
from wsdiag.transport.tls.values import TlsOptions

HttpVersion = Literal["1.1", "2", "3"]
_BEGINNING = 256 * 1024
LOOKED_INTO = 2**20
"""Bytes of a message that is looked into: as `str` they take four times as much, as objects of JSON
up to fifty times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions(TlsOptions):
    """Options of one dial; named as in curl(1) where curl has them. Durations in seconds."""

    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str | None = None
    user: str | None = None
    """`USER[:PASSWORD]` for Basic authentication (RFC 7617)."""
    netrc: tuple[NetrcEntry, ...] = ()
    """Users and passwords by host, for where `user` and the URL have none."""
    bearer: str | None = None
    """A bearer token (RFC 6750), read from the environment by `--bearer-env`."""
    cookies: tuple[str, ...] = ()
    user_agent: str | None = None
    proxy: str | None = None
    """A proxy's URL; None: ask the environment; empty: none."""
    noproxy: str | None = None
    resolve: tuple[tuple[str, int, str], ...] = ()
    """(host, port, address) triples that replace name resolution."""
    unix_socket: str | None = None
    family: int | None = None
    """4, 6, or None for both raced (RFC 8305)."""
    location: bool = False
    max_redirs: int = 5
    connect_timeout: float = 10.0
    """The whole dial: names, TCP, proxy, TLS, upgrade, redirects."""
    http_version: HttpVersion = "1.1"
    """Of HTTP under the WebSocket: an upgrade (RFC 6455), or extended CONNECT (8441, 9220)."""
    compression: bool | None = None
    """Offer permessage-deflate (RFC 7692); None counts as no."""
    max_message_size: int = 16 * 2**20
    """Bytes; a larger message, inflated or not, ends the connection with 1009."""
    keep_of_message: int | None = None
    """Of a message that comes in pieces, so many bytes are looked at; None: all."""
    hello: tuple[str | bytes, ...] = ()
    """Messages to send once, right after the opening: credentials, which stay with their origin."""
    hello_expect: str | None = None
    """A regular expression that an answer to `hello` must match; None: any message."""
    hello_wait: float = 5.0
    """How long to wait for that answer."""
    dialect: str = "auto"
    """The application protocol spoken: a name of `wsdiag.dialects`, `auto` or `none`."""

    def beginnings(self, *, looked_into: bool = False) -> Self:
        """Of large messages only their beginning is kept: a peer chooses how large they are.

        It is longer for who looks for something in them (`looked_into`), `hello_expect` for one.
        """
        looked_into = looked_into or self.hello_expect is not None
        return replace(self, keep_of_message=LOOKED_INTO if looked_into else _BEGINNING)

    @classmethod
    def from_environment(
        cls,
        *,
        user_env: str | None = None,
        bearer_env: str | None = None,
        key_password_env: str | None = None,
        header_env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Self:
        """Options whose credentials are in environment variables, named by these parameters.

        `header_env`: variables by the names of headers. ValueError for a variable that is not set,
        and for a credential that `options` have, too.
        """
        named = {"user": user_env, "bearer": bearer_env, "key_password": key_password_env}
        for option, variable in named.items():
            if variable is not None:
                if options.get(option) is not None:
                    raise ValueError(f"{option} and {option}_env exclude each other")
                options[option] = _variable(variable)
        headers = [(name, _variable(at)) for name, at in (header_env or {}).items()]
        return cls(**options | {"headers": (*options.get("headers", ()), *headers)})

    @property
    def alpn(self) -> tuple[str, ...]:
        """What to offer by ALPN: as browsers do, HTTP/1.1 beside HTTP/2."""
        return ("h2", "http/1.1") if self.http_version == "2" else ("http/1.1",)

    @property
    def given(self) -> frozenset[str]:
        """The flags of the options that are in force."""
        flags = {
            "-k": self.insecure,
            "--cacert": self.cacert,
            "--cert": self.cert,
            "--tls-min": self.tls_min,
            "--tls-max": self.tls_max,
            "--sni": self.sni,
            "-H": self.headers,
            "--subprotocol": self.subprotocols,
            "--origin": self.origin,
            "-u": self.user,
            "--bearer-env": self.bearer,
            "-b": self.cookies,
            "-A": self.user_agent,
            "-x": self.proxy,
            "-x ''": self.proxy == "",
            "--noproxy": self.noproxy,
            "--resolve": self.resolve,
            "-4": self.family == 4,
            "-6": self.family == 6,
            "-L": self.location,
            "--http2": self.http_version == "2",
            "--http3": self.http_version == "3",
            "--compression": self.compression,
            "--no-compression": not self.compression,
        }
        return frozenset(flag for flag, value in flags.items() if value)


def _variable(name: str) -> str:
    if not (value := os.environ.get(name)):
        raise ValueError(f"environment variable {name} is not set")
    return value
