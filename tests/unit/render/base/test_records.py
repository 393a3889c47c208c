"""Records keep the contract: names, rounding, times, and the schema that describes them."""

from __future__ import annotations

import io
import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.golden import examples
from wsdiag.protocol.codes import Opcode
from wsdiag.records import IdleTrial, Phases, PingReply, PingStart, ServeEvent
from wsdiag.render.base.ndjson import timestamp, to_line, to_record
from wsdiag.render.base.redact import Redactor
from wsdiag.render.base.schema import DOCUMENT, MARKER, PATH, build_markdown, build_schema
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.base.trace import TraceWriter
from wsdiag.transport.trace import FrameTraced, HeadersTraced, PhaseTraced


def test_the_published_schema_is_what_the_dataclasses_say() -> None:
    assert json.loads(PATH.read_text(encoding="utf-8")) == build_schema(), (
        "run: python -m wsdiag.render.base.schema"
    )


def test_the_document_of_the_records_is_what_the_dataclasses_say() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").partition(MARKER)[2]
    assert written == "\n" + build_markdown(), "run: python -m wsdiag.render.base.schema"


def test_every_scene_is_valid() -> None:
    validator = Draft202012Validator(build_schema())
    Draft202012Validator.check_schema(build_schema())
    for scene in examples.EVERY:
        record = json.loads(to_line(to_record(scene, Redactor())))
        assert not list(validator.iter_errors(record)), record


@pytest.mark.parametrize(
    "broken",
    [
        {"rtt_ms": "fast"},
        {"time": "2026-01-31 12:00:00"},
        {"cause": "weather"},
        {"schema_version": "0.9"},
        {"type": "ping.replay"},
    ],
)
def test_the_schema_refuses_what_is_wrong(broken: dict[str, Any]) -> None:
    record = to_record(PingReply("ws://x", 1, examples.BEGIN, 1.0))
    validator = Draft202012Validator(build_schema())
    assert validator.is_valid(record)
    assert not validator.is_valid({**record, **broken})


def test_the_head_comes_first_and_figures_are_rounded() -> None:
    record = to_record(PingReply("ws://x", 1, examples.BEGIN, 0.41249, tcp_rtt_ms=-0.0))
    assert list(record)[:3] == ["schema_version", "type", "url"]
    assert record["rtt_ms"] == 0.412
    assert str(record["tcp_rtt_ms"]) == "0.0"
    assert record["time"] == "2026-01-31T12:00:00.000000Z"


@pytest.mark.odd_records
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(value: float) -> None:
    record = to_record(PingReply("ws://x", 1, examples.BEGIN, value))
    assert record["rtt_ms"] is None
    json.loads(to_line(record))


def test_absent_does_not_apply_and_null_was_not_measured() -> None:
    record = to_record(PingStart("ws://x", None, Phases(tcp_ms=1.0), "user"))
    assert record["phases"] == {"tcp_ms": 1.0}
    assert record["address"] is None
    assert "reconnect" not in record


def test_times_are_utc() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    assert timestamp(datetime(2026, 1, 1, 5, 30, tzinfo=east)) == "2026-01-01T00:00:00.000000Z"


def test_serve_events_carry_their_data_but_keep_their_head() -> None:
    data = {"code": 1000, "type": "forged", "opcode": Opcode.PING, "raw": b"\xff", "t": 0.12345}
    record = to_record(ServeEvent(examples.BEGIN, 3, "closed", data))
    assert record["type"] == "serve.event"
    assert record["code"] == 1000
    assert record["opcode"] == 9
    assert record["raw"] == "\\xff"
    assert record["t"] == 0.123
    assert "data" not in record


def test_nested_sequences_stay_arrays() -> None:
    trial = IdleTrial(
        "ws://x", "idle", 30.0, None, "kept-busy", 1.0, None, received=((1.23456, "ping"),)
    )
    assert to_record(trial)["received"] == [[1.235, "ping"]]


def test_each_line_is_flushed() -> None:
    flushed = []

    class Pipe(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    Terminal(stdout=Pipe(), stderr=io.StringIO(), environ={}).json(examples.ERROR)
    assert flushed[-1].endswith("}\n")


def test_traces_are_records_too() -> None:
    stream = io.StringIO()
    write = TraceWriter(stream, Redactor())
    write(PhaseTraced("ws://u:pw@x", examples.BEGIN, "tcp", 1.0, True, "127.0.0.1"))
    write(HeadersTraced("ws://x", examples.BEGIN, "sent", "GET / HTTP/1.1", (("Cookie", "a=1"),)))
    rsv = (False, True, False)
    write(FrameTraced("ws://x", examples.BEGIN, "received", 9, True, rsv, False, 2, b"\xffa"))
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    validator = Draft202012Validator(build_schema())
    assert all(validator.is_valid(record) for record in records)
    assert [record["type"] for record in records] == ["trace.phase", "trace.headers", "trace.frame"]
    assert records[0]["url"] == "ws://u:***@x"
    assert records[1]["headers"] == [["Cookie", "a=***"]]
    assert records[2]["excerpt"] == "\\xffa"
