"""What `stream` shows: lines, rows, a live view of any size, and nothing of a peer's raw."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from tests.golden.terminals import out, terminal
from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.records import Drop, Phases
from wsdiag.records.stream import (
    StreamClosed,
    StreamMessage,
    StreamProgress,
    StreamRecord,
    StreamStart,
)
from wsdiag.render.stream.bars import bars
from wsdiag.render.stream.csv import StreamCsv
from wsdiag.render.stream.history import Mark, Slot
from wsdiag.render.stream.lines import StreamLines
from wsdiag.render.stream.screen import StreamScreen

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\x7f\r[bold]x[/bold]"
FORBIDDEN = "\x1b\x07\x9b\u202e\x7f\r"
URL = "ws://feed.example/" + HOSTILE


def run(seconds: int = 20) -> list[StreamRecord]:
    """A feed of ten a second whose key is hostile; mute from second 8 to 12, then dropped."""
    analysis = StreamAnalysis(URL, StreamOptions(by="$.k", seq="$.s", time="$.t"))
    start_s = BEGIN.timestamp()
    seen: list[StreamRecord] = [
        StreamStart(URL, BEGIN, "192.0.2.7:443", Phases(total_ms=12.0), "kernel")
    ]
    analysis.opened(0.0)
    for tick in range(1, seconds * 10):
        now_s = tick / 10
        if not 8 <= now_s < 12:
            name = HOSTILE.replace("\x1b", "\\u001b").replace("\x07", "\\u0007")
            name = name.replace("\x7f", "\\u007f").replace("\r", "\\r").replace("\x9b", "\\u009b")
            text = f'{{"k":"{name}{tick % 3}","s":{tick // 3},"t":{start_s + now_s - 0.1}}}'
            analysis.message(text, now_s, start_s + now_s)
            seen.append(
                StreamMessage(URL, tick, BEGIN, "text", len(text), text=text + HOSTILE, value=None)
            )
        if analysis.tick(now_s, start_s + now_s):
            analysis.pings.left(b"%d" % tick, now_s)
            analysis.pings.came(b"%d" % tick, 0.02)
        seen += analysis.take_events()
        at = BEGIN + timedelta(seconds=now_s)
        summary = analysis.summary(now_s, partial=True)
        messages = analysis.arrivals.messages
        seen.append(StreamProgress(URL, at, messages, 0, True, 0.0, 1.0, None, summary))
        if tick % 10 == 0:
            seen.append(analysis.interval(now_s, start_s + now_s))
    seen.append(StreamClosed(URL, BEGIN + timedelta(seconds=seconds), Drop("rst", seconds)))
    return [*seen, analysis.summary(float(seconds), drop=Drop("rst", seconds), drops=1)]


@pytest.mark.parametrize("show", [False, True])
def test_lines_and_rows_show_nothing_raw(show: bool) -> None:
    t = terminal(ascii_only=show)
    lines, rows = StreamLines(t, show=show), StreamCsv(t)
    rows.start()
    for event in run():
        lines.handle(event)
        rows.handle(event)
    assert not set(FORBIDDEN) & set(out(t))
    assert "mute" in out(t)
    assert "[bold]x[/bold]" in out(t)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 12), (20, 5)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_live_view_fits_any_terminal(width: int, height: int, ascii_only: bool) -> None:
    t = terminal(width, ascii_only=ascii_only, tty=True)
    view = StreamScreen(t, URL, 60.0, lambda: BEGIN + timedelta(seconds=20))
    view._history._begin = BEGIN
    for event in run():
        view.handle(event)
    lines = view.draw(width, height, True)
    assert lines is not None
    assert len(lines) <= height
    texts = ["".join(part.text for part in line) for line in lines]
    assert max(map(len, texts)) <= width
    assert not set(FORBIDDEN) & set("".join(texts))
    if height >= 24:
        assert any("longest silence" in text for text in texts)
        assert any("mute" in text for text in texts)
    for key in "ph?p+-r":
        view.press(key)
        assert view.draw(width, height, False) is not None


def test_the_final_view_has_bars_and_figures() -> None:
    t = terminal(tty=True)
    view = StreamScreen(t, URL, 60.0, lambda: BEGIN + timedelta(seconds=20))
    view._history._begin = BEGIN
    for event in run():
        view.handle(event)
    view.finish()
    assert "longest silence" in out(t)
    assert "█" in out(t)
    assert not set(FORBIDDEN) & set(out(t))


def test_a_silence_is_a_gap_and_a_drop_is_marked() -> None:
    t = terminal()
    slots = [Slot(float(n), 1.0, 0 if 10 <= n < 20 else 50, n < 30) for n in range(1, 41)]
    marks = [Mark(15.0, "mute"), Mark(15.2, "silence"), Mark(29.5, "closed")]
    lines = [text.plain for text in bars(slots, marks, (0.0, 40.0), 48, 8, t.glyphs)]
    assert len(lines) == 8
    assert lines[0][8:17] == "█" * 9
    assert lines[0][17:27].strip() == ""
    assert lines[-3][17:27] == "·" * 10
    assert lines[-3][-11:] == "╳" * 11
    assert lines[-2][23] == "M"
    assert lines[-2][37] == t.glyphs.closed


def test_a_message_of_megabytes_is_cut_for_people() -> None:
    t = terminal(ascii_only=False)
    text = "\N{PILE OF POO}\x07" + "a" * (4 << 20)
    StreamLines(t, show=True).handle(
        StreamMessage(URL, 1, BEGIN, "text", len(text.encode()), text=text)
    )
    assert len(out(t)) < 70_000
    assert "\\x07aaa" in out(t)
    assert "(4 MiB; -o json has all)" in out(t)


def test_of_a_message_that_is_not_kept_whole_no_more_is_promised() -> None:
    t = terminal()
    size, kept = 15 << 20, "a" * (1 << 20)
    cut = StreamMessage(URL, 1, BEGIN, "text", size, text=kept, cut_bytes=size - len(kept))
    StreamLines(t, show=True).handle(cut)
    StreamLines(t, show=True).handle(StreamMessage(URL, 2, BEGIN, "text", size, cut_bytes=size))
    assert "(15 MiB; -o json has more)" in out(t)
    assert "(15 MiB: not looked into)" in out(t)


@pytest.mark.parametrize("depth", [1, 900, 100_000])
def test_json_is_laid_out_as_far_as_it_is_shown(depth: int) -> None:
    """Each line is as long as its value is deep: a mebibyte would be a gigabyte."""
    t = terminal()
    value = ",".join(["[" * depth + "]" * depth] * max(1, (1 << 20) // (2 * depth)))
    tracemalloc.start()
    StreamLines(t, show=True).handle(
        StreamMessage(URL, 1, BEGIN, "text", len(value), value=f"[{value}]")
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
    assert "-o json has all" in out(t)
