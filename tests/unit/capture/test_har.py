"""HAR files in the shapes of Chrome, Playwright and mitmproxy, whole and broken."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capture.growth import assert_linear
from wsdiag.capture import har, har_parts
from wsdiag.capture.har import HarReader
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts

BEGAN = 1_700_000_000.5


def entry(messages: list[dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "startedDateTime": "2023-11-14T22:13:20.500Z",
        "time": 5000.0,
        "request": {
            "method": "GET",
            "url": "wss://user@example.com/chat?token=x",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Host", "value": "example.com"}],
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "headers": [
                {"name": "Sec-WebSocket-Protocol", "value": "chat"},
                {"name": "Sec-WebSocket-Extensions", "value": "permessage-deflate"},
            ],
        },
        "timings": {"blocked": 1, "send": 2.0, "wait": 48.0, "receive": 0},
        "serverIPAddress": "192.0.2.1",
    }
    if messages is not None:
        made["_webSocketMessages"] = messages
    return made | more


def said(kind: str, at_s: float, data: str, opcode: int = 1) -> dict[str, Any]:
    return {"type": kind, "time": BEGAN + at_s, "opcode": opcode, "data": data}


PLAIN = {
    "request": {"method": "GET", "url": "https://example.com/", "headers": []},
    "response": {"status": 200, "headers": [], "content": {"text": '{"a": "}]\\"[{"}'}},
}


def archive(*entries: Any) -> bytes:
    log = {"version": "1.2", "creator": {"name": "WebInspector"}, "pages": [], "entries": entries}
    return json.dumps({"log": log}, indent=1).encode()


def read(data: bytes) -> tuple[list[ConnectionFacts], HarReader]:
    reader = HarReader(io.BytesIO(data), "some.har")
    return list(reader), reader


def test_a_conversation() -> None:
    messages = [
        said("send", 0.25, "hällo"),
        said("receive", 0.5, base64.b64encode(b"12345").decode(), 2),
        said("receive", 4.0, "bye"),
    ]
    (facts,), reader = read(archive(PLAIN, entry(messages), PLAIN))
    assert reader.totals.plain_http == 2
    assert reader.totals.broken is None
    assert (facts.scheme, facts.host, facts.path) == ("wss", "example.com", "/chat?token=x")
    assert (facts.status, facts.reason, facts.version) == (101, "Switching Protocols", "1.1")
    assert (facts.subprotocol, facts.extensions) == ("chat", ["permessage-deflate"])
    assert facts.server_address == "192.0.2.1"
    assert facts.began == pytest.approx(BEGAN)
    assert facts.opened_s == pytest.approx(0.05)
    assert facts.recorded_s == pytest.approx(5.0)
    assert facts.ended_s is None
    assert facts.idle_s is None
    assert (facts.sent.messages, facts.sent.bytes) == (1, 6)
    assert (facts.received.messages, facts.received.bytes) == (2, 8)
    assert facts.sent.pings is None
    assert facts.received.last_message == "bye"
    assert facts.activity == [
        (pytest.approx(0.25), "client", "text"),
        (pytest.approx(0.5), "server", "binary"),
        (pytest.approx(4.0), "server", "text"),
    ]
    assert "no control frames" in facts.notes[0]
    assert "before compression" in facts.notes[1]
    assert judge_connection(facts).outcome == "unknown"  # nor does it say that it was still open


def test_chrome_lets_the_answer_s_time_grow_with_each_message() -> None:
    grown = {"send": 0, "wait": 4000.0}
    (facts,), _ = read(archive(entry([said("receive", 0.3, "x")], timings=grown)))
    assert facts.opened_s == pytest.approx(0.3)


def test_what_the_browser_says_of_an_error() -> None:
    failed = {"type": "error", "time": BEGAN + 1, "opcode": -1, "data": "Invalid frame header"}
    response = entry([])["response"] | {"_error": "net::ERR_FAILED"}
    (facts,), _ = read(archive(entry([failed], response=response)))
    assert facts.notes[2:] == [
        "the browser says: net::ERR_FAILED",
        "the browser says: Invalid frame header",
    ]
    assert facts.received.messages == 0


def test_times_in_other_units() -> None:
    milliseconds = [{"type": "send", "time": (BEGAN + 2) * 1000, "opcode": 1, "data": ""}]
    relative = [{"type": "send", "time": 2.0, "opcode": 1, "data": ""}]
    for messages in (milliseconds, relative):
        (facts,), _ = read(archive(entry(messages)))
        assert facts.activity[0][0] == pytest.approx(2.0)


def test_an_upgrade_that_was_refused_or_had_no_messages() -> None:
    refused = entry(None, response={"status": 403, "headers": []})
    found, reader = read(archive(refused, entry(None)))
    assert len(found) == 1
    assert found[0].sent.messages is None
    assert reader.totals.refused == 1


def test_what_is_no_time_and_no_opcode() -> None:
    (facts,), _ = read(archive(entry([{"type": "send", "time": 1e300, "opcode": -1, "data": ""}])))
    assert facts.sent.messages == 0
    assert facts.recorded_s == pytest.approx(5.0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_the_cut_does_not_matter(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har_parts, "_READ", size)
    data = archive(PLAIN, entry([said("send", 1, 'a "quoted" \\ {[ text \\')]), PLAIN)
    (facts,), reader = read(data)
    assert facts.sent.last_message == 'a "quoted" \\ {[ text \\'
    assert reader.totals.plain_http == 2


def test_a_file_that_was_cut_off_gives_what_is_whole() -> None:
    whole = archive(entry([said("send", 1, "a")]), entry([said("send", 1, "b")]))
    found, reader = read(whole[:-200])
    assert len(found) == 1
    assert str(reader.totals.broken) == f"the file was cut off, at byte {len(whole) - 200:,}"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"log": {"pages": []}}', b"plain text"])
def test_what_is_no_har(data: bytes) -> None:
    found, reader = read(data)
    assert not found
    assert str(reader.totals.broken).startswith("no HAR file")


@pytest.fixture
def at_most_1_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (har, har_parts):
        monkeypatch.setattr(module, "MOST_TEXT", 1 << 20)


@pytest.mark.usefixtures("at_most_1_mib")
def test_what_is_too_long_is_passed_over_and_told() -> None:
    long = "x" * (1 << 21)
    entries = [entry([said("send", 1, long)]), entry([said("send", 1, "a")], comment=long)]
    found, reader = read(archive(PLAIN | {"body": long}, *entries, entry([said("send", 1, "a")])))
    assert len(found) == 1
    assert (reader.totals.unreadable, reader.totals.plain_http) == (2, 1)
    assert reader.totals.notes[0].startswith("a message of more than 1 MiB, behind byte 2,098,")
    assert reader.totals.notes[1].startswith("an entry without its messages of more than 1 MiB")


@pytest.mark.usefixtures("at_most_1_mib")
def test_an_entry_of_any_length_is_read_message_by_message() -> None:
    messages = [said("send" if n % 2 else "receive", n, "x" * 10) for n in range(40_000)]
    data = archive(entry(messages))
    assert len(data) > 4 << 20
    tracemalloc.start()
    (facts,), reader = read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (facts.sent.messages, facts.received.messages) == (20_000, 20_000)
    assert facts.recorded_s == pytest.approx(39_999)
    assert reader.totals.notes == []
    assert peak < 3 << 20


def test_messages_under_a_name_with_escapes() -> None:
    data = archive(entry([said("send", 1, "a")])).replace(b"_webSocketM", b"_webSocket\\u004d")
    (facts,), _ = read(data.replace(b"5000.0", b'5000.0, "also": "ws:"'))
    assert facts.sent.messages == 1


def test_an_entry_that_is_no_json() -> None:
    data = archive(entry([]), entry([said("send", 1, "a")])).replace(b"5000.0", b"5000,0", 1)
    found, reader = read(data)
    assert len(found) == 1
    assert reader.totals.unreadable == 1
    assert "an entry is no JSON" in str(reader.totals.broken)
    nested = b'{"log": {"entries": [{"_webSocketMessages":' + b"[" * 200_000 + b"]" * 200_000
    found, reader = read(nested + b"}]}}")
    assert (found, reader.totals.unreadable) == ([], 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MEMBERS = ["request", "response", "_webSocketMessages", "timings", "time", "startedDateTime"]


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON), st.lists(JSON, max_size=3))
def test_members_of_any_type(members: dict[str, Any], messages: list[Any]) -> None:
    for made in (entry([], **members), entry(messages), entry([{"type": m} for m in messages])):
        read(archive(made))


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_any_bytes_in_between(at: int, junk: bytes) -> None:
    data = archive(entry([said("send", 1, "a")]), entry([said("receive", 1, "b")]))
    read(data[:at] + junk + data[at:])
    read(data[:at] + junk + data[at + len(junk) :])


def test_twice_as_much_takes_twice_as_long() -> None:
    one = entry([said("send", 1, '"\\' * 20_000)])
    assert_linear(lambda count: read(archive(*[one] * count)), 20)


def test_payloads_are_kept_where_they_are_to_be_shown() -> None:
    messages = [
        said("send", 0.5, "hello"),
        said("receive", 0.75, base64.b64encode(b"\xff\x00" + bytes(9000)).decode(), opcode=2),
        said("receive", 1.0, "not base64!", opcode=2),
        said("receive", 1.0, "", opcode=8),
        *[said("receive", 2.0, "x" * 9000)] * 300,
    ]
    data = archive(entry(messages))
    (facts,) = HarReader(io.BytesIO(data), "page.har", show=True)
    assert facts.shown[0] == (pytest.approx(0.5), "client", "hello")
    assert facts.shown[1][:2] == (pytest.approx(0.75), "server")
    assert facts.shown[1][2].startswith("\\xff\0")
    assert {len(text) for _, _, text in facts.shown[1:2] + facts.shown[3:]} == {400}
    assert len(facts.shown) == 200
    (facts,) = HarReader(io.BytesIO(data), "page.har")
    assert facts.shown == []
