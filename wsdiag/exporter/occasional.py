"""What is looked at now and then on connections of its own: few at a time, spread over time.

An idle probe opens some thirty connections and takes over two minutes. If all targets began at the
start of a period, every exporter's restart would look like an attack; so the first look comes after
a random part of the period. A look at HTTP/2 comes soon after the target is up: it is a single
connection, and gone in a second. The certificate is looked at by a TLS handshake, once an hour: a
connection that lives for weeks knows the one from before it was renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from random import random

from wsdiag.exporter.watched import WatchedTarget
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import Error, IdleVerdict
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError, DialReport

HTTP2_S, HTTP2_FIRST_S = 3600.0, 30.0
CERTIFICATE_S = 3600.0
_AT_ONCE = 4
_NO_CONNECTION_S = 60.0

Look = Callable[[WatchedTarget], Awaitable[bool]]
"""One look at a target; False where it could not be made, and is to be tried again soon."""


class Occasional:
    """The looks at all targets; `tasks_for` starts those of one."""

    def __init__(self, idle_options: IdleOptions | None = None) -> None:
        self._idle_options = idle_options or IdleOptions()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def tasks_for(self, watched: WatchedTarget) -> list[asyncio.Task[None]]:
        """Running tasks, to be cancelled when the target is not watched any more."""
        target, tasks = watched.target, []
        if target.idle_probe_s is not None:
            period_s = target.idle_probe_s
            tasks.append(self._repeat(watched, self.probe_idle, period_s * random(), period_s))
        if target.dial.http_version != "3" and _is_secure(target.url):
            period_s = CERTIFICATE_S
            first_s = period_s * (1 + random()) / 2
            tasks.append(self._repeat(watched, self.look_at_certificate, first_s, period_s))
        if target.http2_look and target.dial.http_version == "1.1" and _is_secure(target.url):
            first_s = HTTP2_FIRST_S * random()
            tasks.append(self._repeat(watched, self.look_at_http2, first_s, HTTP2_S))
        return [asyncio.create_task(task) for task in tasks]

    async def _repeat(
        self, watched: WatchedTarget, look: Look, wait_s: float, period_s: float
    ) -> None:
        while True:
            await asyncio.sleep(wait_s)
            async with self._slots:
                try:
                    made = await look(watched)
                except Exception as error:
                    made = True
                    seen = f"{type(error).__name__}: {error}"
                    hint = "this is a bug in wsdiag; please report it"
                    bug = Error(watched.target.url, "probe", "protocol", seen, hint)
                    watched.on_change(watched, bug)
            wait_s = period_s if made else min(period_s, _NO_CONNECTION_S)
            wait_s *= 0.9 + 0.2 * random()

    async def probe_idle(self, watched: WatchedTarget) -> bool:
        """An idle probe, to its verdict."""
        from wsdiag.probes.idle.run import IdleRun

        run = IdleRun([watched.target.url], self._idle_options, watched.target.dial)
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, IdleVerdict):
                    watched.judged_idle(event)
        return True

    async def look_at_certificate(self, watched: WatchedTarget) -> bool:
        """The certificate that a new connection would get; what fails is the next dial's to say."""
        from wsdiag.probes.connect.http2_look import where_it_led
        from wsdiag.transport.dial.dialer import look_at_tls

        report = _report(watched)
        if report is None:
            return False
        led_to = where_it_led(watched.target.url, watched.target.dial, report)
        with suppress(DialError, OSError):
            watched.saw_certificate(await look_at_tls(*led_to))
        return True

    async def look_at_http2(self, watched: WatchedTarget) -> bool:
        """What a browser would find over HTTP/2, at the address that the target is at now."""
        from wsdiag.probes.connect.http2_look import http2_look

        report, target = _report(watched), watched.target
        if report is None:
            return False
        watched.looked_at_http2(await http2_look(target.url, target.dial, report))
        return True


def _report(watched: WatchedTarget) -> DialReport | None:
    """What the dial of its connection found; None: there is none that is open."""
    session = None if watched.pinger is None else watched.pinger.session
    return None if session is None or session.ended is not None else session.report


def _is_secure(url: str) -> bool:
    try:
        return Target.parse(url).secure
    except UrlError:
        return False
