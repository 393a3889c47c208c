"""Idle probes of watched targets: now and then, few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.integration.waiting import until
from tests.peers.certs import Authority
from wsdiag.exporter import occasional
from wsdiag.exporter.config import BUCKETS_S, ExporterConfig, ExporterTarget
from wsdiag.exporter.exposition import Format, rendered
from wsdiag.exporter.fleet import Fleet
from wsdiag.exporter.occasional import Occasional
from wsdiag.exporter.snapshot import OwnFigures, ReloadState, Snapshot
from wsdiag.exporter.watched import TargetFigures, WatchedTarget
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.server import Server, ServerOptions
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.listen import ServerTls

QUICK = IdleOptions(from_s=0.4, to_s=1.6, step_s=0.4, keepalive_s=0.15, pong_timeout_s=2)


def metrics(watched: WatchedTarget) -> str:
    snapshot = Snapshot([(watched.labels, watched.figures())], OwnFigures(ReloadState()))
    return rendered(snapshot, Format()).decode()


async def watch(target: ExporterTarget, holds: Callable[[TargetFigures], object]) -> str:
    """The metrics of a target that is watched until something holds."""
    fleet = Fleet(lambda _target, _change: None)
    fleet.apply(ExporterConfig(targets=(target,)))
    (watched,) = fleet.watched
    await until(lambda: holds(watched.figures()))
    text = metrics(watched)
    await fleet.stop()
    return text


def test_the_verdict_becomes_metrics() -> None:
    async def run() -> str:
        async with Server(ServerOptions(port=0)) as server:
            url = f"{server.url}/idle/1?drop=fin"
            target = ExporterTarget(url=url, shown_url="shown", idle_probe_s=0.1)
            watched = WatchedTarget(target, "n", BUCKETS_S)
            (task,) = Occasional(QUICK).tasks_for(watched)
            await until(lambda: watched.figures().idle_verdict)
            task.cancel()
            return metrics(watched)

    text = asyncio.run(run())
    labels = 'name="n",url="shown"'
    assert f'wsdiag_idle_probe_verdict{{{labels},verdict="idle-timeout"}} 1.0' in text
    assert f'wsdiag_idle_probe_verdict{{{labels},verdict="no-drop"}} 0.0' in text
    assert f'wsdiag_idle_probe_timeout_seconds{{bound="high",{labels}}}' in text
    assert f"wsdiag_idle_probe_timestamp_seconds{{{labels}}}" in text


def test_a_bug_in_a_look_is_told_and_is_not_the_last() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        target = ExporterTarget(url="ws://127.0.0.1:1/", idle_probe_s=0.01)
        watched = WatchedTarget(target, "n", BUCKETS_S)
        watched.on_change = lambda _, event: told.append(event.message)  # type: ignore[union-attr]
        looks = Occasional(QUICK)

        async def fail(watched: WatchedTarget) -> bool:
            raise RuntimeError("broken")

        looks.probe_idle = fail  # type: ignore[method-assign]
        (task,) = looks.tasks_for(watched)
        await until(lambda: len(told) >= 2)
        task.cancel()
        return told[:2]

    assert asyncio.run(run()) == ["RuntimeError: broken"] * 2


def test_which_targets_are_looked_at() -> None:
    async def run(target: ExporterTarget) -> int:
        tasks = Occasional().tasks_for(WatchedTarget(target, "", BUCKETS_S))
        for task in tasks:
            task.cancel()
        return len(tasks)

    for target, looks in (
        (ExporterTarget(url="ws://a"), 0),
        (ExporterTarget(url="wss://a"), 2),
        (ExporterTarget(url="https://a", idle_probe_s=3600.0), 3),
        (ExporterTarget(url="wss://a", http2_look=False), 1),
        (ExporterTarget(url="wss://a", dial=DialOptions(http_version="3")), 0),
    ):
        assert asyncio.run(run(target)) == looks


@pytest.mark.parametrize("http2", [False, True])
def test_a_look_at_http2(ca: Authority, monkeypatch: pytest.MonkeyPatch, http2: bool) -> None:
    monkeypatch.setattr(occasional, "HTTP2_FIRST_S", 0.1)
    monkeypatch.setattr(occasional, "_NO_CONNECTION_S", 0.1)
    cert, dial = ca.cert("127.0.0.1"), DialOptions(cacert=ca.pem)

    async def run() -> str:
        options = ServerOptions(port=0, http2=http2, cert=cert.cert, key=cert.key)
        async with Server(options) as server:
            target = ExporterTarget(url=server.url, shown_url="shown", dial=dial, interval_s=0.1)
            return await watch(target, lambda figures: figures.http2)

    text, labels = asyncio.run(run()), '{name="",url="shown"}'
    assert f"wsdiag_http2_offered{labels} {float(http2)}" in text
    assert (f"wsdiag_http2_opens{labels} 1.0" in text) is http2
    assert (f"wsdiag_http2_enable_connect_protocol{labels} 1.0" in text) is http2


def test_a_renewed_certificate_is_seen_on_a_connection_that_stays(
    ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occasional, "CERTIFICATE_S", 0.2)
    old, new = ca.cert("127.0.0.1"), ca.cert("127.0.0.1", days=1000)
    dial = DialOptions(cacert=ca.pem)

    def shown(each: WatchedTarget) -> float:
        return each.figures().certificate_expiry or 0.0

    async def run() -> None:
        options = ServerOptions(port=0, cert=old.cert, key=old.key)
        renewed = ServerTls(new.cert, new.key).context()
        async with Server(options) as server:
            target = ExporterTarget(url=server.url, dial=dial, interval_s=0.1, http2_look=False)
            fleet = Fleet(lambda _target, _change: None)
            fleet.apply(ExporterConfig(targets=(target,)))
            (watched,) = fleet.watched
            await until(lambda: shown(watched))
            before = shown(watched)
            assert server._listener is not None
            server._listener._context = renewed
            await until(lambda: shown(watched) != before)
            assert watched.figures().connections == 1
            await fleet.stop()

    asyncio.run(run())


def test_a_target_that_is_pinged_over_http2(ca: Authority) -> None:
    cert, dial = ca.cert("127.0.0.1"), DialOptions(cacert=ca.pem, http_version="2")

    async def run() -> str:
        options = ServerOptions(port=0, http2=True, cert=cert.cert, key=cert.key)
        async with Server(options) as server:
            target = ExporterTarget(url=server.url, shown_url="shown", dial=dial, interval_s=0.1)
            return await watch(target, lambda figures: sum(figures.rtt.counts) > 2)

    text = asyncio.run(run())
    assert 'wsdiag_up{name="",url="shown"} 1.0' in text
    assert 'wsdiag_pings_lost_total{name="",url="shown"} 0.0' in text
