"""Feeds by other people's servers, with every mishap made on purpose: each is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import websockets

from tests.integration.stream.running import StreamRecords, in_loop, run_stream, until
from tests.peers.peers import Peers
from wsdiag.probes.stream.run import StreamRun
from wsdiag.records import Error
from wsdiag.records.stream import StreamEvent, StreamRecord
from wsdiag.transport.dial.options import DialOptions

QUERY = json.dumps(
    {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": "subscription { quote { symbol seq ts } }"},
    }
)


@dataclass(frozen=True)
class Feed:
    """How to subscribe, and where a message has what."""

    path: str
    at: str
    dial: Mapping[str, Any]


PLAIN = Feed("/", "$.data", {"hello": ("subscribe",), "hello_wait": 0.1})
FEEDS = {
    "websockets": PLAIN,
    "aiohttp": PLAIN,
    "ws": PLAIN,
    "socket.io": Feed("/socket.io/?EIO=4&transport=websocket", "$[1]", {"dialect": "socket.io"}),
    "graphql-ws": Feed(
        "/graphql",
        "$.payload.data.quote",
        {"hello": ('{"type":"connection_init"}', QUERY), "subprotocols": ("graphql-transport-ws",)},
    ),
}


@pytest.mark.parametrize("library", FEEDS)
def test_every_mishap_is_named(library: str, peers: Peers) -> None:
    feed = FEEDS[library]
    url = peers.feed(library, pause_s=2.5).url.rstrip("/") + feed.path
    seen = asyncio.run(
        run_stream(
            url,
            dial=DialOptions(compression=True, **feed.dial),
            react=until("burst"),
            by=f"{feed.at}.symbol",
            seq=f"{feed.at}.seq",
            time=f"{feed.at}.ts",
            deadline_s=30,
        )
    )
    assert not seen.of(Error)
    assert {"silence", "mute", "resumed", "burst", "gap"} <= names(seen)
    assert seen.named("mute")[0].cause == "feed"
    burst = seen.named("burst")[0]
    assert burst.messages is not None
    assert burst.messages >= 285
    assert burst.silent_s == pytest.approx(2.5, abs=0.8)
    told = [(event.gap, event.key) for event in seen.named("gap")]
    assert {("missing", "btc"), ("repeated", "eth"), ("reordered", "btc")} <= set(told)
    summary = seen.summary
    assert summary.gaps is not None
    # one left out, and eleven in the pause, of each key
    assert (summary.gaps.missing, summary.gaps.repeated, summary.gaps.reordered) == (24, 2, 2)
    assert summary.lag is not None
    assert summary.lag.unit == "ms"
    assert (summary.silences, summary.mutes, summary.bursts) == (1, 1, 1)


def names(seen: StreamRecords) -> set[str]:
    return {event.event for event in seen.of(StreamEvent)}


@pytest.mark.parametrize("library", ["websockets", "aiohttp"])
def test_away_and_what_was_missed(library: str, peers: Peers) -> None:
    outages = 0

    def twice(run: StreamRun, event: StreamRecord) -> None:
        nonlocal outages
        outages += isinstance(event, StreamEvent) and event.event == "outage"
        if outages == 2:
            run.stop()

    url = peers.feed(library, pause_s=0, lasts_s=0.4).url
    seen = asyncio.run(
        run_stream(
            url,
            dial=DialOptions(hello=("subscribe",), hello_wait=0.1),
            react=twice,
            reconnect=True,
            by="data.symbol",
            seq="data.seq",
            deadline_s=30,
        )
    )
    for outage in seen.named("outage")[:2]:
        assert outage.drop is not None
        assert outage.drop.how in ("fin", "rst")
        assert outage.missed == {"btc": 0, "eth": 0}  # numbers wait for their reader here
        assert "0 messages missed on btc, 0 on eth" in outage.message


@pytest.mark.parametrize("dialect", ["auto", "none"])
@in_loop
async def test_a_feed_that_sends_heartbeats_only_is_mute(dialect: str) -> None:
    async def push(connection: Any) -> None:
        for number in range(40):
            await connection.send(f'{{"type":"trade","n":{number}}}')
            await asyncio.sleep(0.02)
        while True:
            await connection.send('{"type":"heartbeat"}')
            await asyncio.sleep(0.3)

    async with websockets.serve(push, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        seen = await run_stream(
            f"ws://127.0.0.1:{port}/",
            dial=DialOptions(dialect=dialect),
            react=until("mute"),
            deadline_s=30 if dialect == "auto" else 6,
        )
    assert ("mute" in names(seen)) is (dialect == "auto")
    assert (seen.summary.control > 0) is (dialect == "auto")


@in_loop
async def test_counts_are_those_of_a_ten_line_script() -> None:
    async def push(connection: Any) -> None:
        for number in range(3000):
            await connection.send(f'{{"n":{number}}}')

    async with websockets.serve(push, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/"
        seen = await run_stream(url, seq="n")
        count = size = 0
        async with websockets.connect(url) as connection:
            async for message in connection:
                count, size = count + 1, size + len(message)
    assert (seen.summary.messages, seen.summary.bytes) == (count, size) == (3000, size)
    assert seen.summary.gaps is not None
    assert seen.summary.gaps.missing == 0
