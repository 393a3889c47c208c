"""A URL as users write it, and what it means: scheme, host, port, and the path as given."""

from __future__ import annotations

import re
from typing import NamedTuple

from wsdiag.units import parse_port

_SECURE = {"wss": True, "https": True, "ws": False, "http": False}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ONE_SLASH = re.compile(r"(wss?|https?|unix):/(?!/)", re.IGNORECASE)
_UNIX = "a Unix socket is an option, the URL says which Host: --unix-socket {path} ws://localhost/"
_SLIPS = (
    (re.compile(r"(wss?|https?)(?=//)", re.IGNORECASE), "a colon and two slashes follow {}"),
    (re.compile(r"(wss?|https?)(?=[;,.]//?)", re.IGNORECASE), "a colon and two slashes follow {}"),
    (
        re.compile(r"(wss?|https?):(?![/\\]|\d+(?:[/?#]|$))(?=.)", re.IGNORECASE),
        "two slashes follow {}:",
    ),
    (re.compile(r"(wss?|https?):(?=/?\\)", re.IGNORECASE), "slashes follow {}:, not backslashes"),
    (re.compile(r"[A-Za-z]+://(?=(wss?|https?):?//)", re.IGNORECASE), "the scheme is given twice"),
)
_QUOTES = "'\"`<\u2018\u2019\u201c\u201d\u00ab"
_BAD_CHARACTER = re.compile(r"[\x00-\x20\x7f\s\ud800-\udfff]")
# sub-delims of RFC 3986 are in no host's name, and mean something to a shell
_BAD_HOST_CHARACTER = re.compile(r"[^A-Za-z0-9._~+,=-]")
_SHOWN = 64
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# The percent-encode sets of the URL Standard, 1.3: path, and the query of a special scheme.
_ENCODED_IN_PATH = re.compile(r"[\"<>^`{}]|[^\x00-\x7f]+")
_ENCODED_IN_QUERY = re.compile(r"[\"<>']|[^\x00-\x7f]+")


class UrlError(ValueError):
    """A URL that cannot be used; `position` is the index of the character at fault."""

    def __init__(self, message: str, url: str, position: int) -> None:
        super().__init__(message)
        self.message, self.url, self.position = message, url, position


