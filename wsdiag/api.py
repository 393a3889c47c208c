"""The public functions behind `import wsdiag`.

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

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from wsdiag.capture.explain import ExplainOptions, ExplainRun
from wsdiag.capture.tls.key_log import KeyLog
from wsdiag.keywords import (
    CheckKeywords,
    IdleKeywords,
    PathKeywords,
    PingKeywords,
    ServeKeywords,
    StreamKeywords,
)
from wsdiag.probes.check.options import CheckOptions, Endpoint, opening_status
from wsdiag.probes.check.registry import refuse_unknown
from wsdiag.probes.check.runner import CheckRun
from wsdiag.probes.check.summary import summarize
from wsdiag.probes.connect.run import connect as _connect
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.run import IdleRun
from wsdiag.probes.path.options import PathOptions
from wsdiag.probes.path.run import PathRun
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.run import PingRun
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.run import StreamRun
from wsdiag.records import (
    CheckResult,
    CheckSummary,
    ConnectResult,
    Error,
    ExplainConnection,
    ExplainVerdict,
    IdleEvent,
    PathEvent,
    PingEvent,
)
from wsdiag.records.stream import StreamRecord
from wsdiag.server import Server, ServerOptions
from wsdiag.server.routes import from_spec
from wsdiag.server.server import OnEvent
from wsdiag.transport.dial.options import DialOptions


async def connect(
    url: str,
    dial: DialOptions | None = None,
    *,
    send: Sequence[str] = (),
    listen_s: float | None = None,
    max_time_s: float | None = None,
    look_at_http2: bool = True,
) -> ConnectResult:
    """Connect once, Ping once, close; a failure is in the result's `error`, not raised.

    Offers permessage-deflate unless `dial` says otherwise. ValueError for a URL that cannot be one.
    `send` texts and take what comes for `listen_s` (None: until one has come for each of
    them, 5 s at most) into the result's `messages`; `max_time_s` bounds all that is waited for.
    For wss:// a look at HTTP/2 follows (`result.http2`), unless `look_at_http2` is false.

    >>> import asyncio, wsdiag
    >>> async def refused():
    ...     async with wsdiag.serve() as server:
    ...         return await wsdiag.connect(server.url + "/status/403")
    >>> result = asyncio.run(refused())
    >>> result.ok, result.error.phase, result.http.status
    (False, 'upgrade', 403)
    """
    options = dial or DialOptions()
    if options.compression is None:
        options = replace(options, compression=True)
    return await _connect(
        url,
        options,
        send=send,
        listen_s=listen_s,
        max_time_s=max_time_s,
        look_at_http2=look_at_http2,
    )


async def ping(
    *urls: str, dial: DialOptions | None = None, **options: Unpack[PingKeywords]
) -> AsyncIterator[PingEvent]:
    """Round trips as they happen, then a PingSummary for each URL; `options` as PingOptions.

    Without `count` or `deadline_s` it goes on until the caller leaves the loop. An endpoint that
    cannot be reached is an Error among the events. ValueError for options that are impossible.

    >>> import asyncio, wsdiag
    >>> async def late_share():
    ...     async with wsdiag.serve() as server:
    ...         url = server.url + "/latency/30"
    ...         async for event in wsdiag.ping(url, count=3, interval_s=0.01):
    ...             if isinstance(event, wsdiag.PingSummary):
    ...                 return event.received, event.p50_ms >= 30
    >>> asyncio.run(late_share())
    (3, True)
    """
    run = PingRun(urls, PingOptions(**options), dial or DialOptions())
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def idle_probe(
    *urls: str, dial: DialOptions | None = None, **options: Unpack[IdleKeywords]
) -> AsyncIterator[IdleEvent]:
    """What became of each trial, then an IdleVerdict for each URL; `options` as IdleOptions.

    With the defaults it takes up to 135 seconds. ValueError for options that are impossible.

    >>> import asyncio, wsdiag
    >>> async def verdict():
    ...     async with wsdiag.serve() as server:
    ...         url = server.url + "/idle/1?drop=fin"
    ...         async for event in wsdiag.idle_probe(url, from_s=0.5, to_s=2, step_s=0.5,
    ...                                              keepalive_s=0.4, pong_timeout_s=2):
    ...             if isinstance(event, wsdiag.IdleVerdict):
    ...                 return event.verdict, event.drop.how, event.keepalives["ping"]
    >>> asyncio.run(verdict())
    ('idle-timeout', 'fin', 'holds')
    """
    run = IdleRun(urls, IdleOptions(**options), dial or DialOptions())
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def stream(
    url: str, dial: DialOptions | None = None, **options: Unpack[StreamKeywords]
) -> AsyncIterator[StreamRecord]:
    """What an endpoint pushes, then a StreamSummary; `options` as StreamOptions.

    Offers permessage-deflate unless `dial` says otherwise. Without `count` or `deadline_s` it goes
    on until the caller leaves the loop. An endpoint that cannot be reached is an Error among the
    events. ValueError for options that are impossible.

    >>> import asyncio, wsdiag
    >>> async def missing():
    ...     async with wsdiag.serve() as server:
    ...         url = server.url + "/push/0.01?skip=5"
    ...         async for event in wsdiag.stream(url, count=9, seq="$.seq"):
    ...             if isinstance(event, wsdiag.StreamSummary):
    ...                 return event.messages, event.gaps.missing
    >>> asyncio.run(missing())
    (9, 2)
    """
    dial = dial or DialOptions()
    if dial.compression is None:
        dial = replace(dial, compression=True)
    run = StreamRun(url, StreamOptions(**options), dial)
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def path(
    url: str, dial: DialOptions | None = None, **options: Unpack[PathKeywords]
) -> AsyncIterator[PathEvent]:
    """The hops of a connection's own flow: PathHop rows after each round, then a PathSummary.

    Without `count` it goes on until the caller leaves the loop; `options` as PathOptions. An
    endpoint that cannot be reached is an Error among the events, and so is a system that is not
    Linux. ValueError for options that are impossible.

    >>> import asyncio, wsdiag
    >>> async def hops():
    ...     async with wsdiag.serve() as server:
    ...         async for event in wsdiag.path(server.url + "/echo", count=1):
    ...             if isinstance(event, wsdiag.PathSummary):
    ...                 return event.hops, event.notes[0][:7]
    >>> asyncio.run(hops())
    (0, 'no hops')
    """
    run = PathRun(url, PathOptions(**options), dial or DialOptions())
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def check(
    *urls: str, dial: DialOptions | None = None, **options: Unpack[CheckKeywords]
) -> AsyncIterator[CheckResult | Error | CheckSummary]:
    """Every check of every URL, then one CheckSummary; `options` as CheckOptions.

    Offers permessage-deflate unless `dial` says otherwise. An endpoint that gives no usable answer
    is an Error among the results. ValueError for names of checks that do not exist.

    >>> import asyncio, wsdiag
    >>> async def failed():
    ...     async with wsdiag.serve() as server:
    ...         events = wsdiag.check(server.url + "/latency/30", max_p95_s=0.02)
    ...         return [each.id async for each in events
    ...                 if isinstance(each, wsdiag.CheckResult) and each.status == "fail"]
    >>> asyncio.run(failed())
    ['ping.p95']
    """
    dial = dial or DialOptions()
    if dial.compression is None:
        dial = replace(dial, compression=True)
    opens_with = opening_status(dial.http_version)
    chosen = CheckOptions(**options, opens_with=opens_with)
    refuse_unknown((*chosen.only, *chosen.skip))
    endpoints = [Endpoint(url=url, dial=dial, check=chosen) for url in urls]
    run = CheckRun(endpoints)
    results: list[CheckResult] = []
    unreachable, began = 0, time.monotonic()
    async with aclosing(run.reports()) as reports:
        async for report in reports:
            results += report.results
            for result in report.results:
                yield result
            if report.error is not None:
                unreachable += 1
                yield report.error
    yield summarize(results, time.monotonic() - began, unreachable=unreachable)


def explain(
    *paths: str | Path,
    keylog: str | Path | None = None,
    log_format: str | None = None,
    show: bool = False,
) -> Iterator[ExplainConnection | ExplainVerdict]:
    """What was recorded: each connection of the files, then a verdict for each endpoint.

    `keylog`: TLS secrets in the NSS key log format. `log_format`: of access logs, in nginx's
    syntax. `show`: keep the first messages' payloads.
    ValueError for a file that is no known format (what it is instead) and for a log format that
    cannot be used; OSError for a key log.

    >>> import tempfile, wsdiag
    >>> line = ('192.0.2.7 - - [28/Nov/2026:03:00:07 +0000] "GET /chat HTTP/1.1" 101 512 '
    ...         '"-" "Mozilla/5.0" 60.001')
    >>> with tempfile.NamedTemporaryFile("w") as log:
    ...     _ = log.write(line + "\\n"), log.flush()
    ...     connection, verdict = wsdiag.explain(log.name)
    >>> connection.age_s, connection.outcome, verdict.connections
    (60.001, 'unknown', 1)
    """
    key_log = None if keylog is None else KeyLog(Path(keylog))
    options = ExplainOptions(key_log=key_log, log_format=log_format, show=show)
    for event in ExplainRun([str(path) for path in paths], options).events():
        if isinstance(event, Error):
            raise ValueError(event.message)  # noqa: TRY004
        if isinstance(event, ExplainConnection | ExplainVerdict):
            yield event


@asynccontextmanager
async def serve(
    *faults: str, on_event: OnEvent | None = None, **options: Unpack[ServeKeywords]
) -> AsyncIterator[Server]:
    """The endpoint of `wsdiag serve` in this event loop, on a free port; its `url` tells where.

    `faults` hold for every connection and are written as paths are (`wsdiag serve --list`);
    `on_event(connection, event, data)` hears what happens; `options` as ServerOptions.
    OSError when it cannot listen, ValueError for a fault or an upstream that cannot be.

    >>> import asyncio, wsdiag
    >>> async def dropped():
    ...     heard = []
    ...     def listen(connection, event, data):
    ...         heard.append(event)
    ...     async with wsdiag.serve("lifetime/0.2?drop=rst", on_event=listen) as server:
    ...         async for event in wsdiag.ping(server.url, count=100, interval_s=0.05):
    ...             if isinstance(event, wsdiag.PingClosed):
    ...                 return event.drop.how, "drop" in heard
    >>> asyncio.run(dropped())
    ('rst', True)
    """
    built = ServerOptions(faults=tuple(from_spec(fault) for fault in faults), **options)
    async with Server(built, on_event) as server:
        yield server
