"""Which names carry credentials, and which text is one: the only table of it.

What is masked in outputs, and what stays behind when a redirect leads to another origin, is decided
here. A name is split into words, so that `X-Api-Key`, `api_key` and `apiKey` are one. Every pattern
takes linear time: it starts at the first character of a run only, and takes the run whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

MASK = "***"

HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
"""Headers of HTTP's own that carry credentials; part of their values may be shown."""
_NOT_HEADERS = frozenset(
    {"sec-websocket-key", "www-authenticate", "proxy-authenticate", ":authority"}
)
WORDS = frozenset(
    [
        "token",
        "secret",
        "key",
        "apikey",
        "auth",
        "authorization",
        "session",
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "jwt",
        "bearer",
        "accesstoken",
        "authtoken",
        "idtoken",
        "refreshtoken",
        "sessiontoken",
        "sessionkey",
        "accesskey",
        "secretkey",
        "authkey",
        "clientsecret",
    ]
)
"""One of these words in the name of a header or of a query parameter makes its value a secret."""
_PARAMETER_WORDS = WORDS | {"sig", "signature", "credential", "credentials"}
_PARAMETERS = frozenset({"ticket", "code", "pass"})
_MEMBER_WORDS = _PARAMETER_WORDS - {"key", "session"}
"""In JSON of a peer's `key`, `code` and `session` are words of everyday messages."""

_SUBPROTOCOL_WORDS = frozenset(
    [
        "bearer",
        "token",
        "auth",
        "authorization",
        "jwt",
        "key",
        "apikey",
        "accesstoken",
        "authtoken",
        "secret",
    ]
)
_SUBPROTOCOL_FORMS = frozenset(
    [
        "access",
        "api",
        "app",
        "base64",
        "base64url",
        "basic",
        "bot",
        "client",
        "http",
        "id",
        "io",
        "k8s",
        "new",
        "sec",
        "session",
        "user",
        "v1",
        "v2",
        "v3",
        "websocket",
        "ws",
        "x",
    ]
)
_SUBPROTOCOLS = frozenset(
    [
        "actioncable-v1-json",
        "actioncable-unsupported",
        "amqp",
        "binary",
        "chat",
        "graphql-transport-ws",
        "graphql-ws",
        "json",
        "mqtt",
        "mqttv3.1",
        "notificationchannel-netapi-rest.openmobilealliance.org",
        "ocpp1.2",
        "ocpp1.5",
        "ocpp1.6",
        "ocpp2.0",
        "ocpp2.0.1",
        "ocpp2.1",
        "sip",
        "soap",
        "v10.stomp",
        "v11.stomp",
        "v12.stomp",
        "v1.swindon-lattice+json",
        "wamp",
        "wamp.2.cbor",
        "wamp.2.json",
        "wamp.2.msgpack",
        "xmpp",
    ]
)
"""Names that are no token, whatever was offered before them (IANA's registry, and well known)."""
_LONGEST_NAME = 24

_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "ntlm", "token"})
_WORD = re.compile(r"[A-Z]?[a-z0-9]++|[A-Z0-9]++")
_RUN = re.compile(r"[A-Za-z0-9_-]*+")
_SEPARATORS = re.compile(r"[-_.:\s\[\]]++")


def words(name: str) -> list[str]:
    """The words of a name, in lower case: `X-Api-Key` and `xApiKey` are x, api, key."""
    return [word.lower() for part in _SEPARATORS.split(name) for word in _WORD.findall(part)]


def _says_so(name: str, table: frozenset[str]) -> bool:
    # APIKEY and accesstoken are one word however they are written
    whole = (part.lower() for part in _SEPARATORS.split(name))
    return not table.isdisjoint(words(name)) or not table.isdisjoint(whole)


