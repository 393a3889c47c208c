"""The JSON Schema of all records, made from the dataclasses so that it cannot drift from them."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from datetime import datetime
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from wsdiag import records as results
from wsdiag.records import SCHEMA_VERSION, ServeEvent
from wsdiag.render.base.schema_words import DEFINITIONS, describe
from wsdiag.render.base.trace import TraceRecord

PATH = Path(__file__).with_name("schema.json")
"""The schema as it lies in the package; a test compares it with what the dataclasses say."""

RECORDS: tuple[type, ...] = (*get_args(results.Record), *get_args(TraceRecord))
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def schema_text() -> str:
    """The published schema, as `wsdiag --json-schema` prints it."""
    # not from PATH: in a zip file that is no file
    return files("wsdiag.render.base").joinpath("schema.json").read_text("utf-8").rstrip("\n")


def build_schema() -> dict[str, Any]:
    """JSON Schema 2020-12: `oneOf` all records, told apart by `type`."""
    definitions: dict[str, Any] = {}
    for record in RECORDS:
        definitions[_type_name(record)] = _record(record, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wsdiag records",
        "description": "One line of `-o json` or `--trace` is one of these. An absent member does "
        "not apply, null could not be measured. Members may be added: ignore unknown ones. Members "
        "in `_ms` are milliseconds to three decimals, in `_s` seconds, in `_pct` percent.",
        "oneOf": [{"$ref": f"#/$defs/{_type_name(record)}"} for record in RECORDS],
        "$defs": dict(sorted(definitions.items())),
    }


def _type_name(record: type) -> str:
    name: str = record.type  # type: ignore[attr-defined]
    return name


def _record(record: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = _type_name(record)
    schema = _object(record, name, definitions)
    head = {
        member: {"const": value, "description": describe(name, member, None)}
        for member, value in (("schema_version", SCHEMA_VERSION), ("type", name))
    }
    schema["properties"] = head | schema["properties"]
    schema["required"] = [*head, *schema["required"]]
    return schema


def _object(shape: Any, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    own = _own_words(shape)
    hints = get_type_hints(shape, vars(sys.modules[shape.__module__]))
    # ServeEvent.data is not a member: its members are the record's own
    members = [f for f in fields(shape) if not (shape is ServeEvent and f.name == "data")]
    return {
        "type": "object",
        "description": DEFINITIONS.get(name) or " ".join((shape.__doc__ or "").split()),
        "properties": {
            f.name: _described(
                _member(f, hints[f.name], definitions), describe(name, f.name, own.get(f.name))
            )
            for f in members
        },
        "required": [f.name for f in members if not f.metadata.get("omit_none")],
    }


def _own_words(shape: Any) -> dict[str, str]:
    """The strings that stand below a dataclass's fields, by field."""
    body = ast.parse(textwrap.dedent(inspect.getsource(shape))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = " ".join(text.split())
    return found


def _described(schema: dict[str, Any], words: str | None) -> dict[str, Any]:
    return schema if words is None else {**schema, "description": words}


def _member(field: Field[Any], hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if field.metadata.get("omit_none"):  # left out rather than null
        rest = tuple(arm for arm in get_args(hint) if arm is not type(None))
        hint = Union[rest]  # noqa: UP007 - the arms are computed
    return _schema(hint, definitions)


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is datetime:
        return {"type": "string", "format": "date-time", "pattern": _TIME}
    if is_dataclass(hint):
        name = hint.__name__  # type: ignore[union-attr]
        if name not in definitions:
            definitions[name] = _object(hint, name, definitions)
        return {"$ref": f"#/$defs/{name}"}
    return _generic(hint, definitions)


def _generic(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _union([_schema(arm, definitions) for arm in arguments])
    if origin is tuple and arguments[-1] is not ...:
        items = [_schema(item, definitions) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin in (dict, Mapping):
        return _mapping(arguments[0], arguments[1], definitions)
    return {}


def _mapping(key: Any, value: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": _schema(key, definitions),
        "additionalProperties": _schema(value, definitions),
    }


def _union(arms: list[dict[str, Any]]) -> dict[str, Any]:
    if all(set(arm) == {"type"} for arm in arms):
        names = [arm["type"] for arm in arms]
        return {"type": names[0] if len(names) == 1 else names}
    return arms[0] if len(arms) == 1 else {"anyOf": arms}


def main() -> None:
    """Rewrite the published schema: `python -m wsdiag.render.base.schema`."""
    text = json.dumps(build_schema(), indent=2, ensure_ascii=False)
    PATH.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
