"""The public Python API: what `import wsdiag` offers, typed. Nothing else is public.

>>> import asyncio, wsdiag
>>> async def tour():
...     async with wsdiag.serve() as server:
...         result = await wsdiag.connect(server.url + "/echo")
...         replies = 0
...         async for event in wsdiag.ping(server.url + "/echo", count=3, interval_s=0.01):
...             if isinstance(event, wsdiag.PingReply):
...                 replies += 1
...         return result.ok, replies
>>> asyncio.run(tour())
(True, 3)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from wsdiag.probes.connect import connect as _connect
from wsdiag.probes.idle import IdleRun
from wsdiag.probes.idle_options import IdleOptions
from wsdiag.probes.ping import PingOptions, PingRun
from wsdiag.probes.results import ConnectResult, IdleEvent, PingEvent
from wsdiag.server import Server, ServerOptions
from wsdiag.transport.options import DialOptions


async def connect(url: str, dial: DialOptions | None = None) -> ConnectResult:
    """Connect once, Ping once, close; a failure is in the result's `error`, not raised.

    Offers permessage-deflate unless `dial` says otherwise. ValueError for a URL that cannot be one.
    """
    options = dial or DialOptions()
    if options.compression is None:
        options = replace(options, compression=True)
    return await _connect(url, options)


async def ping(
    *urls: str, dial: DialOptions | None = None, **options: Any
) -> AsyncIterator[PingEvent]:
    """Round trips as they happen, then a PingSummary for each URL; `options` as PingOptions.

    Without `count` or `deadline_s` it goes on until the caller leaves the loop.
    """
    run = PingRun(urls, PingOptions(**options), dial or DialOptions())
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def idle_probe(
    *urls: str, dial: DialOptions | None = None, **options: Any
) -> AsyncIterator[IdleEvent]:
    """What became of each trial, then an IdleVerdict for each URL; `options` as IdleOptions.

    With the defaults it takes up to 135 seconds.
    """
    run = IdleRun(urls, IdleOptions(**options), dial or DialOptions())
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


@asynccontextmanager
async def serve(**options: Any) -> AsyncIterator[Server]:
    """The endpoint of `wsdiag serve` in this event loop, on a free port; its `url` tells where.

    `options` as ServerOptions. OSError when it cannot listen.
    """
    async with Server(ServerOptions(**options)) as server:
        yield server
