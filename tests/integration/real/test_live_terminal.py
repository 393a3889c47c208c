"""`wsdiag ping` on a terminal: the chart is drawn, follows the window, leaves no mess behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.waiting import wait_for
from tests.peers.peers import Peers
from tests.peers.terminal import Terminal

SIZES = pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])


def drawn(text: str) -> bool:
    """Whether Braille or block characters make a picture on the screen."""
    return sum(0x2801 <= ord(char) <= 0x28FF or 0x2580 <= ord(char) <= 0x259F for char in text) >= 3


def live(peers: Peers, *args: str, columns: int = 80, rows: int = 24) -> Terminal:
    url = peers.relay(peers.websockets(), delay_ms=5).url
    return peers.terminal("ping", url, "-i", "50ms", *args, columns=columns, rows=rows)


def ends_sane(terminal: Terminal, before: list[object]) -> int:
    code = terminal.wait()
    assert terminal.modes() == before, "echo and line editing must be as they were"
    assert not terminal.cursor_hidden
    assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l")
    assert b"Traceback" not in terminal.raw
    return code


def whole_frames(terminal: Terminal) -> int:
    """How many frames were drawn on an empty screen: the first, in a new size, after a stop."""
    return terminal.raw.count(b"\x1b[2J")


def wait_for_whole_frame(
    terminal: Terminal, number: int, what: str, seen: Callable[[str], bool] = drawn
) -> None:
    """What an earlier frame drew may still be on the screen, and says nothing."""
    terminal.wait_for(lambda text: whole_frames(terminal) == number and seen(text), what)


@SIZES
def test_the_chart_is_drawn_and_ctrl_c_leaves_the_terminal_sane(
    columns: int, rows: int, peers: Peers
) -> None:
    terminal = live(peers, columns=columns, rows=rows)
    before = terminal.modes_before
    terminal.wait_for(drawn, "chart")
    terminal.wait_for(lambda text: "p95" in text and "ms" in text, "percentiles and a unit")
    assert all(len(line) <= columns for line in terminal.lines())
    terminal.key(b"\x03")
    assert ends_sane(terminal, before) == 0
    assert "p50" in terminal.text(), terminal.text()


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (60, 16), (40, 10)])
def test_it_follows_the_window(columns: int, rows: int, peers: Peers) -> None:
    terminal = live(peers)
    wait_for_whole_frame(terminal, 1, "chart")
    terminal.resize(columns, rows)
    wait_for_whole_frame(terminal, 2, "chart in the new size")
    terminal.key(b"\x03")
    assert ends_sane(terminal, terminal.modes_before) == 0


def test_a_window_too_small_for_anything_is_survived(peers: Peers) -> None:
    terminal = live(peers, columns=10, rows=3)
    terminal.wait_for(lambda text: bool(text.strip()), "anything at all")
    terminal.pump(1.0)
    terminal.key(b"\x03")
    assert ends_sane(terminal, terminal.modes_before) == 0


ENDS: dict[str, Callable[[Terminal], None]] = {
    "term": lambda terminal: terminal.signal(signal.SIGTERM),
    "ctrl-c": lambda terminal: terminal.key(b"\x03"),
    "ctrl-c twice": lambda terminal: terminal.key(b"\x03\x03"),
}


@pytest.mark.parametrize("how", ENDS)
def test_every_way_to_end_it_gives_the_terminal_back(how: str, peers: Peers) -> None:
    terminal = live(peers)
    terminal.wait_for(drawn, "chart")
    ENDS[how](terminal)
    assert ends_sane(terminal, terminal.modes_before) in (0, 130)


@pytest.mark.parametrize(
    "args",
    [
        ["ping"],
        ["ping", "-o", "json"],
        ["stream"],
        ["ping", "--no-chart"],
        ["idle-probe", "--from", "100ms", "--to", "60s"],
    ],
    ids=" ".join,
)
def test_a_terminal_that_is_closed_costs_no_result(
    args: list[str], peers: Peers, tmp_path: Path
) -> None:
    log, picture = tmp_path / "log.ndjson", tmp_path / "picture.svg"
    url = f"{peers.serve()[0]}/{'push/0.1' if 'stream' in args else 'echo'}"
    files = ["--log", str(log), "--save", str(picture)]
    if "json" in args:
        files = files[:2]
    terminal = peers.terminal(*args, *files, url)

    def logged() -> bool:
        terminal.pump(0.05)
        return log.exists() and log.read_text().count("\n") > 1

    wait_for(logged, seen=terminal.text)
    assert terminal.hang_up() == 0
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert records[-1]["type"] in ("ping.summary", "stream.summary", "idle.verdict"), records[-1]
    if "json" not in args:
        assert picture.read_text().rstrip().endswith("</svg>")


def test_ctrl_backslash_prints_statistics_and_goes_on(peers: Peers) -> None:
    terminal = live(peers)
    terminal.wait_for(drawn, "chart")
    terminal.key(b"\x1c")
    terminal.wait_for(lambda text: "so far" in text and drawn(text), "statistics so far")
    terminal.key(b"\x03")
    assert ends_sane(terminal, terminal.modes_before) == 0


def test_q_ends_it_as_ctrl_c_does(peers: Peers) -> None:
    terminal = live(peers)
    terminal.wait_for(drawn, "chart")
    terminal.key(b"h")
    terminal.wait_for(lambda text: "pause the picture" in text, "help")
    terminal.key(b"\x1b[A")  # an arrow is no key of ours
    terminal.key(b"q")
    assert ends_sane(terminal, terminal.modes_before) == 0
    assert "p50" in terminal.text(), terminal.text()
    assert "\nq" not in terminal.text(), "keys are not echoed"


def test_ctrl_z_gives_the_terminal_back_and_a_gap_is_no_delay(peers: Peers) -> None:
    terminal = live(peers)
    terminal.wait_for(drawn, "chart")
    terminal.key(b"\x1a")
    suspended = terminal.wait_for_modes(terminal.modes_before)
    assert not terminal.cursor_hidden
    assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l")
    terminal.pump(3.0)
    terminal.signal(signal.SIGCONT)
    stopped_s = time.monotonic() - suspended
    wait_for_whole_frame(terminal, 2, "chart after fg")
    terminal.key(b"\x03")
    assert ends_sane(terminal, terminal.modes_before) == 0
    # a busy machine may delay it as well, but the stop itself is no delay
    for figure, unit in re.findall(r"worst ([\d.]+) (ms|s)\b", terminal.text()):
        assert float(figure) / (1e3 if unit == "ms" else 1) < stopped_s, terminal.text()


@pytest.fixture
def mute() -> Iterator[str]:
    """The URL of a port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"


