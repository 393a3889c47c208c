"""Load: what it does to latency, and what is said about it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from tests.unit.judgement.totals import totals_with
from wsdiag.judgement.summary import summarise
from wsdiag.probes.ping.load import LoadMeter, LoadPlan, LoadPump
from wsdiag.transport.session import Session
from wsdiag.units import format_duration


class FloodingSession:
    """What a pump asks of a session."""

    def __init__(self) -> None:
        self.inbound, self.ended = SimpleNamespace(total=0), None


def test_under_load_the_median_is_split_as_it_was_idle() -> None:
    totals = totals_with(*[48.0] * 5, *[2000.0] * 20)
    totals.saw_floor(46.0)
    meter = LoadMeter(LoadPlan(rate="max"))
    meter.sent_bytes, meter.queued_bytes_max = 8 * 2**20, 4 * 2**20
    for _ in range(5):
        meter.enter("idle", 48.0)
    for _ in range(20):
        meter.enter("loaded", 2000.0)
    meter.enter("after", 9999.0)
    summary = summarise("ws://a.test/", totals, {}, 30.0, load=meter.result(), unloaded=meter.idle)
    assert summary.attribution is not None
    assert summary.attribution.explanation[0].startswith("48 ms at the median: 46 ms network")
    assert summary.load is not None
    assert (summary.load.idle_p50_ms, summary.load.loaded_p50_ms) == (48.0, 2000.0)
    assert summary.load.explanation[0] == ("8 MiB of load: up to 4 MiB of it was queued here.")


@pytest.mark.parametrize(
    ("slowest_ms", "lost", "words"),
    [(6_000.0, 0, "30% of the usual 20 s timeout"), (100.0, 3, "3 Pings under load got no Pong")],
)
def test_load_says_what_it_means_for_a_pongs_deadline(
    slowest_ms: float, lost: int, words: str
) -> None:
    meter = LoadMeter(LoadPlan(rate=1000.0))
    meter.sent_bytes, meter.lost_loaded = 10_000, lost
    meter.enter("loaded", slowest_ms)
    assert any(words in sentence for sentence in meter.result().explanation)


def test_light_load_that_changes_nothing_raises_no_alarm() -> None:
    meter = LoadMeter(LoadPlan(rate=1000.0))
    meter.sent_bytes = 10_000
    meter.enter("idle", 48.0)
    meter.enter("loaded", 50.0)
    assert meter.result().explanation == [
        "9.8 KiB of load: the endpoint's machine took it as it came."
    ]


def test_the_plan_is_announced_with_its_bounds() -> None:
    plan = LoadPlan(rate=1_048_576, idle_s=5, time_s=10, most_bytes=64 * 2**20)
    assert plan.announcement() == (
        "--load: after 5 s of idle measuring, binary messages at 1 MiB/s for 10 s, at most 64 MiB."
    )
    assert "as fast as it is taken" in LoadPlan(rate="max").announcement()


def test_a_download_that_the_run_cut_short_is_told_by_its_own_time() -> None:
    meter = LoadMeter(LoadPlan(rate=None, download="max", asked=True))

    async def main() -> None:
        session = FloodingSession()
        pump = LoadPump(cast("Session", session), meter)
        pump.start()
        await asyncio.sleep(0.01)
        session.inbound.total = 8 * 2**20
        pump.stop()

    asyncio.run(main())
    assert 0.0 < meter.download_s < meter.plan.time_s
    (said,) = meter.result().explanation
    assert said == f"8 MiB came in {format_duration(meter.download_s)} of --download."
