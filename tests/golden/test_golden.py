"""Views as text at pinned widths: a change of a picture is a change that somebody looks at.

`WSDIAG_UPDATE_GOLDEN=1` rewrites the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.golden import examples
from tests.golden.terminals import err, out, terminal
from wsdiag.records import IdleVerdict
from wsdiag.render.base.error import print_error
from wsdiag.render.base.live import Lines
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.check.view import print_checks
from wsdiag.render.connect.view import print_connect
from wsdiag.render.idle.verdict import verdict_view
from wsdiag.render.idle.view import IdleScreen
from wsdiag.render.ping.lines import PingLines
from wsdiag.render.ping.output import PingViewOptions
from wsdiag.render.ping.screen import PingScreen

FOLDER = Path(__file__).parent / "pictures"
Draw = Callable[[Terminal], str | None]


def _connect(result: object) -> Draw:
    return lambda t: print_connect(t, result)  # type: ignore[arg-type]


def _ping_lines(t: Terminal) -> None:
    view = PingLines(t)
    for event in (*examples.ping_run(count=45), examples.PING_SUMMARY):
        view.handle(event)


def _ping_screen(height: int, urls: int = 1, final: bool = False, log: bool = False) -> Draw:
    def draw(t: Terminal) -> str | None:
        moment = [examples.BEGIN]
        names = [examples.EDGE, examples.ORIGIN, "ws://127.0.0.1:8765/"][:urls]
        clock: Callable[[], datetime] = lambda: moment[0]  # noqa: E731
        view = PingScreen(t, names, PingViewOptions(log_scale=log), clock)
        for number, url in enumerate(names):
            for event in examples.ping_run(url, 46.0 / (number + 1)):
                view.handle(event)
        moment[0] = examples.at(121)
        if not final:
            return _text(view.draw(t.width, height, True))
        view.handle(examples.PING_SUMMARY)
        view.finish()
        return None

    return draw


def _idle_screen(height: int, until_s: float) -> Draw:
    def draw(t: Terminal) -> str:
        moment = [0.0]
        view = IdleScreen(t, [examples.EDGE], lambda: moment[0])
        for moment[0], event in examples.idle_run(until_s):
            view.handle(event)
            view.draw(t.width, height, False)
        moment[0] = until_s
        return _text(view.draw(t.width, height, True))

    return draw


def _verdict(verdict: IdleVerdict) -> Draw:
    return lambda t: t.print(verdict_view(t.clean(verdict), t.glyphs))


def _text(lines: Lines | None) -> str:
    assert lines is not None
    return "".join("".join(part.text for part in line).rstrip() + "\n" for line in lines)


PICTURES: dict[str, tuple[Draw, tuple[int, ...]]] = {
    "connect": (_connect(examples.CONNECTED), (80, 40)),
    "connect-plain": (_connect(examples.PLAIN), (80,)),
    "connect-refused": (_connect(examples.REFUSED), (80,)),
    "connect-no-name": (_connect(examples.NO_NAME), (80,)),
    "ping-lines": (_ping_lines, (80,)),
    "ping-screen-24": (_ping_screen(24), (80,)),
    "ping-screen-15": (_ping_screen(15), (40,)),
    "ping-screen-50": (_ping_screen(50), (200,)),
    "ping-screen-log": (_ping_screen(24, log=True), (80,)),
    "ping-screen-three": (_ping_screen(40, urls=3), (120,)),
    "ping-final": (_ping_screen(24, final=True), (80,)),
    "idle-screen-24": (_idle_screen(24, 70.0), (80,)),
    "idle-screen-40": (_idle_screen(40, 47.0), (120,)),
    "verdict": (_verdict(examples.VERDICT), (80,)),
    "verdict-no-drop": (_verdict(examples.NO_DROP), (80,)),
    "check": (lambda t: print_checks(t, examples.CHECKS, examples.CHECK_SUMMARY), (80, 120)),
    "error": (lambda t: print_error(t, examples.ERROR), (80,)),
}
CASES = [
    (name, width, charset)
    for name, (_, widths) in PICTURES.items()
    for width in widths
    for charset in ("unicode", "ascii")
]


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(("name", "width", "charset"), CASES)
def test_picture(name: str, width: int, charset: str) -> None:
    stage = terminal(width, ascii_only=charset == "ascii")
    drawn = PICTURES[name][0](stage) or out(stage) + err(stage)
    assert charset == "unicode" or drawn.isascii()
    path = FOLDER / f"{name}.{width}.{charset}.txt"
    if os.environ.get("WSDIAG_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "width", "charset"), CASES)
def test_picture_fits_its_width(name: str, width: int, charset: str) -> None:
    if name == "ping-lines":
        return  # lines for scripts are whole, however long
    stage = terminal(width, ascii_only=charset == "ascii")
    drawn = PICTURES[name][0](stage) or out(stage)
    assert max(map(len, drawn.splitlines()), default=0) <= width


def test_no_picture_is_left_over() -> None:
    expected = {f"{name}.{width}.{charset}.txt" for name, width, charset in CASES}
    assert {path.name for path in FOLDER.iterdir()} == expected
