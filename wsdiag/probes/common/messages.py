"""Messages of any protocol, as text: for patterns, for people, and whether they say an error."""

from __future__ import annotations

import json
import re

from wsdiag.dialects.catalogue import Message

_EXCERPT_CHARS = 256


def as_text(message: Message) -> str:
    """A message as text, for patterns and people."""
    return message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")


def excerpt(message: Message, whole: list[str]) -> str:
    """The beginning of a message; not cut inside one of `whole`: a part of it is not masked."""
    text = as_text(message)
    end = _EXCERPT_CHARS
    for secret in whole:
        at = text.find(secret)
        if secret and 0 <= at < end < at + len(secret):
            end = at + len(secret)
    return text if len(text) <= end else text[:end] + "…"


_BAD_WORDS = re.compile(
    r"^(connection_|auth_|login_)?(error|err|failed|failure|fail|unauthorized|unauthenticated|"
    r"forbidden|denied|invalid|rejected|disconnect|unauthorised|auth_?(failed|failure|invalid|"
    r"error|required))$",
    re.IGNORECASE,
)


def says_error(message: Message) -> bool:
    """Whether a JSON object says that it is an error: for protocols that are not known."""
    try:
        document = json.loads(as_text(message))
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict):
        return False
    lowered = {str(key).lower(): value for key, value in document.items()}
    if lowered.get("error") or lowered.get("errors"):
        return True
    if any(lowered.get(key) is False for key in ("ok", "success", "authenticated")):
        return True
    named = (lowered.get(key) for key in ("type", "event", "status", "op", "result", "method"))
    return any(isinstance(value, str) and _BAD_WORDS.match(value) for value in named) or any(
        lowered.get(key) in (401, 403, "401", "403") for key in ("code", "status", "statuscode")
    )
