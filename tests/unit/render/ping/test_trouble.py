"""Silence, outages and ends, in words and on the screen; and the keys of the live view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.golden import examples
from tests.golden.terminals import err, out, terminal
from wsdiag.records import (
    Drop,
    Error,
    Phases,
    PingClosed,
    PingDialling,
    PingEvent,
    PingLost,
    PingOutage,
    PingReply,
    PingResumed,
    PingSent,
    PingStart,
    PingSummary,
    PingSuspended,
    PingWaiting,
)
from wsdiag.records.drops import end_sentence
from wsdiag.render.base.glyphs import UNICODE
from wsdiag.render.ping.lines import PingLines, event_line
from wsdiag.render.ping.output import PingViewOptions
from wsdiag.render.ping.panel import labels
from wsdiag.render.ping.screen import PingScreen
from wsdiag.render.ping.status import MonitorStatus, together
from wsdiag.render.ping.summary import summary_table, summary_view

URL = examples.EDGE
WAITING = PingWaiting(URL, 4, examples.at(6), 3, 2000.0)


class Stage:
    """A live view at a moment that a test sets."""

    def __init__(self, *urls: str, width: int = 80, height: int = 24) -> None:
        self.moment: datetime = examples.at(0)
        self.terminal = terminal(width, tty=True)
        self.view = PingScreen(
            self.terminal, urls or (URL,), PingViewOptions(), lambda: self.moment
        )
        self.width, self.height = width, height

    def play(self, *events: PingEvent) -> Stage:
        for event in events:
            self.view.handle(event)
        return self

    def at(self, seconds: float, *, resized: bool = True) -> str:
        self.moment = examples.at(seconds)
        lines = self.view.draw(self.width, self.height, resized)
        assert lines is not None
        return "\n".join("".join(part.text for part in line).rstrip() for line in lines)


def replies(url: str = URL, until: int = 4, **more: int) -> list[PingEvent]:
    return [
        PingReply(url, seq, examples.at(seq), 20.0 + seq, **more)  # type: ignore[arg-type]
        for seq in range(1, until)
    ]


# -- words -----------------------------------------------------------------------------------------


def test_a_status_says_what_is_missing_and_for_how_long() -> None:
    status = MonitorStatus()
    assert status.words(examples.at(5), "·") is None
    status.take(WAITING)
    status.take(PingSent(URL, 15, 12, 10))
    assert status.words(examples.at(10.1), "·") == "waiting 6.1 s · 12 unanswered"
    status.take(PingResumed(URL, 16, examples.at(11), 0, 7000.0))
    assert status.words(examples.at(12), "·") is None
    status.take(PingDialling(URL, examples.at(20), 4, "refused"))
    assert status.words(examples.at(25.2), "·") == "down 5.2 s, attempt 4, refused"
    status.take(PingOutage(URL, examples.at(20), 6.0, 4))
    assert status.words(examples.at(27), "·") is None


def test_a_new_connection_that_is_silent_does_not_begin_the_outage_anew() -> None:
    status = MonitorStatus()
    status.take(PingDialling(URL, examples.at(20), 2, "silent"))
    status.take(PingStart(URL, "192.0.2.1:443", Phases(), "kernel", 1))
    status.take(PingWaiting(URL, 30, examples.at(28), 4, 1000.0))
    assert status.words(examples.at(29), "·") == "waiting 9.0 s · 4 unanswered"


def test_of_several_it_says_how_many() -> None:
    silent, down = MonitorStatus(), MonitorStatus()
    silent.take(WAITING)
    down.take(PingDialling(URL, examples.at(1), 1, ""))
    said = together([MonitorStatus(), silent, down], examples.at(9), "·")
    assert said == "of 3 endpoints: 1 silent, 1 down"


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (PingLost(URL, 1, examples.at(0), 20_000.0), "no Pong within 20 s"),
        (PingLost(URL, 1, examples.at(0), 20_000.0, mode="text"), "no echo within 20 s"),
        (
            PingLost(URL, 1, examples.at(0), 0.678, Drop("rst", 3.0)),
            "the connection ended 0.678 ms after it was sent: RST",
        ),
    ],
)
def test_a_loss_says_why(lost: PingLost, words: str) -> None:
    assert str(event_line(lost)) == f"seq=1 lost ({words})"


@pytest.mark.parametrize(
    ("drop", "words"),
    [
        (
            Drop("close", 3.0, code=1001, reason="going away", last_message="bye"),
            "The server ended the connection after 3 s: Close frame 1001 (going away). "
            "Its last message: bye",
        ),
        (
            Drop("fin", 3.0),
            "The server, or something in front of it, ended the connection after 3 s: FIN, no "
            "Close frame.",
        ),
        (
            Drop("silent", 50.0, tcp_acknowledged=True),
            "wsdiag gave the connection up after 50 s: Pings were not answered; TCP still "
            "acknowledged.",
        ),
    ],
)
def test_the_last_line_says_who_ended_it_when_and_how(drop: Drop, words: str) -> None:
    assert end_sentence(drop) == words
    summary = PingSummary(URL, 3, 3, 0, 0.0, *([1.0] * 9), duration_s=3.0, drop=drop)
    last = summary_view(summary).renderables[-1]
    assert str(last) == words


def test_a_stop_of_our_own_is_told_once_for_one_url_and_for_several() -> None:
    facts = (3, 3, 0, 0.0, *([1.0] * 9))
    summaries = [
        PingSummary(f"{URL}{name}", *facts, duration_s=9.0, stops=2, stopped_s=5.0) for name in "ab"
    ]
    words = "wsdiag itself was stopped for 5 s (twice): that time is not counted."
    assert [str(part) for part in summary_view(summaries[0]).renderables].count(words) == 1
    assert [str(part) for part in summary_table(summaries, 100)].count(words) == 1


@pytest.mark.parametrize("width", [20, 40, 60, 63, 64, 80])
def test_no_figure_of_the_summary_is_cut_on_a_narrow_terminal(width: int) -> None:
    milliseconds = [float(number) for number in range(111, 120)]
    summary = PingSummary(URL, 3, 3, 0, 0.0, *milliseconds, duration_s=3.0)
    drawn = terminal(width)
    drawn.print(summary_view(summary, columns=True).renderables[2])
    lines = out(drawn).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(lines[::2]).split() == [
        "min",
        "avg",
        "p50",
        "p95",
        "p99",
        "max",
        "stddev",
        "jitter",
    ]
    figures = " ".join(lines[1::2]).replace("ms", "").split()
    assert figures == ["111", "112", "113", "115", "116", "117", "118", "119"]


def test_the_counts_add_up() -> None:
    summary = PingSummary(
        URL,
        sent=16,
        received=3,
        lost=0,
        loss_pct=62.5,
        min_ms=1.0,
        avg_ms=1.0,
        p50_ms=1.0,
        p90_ms=1.0,
        p95_ms=1.0,
        p99_ms=1.0,
        max_ms=1.0,
        stddev_ms=0.0,
        jitter_ms=0.0,
        duration_s=15.0,
        skipped=1,
        unanswered=12,
        overdue=10,
        oldest_unanswered_ms=12_100.0,
    )
    line = str(summary_view(summary).renderables[1])
    assert line == (
        "16 sent, 3 received, 0 lost, 1 skipped, "
        "12 unanswered (10 overdue, the oldest for 12.1 s), 62.5% loss, time 15 s"
    )


def test_plain_lines_tell_silence_as_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    t = terminal()
    lines = PingLines(t)
    lines.handle(WAITING)
    for seq in range(7, 10):
        clock[0] += 1.0
        lines.handle(PingSent(URL, seq, seq - 3, 2))
    lines.handle(PingSent(URL, 10, 7, 3))  # at once: once a second is enough
    lines.handle(PingOutage(URL, examples.at(4), 5.0, 0))  # with --reconnect: the same once more
    lines.handle(PingResumed(URL, 10, examples.at(9), 0, 5000.0))
    assert out(t).splitlines() == [
        "seq=4 no answer for 2 s (3 unanswered)",
        "seq=6 no answer yet (3 unanswered)",
        "seq=7 no answer yet (4 unanswered)",
        "seq=8 no answer yet (5 unanswered)",
        "seq=10 answered again after 5 s of silence",
    ]


def test_an_error_is_told_once_and_then_counted() -> None:
    t = terminal()
    lines = PingLines(t)
    for _ in range(9):
        lines.handle(Error(URL, "tcp", "refused", "refused", "start it"))
    assert [line for line in err(t).splitlines() if "error" in line] == [
        f"error: {URL}: refused",
        f"error: {URL}: refused (2 times)",
        f"error: {URL}: refused (4 times)",
        f"error: {URL}: refused (8 times)",
    ]


def test_labels_keep_what_differs() -> None:
    urls = [f"wss://{host}.example.com/a/long/path/to/socket" for host in ("edge", "origin")]
    assert labels(urls, 60, UNICODE) == urls
    assert labels(urls, 20, UNICODE) == ["edge", "origin"]
    urls = [f"wss://example.com/rooms/number/{room}?token=1" for room in ("red", "blue")]
    assert labels(urls, 20, UNICODE) == ["…red", "…blue"]
    assert labels(["ws://a/b", "ws://a/b"], 20, UNICODE) == ["ws://a/b", "ws://a/b"]


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        (("/", "/echo"), ("/", "/echo")),
        (("/", "/echo", "/a/echo"), ("/", "/echo", "/a/echo")),
        (("/x", "/b/x"), ("/x", "/b/x")),
        (("/rooms/", "/rooms/red"), ("/rooms/", "/rooms/red")),
        (("/a/b/", "/a/b/c"), ("…b/", "…b/c")),
        (("/?room=", "/?room=2"), ("…room=", "…room=2")),
        (("", "/"), ("…8765", "…8765/")),
    ],
)
def test_something_is_left_of_each_label(ends: Sequence[str], shown: Sequence[str]) -> None:
    names = [f"ws://127.0.0.1:8765{end}" for end in ends]
    assert labels(names, 18, UNICODE) == [*shown]


# -- the screen ------------------------------------------------------------------------------------


def test_the_live_view_says_that_it_waits() -> None:
    stage = Stage().play(*replies(), WAITING, PingSent(URL, 10, 7, 5))
    shown = stage.at(10.1)
    assert "waiting 6.1 s · 7 unanswered" in shown
    assert "now" not in shown.splitlines()[-4]
    axis = next(line for line in shown.splitlines() if line.lstrip().startswith("└"))
    assert "?" in axis
    assert "seq=4 no answer for 2 s" in shown
    assert "50%" in shown, "what is overdue is loss"
    stage.play(PingResumed(URL, 10, examples.at(11), 0, 7000.0))
    assert "waiting" not in stage.at(11.5)


def test_the_live_view_says_what_its_end_waits_for() -> None:
    stage = Stage().play(*replies())
    assert "ending" not in stage.at(4)
    stage.view.ending()
    assert "ending: waiting for the server's Close (Ctrl-C: at once)" in stage.at(4.1)
    done = Stage(examples.EDGE).play(*replies(examples.EDGE), examples.PING_SUMMARY)
    assert "ending: waiting for the server's Close" in done.at(4)


def test_the_live_view_says_that_it_is_down() -> None:
    closed = PingClosed(URL, examples.at(4), Drop("rst", 4.0))
    error = Error(URL, "tcp", "refused", "connection refused", "start it")
    stage = Stage().play(*replies(), closed, error, error, error)
    shown = stage.play(PingDialling(URL, examples.at(4), 4, "refused")).at(9.2)
    assert "down 5.2 s, attempt 4, refused" in shown
    assert shown.count("connection refused") == 1


def test_a_young_run_fills_its_chart_from_the_left() -> None:
    stage = Stage()
    shown = stage.play(*replies(until=14)).at(14)
    axis = next(line for line in shown.splitlines() if "now" in line[:64])
    assert axis.index("now") > 40, "15 s are shown, of which 14 have passed"
    assert "-60s" not in shown
    assert "-60s" in stage.at(61)


def test_a_stop_is_a_gap_in_the_line() -> None:
    def longest_blank(*between: PingEvent) -> int:
        later = [PingReply(URL, seq, examples.at(seq), 20.0) for seq in range(40, 44)]
        shown = Stage().play(*replies(), *between, *later).at(61).splitlines()
        column = [max(row.ljust(80)[x] for row in shown[1:15]) for x in range(10, 56)]
        return max(map(len, "".join("#" if "⠀" < c < "⣿" else " " for c in column).split("#")))

    assert longest_blank(PingSuspended(URL, examples.at(39))) > longest_blank() + 10


def test_the_mark_of_the_end_is_in_the_final_chart() -> None:
    stage = Stage()
    closed = PingClosed(URL, examples.at(4.3), Drop("close", 4.0, code=1001))
    ended = PingSummary(URL, 3, 3, 0, 0.0, *([1.0] * 9), duration_s=4.0, drop=closed.drop, drops=1)
    stage.play(PingStart(URL, None, Phases(), "kernel"), *replies(), closed, ended)
    stage.view.finish()
    printed = out(stage.terminal).splitlines()
    assert any("▼" in line and "└" in line for line in printed)
    assert printed[-1].startswith("The server ended the connection after 4 s: Close frame 1001")


def test_a_silent_end_is_marked_in_the_final_chart() -> None:
    stage = Stage()
    ended = PingSummary(URL, 12, 4, 0, 50.0, *([1.0] * 9), duration_s=12.0)
    # of a silence that began at 4 s the first Pings are lost already, and one before was overtaken
    ended = replace(ended, lost=2, unanswered=7, overdue=5, oldest_unanswered_ms=5900.0)
    silent = [WAITING, PingLost(URL, 4, examples.at(10), 6000.0), PingSent(URL, 12, 8, 6)]
    stage.play(PingStart(URL, None, Phases(), "kernel"), *replies(), *silent)
    stage.at(11.9)
    stage.play(ended)
    stage.view.finish()
    printed = out(stage.terminal).splitlines()
    axis = next(line for line in printed if line.lstrip().startswith("└"))
    assert axis.endswith("?")
    assert any(line.endswith("silent for 7.9 s · 8 unanswered") for line in printed)


def test_the_panel_shows_no_round_trip_as_the_latest_while_none_comes() -> None:
    def latest(shown: str) -> list[str]:
        return next(line.split()[1:] for line in rows(shown) if line.startswith("now "))

    def rows(shown: str) -> list[str]:
        return [line[80 - 17 :].strip() for line in shown.splitlines()]

    stage = Stage().play(PingStart(URL, None, Phases(), "kernel"), *replies())
    assert latest(stage.at(5)) == ["23.0", "ms"]
    assert latest(stage.play(WAITING).at(6)) == ["silent"]
    resumed = PingResumed(URL, 6, examples.at(7), 0, 3000.0)
    stage.play(PingReply(URL, 6, examples.at(7), 30.0), resumed)
    assert latest(stage.at(8)) == ["30.0", "ms"]
    stage.play(PingDialling(URL, examples.at(8), 1, "refused"))
    assert latest(stage.at(9)) == ["down"]


def test_of_several_the_one_that_ended_has_no_latest_round_trip() -> None:
    urls = ["ws://one/", "ws://two/"]
    ended = PingSummary(urls[1], 3, 3, 0, 0.0, *([1.0] * 9), duration_s=3.0)
    stage = Stage(*urls).play(*(event for url in urls for event in replies(url)), ended)
    rows = [line.split() for line in stage.at(6).splitlines()]
    assert [row[:3] for row in rows if "ws://" in " ".join(row[1:2])] == [
        ["1", "ws://one/", "23.0"],
        ["2", "ws://two/", "ended"],
    ]


def test_pongs_lost_among_answers_are_no_silence() -> None:
    """The oldest Ping without an answer is old, but its successors were answered."""
    stage = Stage()
    ended = PingSummary(URL, 12, 4, 0, 50.0, *([1.0] * 9), duration_s=12.0)
    ended = replace(ended, unanswered=8, overdue=6, oldest_unanswered_ms=7900.0)
    stage.play(PingStart(URL, None, Phases(), "kernel"), *replies(), ended)
    stage.view.finish()
    printed = out(stage.terminal)
    assert "silent" not in printed
    assert "8 unanswered (6 overdue" in printed
    axis = next(line for line in printed.splitlines() if line.lstrip().startswith("└"))
    assert not axis.endswith("?")


def test_lines_that_end_at_one_place_are_all_named() -> None:
    urls = ["ws://one/", "ws://two/", "ws://three/"]
    shown = Stage(*urls).play(*(event for url in urls for event in replies(url))).at(6)
    chart = "".join(line[8:] for line in shown.splitlines() if line[:7].endswith(("│", "┤")))
    assert {char for char in chart if char.isdigit()} >= {"1", "2", "3"}


def test_keys_change_the_view_and_nothing_else() -> None:
    stage = Stage().play(*replies(until=60))
    assert "-60s" in stage.at(61)
    stage.view.press("+")
    assert "window 2 m" in stage.at(61)
    stage.view.press("-")
    stage.view.press("-")
    assert "window 30 s" in stage.at(61)
    stage.view.press("h")
    assert "pause the picture" in stage.at(61)
    stage.view.press("x")
    assert "pause the picture" not in stage.at(61)
    stage.view.press("p")
    stage.play(PingReply(URL, 60, examples.at(62), 4321.0))
    shown = stage.at(63)
    assert "paused" in shown
    assert "4321" not in shown
    stage.view.press("p")
    assert "4321" in stage.at(63)
    stage.view.press("r")
    assert "4321" not in stage.at(64)
    stage.view.press("l")
    assert stage.at(64)


def test_rows_are_sorted_as_asked() -> None:
    urls = ["ws://good/", "ws://lossy/", "ws://slow/"]
    stage = Stage(*urls, height=30).play(*replies(urls[0]), *replies(urls[1]))
    stage.play(
        PingLost(urls[1], 4, examples.at(4), 1.0), PingReply(urls[2], 1, examples.at(3), 900.0)
    )

    def order() -> list[str]:
        rows = [row.split()[1] for row in stage.at(6).splitlines() if row[:2] in ("1 ", "2 ", "3 ")]
        return [row.removeprefix("ws://").rstrip("/") for row in rows]

    assert order() == ["good", "lossy", "slow"]
    stage.view.press("s")
    assert order() == ["lossy", "slow", "good"]
    stage.view.press("s")
    assert order() == ["slow", "good", "lossy"] or order() == ["slow", "lossy", "good"]


def test_several_urls_end_in_one_table() -> None:
    urls = ["ws://one/", "ws://two/"]
    stage = Stage(*urls, width=120)
    summaries = [
        PingSummary(
            url,
            3,
            3,
            0,
            0.0,
            *([1.0 * number] * 9),
            duration_s=4.0,
            target=number,
            drop=Drop("fin", 4.0) if number == 2 else None,
        )
        for number, url in enumerate(urls, 1)
    ]
    stage.play(*replies(urls[0]), *replies(urls[1]), *reversed(summaries))
    stage.view.finish()
    printed = out(stage.terminal)
    assert "ping statistics" not in printed
    rows = [line.split()[:2] for line in printed.splitlines() if line[:2] in ("1 ", "2 ")]
    assert rows[:2] == [["1", "ws://one/"], ["2", "ws://two/"]]
    assert "2  The server, or something in front of it, ended the connection" in printed


@pytest.mark.parametrize(
    ("more", "heads"),
    [
        ({"drops": 1}, "sent recv loss p50 p95 max drops"),
        ({"unanswered": 3, "drops": 1}, "sent recv loss p50 max unansw. drops"),
        ({"skipped": 1, "unanswered": 3, "drops": 1}, "recv loss p50 max skipped unansw. drops"),
    ],
)
def test_the_table_of_several_urls_fits_80_columns(more: dict[str, Any], heads: str) -> None:
    """What is rare replaces percentiles: no column is cut off."""
    urls = ["ws://127.0.0.1:8765/latency/20", "ws://127.0.0.1:18081/latency/40"]
    stage = Stage(*urls, width=80)
    summary = PingSummary(urls[0], 33, 33, 0, 0.0, *([1.0] * 9), duration_s=4.0, target=1)
    other = replace(summary, url=urls[1], target=2)
    stage.play(*replies(urls[0]), *replies(urls[1]), replace(summary, **more), other)
    stage.view.finish()
    lines = out(stage.terminal).splitlines()
    (head,) = (number for number, line in enumerate(lines) if line.startswith("  ms "))
    names = heads.split()
    assert lines[head].split()[1:] == names
    assert all(len(row.split()) == 2 + len(names) for row in lines[head + 1 : head + 3])
