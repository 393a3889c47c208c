"""The contract of the JSON records, made from the dataclasses: as JSON Schema and as Markdown.

`python -m wsdiag.render.base.schema` rewrites `schema.json` and the records' part of
`docs/json.md`; tests compare both with what the dataclasses say.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from wsdiag.records import SCHEMA_VERSION
from wsdiag.records.every import RECORDS

PATH = Path(__file__).with_name("schema.json")
"""What `wsdiag --json-schema` prints."""
DOCUMENT = Path(__file__).parents[3] / "docs" / "json.md"
MARKER = "<!-- From here on generated from the code: just generate -->\n"

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"
_PLAIN = {
    str: "string",
    bytes: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


# -- dataclasses to JSON Schema ------------------------------------------------------------------


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
    schema = _object(record, definitions)
    head = {
        "schema_version": {
            "const": SCHEMA_VERSION,
            "description": "Version of this contract; another one may change what members mean.",
        },
        "type": {"const": _type_name(record), "description": "Which record this is."},
    }
    schema["properties"] = head | schema["properties"]
    schema["required"] = [*head, *schema["required"]]
    return schema


def _object(shape: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(shape, vars(sys.modules[shape.__module__]), include_extras=True)
    members = [field for field in fields(shape) if not field.metadata.get("merged")]
    return {
        "type": "object",
        "description": " ".join((shape.__doc__ or "").split()),
        "properties": {f.name: _member(f, hints[f.name], definitions) for f in members},
        "required": [f.name for f in members if not f.metadata.get("omit_none")],
    }


def _member(field: Field[Any], hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    words = ""
    if get_origin(hint) is Annotated:
        hint, words = get_args(hint)
    if field.metadata.get("omit_none"):  # left out rather than null
        rest = tuple(arm for arm in get_args(hint) if arm is not type(None))
        hint = Union[rest]  # noqa: UP007 - the arms are computed
    described = {"description": words if words.endswith("…") else words + "."} if words else {}
    return _schema(hint, definitions) | described


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is datetime:
        return {"type": "string", "format": "date-time", "pattern": _TIME}
    if is_dataclass(hint):
        name = hint.__name__  # type: ignore[union-attr]
        if name not in definitions:
            definitions[name] = _object(hint, definitions)
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
        return {
            "type": "object",
            "propertyNames": _schema(arguments[0], definitions),
            "additionalProperties": _schema(arguments[1], definitions),
        }
    return {}


def _union(arms: list[dict[str, Any]]) -> dict[str, Any]:
    if all(set(arm) == {"type"} for arm in arms):
        names = [arm["type"] for arm in arms]
        return {"type": names[0] if len(names) == 1 else names}
    return arms[0] if len(arms) == 1 else {"anyOf": arms}


# -- JSON Schema to Markdown ---------------------------------------------------------------------

_SECTIONS = {"idle": "idle-probe", "error": "Errors", "trace": "Trace"}


def build_markdown() -> str:
    """The records' part of `docs/json.md`: a table for each record, by command, and its parts."""
    definitions = build_schema()["$defs"]
    names = [_type_name(record) for record in RECORDS]
    lines: list[str] = []
    for command, group in groupby(names, key=lambda name: name.partition(".")[0]):
        lines += [f"## {_SECTIONS.get(command, command)}", ""]
        for name in group:
            lines += _table(f"`{name}`", definitions[name])
    lines += ["## Objects inside records", ""]
    for name in definitions:
        if name.lower() not in names:  # an error inside a record is the record without its head
            lines += _table(name, definitions[name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(title: str, schema: dict[str, Any]) -> Iterator[str]:
    said = schema["description"].removeprefix(f"Record {title}: ")
    yield from [f"### {title}", "", said[0].upper() + said[1:], "", "| member | type | |"]
    yield "|---|---|---|"
    for name, member in schema["properties"].items():
        if name in ("schema_version", "type"):
            continue
        optional = "" if name in schema["required"] else " °"
        yield f"| `{name}`{optional} | {_type_words(member)} | {member['description']} |"
    yield ""


def _type_words(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type_words(arm) for arm in schema["anyOf"])
    if schema.get("format") == "date-time":
        return "time"
    if "prefixItems" in schema:
        return f"[{', '.join(_type_words(item) for item in schema['prefixItems'])}]"
    if "items" in schema:
        return f"array of {_type_words(schema['items'])}"
    if "additionalProperties" in schema:
        return f"object: name → {_type_words(schema['additionalProperties'])}"
    names = schema["type"]
    return names if isinstance(names, str) else " or ".join(names)


def main() -> None:
    """Rewrite the published schema and the records' part of its document."""
    text = json.dumps(build_schema(), indent=2, ensure_ascii=False)
    PATH.write_text(text + "\n", encoding="utf-8")
    head = DOCUMENT.read_text(encoding="utf-8").partition(MARKER)[0]
    DOCUMENT.write_text(f"{head}{MARKER}\n{build_markdown()}", encoding="utf-8")


if __name__ == "__main__":
    main()
