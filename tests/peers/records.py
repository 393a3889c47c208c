"""Every record that a test-suite makes or reads is held to the JSON Schema that wsdiag publishes.

The published schema lets members be added. Here it is closed: a member that it does not name is a
member that nobody wrote down.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.schema import PATH, RECORDS

Record = dict[str, Any]
MARK = '{"schema_version":'
MOST = 300
"""Records of one type that are judged of one test: a property test makes a hundred thousand."""


@functools.cache
def closed_schema() -> dict[str, Any]:
    """The published schema without room for members that it does not name."""
    schema: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    for name, definition in schema["$defs"].items():
        if name != "serve.event":  # its further members depend on the event
            definition["additionalProperties"] = False
    return schema


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    schema = closed_schema()
    alone = {"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]}
    return Draft202012Validator(alone, format_checker=FormatChecker())


def problems(record: Record) -> list[str]:
    """What is wrong with a record, by the schema of its type."""
    kind = record.get("type")
    if kind not in closed_schema()["$defs"]:
        return [f"{kind!r} is no type of record"]
    errors = _validator(kind).iter_errors(record)
    return [f"{kind}: {error.json_path}: {error.message}" for error in errors]


def parse_record(line: str) -> Record:
    """One line of NDJSON, valid by the schema."""
    record: Record = json.loads(line)
    wrong = problems(record)
    assert not wrong, f"not by the schema: {line}\n" + "\n".join(wrong)
    return record


def judge_lines(lines: Iterable[str]) -> None:
    """An AssertionError for the first whole line that is a record, but not by the schema."""
    for line in lines:
        if line.startswith(MARK) and line.endswith("\n"):
            parse_record(line)


@contextmanager
def every_record_judged() -> Iterator[None]:
    """Judge all records that are made meanwhile in this process, printed or not.

    They are kept as they are made, and judged at the end: judging would delay what is measured.
    """
    made: list[Any] = []
    counts: Counter[type] = Counter()
    own = {kind: kind.__init__ for kind in RECORDS}

    def watched(kind: type) -> Any:
        @functools.wraps(own[kind])
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            own[kind](self, *args, **kwargs)
            counts[kind] += 1
            if counts[kind] <= MOST:
                made.append(self)

        return init

    for kind in RECORDS:
        kind.__init__ = watched(kind)  # type: ignore[misc]
    try:
        yield
    finally:
        for kind, init in own.items():
            kind.__init__ = init  # type: ignore[misc]
    judge_lines(to_line(to_record(record)) for record in made)
