"""A thousand endpoints, each pinged every second, by one process."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator

import pytest

from tests.integration.lag import LagMeter
from tests.integration.ping.running import PingRecords, run_pings
from tests.peers.peers import Peers
from wsdiag.records import Error, PingReply, PingSummary

URLS, ROUNDS = 1000, 5
FILES = 3 * URLS


@pytest.fixture
def enough_files() -> Iterator[None]:
    """Both ends inherit this limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"only {hard} open files are allowed here, {FILES} are needed")
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("enough_files")
def test_a_thousand_urls_are_pinged_every_second(peers: Peers) -> None:
    base = peers.websockets().url
    urls = [f"{base}/?number={number}" for number in range(URLS)]
    tasks: set[int] = set()
    timers: set[int] = set()

    def count_tasks(_: object, event: object) -> None:
        if isinstance(event, PingReply) and event.seq == ROUNDS:
            tasks.add(len(asyncio.all_tasks()))
            scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
            timers.add(sum(not timer.cancelled() for timer in scheduled))

    async def watched() -> tuple[PingRecords, LagMeter]:
        async with LagMeter() as lag:
            return await run_pings(urls, count=ROUNDS, interval_s=1.0, react=count_tasks), lag

    pinged, lag = asyncio.run(watched())
    assert not pinged.of(Error)
    summaries = pinged.of(PingSummary)
    assert {summary.url for summary in summaries} == set(urls)
    assert sum(summary.received for summary in summaries) == URLS * ROUNDS
    # A slot that the process could not keep is skipped, which makes a run longer.
    longest = max(summary.duration_s for summary in summaries)
    assert ROUNDS - 1 <= longest < 2 * ROUNDS + lag.total_s
    assert max(tasks) <= URLS + 10, "one task a URL at most, none a Ping"
    assert max(timers) <= URLS + 10, "one timer a URL at most, none a Ping"
