"""wsdiag's own records read back: the NDJSON of `-o json` and `--log`.

Records become the dataclasses they were written from, so that whatever renders a live run renders a
recorded one. The reader knows no record by itself: the dataclasses' fields say what is expected.
Members that it does not know are ignored, as the schema asks of every reader. The names of
schema_version 1.0 are taken for the present ones.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import (
    Annotated,
    Any,
    BinaryIO,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from wsdiag.capture.packet_files import CaptureError
from wsdiag.capture.totals import CaptureTotals
from wsdiag.records import Drop, IdleTrial, IdleVerdict

_MOST_NOTES = 8
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
LONGEST_LINE = 4 << 20
"""Bytes; a longer line is no record of ours."""
_RENAMED: dict[type, dict[str, str]] = {
    IdleTrial: {"rung_s": "idle_for_s", "lane": "connection"},
    Drop: {"wire": "tcp_acknowledged"},
}
_REWORDED: dict[tuple[type, str], dict[object, str]] = {
    (IdleTrial, "outcome"): {"masked": "kept-busy"},
    (IdleVerdict, "verdict"): {"masked": "kept-busy", "local": "local-fault"},
}
"""By class, 1.0's names of members and values."""


class OwnRecord(NamedTuple):
    """A record as it was written, and which URL of the run it belongs to (None: the only one)."""

    record: Any
    target: int | None


class RecordError(ValueError):
    """JSON that does not fit the dataclass: which member, and what is wrong with it."""


def is_own(line: bytes) -> bool:
    """Whether a line is a record or a trace of ours, by its first members."""
    return line.startswith(b'{"schema_version":') and b'"type":"' in line[:64]


def read_records(stream: BinaryIO, totals: CaptureTotals) -> Iterator[OwnRecord]:
    """Every record of an NDJSON file; lines that are none are counted in `totals`."""
    for value in read_objects(stream, totals):
        if value["type"].startswith("trace."):
            totals.other += 1
            continue
        record = parse_record(value, totals)
        if record is not None:
            target = value.get("target")
            yield OwnRecord(record, target if isinstance(target, int) else None)


def parse_record(value: dict[str, Any], totals: CaptureTotals) -> Any:
    """The dataclass of a record or trace; None, and counted, where it is none that is known."""
    shape = _shapes().get(value["type"])
    if shape is None:
        totals.other += 1  # of a later version
        return None
    try:
        return from_json(shape, value)
    except RecordError as error:
        totals.unreadable += 1
        if len(totals.notes) < _MOST_NOTES:
            totals.notes.append(f"a record {value['type']} is not readable: {error}")
        return None


# -- JSON to dataclasses -----------------------------------------------------------------------


@cache
def _shapes() -> dict[str, type]:
    from wsdiag.records.every import RECORDS  # all of them: slow to import, and rarely needed

    return {shape.type: shape for shape in RECORDS}  # type: ignore[attr-defined]


@cache
def _hints(shape: type) -> dict[str, Any]:
    return get_type_hints(shape)


def from_json(shape: Any, value: Any) -> Any:
    """A dataclass of records from its JSON object. RecordError."""
    if not isinstance(value, dict):
        raise RecordError(f"{shape.__name__} is no object")
    renamed = {old: new for old, new in _RENAMED.get(shape, {}).items() if new not in value}
    given = {renamed.get(name, name): member for name, member in value.items()}
    hints, members = _hints(shape), {}
    for each in fields(shape):
        if each.name not in given or each.metadata.get("merged"):
            continue
        member = given[each.name]
        words = _REWORDED.get((shape, each.name))
        if words is not None and isinstance(member, str):
            member = words.get(member, member)
        try:
            members[each.name] = _value(hints[each.name], member)
        except RecordError as error:
            raise RecordError(f"{each.name}: {error}") from None
    for each in fields(shape):
        if each.metadata.get("merged"):  # it has what the record has beside the other fields
            names = {other.name for other in fields(shape)} | {"schema_version", "type", "target"}
            members[each.name] = {name: given[name] for name in given if name not in names}
    try:
        return shape(**members)
    except TypeError:
        needed = {f.name for f in fields(shape) if f.default is f.default_factory is MISSING}
        raise RecordError("without " + ", ".join(sorted(needed - members.keys()))) from None


def _value(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _value(arguments[0], value)
    if origin in (Union, types.UnionType):
        return _any_of(arguments, value)
    if origin is Literal:
        if value not in arguments:
            raise RecordError(f"{str(value)[:40]!r} is none of the known words")
        return value
    if is_dataclass(hint):
        return from_json(hint, value)
    if hint is datetime:
        return _moment(value)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise RecordError("no object")
        return {key: _value(arguments[1], member) for key, member in value.items()}
    if origin in (tuple, list, Sequence):
        return _sequence(origin, arguments, value)
    return _plain(hint, value)


def _any_of(arms: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in arms:
        return None
    problem: RecordError | None = None
    for arm in arms:
        if arm is not type(None):
            try:
                return _value(arm, value)
            except RecordError as error:
                problem = problem or error
    raise problem or RecordError("not null")


def _sequence(origin: Any, arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise RecordError("no array")
    if origin is tuple and arguments[-1] is not ...:
        if len(value) != len(arguments):
            raise RecordError(f"{len(value)} elements, not {len(arguments)}")
        return tuple(_value(hint, each) for hint, each in zip(arguments, value, strict=True))
    return tuple(_value(arguments[0], each) for each in value)


def _plain(hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    wanted: Any = {float: (int, float), bytes: str}.get(hint, hint)
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise RecordError(f"{type(value).__name__}, not {hint.__name__}")
    if hint is bytes:
        return _bytes(value)
    try:
        return float(value) if hint is float else value
    except OverflowError:
        raise RecordError("a number that is too large") from None


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RecordError("no date")
    return moment


def _bytes(text: str) -> bytes:
    """Bytes from a record, which has `\\xff` for those that are not UTF-8."""
    return b"".join(
        bytes([int(part, 16)]) if at % 2 else part.encode("utf-8", "replace")
        for at, part in enumerate(_ESCAPED.split(text))
    )


def read_objects(stream: BinaryIO, totals: CaptureTotals) -> Iterator[dict[str, Any]]:
    """The objects of an NDJSON file; `totals` has the first line that is none."""
    offset = 0
    while line := stream.readline(LONGEST_LINE):
        began, offset = offset, offset + len(line)
        while not line.endswith(b"\n") and (rest := stream.readline(LONGEST_LINE)):
            line, offset = b"-" + rest[-1:], offset + len(rest)  # too long: passed over
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            yield value
            continue
        totals.unreadable += 1
        whole = line.endswith(b"\n")
        message = "a line is no JSON record" if whole else "the last line was cut off"
        totals.broken = totals.broken or CaptureError(message, began)
