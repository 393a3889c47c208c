"""wsdiag's own NDJSON: what was written is read back, old names and broken lines included."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capture.growth import assert_linear
from wsdiag.capture.own_records import is_own, read_records
from wsdiag.capture.totals import CaptureTotals
from wsdiag.records import (
    Attribution,
    Candidate,
    CheckResult,
    CloseInfo,
    ConnectResult,
    Drop,
    Error,
    Hop,
    HttpInfo,
    IdleTrial,
    IdleVerdict,
    Load,
    Phases,
    PingClosed,
    PingLost,
    PingReply,
    PingStart,
    PingSummary,
    Range,
    ServeEvent,
    ServeListening,
    TcpFacts,
    Threshold,
    TlsInfo,
)
from wsdiag.render.base.ndjson import to_line, to_record

URL = "wss://example.com/chat"
NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
SUMMARY = PingSummary(URL, 3, 2, 1, 33.3, 1.0, 2.0, None, 2.0, 2.0, 2.0, 3.0, 0.1, None, 3.0)
RECORDS: list[Any] = [
    PingStart(URL, "192.0.2.1:443", Phases(dns_ms=1.0, total_ms=3.5), "kernel"),
    PingReply(URL, 1, NOW, 12.5, tcp_rtt_ms=10.0, cause="network"),
    PingLost(URL, 2, NOW, 1000.0),
    PingClosed(URL, NOW, Drop("close", 60.0, True, 1011, "ping timeout")),
    replace(
        SUMMARY,
        attribution=Attribution(1.0, 2.0, {"network": 2}, ("a sentence",)),
        load=Load(1.0, 2.0, 5000),
        thresholds=(Threshold("max-p95", 100.0, None, False),),
    ),
    IdleTrial(
        URL,
        "ping",
        30.0,
        20.0,
        "dropped",
        30.1,
        Drop("rst-on-write", 30.1),
        3,
        received=((1.5, "text"),),
    ),
    IdleVerdict(
        URL,
        "idle-timeout",
        Range(55.0, 60.0),
        keepalives={"ping": "holds", "idle": "drops"},
        candidates=(Candidate("nginx", "proxy_read_timeout", 60.0),),
        explanation=("one", "two"),
        hops=(Hop("nginx", "Server: nginx"),),
    ),
    ConnectResult(
        URL,
        False,
        http=HttpInfo(101, "Switching Protocols", (("Upgrade", "websocket"),)),
        tls=TlsInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256", sans=("example.com",)),
        tcp=TcpFacts(1.0, 0.5, 0, 1460),
        close=CloseInfo(1000, clean=True, tcp_ended_by="server"),
        error=Error(URL, "upgrade", "upgrade", "403", None),
        redirects=("wss://other.example/",),
    ),
    CheckResult("p95", URL, "latency", "fail", 120.5, 100.0),
    ServeListening("ws://127.0.0.1:8765", "127.0.0.1", 8765, False),
    ServeEvent(NOW, 4, "closed", {"code": 1000, "why": "asked"}),
    Error(URL, "dns", "dns", "no such name"),
]


def read(data: bytes) -> tuple[list[Any], CaptureTotals]:
    totals = CaptureTotals()
    return [each.record for each in read_records(io.BytesIO(data), totals)], totals


def lines(*records: Any) -> bytes:
    return "".join(to_line(to_record(record)) for record in records).encode()


def test_what_was_written_is_read_back() -> None:
    found, totals = read(lines(*RECORDS))
    assert found == RECORDS
    assert totals == CaptureTotals()


def test_a_target_is_told() -> None:
    record = to_record(RECORDS[1]) | {"target": 2, "later": {"unknown": "member"}}
    (own,) = read_records(io.BytesIO(to_line(record).encode()), CaptureTotals())
    assert (own.record, own.target) == (replace(RECORDS[1], target=2), 2)


@pytest.mark.odd_records
def test_names_of_the_first_version() -> None:
    old = {
        "schema_version": "1.0",
        "type": "idle.trial",
        "url": URL,
        "trial": "ping",
        "rung_s": 30.0,
        "interval_s": None,
        "outcome": "masked",
        "idle_s": 12,
        "drop": {"how": "silent", "at_s": 42.0, "wire": True},
        "lane": 7,
    }
    verdicts = [
        {"schema_version": "1.0", "type": "idle.verdict", "url": URL, "verdict": word}
        for word in ("masked", "local", "no-drop")
    ]
    found, totals = read("\n".join(json.dumps(each) for each in (old, *verdicts)).encode())
    assert totals.unreadable == 0
    trial = found[0]
    assert (trial.idle_for_s, trial.connection, trial.outcome) == (30.0, 7, "kept-busy")
    assert trial.drop == Drop("silent", 42.0, tcp_acknowledged=True)
    assert [each.verdict for each in found[1:]] == ["kept-busy", "local-fault", "no-drop"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rtt_ms": "fast"}, "rtt_ms: str, not float"),
        ({"rtt_ms": None}, "rtt_ms: NoneType, not float"),
        ({"seq": True}, "seq: bool, not int"),
        ({"time": "yesterday"}, "time: no date"),
        ({"clock": "sundial"}, "clock: 'sundial' is none of the known words"),
    ],
)
def test_a_record_that_does_not_fit(change: dict[str, Any], problem: str) -> None:
    bad = json.dumps(to_record(RECORDS[1]) | change).encode()
    found, totals = read(bad + b"\n" + lines(RECORDS[0]))
    assert found == [RECORDS[0]]
    assert totals.unreadable == 1
    assert totals.notes == [f"a record ping.reply is not readable: {problem}"]


def test_a_record_without_a_member() -> None:
    record = to_record(RECORDS[1])
    del record["seq"], record["rtt_ms"]
    _, totals = read(json.dumps(record).encode())
    assert totals.notes == ["a record ping.reply is not readable: without rtt_ms, seq"]


def test_broken_lines() -> None:
    whole = lines(*RECORDS[:3])
    found, totals = read(whole[:-20])
    assert found == RECORDS[:2]
    at = len(lines(*RECORDS[:2]))
    assert str(totals.broken) == f"the last line was cut off, at byte {at:,}"
    found, totals = read(b"\n" + whole + b"no JSON\n" + b"x" * (5 << 20) + b"\n" + whole)
    assert found == RECORDS[:3] * 2
    assert totals.unreadable == 2
    assert "a line is no JSON record" in str(totals.broken)
    found, totals = read(b'{"type":"ping.future"}\n{"type":7}\n[]\n' + b"[" * 100_000 + b"\n")
    assert (found, totals.other, totals.unreadable) == ([], 1, 3)


def test_what_is_our_own() -> None:
    assert is_own(lines(RECORDS[0]))
    assert not is_own(b'{"log": {}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@pytest.mark.odd_records
@given(st.sampled_from(RECORDS), st.data())
def test_members_of_any_type(record: Any, data: st.DataObject) -> None:
    made = to_record(record)
    name = data.draw(st.sampled_from(sorted(made)))
    made[name] = data.draw(JSON)
    read(json.dumps(made).encode())


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    read(data)


def test_twice_as_much_takes_twice_as_long() -> None:
    data = lines(*RECORDS)
    assert_linear(lambda count: read(data * count), 200)
