"""Every event made on purpose by `serve`, and named."""

from __future__ import annotations

import pytest

from tests.integration.lag import LagMeter
from tests.integration.scripted import note_what_tcp_is_asked_about
from tests.integration.stream.running import in_loop, run_stream, until
from wsdiag import serve
from wsdiag.probes.stream.run import StreamRun
from wsdiag.records import Error
from wsdiag.records.stream import (
    StreamClosed,
    StreamInterval,
    StreamMessage,
    StreamRecord,
    StreamStart,
)
from wsdiag.transport.dial.options import DialOptions


@in_loop
async def test_a_feed_that_falls_mute_and_goes_on() -> None:
    async with serve() as server, LagMeter() as lag:
        url = server.url + "/push/0.02/mute/0.6?for=1.4"
        seen = await run_stream(url, react=until("mute", "resumed"), deadline_s=30)
    (mute,) = seen.named("mute")
    assert mute.cause == "feed"
    assert mute.pings_answered is not None
    assert mute.pings_answered >= 2
    assert seen.named("resumed")[0].silent_s == pytest.approx(1.4, abs=0.3 + lag.worst_s)
    assert not seen.named("burst")  # what fell due meanwhile was lost


@in_loop
async def test_an_endpoint_that_stands_still_is_not_mute() -> None:
    async with serve() as server:
        url = server.url + "/push/0.02/lifetime/0.5?drop=hang"
        seen = await run_stream(url, react=until("silence"), deadline_s=30)
    (silence,) = seen.named("silence")
    assert silence.cause == "endpoint"
    assert not seen.named("mute")


@in_loop
async def test_messages_that_were_held_back_come_as_a_burst() -> None:
    async with serve() as server, LagMeter() as lag:
        url = server.url + "/push/0.01?burst=150&format=json"
        seen = await run_stream(
            url, react=until("burst"), deadline_s=60, show="text", time="$.time"
        )
    (burst,) = seen.named("burst")
    assert burst.messages == 150
    # 150 timers of 10 ms, each of which a busy machine delays: the first message tells for how long
    first = seen.of(StreamMessage)[150]
    assert first.lag_ms is not None
    assert burst.silent_s >= 1.45
    assert burst.silent_s == pytest.approx(first.lag_ms / 1000, abs=0.3 + lag.worst_s)


@pytest.mark.parametrize(
    ("mishap", "kind", "member", "count"),
    [
        ("skip=10", "missing", "missing", 4),
        ("repeat=10", "repeated", "repeated", 4),
        ("reorder=10", "reordered", "reordered", 4),
    ],
)
@in_loop
async def test_numbers_that_do_not_follow(mishap: str, kind: str, member: str, count: int) -> None:
    async with serve() as server:
        url = f"{server.url}/push/0.005?{mishap}"
        seen = await run_stream(url, seq="$.seq", time="$.time", count=45)
    assert kind in {event.gap for event in seen.named("gap")}
    gaps = seen.summary.gaps
    assert gaps is not None
    assert getattr(gaps, member) == count
    assert seen.summary.lag is not None
    assert seen.summary.lag.unit == "s"
    assert seen.summary.lag.max_ms is not None
    assert -1 < seen.summary.lag.max_ms < 10_000


@in_loop
async def test_away_and_back_with_the_hello_said_again() -> None:
    said = []

    def heard(connection: int, event: str, data: object) -> None:
        said.append((connection, event))

    async with serve(on_event=heard) as server:
        seen = await run_stream(
            server.url + "/push/0.02/lifetime/0.5?drop=rst&keys=2",
            react=until("outage"),
            reconnect=True,
            by="$.key",
            seq="$.seq",
            deadline_s=30,
            dial=DialOptions(hello=("subscribe",)),
        )
    (outage,) = seen.named("outage")
    assert outage.drop is not None
    assert outage.drop.how == "rst"
    assert outage.over
    assert outage.missed == {"k1": None, "k2": None}  # each connection has numbers of its own
    assert [start.reconnect for start in seen.of(StreamStart)] == [None, 1]
    assert seen.summary.gaps is not None
    assert seen.summary.gaps.restarts == 2


@in_loop
async def test_no_message_at_all_and_no_endpoint_at_all() -> None:
    async with serve() as server:
        seen = await run_stream(server.url + "/echo", deadline_s=0.5)
        url = server.url
    assert seen.summary.messages == 0
    seen = await run_stream(url, deadline_s=5)
    assert seen.of(Error)
    assert seen.summary.duration_s == 0


@in_loop
async def test_messages_are_shown_and_intervals_add_up() -> None:
    async with serve() as server:
        url = server.url + "/push/0.005?format=json"
        seen = await run_stream(url, count=100, show="text", field="$.seq", interval_s=0.1)
    shown = seen.of(StreamMessage)
    assert [message.value for message in shown] == [str(number) for number in range(1, 101)]
    intervals = seen.of(StreamInterval)
    told = seen.events[: seen.events.index(intervals[-1])]
    assert sum(interval.messages for interval in intervals) == sum(
        isinstance(event, StreamMessage) for event in told
    )


@in_loop
async def test_binary_messages_are_base64_and_compression_is_measured() -> None:
    async with serve() as server:
        seen = await run_stream(server.url + "/flood?rate=100k&size=3", count=5, show="json")
        assert {message.data for message in seen.of(StreamMessage)} == {"AAAA"}
        packed = await run_stream(
            server.url + "/push/0.01?size=500", count=5, dial=DialOptions(compression=True)
        )
    assert seen.summary.binary == 5
    assert seen.summary.compression_ratio is None
    assert packed.summary.compression_ratio is not None
    assert packed.summary.compression_ratio > 3


@in_loop
async def test_tcp_is_asked_about_the_overdue_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    ages_s, at_the_end_s = note_what_tcp_is_asked_about(monkeypatch), []

    def react(run: StreamRun, event: StreamRecord) -> None:
        if isinstance(event, StreamClosed):
            at_the_end_s.append(ages_s[-1])  # the connection after it is asked about too
            run.stop()

    async with serve() as server:
        seen = await run_stream(
            server.url + "/push/0.02/lifetime/0.5?drop=hang",
            react=react,
            reconnect=True,
            timeout_s=0.5,
            ping_interval_s=0.1,
        )
    (closed,) = seen.of(StreamClosed)
    assert (closed.drop.how, closed.drop.tcp_acknowledged) == ("silent", True)
    assert at_the_end_s[0] >= 0.5, "before it, each tick asks about all that was written"
