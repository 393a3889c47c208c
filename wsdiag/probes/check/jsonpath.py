"""`--expect-json JSONPATH[=VALUE]`: a place in a JSON message, and what must stand there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wsdiag.probes.common.jsonpath import JsonPath, MissingError, read_steps


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """A value that a JSON message must hold; `value` None: the path must exist."""

    text: str
    steps: tuple[str | int, ...]
    value: str | None

    @classmethod
    def parse(cls, text: str) -> JsonExpectation:
        """Read `$.a['b'][0]=VALUE`; ValueError names what is not supported, and where."""
        steps, end = read_steps(text)
        return cls(text, steps, text[end + 1 :] if end < len(text) else None)

    @property
    def path(self) -> str:
        """The path alone."""
        return self.text if self.value is None else self.text[: -len(self.value) - 1]

    def judge(self, document: Any) -> str | None:
        """What is wrong with a document; None when it holds what it should."""
        try:
            found = self.find(document)
        except MissingError as missing:
            return str(missing)
        if self.value is None or _equal(found, self.value):
            return None
        return f"{self.path} is {shown(found)}"

    def find(self, document: Any) -> Any:
        """The value that the path selects; MissingError."""
        return JsonPath(self.text, self.steps).find(document)


def _equal(found: Any, wanted: str) -> bool:
    """Whether a value is what the user wrote: as JSON, or, for a string, literally."""
    if isinstance(found, str) and found == wanted:
        return True
    try:
        value = json.loads(wanted)
    except ValueError:
        return False
    # JSON's true is not 1, but Python's is
    return json.dumps(found, sort_keys=True) == json.dumps(value, sort_keys=True) or (
        _is_number(found) and _is_number(value) and bool(found == value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """A JSON value, cut to what fits into a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
