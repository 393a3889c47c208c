"""What `ping` does when the peer does something particular."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct

import pytest

from tests.integration.lag import LagMeter
from tests.integration.ping.running import PingRecords, run_pings
from tests.integration.scripted import Script, ScriptedClient, scripted
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.outcome import ping_exit_code
from wsdiag.probes.ping.run import PingRun
from wsdiag.protocol.codes import Opcode
from wsdiag.records import Error, PingClosed, PingEvent, PingLost, PingReply, PingStart, PingSummary
from wsdiag.transport.dial.options import DialOptions

PING, PONG, TEXT, BINARY, CLOSE = (
    Opcode.PING,
    Opcode.PONG,
    Opcode.TEXT,
    Opcode.BINARY,
    Opcode.CLOSE,
)


def ping_scripted(script: Script, **options: object) -> tuple[PingRecords, list[ScriptedClient]]:
    async def go() -> tuple[PingRecords, list[ScriptedClient]]:
        async with scripted(script) as (url, clients):
            return await run_pings(url, **options), clients

    return asyncio.run(go())


async def answer_pings(client: ScriptedClient) -> None:
    async for frame in client.frames():
        if frame.opcode == PING:
            client.send(PONG, frame.payload)
        elif frame.opcode == CLOSE:
            client.send(CLOSE, frame.payload)
            return


def test_each_ping_is_answered_and_told() -> None:
    pinged, _ = ping_scripted(answer_pings, count=4, interval_s=0.02)
    assert [reply.seq for reply in pinged.replies] == [1, 2, 3, 4]
    assert pinged.summary.received == pinged.summary.sent == 4
    assert pinged.summary.loss_pct == 0
    assert isinstance(pinged.events[0], PingStart)
    assert isinstance(pinged.events[-1], PingSummary)
    assert all(0 < reply.rtt_ms < 20_000 for reply in pinged.replies)


def test_no_ping_leaves_once_the_run_is_stopped() -> None:
    """In flood mode each answer calls for the next Ping, also the one that the run ends at."""

    def stop_at_five(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingReply) and event.seq == 5:
            run.stop()

    async def go() -> PingSummary:
        async with scripted(answer_pings) as (url, _):
            return (await run_pings(url, flood=True, react=stop_at_five)).summary

    one = asyncio.run(go())
    assert one.sent == one.received + one.lost + one.skipped + one.unanswered


def test_the_connection_is_closed_with_a_close_frame() -> None:
    _, clients = ping_scripted(answer_pings, count=1)
    assert clients[0].seen[-1].opcode == CLOSE
    assert clients[0].seen[-1].payload == struct.pack("!H", 1000)


def test_payloads_have_the_size_asked_for_and_differ() -> None:
    _, clients = ping_scripted(answer_pings, count=3, interval_s=0.01, size=125)
    payloads = [frame.payload for frame in clients[0].seen if frame.opcode == PING]
    assert [len(payload) for payload in payloads] == [125] * 3
    assert len(set(payloads)) == 3


def test_a_wrong_pong_is_not_taken_for_an_answer() -> None:
    async def wrong(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload[:-1] + b"!")
                client.send(PONG, frame.payload[:4])
                client.send(PONG)

    pinged, _ = ping_scripted(wrong, count=2, interval_s=0.05, timeout_s=0.3)
    assert not pinged.replies
    assert pinged.summary.lost == 2
    assert pinged.summary.unmatched == 6
    assert any("unchanged" in sentence for sentence in pinged.summary.advice)
    assert ping_exit_code([pinged.summary]) == 1


def test_an_unanswered_ping_is_lost_and_its_late_pong_is_shown_as_late() -> None:
    async def slow_once(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode != PING:
                continue
            if len(client.seen) == 1:
                asyncio.get_running_loop().call_later(0.5, client.send, PONG, frame.payload)
            else:
                client.send(PONG, frame.payload)

    pinged, _ = ping_scripted(slow_once, count=8, interval_s=0.1, timeout_s=0.2)
    (lost,) = pinged.of(PingLost)
    assert lost.seq == 1
    assert 200 <= lost.waited_ms < 5000
    (late,) = [reply for reply in pinged.replies if reply.late]
    assert late.seq == 1
    assert late.rtt_ms >= 490
    assert pinged.events.index(lost) < pinged.events.index(late)
    summary = pinged.summary
    assert (summary.sent, summary.received, summary.lost, summary.late) == (8, 7, 1, 1)
    assert summary.loss_pct == 12.5
    assert summary.max_ms is not None
    assert summary.max_ms < late.rtt_ms, "late answers are not part of the statistics"


def test_answers_out_of_order_find_their_pings() -> None:
    async def backwards(client: ScriptedClient) -> None:
        held: list[bytes] = []
        async for frame in client.frames():
            if frame.opcode == PING:
                held.append(frame.payload)
            if len(held) == 3:
                for payload in reversed(held):
                    client.send(PONG, payload)
                held.clear()

    pinged, _ = ping_scripted(backwards, count=3, interval_s=0.03)
    assert [reply.seq for reply in pinged.replies] == [3, 2, 1]
    rtts = [reply.rtt_ms for reply in pinged.replies]
    assert rtts == sorted(rtts)


def test_an_endpoint_that_answers_only_the_latest_ping_is_understood() -> None:
    async def latest_only(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING and sum(f.opcode == PING for f in client.seen) % 2 == 0:
                client.send(PONG, frame.payload)

    pinged, _ = ping_scripted(latest_only, count=4, interval_s=0.03, timeout_s=0.3)
    assert (pinged.summary.received, pinged.summary.lost) == (2, 2)
    assert any("5.5.3" in sentence for sentence in pinged.summary.advice)


def test_a_close_in_the_middle_is_told_with_its_code_and_reason() -> None:
    async def leave(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if len(client.seen) == 3:
                client.send(CLOSE, struct.pack("!H", 1011) + b"keepalive ping timeout")
                return
            client.send(PONG, frame.payload)

    pinged, _ = ping_scripted(leave, count=50, interval_s=0.02)
    (closed,) = pinged.of(PingClosed)
    assert (closed.drop.how, closed.drop.code) == ("close", 1011)
    assert closed.drop.reason == "keepalive ping timeout"
    assert pinged.events[-1] is pinged.summary
    assert (pinged.summary.received, pinged.summary.drops) == (2, 1)
    assert any("its own keepalive" in sentence for sentence in pinged.summary.advice)
    assert ping_exit_code([pinged.summary]) == 1


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_end_without_a_close_frame_is_told_as_it_was(how: str) -> None:
    async def close_silently(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(PONG, frame.payload)
            if len(client.seen) == 2:
                break
        await client.writer.drain()
        await asyncio.sleep(0.05)
        if how == "rst":
            connection = client.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.writer.transport.abort()

    pinged, _ = ping_scripted(close_silently, count=50, interval_s=0.02)
    # A Ping that crosses the FIN is answered by RST: both are true endings of the first kind.
    assert pinged.of(PingClosed)[0].drop.how in (("fin", "rst") if how == "fin" else ("rst",))
    assert pinged.summary.drops == 1
    assert not pinged.summary.advice, "what a drop cut off is no loss to explain"


def test_a_peer_that_breaks_the_protocol_is_named() -> None:
    async def reserved(client: ScriptedClient) -> None:
        async for _ in client.frames():
            client.send(3, b"reserved")

    pinged, _ = ping_scripted(reserved, count=50, interval_s=0.05)
    drop = pinged.of(PingClosed)[0].drop
    assert (drop.how, drop.code) == ("close", 1002)
    assert drop.detail is not None
    assert "the peer broke" in drop.detail


def test_with_reconnect_the_run_goes_on_through_drops() -> None:
    async def two_each(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return
            client.send(PONG, frame.payload)
            if len(client.seen) == 2:
                client.send(CLOSE, struct.pack("!H", 1012))
                return

    pinged, clients = ping_scripted(two_each, count=5, interval_s=0.02, reconnect=True)
    assert [start.reconnect for start in pinged.of(PingStart)] == [None, 1, 2]
    assert [closed.drop.code for closed in pinged.of(PingClosed)] == [1012, 1012]
    assert len(clients) == 3
    assert (pinged.summary.received, pinged.summary.drops) == (5, 2)
    assert ping_exit_code([pinged.summary], reconnect=True) == 0
    assert ping_exit_code([pinged.summary]) == 1


def test_with_reconnect_a_connection_that_went_silent_is_replaced() -> None:
    async def mute_first(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING and (client.number or len(client.seen) == 1):
                client.send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    pinged, _ = ping_scripted(mute_first, count=12, interval_s=0.05, timeout_s=0.2, reconnect=True)
    (closed,) = pinged.of(PingClosed)
    assert closed.drop.how == "silent"
    assert len(pinged.of(PingStart)) == 2
    assert pinged.replies[-1].seq == 12


def test_stop_prints_the_summary_and_closes_cleanly() -> None:
    def after_three(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingReply) and event.seq == 3:
            run.stop()

    pinged, clients = ping_scripted(answer_pings, interval_s=0.02, react=after_three)
    assert pinged.summary.received >= 3
    assert pinged.summary.lost == 0
    assert clients[0].seen[-1].opcode == CLOSE
    assert ping_exit_code([pinged.summary], interrupted=True) == 0


def test_stop_does_not_wait_for_an_upgrade_that_never_comes() -> None:
    async def go() -> PingRecords:
        writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda r, w: writers.append(w), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        run = PingRun([f"ws://127.0.0.1:{port}"], PingOptions(count=1), DialOptions())
        asyncio.get_running_loop().call_later(0.2, run.stop)
        pinged = PingRecords()
        async with asyncio.timeout(5):
            async for event in run.events():
                pinged.events.append(event)
        server.close()
        for writer in writers:  # from 3.12 on a server waits for them when it is left
            writer.close()
        return pinged

    pinged = asyncio.run(go())
    assert pinged.summary.sent == 0
    assert ping_exit_code([pinged.summary], interrupted=True) == 130


def test_a_peer_that_ignores_our_close_does_not_hold_us() -> None:
    async def stubborn(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload)
        await asyncio.sleep(60)

    async def go() -> float:
        async with scripted(stubborn) as (url, _):
            began = asyncio.get_running_loop().time()
            await run_pings(url, count=1)
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(go()) < 20


def test_the_deadline_ends_the_run() -> None:
    pinged, _ = ping_scripted(answer_pings, interval_s=0.05, deadline_s=0.5)
    assert 5 <= pinged.summary.sent <= 11
    assert pinged.summary.lost == 0


def test_with_a_deadline_the_count_is_of_replies() -> None:
    async def every_other(client: ScriptedClient) -> None:
        pings = itertools.count()
        async for frame in client.frames():
            if frame.opcode == PING and next(pings) % 2:
                client.send(PONG, frame.payload)

    pinged, _ = ping_scripted(every_other, count=3, interval_s=0.03, deadline_s=30)
    assert (pinged.summary.received, pinged.summary.sent) == (3, 6)
    assert ping_exit_code([pinged.summary], count=3, deadline=30) == 0


def test_fewer_replies_than_asked_for_before_the_deadline() -> None:
    pinged, _ = ping_scripted(answer_pings, count=1000, interval_s=0.05, deadline_s=0.3)
    assert pinged.summary.received < 1000
    assert ping_exit_code([pinged.summary], count=1000, deadline=0.3) == 1


@pytest.mark.parametrize("mode", ["text", "binary"])
@pytest.mark.parametrize("size", [8, 20, 100_000])
def test_messages_are_matched_by_their_echo(mode: str, size: int) -> None:
    async def echo(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(frame.opcode, frame.payload)
            if frame.opcode == CLOSE:
                return

    pinged, clients = ping_scripted(echo, count=3, interval_s=0.02, mode=mode, size=size)
    assert [reply.seq for reply in pinged.replies] == [1, 2, 3]
    sent = [f for f in clients[0].seen if f.opcode == (TEXT if mode == "text" else BINARY)]
    assert [len(frame.payload) for frame in sent] == [size] * 3


def test_an_echo_inside_another_message_is_found() -> None:
    async def wrap(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(TEXT, b'{"news": "not yours"}')
            client.send(TEXT, b'{"you said": "' + frame.payload + b'"}')

    pinged, _ = ping_scripted(wrap, count=3, interval_s=0.02, mode="text", size=30)
    assert len(pinged.replies) == 3
    assert pinged.summary.unmatched >= 3


def test_an_endpoint_that_does_not_echo_is_told_so_once() -> None:
    async def chat(client: ScriptedClient) -> None:
        async for _ in client.frames():
            client.send(TEXT, b"hello")

    pinged, _ = ping_scripted(chat, count=3, interval_s=0.05, timeout_s=0.2, mode="text")
    (error,) = pinged.of(Error)
    assert error.phase == "echo"
    assert "does not echo" in (error.hint or "")
    assert pinged.summary.lost == 3
    assert any("--mode ping" in sentence for sentence in pinged.summary.advice)


def test_flood_keeps_one_following_the_other() -> None:
    pinged, _ = ping_scripted(answer_pings, count=200, flood=True, interval_s=1.0)
    assert pinged.summary.received == 200
    assert pinged.summary.duration_s < 30, "at a second each it would take more than three minutes"


def test_adaptive_has_one_ping_in_flight() -> None:
    most = 0

    async def slowly(client: ScriptedClient) -> None:
        nonlocal most
        waiting: list[bytes] = []

        def answer() -> None:
            client.send(PONG, waiting.pop(0))

        async for frame in client.frames():
            if frame.opcode == PING:
                waiting.append(frame.payload)
                most = max(most, len(waiting))
                asyncio.get_running_loop().call_later(0.02, answer)

    pinged, _ = ping_scripted(slowly, count=10, adaptive=True, interval_s=0.001)
    assert [reply.seq for reply in pinged.replies] == list(range(1, 11))
    assert pinged.summary.duration_s >= 0.18
    assert most == 1


def test_a_millisecond_apart_nothing_drifts() -> None:
    pinged, _ = ping_scripted(answer_pings, count=500, interval_s=0.001)
    assert pinged.summary.received == 500
    assert pinged.summary.duration_s >= 0.49


def test_a_reader_that_does_not_read_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdiag.probes.ping.sender.MOST_UNREAD", 50)

    async def go() -> int:
        async with scripted(answer_pings) as (url, _):
            run = PingRun([url], PingOptions(interval_s=0.001), DialOptions())
            events = run.events()
            await anext(events)
            await asyncio.sleep(0.5)
            run.stop()
            left = [event async for event in events]
            return len(left)

    assert 50 <= asyncio.run(go()) <= 60


def test_urls_are_independent_of_each_other() -> None:
    async def go() -> PingRecords:
        async with scripted(answer_pings) as (url, _):
            return await run_pings([url, "ws://127.0.0.1:1/", url + "b"], count=3, interval_s=0.02)

    pinged = asyncio.run(go())
    received = {summary.url: summary.received for summary in pinged.of(PingSummary)}
    assert sorted(received.values()) == [0, 3, 3]
    (error,) = pinged.of(Error)
    assert (error.kind, error.url) == ("refused", "ws://127.0.0.1:1/")
    assert ping_exit_code(pinged.of(PingSummary)) == 1


def test_statistics_so_far_are_partial_and_do_not_end_the_run() -> None:
    partial: list[PingSummary] = []

    def ask(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingReply) and event.seq == 2:
            summary = run.summary_so_far(run.urls[0])
            assert summary is not None
            partial.append(summary)
            assert run.summary_so_far("ws://elsewhere") is None

    pinged, _ = ping_scripted(answer_pings, count=4, interval_s=0.02, react=ask)
    assert partial[0].partial
    assert partial[0].received >= 2
    assert pinged.summary.received == 4


@pytest.mark.parametrize(
    ("load", "most", "least"), [("max", 100_000, 80_000), (50_000, 2**30, 30_000)]
)
def test_load_keeps_to_its_bounds_and_ends_the_run(load: object, most: int, least: int) -> None:
    pinged, clients = ping_scripted(
        answer_pings, interval_s=0.05, load=load, load_idle_s=0.3, load_time_s=1.0, load_bytes=most
    )
    result = pinged.summary.load
    assert result is not None
    # A second of 50 kB, and no more of it than the timer's last turn adds.
    assert least <= result.sent_bytes <= min(most, 60_000 if load != "max" else most)
    carried = sum(len(f.payload) for f in clients[0].seen if f.opcode == BINARY)
    assert carried == result.sent_bytes
    assert pinged.summary.lost == 0
    assert clients[0].seen[-1].opcode == CLOSE


def test_a_stop_under_load_does_not_wait_for_what_is_queued() -> None:
    async def reads_nothing(client: ScriptedClient) -> None:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(30)

    async def go() -> tuple[PingRecords, float]:
        loop = asyncio.get_running_loop()
        stopped = 0.0

        def stop(run: PingRun) -> None:
            nonlocal stopped
            stopped = loop.time()
            run.stop()

        def begin(run: PingRun, event: PingEvent) -> None:
            if isinstance(event, PingStart):
                loop.call_later(1.0, stop, run)

        async with scripted(reads_nothing) as (url, _), LagMeter() as lag:
            records = await run_pings(url, load="max", load_idle_s=0.1, react=begin)
            return records, loop.time() - stopped - lag.total_s

    records, took_s = asyncio.run(go())
    assert took_s < 1.0
    assert records.summary.load is not None
    assert any("reset rather than closed" in said for said in records.summary.load.explanation)


def test_without_load_no_message_is_sent() -> None:
    pinged, clients = ping_scripted(answer_pings, count=3, interval_s=0.02)
    assert pinged.summary.load is None
    assert {frame.opcode for frame in clients[0].seen} == {PING, CLOSE}
