"""Heartbeats of protocols that nobody described: messages that say themselves what they are.

A feed may be dead while its server sends a heartbeat every ten seconds. What is no data there can
be told without knowing the protocol where the message is nothing but the word (`ping`), or names
its kind by it (`{"type":"heartbeat"}`). Nothing is guessed from when or how often a message comes.
"""

from __future__ import annotations

import json
import re

_MOST_CHARS = 400
_WORDS = frozenset(
    {"heartbeat", "heartbeats", "hb", "ping", "pong", "keepalive", "keep-alive", "keep_alive", "ka"}
)
# The members that say what kind of message it is; not those that carry what people wrote.
_KINDS = ("type", "event", "op", "channel", "method", "action", "cmd", "kind", "e", "t")
# PING :host (IRC), ping 17, primus::ping::1492
_LINE = re.compile(r"(?:\w{1,20}::)?ping(?:::\d{1,20}| :?[\w.:-]{1,60})?\s{0,4}", re.IGNORECASE)
_PING = re.compile("ping", re.IGNORECASE)
_MAY_BE = re.compile(r"heartbeat|hb|p[io]ng|keep[-_]?alive|ka", re.IGNORECASE)


def says_heartbeat(message: str | bytes) -> bool:
    """Whether a message names itself a heartbeat, or its answer."""
    if len(message) > _MOST_CHARS:
        return False
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    if _MAY_BE.search(text) is None:
        return False
    if _is_word(text) or _LINE.fullmatch(text):
        return True
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if isinstance(document, dict):
        alone = len(document) == 1 and _is_word(next(iter(document)))
        return alone or any(_is_word(document.get(kind)) for kind in _KINDS)
    if isinstance(document, list):  # [channel, "hb"]
        return any(map(_is_word, document[:3]))
    return _is_word(document)


def _is_word(value: object) -> bool:
    """`heartbeat`, and `public/heartbeat` as well; but HB and KA are what shares are called."""
    if not isinstance(value, str):
        return False
    word = re.split("[/.:]", value.strip())[-1]
    return word.lower() in _WORDS and not (len(word) == 2 and word.isupper())


def asks_back(message: str | bytes) -> bool:
    """Whether it names itself a heartbeat, and no answer to one. Some of those want no answer."""
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    return says_heartbeat(message) and "pong" not in text.lower()


def likely_answer(text: str) -> str | None:
    """What may be the answer: the same, with pong for ping; None: not to be guessed."""
    text = text.strip()
    found = _PING.findall(text)
    calls = '"id"' in text  # JSON-RPC answers by a result
    if len(found) != 1 or calls or not asks_back(text):
        return None
    return _PING.sub("PONG" if found[0].isupper() else "pong", text)