def is_credential_header(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether the value of the header `name` is a credential; `more`: names to be masked, too."""
    lower = name.strip().lower()
    if lower in HEADERS or lower in more:
        return True
    return lower not in _NOT_HEADERS and not WORDS.isdisjoint(re.split("[-_]", lower))


def is_credential_parameter(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether the value of the query parameter `name`, as written in a URL, is a credential."""
    plain = unquote_plus(name).strip()
    lower = plain.lower()
    return lower in more or lower in _PARAMETERS or _says_so(plain, _PARAMETER_WORDS)


@lru_cache(1024)  # messages repeat the few names that they have; these are 64 characters at most
def is_credential_member(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether the string called `name` in a JSON object is a credential."""
    return name.lower() in more or _says_so(name, _MEMBER_WORDS)


# -- values -------------------------------------------------------------------------------------


def find_jwts(text: str) -> Iterator[tuple[int, int]]:
    """Where JSON Web Tokens (RFC 7519) begin and end in `text`, those that were cut as well."""
    at = text.find("eyJ")
    while at >= 0:
        ends = [_run_end(text, at)]
        if at == 0 or not text[at - 1].isalnum():
            while len(ends) < 5 and text.startswith(".", ends[-1]):
                ends.append(_run_end(text, ends[-1] + 1))
            cut = ends[-1] == len(text) or text.startswith("…", ends[-1])
            if len(ends) > 2 or (cut and ends[-1] - at >= 20):
                yield at, ends[-1]
                ends = ends[-1:]
        at = text.find("eyJ", ends[0])


def _run_end(text: str, at: int) -> int:
    match = _RUN.match(text, at)
    return match.end() if match else at


def is_jwt(text: str) -> bool:
    """Whether `text` has a JSON Web Token in it."""
    return next(find_jwts(text), None) is not None


def mask_header(name: str, value: str) -> str:
    """The value of a credential header without the credential.

    What helps to diagnose stays: the scheme, and cookie names (sticky sessions name a balancer).
    """
    lower = name.strip().lower()
    if lower in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.strip().partition(" ")
        return f"{scheme} {MASK}" if space and scheme.lower() in _SCHEMES else MASK
    if lower == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _mask_cookie(pair) + semicolon + attributes
    if lower == "cookie":
        return "; ".join(_mask_cookie(pair) for pair in value.split(";"))
    return MASK


def _mask_cookie(pair: str) -> str:
    cookie, equals, _ = pair.strip().partition("=")
    return f"{cookie}={MASK}" if equals else MASK


def mask_subprotocols(names: Sequence[str]) -> list[str]:
    """Subprotocols in the order offered, those that are tokens masked: `bearer.***`."""
    shown: list[str] = []
    token_follows = False
    for name in names:
        said = words(name)
        says_so = not _SUBPROTOCOL_WORDS.isdisjoint(said)
        only_says_so = says_so and set(said) <= _SUBPROTOCOL_WORDS | _SUBPROTOCOL_FORMS
        if name.lower() in _SUBPROTOCOLS or (only_says_so and not token_follows):
            shown.append(name)
        elif says_so and not token_follows:
            shown.append(_up_to_the_dot(name))
        elif token_follows or len(name) >= _LONGEST_NAME or is_jwt(name):
            shown.append(MASK)
        else:
            shown.append(name)
        token_follows = only_says_so and shown[-1] == name
    return shown


def _up_to_the_dot(name: str) -> str:
    first, dot, _ = name.partition(".")
    known = set(words(first)) <= _SUBPROTOCOL_WORDS | _SUBPROTOCOL_FORMS
    return f"{first}.{MASK}" if dot and known else MASK


def hidden_subprotocols(names: Sequence[str]) -> list[str]:
    """What `mask_subprotocols()` hides of these names."""
    return [
        name.removeprefix(shown.removesuffix(MASK))
        for name, shown in zip(names, mask_subprotocols(names), strict=True)
        if shown != name
    ]


# -- what a user gave ---------------------------------------------------------------------------

_PAIR = re.compile(r"""(?:^|[?&#;\s"'{,(])([A-Za-z_][\w.%~\[\]-]*+)=([^&#;\s"'<>]*+)""")
_MEMBER = re.compile(r'"([^"\\]{1,64}+)"\s*+:\s*+"((?:[^"\\]|\\.)*+)', re.DOTALL)
_LINE = re.compile(r"^[ \t]*+([A-Za-z][\w-]*+)[ \t]*+:[ \t]*+([^\r\n]++)", re.MULTILINE)


def secrets_in(text: str, names: frozenset[str] = frozenset()) -> list[str]:
    """Credentials in a URL or in a message that a user gave, by the names that they have there."""
    tokens = [text[begin:end] for begin, end in find_jwts(text)]
    found = [part for token in tokens for part in (token, *token.split(".")[1:])]
    for name, value in _PAIR.findall(text):
        if is_credential_parameter(name, names):
            found += [value, unquote(value)]
    for name, value in _MEMBER.findall(text):
        if name.lower() in ("key", "session", "code") or is_credential_member(name, names):
            found += [value, value.replace("\\/", "/")]
    found += [v.strip() for n, v in _LINE.findall(text) if is_credential_header(n, names)]
    return found


def secrets_of_headers(
    headers: Iterable[tuple[str, str]], names: frozenset[str] = frozenset()
) -> list[str]:
    """Every credential that request headers carry, their schemes and cookie names left out."""
    found: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower in ("cookie", "set-cookie"):
            found += [pair.partition("=")[2].strip() for pair in value.split(";")]
        elif lower in ("authorization", "proxy-authorization"):
            found.append(value.partition(" ")[2] or value)
        elif is_credential_header(name, names):
            found += [value, value.rpartition(" ")[2]]
        elif lower == "sec-websocket-protocol":
            found += hidden_subprotocols([part.strip() for part in value.split(",")])
        else:
            found += secrets_in(value, names)
    return found


class Credential(bytes):
    """Bytes to be masked as a whole, whatever is known of their content."""
