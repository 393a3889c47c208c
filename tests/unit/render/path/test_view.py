"""The table of a path: it fits, it is complete, and it prints nothing of a peer's raw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.golden.terminals import out, terminal
from wsdiag.records import PathHop, PathStart, PathSummary
from wsdiag.render.base.glyphs import ASCII, UNICODE
from wsdiag.render.path.csv import PathCsv
from wsdiag.render.path.table import table_lines
from wsdiag.render.path.view import PathLines, PathScreen

URL = "ws://192.0.2.7/"


def hop(number: int | None, **more: Any) -> PathHop:
    figures = dict.fromkeys(("last_ms", "avg_ms", "best_ms", "worst_ms", "jitter_ms"), 1234.5)
    address = None if number is None else f"2001:db8:1111:2222:3333:4444:5555:{number:04x}"
    values: dict[str, Any] = {"address": address, "sent": 9, "received": 9, "loss_pct": 0.0}
    values |= {"addresses": () if address is None else (address,)} | figures | more
    return PathHop(URL, number, **values)


def path(routers: int) -> list[PathHop]:
    rows = [hop(number) for number in range(1, routers + 1)]
    end = hop(routers + 1, kind="tcp-end", product="nginx", server="nginx", via="1.1 edge")
    return [*rows, end, hop(None, kind="endpoint")]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_the_screen(width: int, glyphs: Any) -> None:
    names = hop(2, name="a" * 90, nat=True, addresses=("x" * 99, "y" * 99))
    lines = table_lines([*path(3), names], width, glyphs)
    assert max(len(line.plain) for line in lines) <= width


@pytest.mark.parametrize("routers", [0, 5, 30])
def test_the_live_view_fits_and_ends_with_the_endpoint(routers: int) -> None:
    t = terminal(tty=True)
    screen = PathScreen(t, URL, lambda: 0.0)
    for event in [PathStart(URL, "192.0.2.7:80", None, "segment"), *path(routers)]:
        screen.handle(event)
    lines = screen.draw(80, 24, True)
    assert lines is not None
    text = ["".join(part.text for part in line) for line in lines]
    assert len(text) <= 24
    assert max(map(len, text)) <= 80
    shown = [line for line in text if line.strip()]
    assert "endpoint (WebSocket Pong)" in shown[-2]
    assert any("nginx" in line for line in shown)


def test_nothing_of_a_peers_is_printed_raw() -> None:
    t = terminal()
    hostile = "x\x1b[2J\r\n::error::"
    end = hop(3, kind="tcp-end", product=hostile, server=hostile, via=hostile, name=hostile)
    lines, rows = PathLines(t, URL), PathCsv(t)
    rows.start()
    for event in (end, hop(None, kind="endpoint"), PathSummary(URL, notes=(hostile,), rounds=1)):
        lines.handle(event)
        rows.handle(event)
    lines.finish()
    shown = out(t)
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "::error::" not in shown


def test_hops_that_did_not_answer_and_marks() -> None:
    text = [
        line.plain
        for line in table_lines(
            [
                hop(1, address=None, addresses=(), received=0, loss_pct=100.0),
                hop(2, address=None, addresses=(), received=3),
                hop(3, address="10.0.0.1", addresses=("10.0.0.1", "10.0.0.2"), nat=True),
                hop(4, address="10.0.0.3", addresses=("10.0.0.3",), other_flow=True),
            ],
            100,
            UNICODE,
        )
    ]
    assert "(no answer)" in text[1]
    assert "1234" not in text[1]
    assert "(answers, address unknown)" in text[2]
    assert "10.0.0.1 N" in text[3]
    assert "10.0.0.2" in text[4]
    assert "10.0.0.3 (SYN)" in text[5]


def test_where_packets_are_lost_repetitions_are_not_what_is_behind_the_network() -> None:
    t = terminal()
    lines = PathLines(t, URL)
    end = hop(2, kind="tcp-end", loss_pct=40.0, best_ms=2.0)
    endpoint = hop(None, kind="endpoint", best_ms=5.0, avg_ms=205.0)
    summary = PathSummary(URL, "192.0.2.7:80", hops=2, rounds=9, method="segment")
    figures = replace(summary, network_ms=2.1, endpoint_ms=205.0)
    for event in [PathStart(URL, "192.0.2.7:80", None, "segment"), hop(1), end, endpoint, figures]:
        lines.handle(event)
    lines.finish()
    said = " ".join(out(t).split())
    assert "what is behind it 3 ms, at best (with 40% lost" in said
