"""What a refusal's body says, as a person would read it: HTML without markup, JSON in one line."""

from __future__ import annotations

import html
import json
import re
from itertools import chain

EXCERPT_LINES = 3
EXCERPT_CHARS = 200

_INVISIBLE = re.compile(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)|<!--.*?(-->|$)")
_TITLE = re.compile(r"(?is)<title[^<>]*>([^<]*)")
_TAG = re.compile(r"<[^<>]*>")
# Members that say why, in the order in which they are told (RFC 9457 and usual names).
_TELLING = (
    "error",
    "errors",
    "title",
    "detail",
    "message",
    "msg",
    "reason",
    "error_description",
    "code",
)
# Members that frameworks write into every error: when, where, which request.
_OF_ANY_ANSWER = (
    "timestamp",
    "path",
    "trace",
    "traceid",
    "trace_id",
    "requestid",
    "request_id",
    "instance",
    "type",
)


def readable(body: str, limit: int) -> list[str]:
    """The first lines of a body: its title first, tags stripped, none twice; JSON compact."""
    if (document := _json_line(body)) is not None:
        return [document]
    title = _TITLE.search(body)
    text = _TAG.sub(" ", _INVISIBLE.sub(" ", body))
    lines = chain([] if title is None else [title[1]], filter(None, text.splitlines()))
    found: dict[str, None] = {}
    for line in lines:
        if shown := " ".join(html.unescape(line).split()):
            found[shown] = None
        if len(found) == limit:
            break
    return list(found)


def excerpt(body: str) -> str:
    """The first lines of a body in one, bounded."""
    text = " / ".join(readable(body, EXCERPT_LINES))
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"


def reasons(body: str) -> str:
    """What in a body may say why: of a JSON object no numbers, and no members of any answer."""
    document = _json(body)
    if not isinstance(document, dict):
        return body
    return " / ".join(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in document.items()
        if name.lower() not in _OF_ANY_ANSWER and not isinstance(value, int | float)
    )


def _json(body: str) -> object:
    if body.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _json_line(body: str) -> str | None:
    """An object or an array in one line, what says why first; None for anything else."""
    if (document := _json(body)) is None:
        return None
    if isinstance(document, dict):
        order = [name for name in _TELLING if name in document]
        document = {name: document[name] for name in [*order, *document]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
