"""Which proxy leads to a target: -x, or the environment, minus NO_PROXY (as curl(1) has it)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.units import parse_port

# curl's defaults where a proxy's URL has no port.
_PORTS = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}
_VARIABLES = {True: ("wss_proxy", "https_proxy"), False: ("ws_proxy", "http_proxy")}


class Proxy(NamedTuple):
    """A proxy; `url` as given, `why` names the option or variable that gave it."""

    url: str
    why: str
    scheme: str
    host: str
    port: int
    user: str | None = None
    """`USER:PASSWORD`, percent-decoded."""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5, not HTTP."""
        return self.scheme.startswith("socks5")

    @property
    def resolves_names(self) -> bool:
        """Whether the proxy looks the target's name up."""
        return self.scheme != "socks5"


def choose(
    target: Target, options: DialOptions, environ: Mapping[str, str]
) -> tuple[Proxy | None, str | None]:
    """The proxy for `target`, None to go there directly; and what decided that, where anything did.

    Raises DialError for something that is not a proxy's URL.
    """
    if options.proxy is not None:
        url, why = options.proxy, "-x"
    else:
        url, why = _variable(environ, *_VARIABLES[target.secure], "all_proxy")
    if not url:
        _, of_web = _VARIABLES[not target.secure]
        other = "" if options.proxy is not None else _variable(environ, of_web)[1]
        only = f"{other} is for {'ws' if target.secure else 'wss'}:// only"
        return None, only if other else None
    if options.noproxy is not None:
        exceptions, whose = options.noproxy, "--noproxy"
    else:
        exceptions, whose = _variable(environ, "no_proxy")
    if bypassed(target.host, target.port, exceptions):
        return None, f"{whose} covers {target.host}, so that {why} does not apply"
    try:
        return parse(url, why), why
    except ValueError as error:
        message = f"{why} is not a proxy's URL: {error}"
        raise DialError("usage", "proxy", "bad-proxy", message, option=why) from None


def _variable(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """(value, name) of the first variable that is set; an empty one is not, as in curl."""
    for name in names:
        for variable in (name, name.upper()):
            if environ.get(variable):
                return environ[variable], variable
    return "", ""


_NOT_IN_HOST = " #/<>?@[\\]^|\"`{};$&()'*!"


def parse(url: str, why: str) -> Proxy:
    """A proxy's URL, http:// where it has no scheme. Raises ValueError."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _PORTS:
        raise ValueError(f"{parts.scheme}:// (http, https, socks5 and socks5h are known)")
    if not parts.hostname:
        raise ValueError("its host is missing")
    user = None
    if parts.username is not None:
        pair = unquote(parts.username), unquote(parts.password or "")
        if parts.scheme.startswith("socks5") and not all(map(_fits_socks, pair)):
            raise ValueError("SOCKS5 takes a user and a password of at most 255 ASCII characters")
        user = ":".join(pair)
    try:
        port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    except ValueError:  # Python's message would show what may be a part of the password
        raise ValueError(
            "its port is not a number up to 65535 (in USER:PASSWORD, percent-encode / ? # @)"
        ) from None
    host = unquote(parts.hostname)  # a zone's % is %25 (RFC 6874)
    odd = not host.isprintable() or any(char in _NOT_IN_HOST for char in host)
    if odd or ((":" in host or "%" in host) and not _is_ipv6(host)):
        raise ValueError(f"{host!a} is not the name of a host")
    return Proxy(url, why, parts.scheme, host, port, user)


def _fits_socks(text: str) -> bool:
    """RFC 1929, 2, has a byte for the length, and names no encoding."""
    return text.isascii() and len(text) <= 255


def _is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address, perhaps with a zone."""
    import ipaddress

    try:
        return ipaddress.ip_address(host.partition("%")[0]).version == 6
    except ValueError:
        return False


def basic_auth(user: str) -> str:
    """The header's value for `USER[:PASSWORD]`, in UTF-8 (RFC 7617, 2.1)."""
    pair = user if ":" in user else f"{user}:"
    return "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode("ascii")


def bypassed(host: str, port: int, exceptions: str) -> bool:
    """Whether NO_PROXY's list has this host: by name, suffix, address, network, with or without
    a port; `*` alone stands for all."""
    entries = exceptions.replace(",", " ").split()
    return entries == ["*"] or any(_covers(each.lower(), host.lower(), port) for each in entries)


def _covers(entry: str, host: str, port: int) -> bool:
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isascii() and digits.isdigit() and (":" not in name or name.endswith("]")):
        if parse_port(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]").lstrip(".").rstrip(".")
    host = host.partition("%")[0].rstrip(".")
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(entry) and (host == entry or host.endswith(f".{entry}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
