"""Views of many endpoints: they fit the screen, name the worst, and sum up the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.golden import examples
from tests.golden.terminals import out, terminal
from wsdiag.records import PingEvent, PingLost, PingReply, Threshold
from wsdiag.render.base.live import Lines
from wsdiag.render.ping.output import PingViewOptions
from wsdiag.render.ping.screen import PingScreen
from wsdiag.render.ping.series import MANY, RESOLUTION, WORST, Sample, SeriesGroup

URLS = [f"ws://host-{number}/" for number in range(1000)]


def group_of(count: int) -> SeriesGroup:
    group = SeriesGroup(URLS[:count], str, 60.0)
    for number, url in enumerate(URLS[:count]):
        group.add(url, Sample(1.0, 10.0 + number))
    return group


def names(series: object) -> list[str]:
    return [one.name for one in series]  # type: ignore[attr-defined]


def test_few_keep_their_order() -> None:
    group = group_of(5)
    group.add(URLS[3], Sample(2.0, None))
    assert names(group.fitting(5)) == names(group.final()) == URLS[:5]


def test_of_many_the_worst_are_shown_and_one_row_is_left_for_all() -> None:
    group = group_of(1000)
    group.add(URLS[7], Sample(2.0, None))
    assert names(group.fitting(4)) == [URLS[7], URLS[999], URLS[998]]
    assert names(group.final())[:2] == [URLS[7], URLS[999]]
    assert group.figures.received == 1000
    assert group.figures.lost == 1


def test_many_endpoints_share_the_memory_of_few() -> None:
    one, many = group_of(1), SeriesGroup(URLS, str, 60.0)
    for t in range(3 * RESOLUTION):
        one.add(URLS[0], Sample(t, 1.0))
        many.add(URLS[0], Sample(t, 1.0))

    def buckets(group: SeriesGroup) -> int:
        return len(list(group.first.whole.between(0, 1e9)))

    assert RESOLUTION / 2 <= buckets(one) <= RESOLUTION
    assert 32 <= buckets(many) <= 128


def _events(url: str, slow: bool) -> list[PingEvent]:
    return [PingReply(url, seq, examples.at(seq), 200.0 if slow else 20.0) for seq in range(1, 5)]


def _frame(urls: list[str], width: int, height: int) -> str:
    t = terminal(tty=True)
    view = PingScreen(t, urls, PingViewOptions(), lambda: examples.at(10))
    for url in urls:
        for event in _events(url, slow=url == URLS[500]):
            view.handle(event)
    view.handle(PingLost(URLS[600], 5, examples.at(9), 2000.0))
    lines: Lines | None = view.draw(width, height, True)
    assert lines is not None
    assert len(lines) <= height
    return "\n".join("".join(segment.text for segment in line) for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (80, 700), (80, 12)])
def test_a_frame_of_a_thousand_fits_the_screen(width: int, height: int) -> None:
    shown = _frame(URLS, width, height)
    assert "host-600/" in shown
    assert "all 1000" in shown
    assert "lost" in shown


def test_the_chart_keeps_its_room() -> None:
    rows = _frame(URLS, 80, 24).splitlines()
    assert rows.index(next(row for row in rows if "now" in row and "3s" in row)) >= 8


def test_the_final_view_names_the_worst_and_counts_the_rest() -> None:
    t = terminal(tty=True)
    urls = URLS[: MANY + 8]
    view = PingScreen(t, urls, PingViewOptions(), lambda: examples.at(10))
    for number, url in enumerate(urls):
        for event in _events(url, slow=number == 9):
            view.handle(event)
        broken = Threshold("max-p95", 50.0, 200.0 if number == 9 else 20.0, number != 9)
        view.handle(replace(examples.PING_SUMMARY, url=url, thresholds=(broken,)))
    view.finish()
    printed = out(t)
    assert printed.startswith(f"PING {len(urls)} endpoints")
    assert printed.count("ping statistics ---") == WORST
    assert f"--- {urls[9]} ping statistics ---" in printed
    assert all(url in printed for url in urls)
    assert f"{len(urls) - WORST} more endpoints: see the table" in printed
    assert f"1 of {len(urls)} endpoints exceed a limit" in printed
