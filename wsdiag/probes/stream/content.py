"""What a message is about: the values at the JSONPaths that were asked for."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from wsdiag.probes.common.jsonpath import JsonPath
from wsdiag.probes.stream.options import StreamOptions

KEY_CHARS = 100
# Engine.IO's and Socket.IO's packet types, a count of attachments, a namespace, an event's number.
_SOCKET_IO = re.compile(r"\d{1,2}(?:\d{1,9}-)?(?:/[^,\[{]{0,200},)?\d{0,19}(?=[\[{])")
_NOT_JSON = object()


class Content(NamedTuple):
    """What the paths found; None: nothing there."""

    json: bool
    key: str | None = None
    seq: Any = None
    time: Any = None
    field: Any = None
    document: Any = _NOT_JSON
    """The message's whole JSON value."""


NOTHING = Content(json=False)


class ContentReader:
    """Reads messages by the paths of the options."""

    def __init__(self, options: StreamOptions) -> None:
        self._paths = options.by, options.seq, options.time, options.field

    def read(self, message: str | bytes) -> Content:
        """What is in one message; `json` False where it is none."""
        document = read_json(message)
        if document is _NOT_JSON:
            return NOTHING
        by, seq, time, field = self._paths
        assert not isinstance(by, str)  # parsed by the options
        key = None if by is None else _key(by.get(document))
        return Content(
            True, key, _at(seq, document), _at(time, document), _at(field, document), document
        )


def read_json(message: str | bytes) -> Any:
    """A message's JSON value, behind the prefix of Socket.IO as well; `_NOT_JSON`: it has none."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        pass
    if isinstance(message, str) and (prefix := _SOCKET_IO.match(message)):
        try:
            return json.loads(message[prefix.end() :])
        except (ValueError, RecursionError):
            pass
    return _NOT_JSON


def is_json(value: Any) -> bool:
    """Whether `read_json` found a value."""
    return value is not _NOT_JSON


def json_text(value: Any) -> str | None:
    """A value as JSON; None: it is too deep for where this is called from."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return None


def _at(path: JsonPath | str | None, document: Any) -> Any:
    return path.get(document) if isinstance(path, JsonPath) else None


def _key(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= KEY_CHARS else text[: KEY_CHARS - 1] + "…"
