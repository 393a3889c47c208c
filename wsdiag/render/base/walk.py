"""One walk over all text of a result: redaction and escaping happen here, before any view."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Change = Callable[[str, str], str]
"""(name, text) -> text; the name is a header's, a mapping's key, or the field's."""


def map_text(value: T, change: Change, name: str = "") -> T:
    """A copy of a result (dataclasses, sequences, mappings) with every string changed."""
    changed: Any = _walk(value, change, name)
    return changed  # type: ignore[no-any-return]


def _walk(value: Any, change: Change, name: str) -> Any:
    if isinstance(value, str):
        return change(name, value)
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
