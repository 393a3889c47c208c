"""Idle probes of watched targets: now and then, few at a time."""

from __future__ import annotations

import asyncio

from wsdiag.exporter.config import BUCKETS_S, ExporterTarget
from wsdiag.exporter.exposition import Format, rendered
from wsdiag.exporter.occasional import OccasionalProbe
from wsdiag.exporter.snapshot import OwnFigures, ReloadState, Snapshot
from wsdiag.exporter.watched import WatchedTarget
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.server import Server, ServerOptions

QUICK = IdleOptions(from_s=0.4, to_s=1.6, step_s=0.4, keepalive_s=0.3, pong_timeout_s=2)


def test_the_verdict_becomes_metrics() -> None:
    async def run() -> str:
        async with Server(ServerOptions(port=0)) as server:
            target = ExporterTarget(url=f"{server.url}/idle/1?drop=fin", shown_url="shown")
            watched = WatchedTarget(target, "n", BUCKETS_S)
            probing = OccasionalProbe(watched, 0.1, asyncio.Semaphore(1), QUICK)
            task = asyncio.create_task(probing.run())
            async with asyncio.timeout(40):
                while watched.figures().idle_verdict is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            task.cancel()
            figures = watched.figures()
        snapshot = Snapshot([(watched.labels, figures)], OwnFigures(ReloadState()))
        return rendered(snapshot, Format()).decode()

    text = asyncio.run(run())
    labels = 'name="n",url="shown"'
    assert f'wsdiag_idle_probe_verdict{{{labels},verdict="idle-timeout"}} 1.0' in text
    assert f'wsdiag_idle_probe_verdict{{{labels},verdict="no-drop"}} 0.0' in text
    assert f'wsdiag_idle_probe_timeout_seconds{{bound="high",{labels}}}' in text
    assert f"wsdiag_idle_probe_timestamp_seconds{{{labels}}}" in text


def test_a_bug_in_a_probe_is_told_and_is_not_the_last() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        watched = WatchedTarget(ExporterTarget(url="ws://127.0.0.1:1/"), "n", BUCKETS_S)
        watched.on_change = lambda _, event: told.append(event.message)  # type: ignore[union-attr]
        probing = OccasionalProbe(watched, 0.01, asyncio.Semaphore(1), QUICK)

        async def fail() -> None:
            raise RuntimeError("broken")

        probing._probe = fail  # type: ignore[method-assign]
        task = asyncio.create_task(probing.run())
        async with asyncio.timeout(20):
            while len(told) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
        return told[:2]

    assert asyncio.run(run()) == ["RuntimeError: broken"] * 2
