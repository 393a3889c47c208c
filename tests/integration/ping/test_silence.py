"""A connection that is dead must not look alive: silence, skipped Pings, ends, outages."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.integration.ping.running import PingRecords, run_pings
from tests.integration.ping.test_behaviour import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    answer_pings,
    ping_scripted,
)
from tests.integration.scripted import (
    Script,
    ScriptedClient,
    note_what_tcp_is_asked_about,
    scripted,
)
from wsdiag.probes.ping.outcome import ping_exit_code
from wsdiag.probes.ping.run import PingRun
from wsdiag.records import (
    PingClosed,
    PingEvent,
    PingLost,
    PingOutage,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingSummary,
    PingSuspended,
    PingWaiting,
)


def adds_up(summary: PingSummary) -> bool:
    parts = (summary.received, summary.lost, summary.skipped, summary.unanswered)
    return summary.sent == sum(parts)


def answering(which: Callable[[int], bool]) -> Callable[[ScriptedClient], object]:
    """A server that answers the Pings whose number, from 1, is among these."""

    async def script(client: ScriptedClient) -> None:
        number = 0
        async for frame in client.frames():
            if frame.opcode == PING:
                number += 1
                if which(number):
                    client.send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    return script


def test_tcp_is_asked_about_the_overdue_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    # the next one may have left this very moment, so that nothing has acknowledged it yet
    ages_s = note_what_tcp_is_asked_about(monkeypatch)
    records, _ = ping_scripted(
        answering(lambda number: number <= 3),  # type: ignore[arg-type]
        interval_s=0.05,
        timeout_s=0.3,
        reconnect=True,
        react=lambda run, event: run.stop() if isinstance(event, PingClosed) else None,
    )
    (closed,) = records.of(PingClosed)
    assert (closed.drop.how, closed.drop.tcp_acknowledged) == ("silent", True)
    assert len(ages_s) == 1
    assert ages_s[0] >= 0.3


def test_pings_that_are_unanswered_at_the_end_count_once_they_are_overdue() -> None:
    records, _ = ping_scripted(
        answering(lambda number: number <= 3),  # type: ignore[arg-type]
        interval_s=0.1,
        deadline_s=2.0,
        max_loss_pct=0.0,
    )
    summary = records.summary
    assert adds_up(summary)
    assert (summary.received, summary.lost, summary.skipped) == (3, 0, 0)
    assert 0 < summary.overdue < summary.unanswered
    assert summary.oldest_unanswered_ms is not None
    assert summary.oldest_unanswered_ms >= 1000
    assert summary.loss_pct == 100 * summary.overdue / summary.sent
    assert not summary.thresholds[0].ok
    assert ping_exit_code([summary], deadline=2.0) == 3


def test_silence_is_told_once_and_so_is_its_end() -> None:
    pings: list[bytes] = []

    async def pause(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                pings.append(frame.payload)
                if len(pings) < 3 or len(pings) > 20:
                    client.send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    records, _ = ping_scripted(pause, interval_s=0.08, count=24, timeout_s=3.0)
    (waiting,) = records.of(PingWaiting)
    (resumed,) = records.of(PingResumed)
    assert waiting.seq == 3
    assert waiting.waited_ms >= 1000
    assert resumed.seq == 21
    assert resumed.waited_ms > waiting.waited_ms
    assert records.events.index(waiting) < records.events.index(resumed)
    # each of those in between left long before the one that was answered
    assert adds_up(records.summary)
    assert records.summary.lost == 18


def test_a_burst_of_which_only_the_latest_is_answered_is_no_loss() -> None:
    async def latest(client: ScriptedClient) -> None:
        """As an endpoint that reads every 300 ms: its usual answer takes that long."""
        unread: list[bytes] = []

        async def answer() -> None:
            while True:
                await asyncio.sleep(0.3)
                if unread:
                    client.send(PONG, unread[-1])
                    unread.clear()

        task = asyncio.create_task(answer())
        async for frame in client.frames():
            if frame.opcode == PING:
                if not client.seen[1:]:
                    await asyncio.sleep(1.0)  # the first answer shows how slow it is
                    client.send(PONG, frame.payload)
                elif len(client.seen) < 15:
                    client.send(PONG, frame.payload)  # those that came meanwhile
                else:
                    unread.append(frame.payload)
            elif frame.opcode == CLOSE:
                break
        task.cancel()

    records, _ = ping_scripted(latest, interval_s=0.1, deadline_s=3.5, max_loss_pct=0.0)
    summary = records.summary
    assert adds_up(summary)
    assert summary.skipped >= 3
    assert (summary.lost, summary.overdue, summary.loss_pct) == (0, 0, 0.0)
    assert any("no loss" in sentence for sentence in summary.advice)


def test_a_close_has_the_time_when_it_came_and_the_words_before_it() -> None:
    async def slow_to_leave(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(PONG, frame.payload)
            if len(client.seen) == 3:
                client.send(TEXT, b'{"error": "token expired"}')
                client.send(CLOSE, struct.pack("!H", 4001) + b"Shopping cart expired")
                await asyncio.sleep(1.5)
                return

    records, _ = ping_scripted(slow_to_leave, count=50, interval_s=0.05)
    (closed,) = records.of(PingClosed)
    assert closed.drop.at_s < 1.4  # TCP ends 1.5 s after it
    assert closed.drop.last_message == '{"error": "token expired"}'
    assert records.summary.drop == closed.drop
    assert records.summary.advice == [], "a word in a reason is no cause"
    assert (records.summary.duration_s - closed.drop.at_s) > 1.0


def test_a_ping_that_an_end_cut_off_says_so() -> None:
    async def reset(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if len(client.seen) == 3:
                client.reset()
                return
            client.send(PONG, frame.payload)

    records, _ = ping_scripted(reset, count=50, interval_s=0.05)
    (lost,) = records.of(PingLost)
    assert lost.drop is not None
    assert lost.drop.how == "rst"
    assert adds_up(records.summary)


def test_an_outage_lasts_until_a_ping_is_answered() -> None:
    async def refuses_twice(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return
            if client.number in (1, 2):
                return  # opened, and ended before an answer
            client.send(PONG, frame.payload)
            if client.number == 0 and len(client.seen) == 2:
                client.send(CLOSE, struct.pack("!H", 1012))
                return

    records, _ = ping_scripted(
        refuses_twice,
        count=8,
        interval_s=0.05,
        reconnect=True,
        retry_max_wait_s=0.05,
        max_drops=2,
        min_availability_pct=99.9,
    )
    (outage,) = records.of(PingOutage)
    assert outage.drop is not None
    assert (outage.drop.code, outage.attempts, outage.over) == (1012, 3, True)
    summary = records.summary
    assert (summary.drops, summary.outages) == (3, 1)
    assert summary.down_s == summary.longest_outage_s == outage.down_s
    assert summary.availability_pct is not None
    assert summary.availability_pct < 99.9
    assert [limit.ok for limit in summary.thresholds] == [False, False]
    assert summary.drop is None, "the last connection answered, and we closed it"
    assert ping_exit_code([summary], reconnect=True) == 3


def answers_held(silent: Callable[[int], bool]) -> Script:
    """Answers Pings; while `silent` says so of how many have come, none, and all of them after."""

    async def script(client: ScriptedClient) -> None:
        held: list[bytes] = []
        async for frame in client.frames():
            if frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return
            held.append(frame.payload)
            if not silent(len([each for each in client.seen if each.opcode == PING])):
                for payload in held:
                    client.send(PONG, payload)
                held.clear()

    return script


def test_a_silence_on_a_connection_that_lives_is_an_outage() -> None:
    pauses = answers_held(lambda pings: 2 < pings < 70)  # 3.4 s of silence
    records, _ = ping_scripted(
        pauses, count=75, interval_s=0.05, timeout_s=30.0, reconnect=True, min_availability_pct=90.0
    )
    (resumed,), (outage,) = records.of(PingResumed), records.of(PingOutage)
    assert (outage.over, outage.attempts, outage.drop) == (True, 0, None)
    assert outage.down_s == pytest.approx(resumed.waited_ms / 1e3, abs=0.05)
    summary = records.summary
    assert (summary.drops, summary.outages, summary.lost) == (0, 1, 0)
    assert summary.down_s == outage.down_s > 1.0
    assert summary.availability_pct is not None
    assert summary.availability_pct < 90.0
    assert ping_exit_code([summary], reconnect=True) == 3


def test_one_silence_does_not_hide_the_next() -> None:
    pauses_twice = answers_held(lambda n: 3 <= n < 50 or 60 <= n < 107)  # 2.35 s each
    records, _ = ping_scripted(
        pauses_twice, count=110, interval_s=0.05, timeout_s=30.0, reconnect=True
    )
    assert [each.seq for each in records.of(PingWaiting)] == [3, 60]
    assert len(records.of(PingOutage)) == records.summary.outages == 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_silent_connection_is_down_from_its_first_unanswered_ping(reset: bool) -> None:
    async def falls_silent(client: ScriptedClient) -> None:
        async for frame in client.frames():
            pings = [each for each in client.seen if each.opcode == PING]
            if frame.opcode == PING and (client.number or len(pings) <= 2):
                client.send(PONG, frame.payload)
            elif reset and not client.number and len(pings) == 40:
                client.reset()
                return
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    records, _ = ping_scripted(
        falls_silent,
        count=45 if reset else None,
        interval_s=0.05,
        timeout_s=30.0,
        deadline_s=None if reset else 2.5,
        reconnect=True,
        min_availability_pct=90.0,
    )
    summary, (outage,) = records.summary, records.of(PingOutage)
    assert outage.over is reset
    assert (outage.drop is None) is not reset
    assert outage.down_s > 1.0, "the silence counts, from its first Ping on"
    assert summary.outages == 1
    assert summary.availability_pct is not None
    assert summary.availability_pct < 90.0
    assert ping_exit_code([summary], reconnect=True) == 3


def test_every_fast_restart_is_seen() -> None:
    async def one_each(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                client.send(PONG, frame.payload)
            return

    records, clients = ping_scripted(
        one_each, count=30, interval_s=0.001, reconnect=True, retry_max_wait_s=0.01
    )
    assert len(clients) == len(records.of(PingStart)) > 10
    # a count may be reached on a connection before it ends
    assert records.summary.drops >= len(clients) - 1
    assert len(records.of(PingOutage)) >= records.summary.drops - 1


def test_of_several_urls_each_record_says_whose_it_is() -> None:
    async def go() -> PingRecords:
        async with scripted(answer_pings) as (url, _):
            return await run_pings([url, "ws://127.0.0.1:1/", url], count=2, interval_s=0.02)

    records = asyncio.run(go())
    assert {event.target for event in records.events} == {1, 2, 3}  # type: ignore[union-attr]
    received = {one.target: one.received for one in records.of(PingSummary)}
    assert received == {1: 2, 2: 0, 3: 2}
    one, _ = ping_scripted(answer_pings, count=1)
    assert all(event.target is None for event in one.events)  # type: ignore[union-attr]


def test_what_was_overtaken_is_told_as_overdue_while_the_run_goes_on() -> None:
    records, _ = ping_scripted(
        answering(lambda number: number % 3 == 0), count=9, interval_s=0.2, timeout_s=3.0
    )
    told = [one.overdue for one in records.of(PingSent)]
    assert told[-1] == 4, "of 1 to 6, two were answered"
    assert records.summary.lost == 6
    assert records.summary.loss_pct == pytest.approx(66.7, abs=0.1)


def test_the_time_for_which_it_was_stopped_is_between_two_pings() -> None:
    def stop(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingReply) and event.seq == 3:
            import time

            time.sleep(0.4)
            # a Ping that is due leaves before the loop hears of the signal
            asyncio.get_running_loop().call_later(0.02, run.continued)

    records, _ = ping_scripted(answer_pings, count=6, interval_s=0.05, react=stop)
    (suspended,) = records.of(PingSuspended)
    sent = [
        one.time - timedelta(milliseconds=one.rtt_ms)
        for one in records.of(PingReply)
        if one.seq in (3, 4)
    ]
    assert sent[0] < suspended.time < sent[1]


def test_a_process_that_was_stopped_was_not_delayed() -> None:
    def stop(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingReply) and event.seq == 3:
            import time

            time.sleep(0.4)  # as SIGSTOP does to us
            run.continued()

    records, _ = ping_scripted(answer_pings, count=6, interval_s=0.05, react=stop)
    attribution = records.summary.attribution
    assert attribution is not None
    assert not any("delayed" in sentence for sentence in attribution.explanation)
    assert records.summary.stops == 1
    assert records.summary.stopped_s is not None
    assert records.summary.stopped_s > 0.3


def test_a_process_that_was_stopped_takes_it_for_nobodys_outage() -> None:
    async def answers_half_a_second_late(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode == PING:
                await asyncio.sleep(0.5)
                client.send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                client.send(CLOSE, frame.payload)
                return

    def stop(run: PingRun, event: PingEvent) -> None:
        if isinstance(event, PingSent) and event.seq == 2:
            import time

            time.sleep(2.5)  # as SIGSTOP does to us: what is due is done before anything is read
            run.continued()

    records, _ = ping_scripted(
        answers_half_a_second_late, count=3, interval_s=0.8, reconnect=True, react=stop
    )
    assert not records.of(PingWaiting)
    assert not records.of(PingLost)
    assert records.summary.outages == records.summary.down_s == 0
    assert records.summary.availability_pct == 100.0
