"""What an endpoint says at once is known when `ping` starts: the dialect it speaks."""

from __future__ import annotations

import asyncio

from tests.integration.idle.endpoint import endpoint
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.run import PingRun
from wsdiag.records import PingStart
from wsdiag.transport.dial.options import DialOptions

GREETING = '{"event":"pusher:connection_established","data":"{\\"activity_timeout\\":120}"}'


def test_a_dialect_told_by_the_first_message_stands_in_the_start() -> None:
    async def start() -> PingStart:
        async with endpoint(welcome=GREETING) as running:
            run = PingRun([running.url], PingOptions(count=1), DialOptions())
            seen = [event async for event in run.events()]
            return next(event for event in seen if isinstance(event, PingStart))

    begun = asyncio.run(start())
    assert begun.dialect is not None
    assert (begun.dialect.name, begun.dialect.by) == ("pusher", "its first message")
