"""When the idle probe's timeline is drawn again: on news, and as its clock and its bars move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.golden import examples
from tests.golden.terminals import out, terminal
from wsdiag.render.idle.view import IdleScreen


def test_nothing_is_drawn_while_nothing_would_look_different() -> None:
    moment = [0.0]
    view = IdleScreen(terminal(tty=True), [examples.EDGE], lambda: moment[0])
    events = list(examples.idle_run(60.0))
    for moment[0], event in events[:-1]:
        view.handle(event)
    assert view.draw(80, 24, True) is not None
    frames = 0
    for _ in range(100):  # ten seconds of a live view
        moment[0] += 0.1
        frames += view.draw(80, 24, False) is not None
    assert 9 <= frames <= 11
    assert view.draw(100, 30, True) is not None, "another size is another picture"
    view.handle(events[-1][1])
    assert view.draw(100, 30, False) is not None, "so is news"


def test_a_blank_line_stands_between_the_answers_that_are_repeated_below() -> None:
    urls = ["ws://one/", "ws://two/"]
    screen = terminal(tty=True)
    view = IdleScreen(screen, urls, lambda: 0.0)
    for number, url in enumerate(urls, 1):
        view.handle(replace(examples.VERDICT, url=url, target=number))
    view.finish()
    *_, repeated = out(screen).rstrip().partition("1  ws://one/")[2].partition("1  ws://one/")
    assert "2  ws://two/" in repeated
    assert "\n\n2  ws://two/" in repeated
    assert "\n\n\n" not in repeated


def test_the_end_says_what_it_waits_for() -> None:
    view = IdleScreen(terminal(tty=True), [examples.EDGE], lambda: 30.0)
    for _, event in examples.idle_run(30.0):
        view.handle(event)
    assert "Ctrl-C: the verdict so far" in frame(view)
    view.ending()
    assert "ending: waiting for last answers (Ctrl-C: at once)" in frame(view)


@pytest.mark.parametrize("width", [40, 59, 60, 80])
def test_no_label_is_cut(width: int) -> None:
    view = IdleScreen(terminal(tty=True), [examples.EDGE], lambda: 30.0)
    for _, event in examples.idle_run(30.0):
        view.handle(event)
    assert "\ntcp-keepalive 20 s " in frame(view, width)


def test_what_is_left_is_the_time_to_the_last_check_and_not_to_its_answer() -> None:
    moment = [0.0]
    view = IdleScreen(terminal(tty=True), [examples.EDGE], lambda: moment[0])
    for _, event in examples.idle_run(30.0):
        view.handle(event)
    assert "last check in 2 m 1 s" in frame(view)
    moment[0] = 118.5
    assert "last check in 2 s" in frame(view)
    moment[0] = 125.0  # a pong timeout longer
    assert "waiting for the last answers" in frame(view)


def frame(view: IdleScreen, width: int = 100) -> str:
    lines = view.draw(width, 40, True) or []
    return "\n".join("".join(part.text for part in line) for line in lines)
