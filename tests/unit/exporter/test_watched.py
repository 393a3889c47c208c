"""What records add up to, and that neither peers nor time make it grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wsdiag.exporter.config import BUCKETS_S, ExporterTarget
from wsdiag.exporter.exposition import Exposition, Format, negotiate, rendered
from wsdiag.exporter.snapshot import OwnFigures, ReloadState, Snapshot
from wsdiag.exporter.watched import Change, TargetFigures, WatchedTarget
from wsdiag.records import (
    Drop,
    Error,
    Phases,
    PingClosed,
    PingReply,
    PingResumed,
    PingStart,
    PingWaiting,
    utc_now,
)

URL = "ws://a.example/"


def reply(seq: int, rtt_ms: float, **more: Any) -> PingReply:
    return PingReply(URL, seq, utc_now(), rtt_ms, **more)


def start() -> PingStart:
    return PingStart(URL, "192.0.2.1:80", Phases(tcp_ms=1.0, upgrade_ms=2.0), "kernel")


def closed(how: str, code: int | None = None, at_s: float = 60.0) -> PingClosed:
    drop = Drop(how, at_s, code=code)  # type: ignore[arg-type]
    return PingClosed(URL, utc_now(), drop, 0.5)


def counted(feed: Callable[[WatchedTarget], None]) -> TargetFigures:
    async def run() -> TargetFigures:
        watched = WatchedTarget(ExporterTarget(url=URL, shown_url=URL), "", BUCKETS_S)
        feed(watched)
        return watched.figures()

    return asyncio.run(run())


def text(figures: TargetFigures) -> str:
    snapshot = Snapshot([({"url": URL, "name": "n"}, figures)], OwnFigures(ReloadState()))
    return rendered(snapshot, Format()).decode()


def test_sum_and_count_are_exact() -> None:
    def feed(watched: WatchedTarget) -> None:
        for number in range(10_000):
            watched.put_nowait(reply(number, number / 1000))

    figures = counted(feed)
    assert sum(figures.rtt.counts) == 10_000
    assert abs(figures.rtt.sum_s - sum(range(10_000)) / 1e6) < 1e-9
    bounds = dict(zip(figures.rtt.bounds_s, figures.rtt.counts, strict=False))
    assert bounds[0.001] == 1001  # le: a bound belongs to its bucket
    assert "wsdiag_ping_rtt_seconds_count" in text(figures)


def test_up_follows_the_connection_and_overdue_pings() -> None:
    async def run() -> list[bool]:
        watched = WatchedTarget(ExporterTarget(url=URL), "", BUCKETS_S)
        seen = []
        waiting = PingWaiting(URL, 1, utc_now(), 1, 1000.0)
        resumed = PingResumed(URL, 1, utc_now(), 0, 1000.0)
        first = (start(), reply(1, 1.0), waiting, resumed, closed("fin"))
        # one that opens and never answers is not up in between
        second = (start(), waiting, closed("silent"), start(), reply(2, 1.0))
        for event in (*first, *second):
            watched.put_nowait(event)
            seen.append(watched.figures().up)
        return seen

    assert asyncio.run(run()) == [
        *[False, True, False, True, False],
        *[False, False, False, False, True],
    ]


def test_close_codes_beyond_the_known_are_one() -> None:
    def feed(watched: WatchedTarget) -> None:
        for code in (None, 1000, 1015, 1016, 2999, *range(3000, 5000)):
            watched.put_nowait(closed("close", code))
        watched.put_nowait(closed("fin"))

        for code in (0, 8, 13, 14, 2**32 - 1):
            watched.put_nowait(closed("rst-stream", code))

    figures = counted(feed)
    http2 = {code for how, code, _ in figures.drops if how == "rst-stream"}
    assert http2 == {"0", "8", "13", "other"}
    codes = {code for how, code, _ in figures.drops if how != "rst-stream"}
    assert codes == {"1005", "1000", "1015", "other", ""}
    assert sum(figures.drops.values()) == 2011


def test_a_hostile_peer_makes_no_more_series() -> None:
    def feed(watched: WatchedTarget) -> None:
        for number in range(5000):
            watched.put_nowait(start())
            event = closed("close", 3000 + number % 2000, at_s=1.0 + number)
            watched.put_nowait(event)
            watched.put_nowait(Error(URL, "tcp", "refused", f"no {number}", f"hint {number}"))

    lines = text(counted(feed)).splitlines()
    assert len([line for line in lines if line.startswith("wsdiag_drops_total{")]) <= 3
    assert len([line for line in lines if URL in line]) < 50


def test_labels_are_escaped() -> None:
    own = OwnFigures(ReloadState())
    odd = {"url": URL, "name": 'a"b\\c\nd'}
    figures = counted(lambda _: None)
    for wanted in (Format(), Format(openmetrics=True)):
        said = rendered(Snapshot([(odd, figures)], own), wanted).decode()
        assert r'name="a\"b\\c\nd"' in said


def test_a_copy_does_not_change() -> None:
    async def run() -> None:
        watched = WatchedTarget(ExporterTarget(url=URL), "", BUCKETS_S)
        watched.put_nowait(reply(1, 5.0, cause="network"))
        before = watched.figures()
        for event in (reply(2, 5.0, cause="network"), closed("fin")):
            watched.put_nowait(event)
        assert sum(before.rtt.counts) == before.outliers["network"] == 1
        assert not before.drops

    asyncio.run(run())


def test_other_buckets_begin_anew() -> None:
    async def run() -> None:
        watched = WatchedTarget(ExporterTarget(url=URL), "", BUCKETS_S)
        watched.put_nowait(reply(1, 5.0))
        watched.set_buckets(BUCKETS_S)
        assert sum(watched.figures().rtt.counts) == 1
        watched.set_buckets((1.0, 2.0))
        assert watched.figures().rtt.counts == [0, 0, 0]

    asyncio.run(run())


# -- how it is asked for ---------------------------------------------------------------------------

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def test_which_format_a_scraper_wants() -> None:
    for accept in (PROMETHEUS_2, PROMETHEUS_3, "application/openmetrics-text"):
        assert negotiate(accept, "gzip").openmetrics
    for accept in (
        "",
        "*/*",
        "text/html",
        "text/plain",
        "text/plain;q=1,application/openmetrics-text;q=0.5",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=x",
        ";;;,,,q=",
    ):
        assert not negotiate(accept, "").openmetrics
    assert negotiate("", "deflate, gzip;q=0.5").gzip
    assert not negotiate("", "gzip;q=0").gzip
    assert not negotiate("", "identity").gzip


def test_scrapes_that_come_together_are_rendered_once() -> None:
    async def run() -> None:
        taken, begun, may_end = 0, asyncio.Event(), asyncio.Event()

        async def take() -> Snapshot:
            nonlocal taken
            taken += 1
            begun.set()
            await may_end.wait()
            return Snapshot([], OwnFigures(ReloadState()))

        exposition = Exposition(take)
        together = [asyncio.create_task(exposition.render(Format())) for _ in range(20)]
        await begun.wait()
        together[0].cancel()  # one that leaves does not end the others'
        may_end.set()
        answers = await asyncio.gather(*together[1:])
        assert len(set(answers)) == taken == exposition.rendered == 1
        await exposition.render(Format())
        assert taken == 2
        exposition.close()

    asyncio.run(run())


def test_the_log_has_the_first_failure_and_its_end() -> None:
    told: list[Change] = []

    def feed(watched: WatchedTarget) -> None:
        watched.on_change = lambda _target, change: told.append(change)
        refused = Error(URL, "tcp", "refused", "refused", "look")
        for event in (start(), closed("fin"), start(), closed("fin"), refused, refused, start()):
            watched.put_nowait(event)

    counted(feed)
    assert [type(each) for each in told] == [PingClosed, PingClosed, Error, PingStart]
