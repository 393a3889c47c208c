"""The hello on every connection: sent once, answered or refused, masked; heartbeats beside Pings.

Phoenix, SignalR, Action Cable, Centrifugo and Pusher are played here from their public
specifications; no server of theirs is behind these.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.idle.running import probe, scaled
from tests.integration.scripted import ScriptedClient, scripted
from tests.peers.peers import Peers
from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.probes.check.runner import CheckRun
from wsdiag.probes.connect.run import connect
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.run import PingRun
from wsdiag.records import ConnectResult, PingReply, PingStart
from wsdiag.transport.dial.options import DialOptions

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SECRET = "swordfish-9a8b7c"
HELLO = json.dumps({"op": "auth", "token": SECRET})

Answer = Callable[[ScriptedClient, bytes], None]


def answering(answer: Answer, first: bytes | None = None) -> Callable[[ScriptedClient], object]:
    """A script that says `first`, answers Pings and Closes, and each text by `answer`."""

    async def script(client: ScriptedClient) -> None:
        if first is not None:
            client.send(TEXT, first)
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload[:2])
                return
            elif frame.opcode == TEXT:
                answer(client, frame.payload)

    return script


def texts(client: ScriptedClient) -> list[str]:
    return [frame.payload.decode() for frame in client.seen if frame.opcode == TEXT]


def connected(
    answer: Answer, path: str = "", **options: object
) -> tuple[ConnectResult, ScriptedClient]:
    async def run() -> tuple[ConnectResult, ScriptedClient]:
        async with scripted(answering(answer)) as (url, visitors):  # type: ignore[arg-type]
            result = await connect(url + path, DialOptions(**options))  # type: ignore[arg-type]
            return result, visitors[0]

    return asyncio.run(run())


def test_it_is_sent_once_and_its_answer_is_shown() -> None:
    result, client = connected(lambda c, p: c.send(TEXT, b"welcome"), hello=("one", "two"))
    assert result.ok
    assert texts(client) == ["one", "two"]
    assert result.hello is not None
    assert (result.hello.sent, result.hello.answer) == (True, "welcome")
    assert result.hello.took_ms is not None


def test_it_comes_before_the_first_ping() -> None:
    _, client = connected(lambda c, p: c.send(TEXT, b"welcome"), hello=("one",))
    assert [frame.opcode for frame in client.seen][:2] == [TEXT, PING]


def close_4401(client: ScriptedClient, payload: bytes) -> None:
    client.send(CLOSE, (4401).to_bytes(2, "big") + b"Unauthorized")


def say_error(client: ScriptedClient, payload: bytes) -> None:
    client.send(TEXT, b'{"type":"error","message":"no such token"}')


def say_nothing(client: ScriptedClient, payload: bytes) -> None:
    pass


def say_welcome(client: ScriptedClient, payload: bytes) -> None:
    client.send(TEXT, b"welcome")


@pytest.mark.parametrize(
    ("answer", "options", "kind", "words"),
    [
        (close_4401, {}, "closed", "4401"),
        (say_error, {}, "refused", "no such token"),
        (say_nothing, {"hello_expect": "^welcome"}, "timeout", "--hello-expect"),
        (say_error, {"hello_expect": "^welcome"}, "timeout", "no such token"),
        (lambda client, _: client.reset(), {}, "closed", "ended the connection"),
    ],
    ids=["close", "message", "silence", "another", "reset"],
)
def test_a_refusal_is_told_as_one(
    answer: Answer, options: dict[str, object], kind: str, words: str
) -> None:
    result, _ = connected(answer, hello=(HELLO,), hello_wait=0.4, **options)
    assert not result.ok
    assert result.error is not None
    assert (result.error.phase, result.error.kind) == ("hello", kind)
    assert words in result.error.message
    assert result.hello is not None
    assert result.http is not None
    assert result.http.status == 101


def test_silence_is_no_refusal_where_nothing_is_expected() -> None:
    result, _ = connected(say_nothing, hello=("one",), hello_wait=0.2)
    assert result.ok
    assert result.hello is not None
    assert (result.hello.answer, result.hello.took_ms) == (None, None)


def test_every_connection_says_it() -> None:
    async def run() -> tuple[list[list[str]], list[str]]:
        async with scripted(answering(say_welcome)) as (url, visitors):  # type: ignore[arg-type]
            dial = DialOptions(hello=("one",), hello_expect="welcome")
            probed = await probe(url, scaled(to_s=1.0), dial=dial)
            assert probed.verdict.verdict == "no-drop", probed
            assert probed.verdict.hello is not None
            assert probed.verdict.hello.answer == "welcome"
            endpoint = Endpoint(url=url, dial=dial, check=CheckOptions(conformance=True))
            reports = CheckRun([endpoint], jobs=1, on_progress=lambda _: None).reports()
            failed = [r.id async for each in reports for r in each.results if r.status == "fail"]
            said = [texts(client) for client in visitors if client.seen]
            return said, failed

    said, failed = asyncio.run(run())
    assert len(said) > 10
    assert all(each.count("one") == 1 and each[0] == "one" for each in said)
    assert not [name for name in failed if name in ("connect", "upgrade", "ping", "close")]


def test_a_check_of_a_refused_hello_has_no_answer(peers: Peers) -> None:
    async def run() -> None:
        async with scripted(answering(close_4401)) as (url, _):  # type: ignore[arg-type]
            line = ["check", "--no-compression", "-o", "json", "--hello", HELLO, url]
            done = await asyncio.to_thread(peers.wsdiag, *line)
            assert done.code == 1, done
            error = done.record("error")
            assert (error["phase"], error["kind"]) == ("hello", "closed")
            passed = {r["id"] for r in done.of("check.result") if r["status"] == "pass"}
            assert {"connect", "upgrade"} <= passed

    asyncio.run(run())


def test_its_secrets_are_masked_everywhere(peers: Peers, tmp_path: Path) -> None:
    def echo_in_part(client: ScriptedClient, payload: bytes) -> None:
        client.send(TEXT, payload)
        client.send(TEXT, b"token " + SECRET.encode() + b" is fine")

    async def run() -> str:
        trace, long = tmp_path / "trace", HELLO + " " * 400 + SECRET
        async with scripted(answering(echo_in_part)) as (url, _):  # type: ignore[arg-type]
            said = ""
            for command in ("connect", "ping -c1", "check", "ping -c1 -o json"):
                line = [*command.split(), "--no-compression", "-v", "--trace", str(trace)]
                line += ["--hello", long, url]
                done = await asyncio.to_thread(peers.wsdiag, *line, ok=0)
                said += done.out + done.err + trace.read_text()
            return said

    said = asyncio.run(run())
    assert "***" in said
    assert SECRET not in said
    assert SECRET[:8] not in said
    assert '"op"' not in said


def test_the_file_of_check_may_say_it(peers: Peers, tmp_path: Path) -> None:
    async def run() -> None:
        async with scripted(answering(say_welcome)) as (url, visitors):  # type: ignore[arg-type]
            file = tmp_path / "wsdiag.toml"
            file.write_text(
                f'[[endpoint]]\nurl = "{url}"\nhello = ["one", "two"]\nhello-expect = "^welcome"\n'
                'hello-wait = "2s"\ndialect = "none"\ncompression = false\n'
            )
            await asyncio.to_thread(peers.wsdiag, "check", "-f", str(file), ok=0)
            assert texts(visitors[0]) == ["one", "two"]

    asyncio.run(run())


def test_what_it_cannot_be_is_refused(peers: Peers) -> None:
    for line in (["--dialect", "klingon"], ["--hello-expect", "("], ["--hello", "@/no/such/file"]):
        done = peers.wsdiag("connect", *line, "ws://127.0.0.1:1/", ok=2)
        assert line[0] in done.err


def test_the_dialects_are_listed(peers: Peers) -> None:
    listed = peers.wsdiag("help", "dialects", ok=0).out
    assert "socket.io" in listed
    assert "connection_init" in listed


# -- heartbeats, by public specifications ----------------------------------------------------------

SPECIFIED = {
    "signalr": ("hub", b'{"type":6}\x1e', '{"type":6}\x1e'),
    "pusher": ("app/key?protocol=7", b'{"event":"pusher:ping","data":{}}', "pusher:pong"),
    "socket.io": ("socket.io/?EIO=4&transport=websocket", b"2", "3"),
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_heartbeats_are_answered_beside_pings(name: str) -> None:
    path, beat, answer = SPECIFIED[name]

    async def script(client: ScriptedClient) -> None:
        async def beating() -> None:
            while True:
                client.send(TEXT, beat)
                await asyncio.sleep(0.2)

        task = asyncio.create_task(beating())
        try:
            await answering(say_nothing)(client)  # type: ignore[misc]
        finally:
            task.cancel()

    async def run() -> tuple[list[object], list[str]]:
        async with scripted(script) as (url, visitors), asyncio.timeout(30):
            pings, events = PingRun([url + path], PingOptions(interval_s=0.1), DialOptions()), []
            async for event in pings.events():
                events.append(event)
                replies = sum(isinstance(each, PingReply) for each in events)
                if replies >= 4 and len(texts(visitors[0])) >= 3:
                    pings.stop()
            return events, texts(visitors[0])

    events, said = asyncio.run(run())
    assert all(answer in each for each in said)
    start = next(event for event in events if isinstance(event, PingStart))
    assert start.dialect is None or start.dialect.name == name


@pytest.mark.parametrize(
    ("name", "path", "beat"),
    [
        ("phoenix-2", "socket/websocket?vsn=2.0.0", '"phoenix","heartbeat"'),
        ("action-cable", "cable", None),
        ("centrifugo", "connection/websocket?format=json", None),
    ],
)
def test_what_a_named_dialect_says(name: str, path: str, beat: str | None) -> None:
    def answer(client: ScriptedClient, payload: bytes) -> None:
        if b'"connect"' in payload:
            client.send(TEXT, b'{"id":1,"connect":{"client":"x","ping":1,"pong":true}}')
        if b"heartbeat" in payload:
            ref = json.loads(payload)[1]
            reply = [None, ref, "phoenix", "phx_reply", {"response": {}, "status": "ok"}]
            client.send(TEXT, json.dumps(reply, separators=(",", ":")).encode())

    async def run() -> tuple[list[list[str]], object]:
        async with scripted(answering(answer)) as (url, visitors):  # type: ignore[arg-type]
            dial = DialOptions(dialect=name)
            probed = await probe(url + path, scaled(to_s=1.5, keepalive_s=0.3), dial=dial)
            assert probed.verdict.verdict in ("no-drop", "kept-busy"), probed
            assert probed.verdict.dialect is not None
            assert probed.verdict.dialect.name == name
            return [texts(client) for client in visitors], probed.verdict.keepalives["heartbeat"]

    said, kept = asyncio.run(run())
    flat = [text for each in said for text in each]
    if beat is not None:
        assert kept == "holds"
        assert any(beat in text for text in flat)
    if name == "centrifugo":
        assert all(each[:1] == ['{"id":1,"connect":{}}'] for each in said if each)


def test_auto_says_nothing_but_answers() -> None:
    began = time.monotonic()
    result, client = connected(say_nothing, path="graphql")
    assert texts(client) == []
    assert result.dialect is None
    assert time.monotonic() - began < 10
