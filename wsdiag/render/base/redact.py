"""Mask credentials, in every string of a result, before anything prints, writes or saves it.

Two things are masked: what the user gave as a secret, wherever and in whatever form a peer says it
again; and what is a credential by its name (`wsdiag.credentials`), whoever sent it. All of it takes
time in proportion to the text: a peer may send 64 kB in one header, and it passes here many times.
So patterns begin at the first character of a run only and take it whole, and what they find is
masked by one pass over the text.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from wsdiag.credentials import (
    MASK,
    Credential,
    find_jwts,
    is_credential_header,
    is_credential_member,
    is_credential_parameter,
    mask_header,
    mask_subprotocols,
)

T = TypeVar("T")

_SHORTEST_SECRET = 4
_SHORTEST_BEGINNING, _LONGEST_BEGINNING = 8, 4096
_CACHED, _CACHED_LENGTH = 256, 512

# RFC 3986, 3.2.1: userinfo ends at the last "@" of the authority; USER:PASSWORD is a hint's own
_USERINFO = re.compile(r"://(?!USER:PASSWORD@HOST)[^\s/?#]*@")
_PARAMETER = re.compile(r"""(?<=[?&#;])([\w.%~\[\]-]++)=([^&#;\s"'<>]++)""")
# a name and a string of JSON, or of JSON that is quoted in a string itself
_MEMBER = re.compile(
    r'(\\)?"([^"\\]{1,64}+)(?(1)\\)"\s*+:\s*+(?(1)\\)"((?(1)[^"\\]*+|(?:[^"\\]|\\.)*+))', re.DOTALL
)
_HEADER_NAME = re.compile(r"(?<![\w.\-/@])([A-Za-z][\w-]*+)[ \t]*+:[ \t]*+")
_LINE_END = re.compile(r"[\r\n]")
_HIDDEN_ANYWHERE = ("authorization", "cookie")
# A hint shows how to write such a line, with an ellipsis where the credential goes; what follows is
# advice. No credential begins with one.
_ADVICE = re.compile(r"(?:bearer )?…", re.IGNORECASE)
_CUT = re.compile(r"(?:\\x[0-9a-f]{2}){0,3}…?\Z")
_CUT_LENGTH = 13


class Redactor:
    """Masks credentials by their names, and the secrets it was given.

    `secrets`: whole texts, such as passwords and hello messages; `names`: headers, parameters,
    cookies and JSON members whose values are to be masked, too. Secrets shorter than four
    characters are left to the rules for names: masking every `a` of the output would hide the
    result and say what the secret is.
    """

    def __init__(
        self, secrets: Iterable[str] = (), *, names: Iterable[str] = (), show: bool = False
    ) -> None:
        self.show = show
        self.names = frozenset(name.strip().lower() for name in names)
        known = {form for secret in secrets for form in _forms(secret)}
        # the longest first: a secret may contain another
        self._secrets = sorted((s for s in known if len(s) >= _SHORTEST_SECRET), key=len)[::-1]
        self._userinfos = {s for s in known if s.endswith("@") and s[:-1] in known}
        self._beginnings = [s[:_LONGEST_BEGINNING] for s in self._secrets]
        self._masked = lru_cache(_CACHED)(self._mask)

    def text(self, text: str) -> str:
        """`text` without userinfo, values that are credentials by their names, known secrets."""
        if self.show or not text:
            return text
        return self._masked(text) if len(text) <= _CACHED_LENGTH else self._mask(text)

    def header(self, name: str, value: str) -> str:
        """A header's value: masked when the name says that it is a credential."""
        if self.show:
            return value
        if is_credential_header(name, self.names):
            return mask_header(name, value)
        if name.strip().lower() == "sec-websocket-protocol":
            value = self.subprotocols(value)
        return self.text(value)

    def subprotocols(self, value: str) -> str:
        """A list of subprotocols (RFC 6455, 4.1) without those that are tokens."""
        if self.show:
            return value
        return ", ".join(mask_subprotocols([part.strip() for part in value.split(",")]))

    def clean(self, value: T) -> T:
        """A copy of a result (dataclasses, sequences, mappings) with every string masked."""
        return value if self.show else map_text(value, self._change)

    def _change(self, name: str, text: str) -> str:
        if name.endswith(":"):
            return self.header(name[:-1], text)
        return self.text(self.subprotocols(text) if name == "subprotocol" else text)

    def _mask(self, text: str) -> str:
        for secret in self._secrets:  # whole ones first: masked in part, they would not be found
            if secret in text:
                text = text.replace(secret, f"{MASK}@" if secret in self._userinfos else MASK)
        if ":" in text:
            text = self._mask_header_lines(text)
            text = _USERINFO.sub(f"://{MASK}@", text)
            text = _MEMBER.sub(self._mask_member, text)
        if "=" in text:
            text = _PARAMETER.sub(self._mask_parameter, text)
        if "eyJ" in text:
            text = _without(text, find_jwts(text))
        return self._mask_beginning(text)

    def _mask_header_lines(self, text: str) -> str:
        shown, at = [], 0
        for match in _HEADER_NAME.finditer(text):
            begin, before = match.end(), text[match.start() - 1 : match.start()]
            if match.start() < at or not self._is_hidden_line(match[1].lower(), before):
                continue
            if not _ADVICE.match(text, begin):
                end = found.start() if (found := _LINE_END.search(text, begin)) else len(text)
                masked = self.header(match[1], text[begin:end]) if end > begin else ""
                shown += [text[at:begin], masked]
                at = end
        return "".join([*shown, text[at:]])

    def _is_hidden_line(self, name: str, before: str) -> bool:
        if name.endswith(_HIDDEN_ANYWHERE) or name in self.names:
            return True
        # `auth-service: no such host` within a line is a sentence
        if before not in ("", "\r", "\n") or not ("-" in name or "_" in name):
            return False
        return name == "sec-websocket-protocol" or is_credential_header(name)

    def _mask_parameter(self, match: re.Match[str]) -> str:
        hidden = is_credential_parameter(match[1], self.names)
        return f"{match[1]}={MASK}" if hidden else match[0]

    def _mask_member(self, match: re.Match[str]) -> str:
        if not match[3] or not is_credential_member(match[2], self.names):
            return match[0]
        return match[0][: match.start(3) - match.start()] + MASK

    def _mask_beginning(self, text: str) -> str:
        """`text` without the secret that it ends in the middle of: excerpts are cut anywhere."""
        cut = _CUT.search(text, max(len(text) - _CUT_LENGTH, 0))
        end = cut.start() if cut else len(text)
        for secret in self._beginnings:
            anchor = secret[:_SHORTEST_BEGINNING]
            at = text.find(anchor, max(end - len(secret), 0), end)
            while at >= 0 and len(anchor) == _SHORTEST_BEGINNING:
                if secret.startswith(text[at:end]):
                    return text[:at] + MASK + text[end:]
                at = text.find(anchor, at + 1, end)
        return text


def _without(text: str, places: Iterable[tuple[int, int]]) -> str:
    shown, at = [], 0
    for begin, end in places:
        shown += [text[at:begin], MASK]
        at = end
    return "".join([*shown, text[at:]])


def _forms(secret: str) -> set[str]:
    """A secret as it is, percent-encoded, quoted as Python and JSON do, and in Base64."""
    data = secret.encode("utf-8", "surrogateescape")
    forms = {secret, quote(data, safe=""), quote_plus(data), quote(data), repr(secret)[1:-1]}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    # (of a short one, Base64 could be part of any word)
    return forms | ({base64.b64encode(data).decode()} if len(data) >= 6 else set())


# -- all text of a result -----------------------------------------------------------------------

Change = Callable[[str, str], str]
"""(name, text) -> text; the name is the field's or a mapping's key, a header's with a colon."""


def map_text(value: T, change: Change, name: str = "") -> T:
    """A copy of a result (dataclasses, sequences, mappings) with every string changed."""
    changed: Any = _walk(value, change, name, False)
    return changed  # type: ignore[no-any-return]


def _walk(value: Any, change: Change, name: str, headers: bool) -> Any:
    if isinstance(value, str):
        return change(name, value)
    if isinstance(value, Credential):
        return MASK
    if isinstance(value, bytes):  # no longer bytes, but then neither is what is shown of them
        return change(name, value.decode("utf-8", "backslashreplace"))
    if isinstance(value, list | tuple):
        return _walk_sequence(value, change, name, headers)
    if isinstance(value, Mapping):
        return {key: _walk(member, change, str(key), headers) for key, member in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _walk_fields(value, change)
    return value


def _walk_fields(value: Any, change: Change) -> Any:
    changed = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        # whether two strings are a header is declared, never guessed: two names may stand alone
        headers = "tuple[str, str]" in str(field.type)
        new = _walk(old, change, field.name, headers) if field.init else old
        if new is not old:
            changed[field.name] = new
    return dataclasses.replace(value, **changed) if changed else value


def _walk_sequence(value: Any, change: Change, name: str, headers: bool) -> Any:
    if headers and len(value) == 2 and all(isinstance(part, str) for part in value):
        return (change("", value[0]), change(f"{value[0]}:", value[1]))
    members = [_walk(member, change, name, headers) for member in value]
    if all(new is old for new, old in zip(members, value, strict=True)):
        return value
    return members if isinstance(value, list) else tuple(members)
