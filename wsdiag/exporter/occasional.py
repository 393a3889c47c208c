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
from wsdiag.records import Error, IdleVerdict


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
        wait_s = self._period_s * random()
        while True:
            await asyncio.sleep(wait_s)
            async with self._slots:
                try:
                    await self._probe()
                except Exception as error:
                    seen = f"{type(error).__name__}: {error}"
                    hint = "this is a bug in wsdiag; please report it"
                    bug = Error(self._watched.target.url, "idle-probe", "protocol", seen, hint)
                    self._watched.on_change(self._watched, bug)
            wait_s = self._period_s * (0.9 + 0.2 * random())

    async def _probe(self) -> None:
        from wsdiag.probes.idle.run import IdleRun

        target = self._watched.target
        run = IdleRun([target.url], self._options, target.dial)
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, IdleVerdict):
                    self._watched.judged_idle(event)
