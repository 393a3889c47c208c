"""What a web page says, as a person would read it: for refusals, which come as HTML."""

from __future__ import annotations

import html
import re

EXCERPT_LINES = 3
EXCERPT_CHARS = 200

_INVISIBLE = re.compile(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)|<!--.*?(-->|$)")
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title")
_TAG = re.compile(r"(?s)<[^>]*>")


def readable(body: str, limit: int) -> list[str]:
    """The first lines of a body: its title first, tags stripped, none twice."""
    title = _TITLE.search(body)
    text = _TAG.sub(" ", _INVISIBLE.sub(" ", body))
    lines = [" ".join(html.unescape(line).split()) for line in text.splitlines()]
    if title is not None:
        lines.insert(0, " ".join(html.unescape(title[1]).split()))
    return list(dict.fromkeys(line for line in lines if line))[:limit]


def excerpt(body: str) -> str:
    """The first lines of a body in one, bounded."""
    text = " / ".join(readable(body, EXCERPT_LINES))
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"
