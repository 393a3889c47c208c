"""Results as JSON records: one object per line, `schema_version` and `type` first."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from wsdiag.records import SCHEMA_VERSION
from wsdiag.render.base.redact import Redactor


def to_record(result: Any, redactor: Redactor | None = None) -> dict[str, Any]:
    """The JSON object of a result dataclass: `schema_version`, `type`, then its fields."""
    if redactor is not None:
        result = redactor.clean(result)
    head = {"schema_version": SCHEMA_VERSION, "type": result.type}
    return head | _members(result) | head  # first in order, and what is merged in cannot change it


def _members(result: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if value is None and field.metadata.get("omit_none"):
            continue
        if field.metadata.get("merged"):
            merged = _plain(value)
        else:
            members[field.name] = _plain(value)
    return members | merged | members


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        # JSON has neither NaN nor infinity (RFC 8259, 6): such a figure could not be measured
        return round(value, 3) + 0.0 if math.isfinite(value) else None
    if isinstance(value, datetime):
        return timestamp(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-01-31T12:00:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_line(record: Mapping[str, Any]) -> str:
    """One NDJSON line. ASCII only: safe on any terminal and in any locale, lone surrogates too."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"
