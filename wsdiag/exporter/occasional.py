"""Idle probes of a target that is watched: one now and then, few at a time, spread over time.

A probe opens some thirty connections of its own and takes over two minutes. If all targets began
at the start of a period, every exporter's restart would look like an attack; so the first probe
comes after a random part of the period.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from random import random

from wsdiag.exporter.watched import WatchedTarget
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import IdleVerdict


class OccasionalProbe:
    """Probes one target every `period_s` seconds; `slots` are shared by all."""

    def __init__(
        self,
        watched: WatchedTarget,
        period_s: float,
        slots: asyncio.Semaphore,
        options: IdleOptions | None = None,
    ) -> None:
        self._watched, self._period_s, self._slots = watched, period_s, slots
        self._options = options or IdleOptions()

    async def run(self) -> None:
        """Probe until cancelled."""
        from wsdiag.probes.idle.run import IdleRun

        target, wait_s = self._watched.target, self._period_s * random()
        while True:
            await asyncio.sleep(wait_s)
            async with self._slots:
                run = IdleRun([target.url], self._options, target.dial)
                async with aclosing(run.events()) as events:
                    async for event in events:
                        if isinstance(event, IdleVerdict):
                            self._watched.judged_idle(event)
            wait_s = self._period_s * (0.9 + 0.2 * random())