def test_connect_shows_what_it_waits_for_and_ends_when_its_time_is_up(
    peers: Peers, mute: str
) -> None:
    terminal = peers.terminal("connect", mute, "-m", "8")
    terminal.wait_for(lambda text: "waiting for the answer to the upgrade" in text, "what it is")
    assert ends_sane(terminal, terminal.modes_before) == 1
    assert "did not answer within 8 s" in terminal.text()
    assert "waiting for" not in terminal.text(), "the line is gone"


@pytest.mark.parametrize("command", ["connect", "ping", "check", "idle-probe"])
def test_the_time_of_the_whole_command_is_bounded(command: str, peers: Peers, mute: str) -> None:
    began = time.monotonic()
    run = peers.wsdiag(command, "-q", mute, "--connect-timeout", "60", "-m", "1")
    assert run.code == 1, run
    assert time.monotonic() - began < 30, "not the 60 s of the dial"


def test_idle_probe_has_the_same_manners(peers: Peers) -> None:
    url = peers.websockets().url
    args = ("--from", "5", "--to", "6", "--step", "1", "--keepalive", "2")
    terminal = peers.terminal("idle-probe", url, *args)
    terminal.wait_for(lambda text: "IDLE-PROBE" in text, "timeline")
    terminal.key(b"\x1a")
    terminal.wait_for_modes(terminal.modes_before)
    terminal.signal(signal.SIGCONT)
    wait_for_whole_frame(terminal, 2, "timeline after fg", lambda text: "IDLE-PROBE" in text)
    terminal.key(b"q")
    ends_sane(terminal, terminal.modes_before)


def test_the_end_of_a_count_leaves_chart_and_summary_to_read(peers: Peers) -> None:
    terminal = live(peers, "-c", "10")
    assert ends_sane(terminal, terminal.modes_before) == 0
    assert "p95" in terminal.text()


def test_no_chart_prints_lines(peers: Peers) -> None:
    terminal = live(peers, "--no-chart", "-c", "3")
    assert ends_sane(terminal, terminal.modes_before) == 0
    assert not drawn(terminal.text())
    assert sum("seq=" in line for line in terminal.lines()) == 3, terminal.text()


def test_an_ascii_terminal_gets_ascii(peers: Peers) -> None:
    url = peers.websockets().url
    terminal = peers.terminal(
        "ping",
        url,
        "-i",
        "50ms",
        "-c",
        "20",
        env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert ends_sane(terminal, terminal.modes_before) == 0
    assert terminal.raw.isascii()


def test_json_on_a_terminal_is_json(peers: Peers) -> None:
    terminal = live(peers, "-c", "2", "-o", "json", columns=200)
    assert ends_sane(terminal, terminal.modes_before) == 0
    assert b"\x1b" not in terminal.raw
    assert b'"type":' in terminal.raw.replace(b" ", b"")
