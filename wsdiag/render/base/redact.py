"""Mask credentials, in every string of a result, before anything prints, writes or saves it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from wsdiag.transport.trace import Credential

T = TypeVar("T")

MASK = "***"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "ntlm", "token"})
# RFC 3986, 3.2.1: userinfo ends at the last "@" of the authority; the word PASSWORD is a hint's own
_URL_PASSWORD = re.compile(
    r"([a-z][a-z0-9+.-]*://[^\s/?#:@]*:)(?!(?-i:PASSWORD)@HOST)[^\s/?#]*@", re.IGNORECASE
)
# A hint shows how to write such a line, with an ellipsis where the credential goes; what follows is
# advice. No credential begins with one.
_HEADER_LINE = re.compile(
    r"\b(proxy-authorization|authorization|set-cookie|cookie)([ \t]*:[ \t]*+)"
    r"(?!(?:bearer )?…)([^\r\n]+)",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4


class Redactor:
    """Masks values of credential headers, URL passwords and the secrets it was given.

    Secrets shorter than four characters are left to the rules for headers and URLs: masking every
    `a` of the output would hide the result and say what the secret is.
    """

    def __init__(self, secrets: Iterable[str] = (), *, show: bool = False) -> None:
        self.show = show
        known = {form for secret in secrets for form in _forms(secret)}
        # the longest first: a secret may contain another
        usable = sorted((s for s in known if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, usable))) if usable else None

    def text(self, text: str) -> str:
        """`text` without URL passwords, credential header lines and known secrets."""
        if self.show:
            return text
        text = _HEADER_LINE.sub(lambda m: m[1] + m[2] + _mask_value(m[1], m[3]), text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
        return self._secrets.sub(MASK, text) if self._secrets else text

    def header(self, name: str, value: str) -> str:
        """A header's value: masked when the name says that it is a credential."""
        if self.show:
            return value
        if name.strip().lower() in _SECRET_HEADERS:
            return _mask_value(name, value)
        return self.text(value)

    def clean(self, value: T) -> T:
        """A copy of a result (dataclasses, sequences, mappings) with every string masked."""
        return value if self.show else map_text(value, self.header)


def _forms(secret: str) -> tuple[str, str]:
    from urllib.parse import quote

    return secret, quote(secret, safe="")


def _mask_value(name: str, value: str) -> str:
    # what helps to diagnose stays: the scheme, and cookie names (sticky sessions name a balancer)
    if name.strip().lower().endswith("authorization"):
        scheme, space, _ = value.strip().partition(" ")
        return f"{scheme} {MASK}" if space and scheme.lower() in _SCHEMES else MASK
    if name.strip().lower() == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _mask_cookie(pair) + semicolon + attributes
    return "; ".join(_mask_cookie(pair) for pair in value.split(";"))


def _mask_cookie(pair: str) -> str:
    cookie, equals, _ = pair.strip().partition("=")
    return f"{cookie}={MASK}" if equals else MASK


# -- all text of a result -----------------------------------------------------------------------

Change = Callable[[str, str], str]
"""(name, text) -> text; the name is a header's, a mapping's key, or the field's."""


def map_text(value: T, change: Change, name: str = "") -> T:
    """A copy of a result (dataclasses, sequences, mappings) with every string changed."""
    changed: Any = _walk(value, change, name)
    return changed  # type: ignore[no-any-return]


def _walk(value: Any, change: Change, name: str) -> Any:
    if isinstance(value, str):
        return change(name, value)
    if isinstance(value, Credential):
        return MASK
    if isinstance(value, bytes):  # no longer bytes, but then neither is what is shown of them
        return change(name, value.decode("utf-8", "backslashreplace"))
    if isinstance(value, list | tuple):
        return _walk_sequence(value, change, name)
    if isinstance(value, Mapping):
        return {key: _walk(member, change, str(key)) for key, member in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _walk_fields(value, change)
    return value


def _walk_fields(value: Any, change: Change) -> Any:
    changed = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        new = _walk(old, change, field.name) if field.init else old
        if new is not old:
            changed[field.name] = new
    return dataclasses.replace(value, **changed) if changed else value


def _walk_sequence(value: Any, change: Change, name: str) -> Any:
    # headers are (name, value) pairs: the name says whether the value is a credential
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(p, str) for p in value):
        return (change("", value[0]), change(value[0], value[1]))
    members = [_walk(member, change, name) for member in value]
    if all(new is old for new, old in zip(members, value, strict=True)):
        return value
    return members if isinstance(value, list) else tuple(members)