class Target(NamedTuple):
    """Where to connect. `host` without brackets, a zone after `%`; `path_and_query` as written,
    but for what browsers percent-encode (URL Standard, 1.3)."""

    url: str
    secure: bool
    host: str
    port: int
    path_and_query: str
    userinfo: str | None = None
    """`USER[:PASSWORD]`, percent-decoded."""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a URL. Without a scheme it is wss://, but ws:// for loopback. Raises UrlError."""
        text = url.strip()
        _refuse_characters(text)
        scheme, start = _scheme(text)
        end = min((i for c in "/?#\\" if (i := text.find(c, start)) >= 0), default=len(text))
        userinfo, host, port = _authority(text, start, end)
        secure = not is_loopback(host) if scheme is None else _SECURE[scheme]
        path = text[end:] if text[end : end + 1] in ("/", "\\") else "/" + text[end:]
        return cls(
            f"{'wss' if secure else 'ws'}://{text[start:end]}{path}",
            secure,
            host,
            port if port is not None else (443 if secure else 80),
            encode(path),
            userinfo,
        )

    @property
    def host_header(self) -> str:
        """The Host header: no zone (RFC 6874, 4), no default port (RFC 6455, 4.1)."""
        host = self.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def tls_name(self) -> str:
        """The server name for TLS: no zone, and without the dot that ends an absolute name
        (RFC 6066, 3)."""
        host = self.host.partition("%")[0]
        return host if ":" in host else host.removesuffix(".")

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What must be equal for credentials to be sent on (RFC 6454, 4)."""
        return self.secure, self.host.lower(), self.port


def _refuse_characters(text: str) -> None:
    if not text:
        raise UrlError("the URL is empty", text, 0)
    if text[0] in _QUOTES:
        raise UrlError("there are quotes around the URL: leave them out", text, 0)
    if (bad := _BAD_CHARACTER.search(text)) is not None:
        what = "a space" if bad[0] == " " else f"the character {bad[0]!a}"
        raise UrlError(f"a URL cannot have {what} (write it percent-encoded)", text, bad.start())
    if (fragment := text.find("#")) >= 0:
        raise UrlError("a WebSocket URL has no fragment (RFC 6455, 3)", text, fragment)


def _scheme(text: str) -> tuple[str | None, int]:
    if (slip := _ONE_SLASH.match(text)) is not None:
        if slip[1].lower() == "unix":
            raise UrlError(_UNIX.format(path=text[slip.end(1) + 1 :]), text, 0)
        raise UrlError(f"two slashes follow {slip[1]}:", text, slip.end())
    for pattern, words in _SLIPS:
        if (slip := pattern.match(text)) is not None:
            raise UrlError(words.format(slip[1]), text, slip.end())
    match = _SCHEME.match(text)
    if match is None:
        return None, 0
    scheme = match[1].lower()
    if scheme == "unix":
        raise UrlError(_UNIX.format(path=text[match.end() :]), text, 0)
    if scheme not in _SECURE:
        raise UrlError(f"{scheme}:// is not a WebSocket (ws, wss, http, https are)", text, 0)
    return scheme, match.end()


def _authority(text: str, start: int, end: int) -> tuple[str | None, str, int | None]:
    """(userinfo, host, port) of what is between the scheme and the path."""
    at = text.rfind("@", start, end)
    userinfo = _unquoted(text[start:at]) if at >= 0 else None
    begin = at + 1
    if at < 0:
        begin = start
    if text[begin : begin + 1] == "[":
        close = text.find("]", begin, end)
        if close < 0:
            raise UrlError("the bracket of the IPv6 address is not closed", text, begin)
        return userinfo, _ipv6(text, begin + 1, close), _port(text, close + 1, end)
    colon = text.find(":", begin, end)
    if colon >= 0 and (second := text.find(":", colon + 1, end)) >= 0:
        if text.count(":", colon, end) == 2 and second > colon + 1 and colon > begin:
            raise UrlError("there are two ports", text, second)
        raise UrlError("an IPv6 address must be in brackets: [::1]", text, begin)
    stop = colon if colon >= 0 else end
    return userinfo, _name(text, begin, stop), _port(text, stop, end)


def _ipv6(text: str, start: int, end: int) -> str:
    # RFC 6874: the zone's % is itself encoded; the bare one that people type is taken as well.
    import ipaddress

    address, percent, zone = text[start:end].partition("%")
    zone = zone.removeprefix("25") if len(zone) > 2 else zone
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise UrlError(f"{address!r} is not an IPv6 address", text, start) from None
    if percent and not zone:
        raise UrlError("the zone after % is empty", text, end)
    zone = _unquoted(zone)
    if (bad := _BAD_HOST_CHARACTER.search(zone)) is not None:
        raise UrlError(f"a zone cannot have {bad[0]!a}", text, start + len(address))
    return f"{address}%{zone}" if percent else address


def _name(text: str, start: int, end: int) -> str:
    name = _unquoted(text[start:end])
    if not name:
        raise UrlError("the host is missing", text, start)
    if not name.isascii():
        from wsdiag.transport.dial.hostnames import to_ascii

        try:
            name = to_ascii(name)
        except ValueError as error:
            why = "" if isinstance(error, UnicodeError) else f": {error}"
            raise UrlError(f"{name!r} is not a valid host name{why}", text, start) from None
    if name.startswith("."):
        raise UrlError("a host name cannot begin with a dot", text, start)
    # what was percent-encoded, or is a compatibility form, is what reaches the wire
    if (bad := _BAD_HOST_CHARACTER.search(name)) is not None:
        at = text.find(bad[0], start, end)
        if at < 0:
            escapes = (each.start() for each in _ESCAPE.finditer(text, start, end))
            at = next((each for each in escapes if _decodes_badly(text[each : each + 3])), start)
        raise UrlError(f"a host name cannot have {bad[0]!a}", text, at)
    return name


def _decodes_badly(escape: str) -> bool:
    return _BAD_HOST_CHARACTER.match(_unquoted(escape)) is not None


def encode(path_and_query: str) -> str:
    """What is sent for a path and a query as they are written (URL Standard, 1.3 and 4.4).

    A backslash in the path is a slash. What is percent-encoded already stays so.
    """
    path, mark, query = path_and_query.partition("?")
    path = _ENCODED_IN_PATH.sub(_quoted, path.replace("\\", "/"))
    return path + mark + _ENCODED_IN_QUERY.sub(_quoted, query)


def _quoted(match: re.Match[str]) -> str:
    from urllib.parse import quote

    return quote(match[0], safe="")


def _port(text: str, start: int, end: int) -> int | None:
    digits = text[start + 1 : end]
    if text[start:end] and text[start] != ":":
        raise UrlError("a port or a path must follow the address", text, start)
    if not digits:
        return None
    if (port := parse_port(digits)) is None:
        shown = digits if len(digits) <= _SHOWN else f"{digits[:_SHOWN]}…"
        raise UrlError(f"{shown!r} is not a valid port (1 to 65535)", text, start + 1)
    return port


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address, is this machine by its name (RFC 6761, 6.3)."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
