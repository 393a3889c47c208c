"""`connect` against peers that behave, and against those that fail after the upgrade."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from typing import Any

import pytest

from tests.golden.terminals import out, terminal
from tests.integration.scripted import Script, ScriptedClient, scripted
from tests.peers.peers import Peers
from wsdiag.probes.connect.run import connect
from wsdiag.protocol.codes import Opcode
from wsdiag.records import ConnectResult
from wsdiag.render.connect.view import connect_view
from wsdiag.transport.dial.options import DialOptions

PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


def connect_scripted(script: Script, **patience: Any) -> ConnectResult:
    async def go() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions(), **patience)

    return asyncio.run(go())


def test_from_the_name_to_a_clean_close(peers: Peers) -> None:
    server = peers.websockets()
    url = server.url.replace("127.0.0.1", "localhost")
    result = asyncio.run(connect(url, DialOptions(compression=True, family=4)))
    assert result.ok, result.error
    assert result.url == url
    assert result.address == f"127.0.0.1:{server.port}"
    phases = result.phases
    parts = [phases.dns_ms, phases.tcp_ms, phases.upgrade_ms, phases.ping_ms, phases.close_ms]
    assert all(part is not None and part > 0 for part in parts), phases
    assert phases.total_ms is not None
    assert phases.total_ms >= sum(part for part in parts if part is not None) * 0.99
    assert phases.tls_ms is None
    assert phases.proxy_ms is None
    assert result.http is not None
    assert result.http.status == 101
    assert result.extensions[0].startswith("permessage-deflate")
    assert result.close is not None
    assert (result.close.code, result.close.clean) == (1000, True)
    assert result.close.tcp_ended_by == "server"
    assert ("Upgrade", "websocket") in (result.request or ())
    assert not result.notes


def test_a_server_that_closes_right_after_the_upgrade_is_not_ok() -> None:
    async def refuse(client: ScriptedClient) -> None:
        client.send(CLOSE, struct.pack("!H", 1008) + b"token expired")

    result = connect_scripted(refuse)
    assert not result.ok
    assert result.error is not None
    assert (result.error.kind, result.error.phase) == ("closed", "ping")
    assert "1008 (policy violation), reason 'token expired'" in result.error.message
    assert "Fetch a new one" in (result.error.hint or "")
    assert result.http is not None
    assert result.close is not None
    assert result.close.code == 1008


def test_a_server_that_vanishes_after_the_upgrade_is_not_ok() -> None:
    async def close_silently(client: ScriptedClient) -> None:
        await asyncio.sleep(0.05)

    result = connect_scripted(close_silently)
    assert result.error is not None
    assert result.error.kind == "closed"
    assert "without a Close frame" in result.error.message


def test_a_server_that_closes_but_keeps_tcp_open_does_not_hold_us() -> None:
    async def lingering(client: ScriptedClient) -> None:
        client.send(CLOSE, struct.pack("!H", 1008))
        await asyncio.sleep(60)

    result = connect_scripted(lingering, ping_timeout_s=0.3, close_timeout_s=0.3)
    assert result.error is not None
    assert "closed with 1008" in result.error.message


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (1002, "broke the protocol"),
        (1008, "refused: authentication"),
        (1009, "maxPayload"),
        (1011, "failed inside the server"),
        (1012, "restarts"),
        (1014, "the server behind it"),
    ],
)
def test_a_close_code_that_is_no_refusal_is_not_called_one(code: int, hint: str) -> None:
    async def closing(client: ScriptedClient) -> None:
        client.send(CLOSE, struct.pack("!H", code))

    result = connect_scripted(closing)
    assert result.error is not None
    assert result.error.hint is not None
    assert hint in result.error.hint


@pytest.mark.parametrize("last", ["close", "fin", "violation"])
def test_what_ends_after_an_answered_ping_did_not_fail_at_the_ping(last: str) -> None:
    async def leaving(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload)
                continue
            if last == "close":
                client.send(CLOSE, struct.pack("!H", 4001))
            elif last == "violation":
                client.send(3)
            return

    result = connect_scripted(leaving, send=["bye"], listen_s=20.0)
    assert result.error is not None
    assert result.error.phase == "messages"
    assert result.error.kind == ("protocol" if last == "violation" else "closed")
    assert "refused" not in (result.error.hint or "")
    assert result.phases.ping_ms is not None
    drawn = terminal()
    drawn.print(connect_view(result))
    (row,) = [line for line in out(drawn).splitlines() if line.split()[:1] == ["ping"]]
    assert "✗" not in row


def test_without_a_pong_the_connection_is_usable_and_noted() -> None:
    async def mute(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    result = connect_scripted(mute, ping_timeout_s=0.3)
    assert result.ok
    assert result.phases.ping_ms is None
    assert any(note.startswith("No Pong within 0.3 s") for note in result.notes)


def test_a_message_instead_of_a_pong_is_shown() -> None:
    async def speaks(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(*((CLOSE, frame.payload) if frame.opcode == CLOSE else (1, b"pong")))
            if frame.opcode == CLOSE:
                return

    (note,) = connect_scripted(speaks, ping_timeout_s=0.3).notes
    assert note.startswith("No Pong within 0.3 s; the last message was 'pong'")


def test_a_message_without_an_end_is_told() -> None:
    async def fragment(client: ScriptedClient) -> None:
        client.writer.write(b"\x01\x04part")  # FIN is not set
        async for frame in client.frames():
            client.send(CLOSE if frame.opcode == CLOSE else PONG, frame.payload)
            if frame.opcode == CLOSE:
                return

    result = connect_scripted(fragment, listen_s=0.3)
    assert result.ok
    (note,) = result.notes
    assert note.startswith("A message had begun (4 B), and its end had not come")


def test_what_max_time_cut_short_blames_no_endpoint() -> None:
    async def mute(client: ScriptedClient) -> None:
        await asyncio.sleep(60)

    result = connect_scripted(mute, max_time_s=0.5)
    assert result.ok
    assert len(result.notes) == 2
    assert all("that --max-time left for it" in note for note in result.notes)


def test_a_pong_that_came_while_we_were_stopped_was_in_time(peers: Peers) -> None:
    async def go() -> ConnectResult:
        loop = asyncio.get_running_loop()

        def stop(awaited: str) -> None:
            if awaited == "ping":
                loop.call_later(0.1, time.sleep, 2.0)

        url = f"{peers.serve()[0]}/latency/500"
        return await connect(url, DialOptions(), ping_timeout_s=1.0, on_wait=stop)

    result = asyncio.run(go())
    assert result.phases.ping_ms is not None
    assert not any("No Pong" in note for note in result.notes), result.notes


def test_another_pong_is_not_ours() -> None:
    async def wrong(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return
            client.send(PONG, b"wrong")

    assert connect_scripted(wrong, ping_timeout_s=0.3).phases.ping_ms is None


def test_messages_before_the_pong_do_not_disturb() -> None:
    async def chatty(client: ScriptedClient) -> None:
        for _ in range(50):
            client.send(Opcode.TEXT, b"news")
        async for frame in client.frames():
            client.send(CLOSE if frame.opcode == CLOSE else PONG, frame.payload)
            if frame.opcode == CLOSE:
                return

    result = connect_scripted(chatty)
    assert result.ok
    assert result.phases.ping_ms is not None


def test_an_unanswered_close_is_noted() -> None:
    async def stubborn(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload)

    result = connect_scripted(stubborn, close_timeout_s=0.3)
    assert result.ok
    assert any("did not answer our Close" in note for note in result.notes)


def test_a_server_that_leaves_tcp_open_after_the_close_is_noted() -> None:
    async def lingering(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(CLOSE if frame.opcode == CLOSE else PONG, frame.payload)

    result = connect_scripted(lingering, close_timeout_s=0.3)
    assert result.close is not None
    assert result.close.clean
    assert any("left TCP open" in note for note in result.notes)


def test_a_peer_that_breaks_the_protocol_is_named() -> None:
    async def masked(client: ScriptedClient) -> None:
        client.writer.write(b"\x81\x85abcdhello")
        async for _ in client.frames():
            pass

    result = connect_scripted(masked, ping_timeout_s=1.0)
    assert not result.ok
    assert result.error is not None
    assert result.error.kind == "protocol"
    assert "RFC 6455" in result.error.message


def test_a_frame_that_never_comes_whole_is_told() -> None:
    async def stop_in_the_middle(client: ScriptedClient) -> None:
        client.writer.write(b"\x81\x7e\x10\x00abc")
        await asyncio.sleep(1.0)

    result = connect_scripted(stop_in_the_middle, ping_timeout_s=0.3, close_timeout_s=0.2)
    assert any("4096 bytes was announced, and 3 came" in note for note in result.notes)


async def pongs_only(client: ScriptedClient) -> None:
    """Answers Pings and a Close, and says nothing."""
    async for frame in client.frames():
        client.send(CLOSE if frame.opcode == CLOSE else PONG, frame.payload)
        if frame.opcode == CLOSE:
            return


def test_messages_that_were_awaited_in_vain_are_told() -> None:
    assert connect_scripted(pongs_only, listen_s=0.3).notes == ["No message came within 0.3 s."]


def test_max_time_that_ended_the_listening_is_told() -> None:
    (note, *_) = connect_scripted(pongs_only, listen_s=600.0, max_time_s=1.5).notes
    assert re.fullmatch(r"--max-time was over after [01]\.\d+ s of waiting for messages\.", note)
