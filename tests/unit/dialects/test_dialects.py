"""Each application protocol by its own messages: told, greeted, kept alive, and its clock read."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.dialects.catalogue import (
    MATCHED,
    MOST_RECORDS,
    Dialect,
    Message,
    dialect_named,
    dialects,
    recognise,
)
from wsdiag.dialects.engine import AnnouncedClock, DialectSession, Heard
from wsdiag.dialects.listing import with_table

GRAPHQL_ACK = '{"type":"connection_ack","payload":{}}'
CONNECTED = "CONNECTED\nversion:1.2\nheart-beat:5000,15000\n\n\0"


@dataclass(frozen=True)
class Row:
    """What one endpoint does, and what it must be taken for."""

    name: str
    url: str = "ws://h/"
    subprotocol: str | None = None
    first: Message | None = None
    by: str | None = None
    hello: tuple[Message, ...] = ()
    heard: tuple[tuple[Message, list[Heard]], ...] = ()
    beat: Message | None = None
    clock: AnnouncedClock | None = None


OPEN = '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
ROWS = [
    Row(
        "socket.io",
        "wss://h/socket.io/?EIO=4&transport=websocket",
        by="EIO=4&transport=websocket in its URL",
        hello=("40",),
        heard=(
            (OPEN, [Heard("data")]),
            ("2", [Heard("ping", "3")]),
            ('40{"sid":"y"}', [Heard("hello-answer")]),
            ('42["news",2]', [Heard("data")]),
            ('44{"message":"Not authorized"}', [Heard("hello-refused")]),
        ),
        clock=AnnouncedClock(25.0, 20.0),
    ),
    Row("socket.io", first=OPEN, by="its first message", hello=("40",)),
    Row(
        "engine.io-3",
        "ws://h/socket.io/?EIO=3&transport=websocket",
        first='0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":5000}',
        by="EIO=3&transport=websocket in its URL",
        heard=(("3", [Heard("beat-answer")]), ("40", [Heard("data")])),
        beat="2",
        clock=AnnouncedClock(25.0, 5.0),
    ),
    Row(
        "graphql-transport-ws",
        subprotocol="graphql-transport-ws",
        by="its subprotocol graphql-transport-ws",
        hello=('{"type":"connection_init"}',),
        heard=(
            (GRAPHQL_ACK, [Heard("hello-answer")]),
            ('{ "type" : "ping" }', [Heard("ping", '{"type":"pong"}')]),
            ('{"type":"pong"}', [Heard("beat-answer")]),
        ),
        beat='{"type":"ping"}',
    ),
    Row(
        "graphql-ws",
        subprotocol="graphql-ws",
        by="its subprotocol graphql-ws",
        hello=('{"type":"connection_init","payload":{}}',),
        heard=(
            (GRAPHQL_ACK, [Heard("hello-answer")]),
            ('{"type":"ka"}', [Heard("ping")]),
            ('{"type":"connection_error","payload":{}}', [Heard("hello-refused")]),
        ),
    ),
    Row(
        "signalr",
        first='{"error":"Handshake was canceled."}\x1e',
        by="its first message",
        hello=('{"protocol":"json","version":1}\x1e',),
        heard=(
            ("{}\x1e", [Heard("hello-answer")]),
            (
                '{"type":6}\x1e{"type":1,"target":"news","arguments":[]}\x1e',
                [Heard("ping", '{"type":6}\x1e'), Heard("data")],
            ),
            ('{"type":7,"error":"Connection closed."}\x1e', [Heard("hello-refused")]),
        ),
        beat='{"type":6}\x1e',
    ),
    Row(
        "mqtt",
        subprotocol="mqtt",
        by="its subprotocol mqtt",
        hello=(bytes.fromhex("100c00044d51545404 02003c0000"),),
        heard=(
            (bytes.fromhex("20020000"), [Heard("hello-answer")]),
            (bytes.fromhex("20020005"), [Heard("hello-refused")]),
            (bytes.fromhex("d000"), [Heard("beat-answer")]),
            (bytes.fromhex("30050003616263"), [Heard("data")]),
            (bytes.fromhex("20"), []),
            (bytes.fromhex("020000d0"), [Heard("hello-answer")]),
            (bytes.fromhex("00"), [Heard("beat-answer")]),
        ),
        beat=bytes.fromhex("c000"),
    ),
    Row(
        "stomp",
        subprotocol="v12.stomp",
        by="its subprotocol v12.stomp",
        hello=("CONNECT\naccept-version:1.1,1.2\nhost:h\nheart-beat:10000,10000\n\n\0",),
        heard=(
            (CONNECTED, [Heard("hello-answer")]),
            ("\n", [Heard("ping")]),
            ("ERROR\nmessage:Bad CONNECT\n\n\0", [Heard("hello-refused")]),
        ),
        beat="\n",
        clock=AnnouncedClock(interval_s=5.0, idle_s=15.0),
    ),
    Row(
        "phoenix-2",
        "wss://h/live/websocket?vsn=2.0.0",
        by="vsn=2.0.0 in its URL",
        heard=(
            (
                '[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]',
                [Heard("beat-answer")],
            ),
        ),
        beat='[null,"1","phoenix","heartbeat",{}]',
    ),
    Row(
        "phoenix",
        "wss://h/socket/websocket?vsn=1.0.0",
        by="vsn=1.0.0 in its URL",
        heard=(
            (
                '{"event":"phx_reply","payload":{"status":"ok"},"ref":"1","topic":"phoenix"}',
                [Heard("beat-answer")],
            ),
        ),
        beat='{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}',
    ),
    Row(
        "action-cable",
        first='{"type":"welcome"}',
        by="its first message",
        heard=(
            ('{"type":"ping","message":1700000000}', [Heard("ping")]),
            ('{"type":"disconnect","reason":"unauthorized"}', [Heard("hello-refused")]),
        ),
    ),
    Row(
        "wamp",
        subprotocol="wamp.2.json",
        by="its subprotocol wamp.2.json",
        hello=('[1,"realm1",{"roles":{"subscriber":{}}}]',),
        heard=(
            ('[2,7,{"roles":{}}]', [Heard("hello-answer")]),
            ('[3,{},"wamp.error.no_such_realm"]', [Heard("hello-refused")]),
        ),
    ),
    Row(
        "centrifugo",
        "wss://h/connection/websocket?format=json",
        by="format=json in its URL",
        hello=('{"id":1,"connect":{}}',),
        heard=(
            (
                '{"id":1,"connect":{"client":"x","data":{"a":1},"ping":25,"pong":true}}',
                [Heard("hello-answer")],
            ),
            ("{}", [Heard("ping", "{}")]),
            ('{"id":1,"error":{"code":101,"message":"unauthorized"}}', [Heard("hello-refused")]),
        ),
        clock=AnnouncedClock(interval_s=25.0),
    ),
    Row(
        "pusher",
        first='{"event":"pusher:connection_established",'
        '"data":"{\\"socket_id\\":\\"1.2\\",\\"activity_timeout\\":120}"}',
        by="its first message",
        heard=(
            (
                '{"event":"pusher:connection_established",'
                '"data":"{\\"socket_id\\":\\"1.2\\",\\"activity_timeout\\":120}"}',
                [Heard("data")],
            ),
            (
                '{"event":"pusher:ping","data":{}}',
                [Heard("ping", '{"event":"pusher:pong","data":{}}')],
            ),
            ('{"event":"pusher:pong","data":{}}', [Heard("beat-answer")]),
            ('{"event":"pusher:error","data":{"code":4001}}', [Heard("hello-refused")]),
        ),
        beat='{"event":"pusher:ping","data":{}}',
        clock=AnnouncedClock(idle_s=120.0),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}, {row.by}")
def test_each_is_told_and_spoken(row: Row) -> None:
    told = recognise(row.url, row.subprotocol, row.first)
    assert told is not None
    assert (told.dialect.name, told.by) == (row.name, row.by)
    session = DialectSession(told.dialect, host="h")
    assert tuple(session.hello()) == row.hello
    assert session.heartbeat() == row.beat
    for message, expected in [((row.first), None)] * (row.first is not None) + list(row.heard):
        heard = session.hear(message)
        assert expected is None or heard == expected
    assert row.clock is None or session.clock == row.clock


def test_every_dialect_has_a_row() -> None:
    untested = {each.name for each in dialects()} - {row.name for row in ROWS}
    assert untested == {"mqtt-5"}  # on the wire it is told from `mqtt` by the CONNECT only


def test_mqtt_5_connects_with_its_own_packet() -> None:
    dialect = dialect_named("mqtt-5")
    assert dialect is not None
    session = DialectSession(dialect)
    assert session.hello() == [bytes.fromhex("100d00044d5154540502003c000000")]
    session.hear(bytes.fromhex("2003000000"))
    assert session.accepted is True
    assert session.hear(bytes.fromhex("2003008700")) == [Heard("hello-refused")]


@pytest.mark.parametrize(
    ("url", "subprotocol", "first"),
    [
        ("ws://h/websocket", None, None),  # anything may be mounted there
        ("ws://h/connection/websocket", None, "{}"),
        ("ws://h/app/chat", None, '{"event":"message"}'),
        ("ws://h/", "chat", "hello"),
        ("ws://h/?EIO=4", None, "2"),
        ("ws://h/", None, b"\x00\xff"),
    ],
)
def test_what_is_no_dialect_is_taken_for_none(
    url: str, subprotocol: str | None, first: Message | None
) -> None:
    assert recognise(url, subprotocol, first) is None


def test_a_close_code_is_told_in_the_dialect_only() -> None:
    graphql, wamp = dialect_named("graphql-transport-ws"), dialect_named("wamp")
    assert graphql is not None
    assert wamp is not None
    assert graphql.meaning_of(4408, "") == "no connection_init came in time"
    assert graphql.meaning_of(1000, "") is None
    assert wamp.meaning_of(4408, "") is None


def test_references_count_up() -> None:
    dialect = dialect_named("phoenix-2")
    assert dialect is not None
    session = DialectSession(dialect)
    assert [session.heartbeat() for _ in range(2)] == [
        '[null,"1","phoenix","heartbeat",{}]',
        '[null,"2","phoenix","heartbeat",{}]',
    ]


def test_a_clock_of_zero_is_none() -> None:
    dialect = dialect_named("stomp")
    assert dialect is not None
    session = DialectSession(dialect)
    session.hear("CONNECTED\nheart-beat:0,0\n\n\0")
    assert session.clock == AnnouncedClock()


@given(st.one_of(st.text(), st.binary()))
def test_any_message_is_heard(message: Message) -> None:
    recognise("ws://h/", None, message)
    for dialect in dialects():
        DialectSession(dialect).hear(message)


def _patterns(dialect: Dialect) -> list[str]:
    named = {f.name for f in fields(dialect)} & {
        "first",
        "hello_answer",
        "hello_refused",
        "beat_answer",
        "ping",
        "clock",
    }
    return [p for name in named if (p := getattr(dialect, name)) is not None]


@pytest.mark.parametrize("dialect", dialects(), ids=lambda d: d.name)
def test_patterns_read_a_hostile_message_in_linear_time(dialect: Dialect) -> None:
    seeds = ['"topic":"phoenix"', '{"id":1,"connect":{', '{"a":{}', "heart-beat:", "a:b\n"]
    seeds += [
        '"error"',
        '"type" ',
        " ",
        '0{"pingInterval":',
        "activity_timeout\\",
        "{",
        '{"type":6}\x1e',
    ]
    starts = ["", "CONNECTED\n", '{"id":1,"connect":{', '0{"sid":"', "{", "2003"]

    def cost(pattern: str, text: str) -> float:
        best = 1.0
        for _ in range(3):
            began = time.thread_time()
            re.search(pattern, text)
            best = min(best, time.thread_time() - began)
        return best

    for pattern in _patterns(dialect):
        for start in starts:
            for seed in seeds:
                text = (start + seed * MATCHED)[:MATCHED]
                took = cost(pattern, text)
                # linear is a factor of 4; what takes no time at all is no evidence
                assert took < 0.01 or took < 10 * cost(pattern, text[: MATCHED // 4]), (
                    pattern,
                    seed,
                )


def test_the_page_has_the_table_that_is_known() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dialects.md").read_text("utf-8")
    assert with_table(page) == page, "just generate"
    assert all(f"`{each.name}`" in page for each in dialects())


def test_the_order_of_an_announcement_does_not_matter() -> None:
    session = DialectSession(recognised("socket.io"))
    session.hear('0{"sid":"x","pingTimeout":1000, "pingInterval": 300}')
    assert session.clock == AnnouncedClock(0.3, 1.0)


def test_a_promise_in_a_hello_is_a_clock() -> None:
    session = DialectSession(recognised("mqtt"))
    session.said(bytes.fromhex("100c00044d5154540402000a0000"))
    assert session.clock == AnnouncedClock(idle_s=15.0)


def recognised(name: str) -> Dialect:
    found = dialect_named(name)
    assert found is not None
    return found


@given(data=st.binary(max_size=200), cut=st.integers(1, 20))
def test_packets_do_not_depend_on_how_they_were_cut(data: bytes, cut: int) -> None:
    whole, pieces = DialectSession(recognised("mqtt")), DialectSession(recognised("mqtt"))
    packet = b"\x30" + bytes([len(data) & 127 | 128, len(data) >> 7]) + data + b"\xd0\x00"
    heard = whole.hear(packet)
    again = [h for i in range(0, len(packet), cut) for h in pieces.hear(packet[i : i + cut])]
    assert heard == again
    assert heard[-1].kind == "beat-answer"


SIZE = 10_000
PACKET = b"\x30" + bytes([SIZE & 127 | 128, SIZE >> 7]) + bytes(SIZE)


@pytest.mark.parametrize(
    ("kept", "dropped", "rest"),
    [
        (PACKET[:8000], len(PACKET) - 8000, b""),
        (PACKET[:8000], 1000, PACKET[9000:]),
        # where another begins within what was dropped, none is known to go on beyond it
        (PACKET[:8000], 2 * len(PACKET) - 8000, b""),
        (PACKET[:1], 2 * len(PACKET) - 1, b""),
    ],
)
def test_after_a_packet_that_was_not_kept_whole_the_next_one_is_heard(
    kept: bytes, dropped: int, rest: bytes
) -> None:
    session = DialectSession(recognised("mqtt"))
    session.hear(kept, dropped)
    assert [heard.kind for heard in session.hear(rest + b"\xd0\x00")] == ["beat-answer"]


def test_packets_without_end_are_walked_once() -> None:
    """A megabyte of the smallest ones: so many are heard, and the next message begins anew."""
    session = DialectSession(recognised("mqtt"))
    assert len(session.hear(b"\xd0\x00" * (1 << 19))) == MOST_RECORDS
    assert [heard.kind for heard in session.hear(b"\xd0\x00")] == ["beat-answer"]


def test_records_without_end_are_not_all_looked_at() -> None:
    session = DialectSession(recognised("signalr"))
    assert len(session.hear("a\x1e" * 30_000)) == MOST_RECORDS
