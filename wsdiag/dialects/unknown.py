"""What a message of an unknown protocol says of itself: is it a heartbeat that asks for an answer?

By its own name only: a message that is nothing but the word, or whose first members name its kind.
Some of those called a heartbeat want no answer, so the name alone shows nothing about an end.
"""

from __future__ import annotations

import re

_LOOKED_AT = 200
_WORDS = r"ping|heart_?-?beat|keep_?-?alive|hb"
# "ping", PING :host, primus::ping::1; {"type":"ping"}, {"event":"x:ping"}; {"ping":1492420473027}
_ALONE = re.compile(
    rf"""\W{{0,3}}(?:\w{{1,20}}::)?(?:{_WORDS})\b\W{{0,3}}[\w.:-]{{0,60}}\s{{0,3}}\Z""", re.I
)
_KIND = r"type|event|op|opcode|action|cmd|command|method|msg|msgtype|message|kind|name|channel|t|e"
_NAMED = re.compile(
    rf"""\s{{0,5}}[\[{{][^{{}}]{{0,80}}"(?:{_KIND})"\s{{0,3}}:\s{{0,3}}"(?:\w{{1,20}}[:./_-])?(?:{_WORDS})\"""",
    re.I,
)
_MEMBER = re.compile(r"""\s{0,5}\{\s{0,5}"ping"\s{0,3}:""", re.I)
_PING = re.compile("ping", re.I)


def asks_back(text: str) -> bool:
    """Whether a message calls itself a heartbeat."""
    text = text[:_LOOKED_AT]
    return any(pattern.match(text) for pattern in (_ALONE, _NAMED, _MEMBER))


def likely_answer(text: str) -> str | None:
    """A message that may be the answer: the same, with pong for ping; None: not to be guessed."""
    text = text.strip()
    found = _PING.findall(text)
    calls = '"id"' in text  # JSON-RPC answers by a result
    if len(found) != 1 or len(text) > _LOOKED_AT or calls or not asks_back(text):
        return None
    return _PING.sub("PONG" if found[0].isupper() else "pong", text)
