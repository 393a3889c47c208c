"""What a stream can carry and may show: colour, encoding, closed pipes, live or not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.golden import examples
from tests.golden.terminals import Screen, err, out, terminal
from wsdiag.records import Error
from wsdiag.render.base.escape import fold
from wsdiag.render.base.glyphs import ASCII, UNICODE
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.view import print_connect
from wsdiag.render.ping.lines import PingLines
from wsdiag.render.ping.output import PingViewOptions, ping_output
from wsdiag.render.ping.screen import PingScreen


def _terminal(tty: bool, color: str = "auto", **environ: str) -> Terminal:
    return Terminal(
        color=color,  # type: ignore[arg-type]
        stdout=Screen(tty=tty),
        stderr=Screen(tty=tty),
        environ={"TERM": "xterm-256color", **environ},
    )


@pytest.mark.parametrize(
    ("tty", "color", "environ", "colored"),
    [
        (True, "auto", {}, True),
        (False, "auto", {}, False),
        (True, "never", {"FORCE_COLOR": "1"}, False),
        (False, "always", {"NO_COLOR": "1"}, True),
        (True, "auto", {"NO_COLOR": "1"}, False),
        (True, "auto", {"NO_COLOR": ""}, True),
        (False, "auto", {"FORCE_COLOR": "1"}, True),
        (False, "auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, "auto", {"TERM": "dumb"}, False),
        (False, "always", {"TERM": "dumb"}, True),
    ],
)
def test_color(tty: bool, color: str, environ: dict[str, str], colored: bool) -> None:
    t = _terminal(tty, color, **environ)
    print_connect(t, examples.PLAIN)
    assert ("\x1b[" in out(t)) is colored


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({}, UNICODE),
        ({"LANG": "C"}, ASCII),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),
        ({"LANG": "C", "PYTHONUTF8": "1"}, UNICODE),
        ({"LANG": "en_US.UTF-8"}, UNICODE),
    ],
)
def test_a_plain_locale_gets_ascii(environ: dict[str, str], glyphs: object) -> None:
    assert _terminal(True, **environ).glyphs is glyphs


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_no_encoding_fails(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    t = Terminal(stdout=stream, stderr=stream, environ={})
    t.line("µ — 日本 ✓ \ud800")
    print_connect(t, examples.CONNECTED)
    stream.flush()
    assert b"connected" in raw.getvalue()


def test_folding_keeps_what_fits() -> None:
    assert fold("é → 5 µs", "latin-1") == "é -> 5 µs"
    assert fold("é → 5 µs") == "e -> 5 us"
    assert fold("日") == "\\u65e5"


class Closed(io.StringIO):
    """A pipe whose reader left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_stdout_is_told_and_a_closed_stderr_is_not() -> None:
    t = Terminal(stdout=Closed(), stderr=Closed(), environ={})
    with pytest.raises(BrokenPipeError):
        t.line("x")
    with pytest.raises(BrokenPipeError):
        t.json(examples.ERROR)
    t.log("nobody hears this")


def test_a_closed_stdout_in_a_process_leaves_no_traceback() -> None:
    code = (
        "from wsdiag.render.base.terminal import Terminal\n"
        "t = Terminal(environ={})\n"
        "try:\n"
        "    [t.line('x' * 1000) for _ in range(1000)]\n"
        "except BrokenPipeError:\n"
        "    import os; os._exit(42)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(30) == 42
    assert process.stderr.read() == b""
    process.stderr.close()


def test_live_only_where_someone_watches() -> None:
    urls = [examples.EDGE]
    assert isinstance(ping_output(terminal(tty=True), urls), PingScreen)
    assert isinstance(ping_output(terminal(tty=False), urls), PingLines)
    assert isinstance(
        ping_output(terminal(tty=True), urls, options=PingViewOptions(chart=False)), PingLines
    )
    assert isinstance(ping_output(terminal(tty=True, quiet=True), urls), PingLines)
    assert isinstance(ping_output(terminal(tty=True, verbose=True), urls), PingLines)


@pytest.mark.parametrize("term", ["", "dumb", "xterm"])
def test_a_line_is_erased_only_where_the_terminal_knows_how(term: str) -> None:
    streams = {"stdout": Screen(tty=False), "stderr": Screen(tty=True)}
    assert Terminal(**streams, environ={"TERM": term}).live_stderr is (term == "xterm")
    assert not Terminal(**streams, environ={"TERM": term}, quiet=True).live_stderr
    streams["stderr"] = Screen(tty=False)
    assert not Terminal(**streams, environ={"TERM": term}).live_stderr


def test_quiet_prints_the_summary_only() -> None:
    t = terminal(quiet=True)
    view = PingLines(t)
    for event in (*examples.ping_run(), examples.PING_SUMMARY):
        view.handle(event)
    assert "seq=" not in out(t)
    assert "rtt min/avg/p50/p95/p99/max/stddev/jitter = 41.2/" in out(t)
    assert err(t) == ""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals on this platform")
def test_the_live_view_gives_the_terminal_back() -> None:
    pyte = pytest.importorskip("pyte")
    leader, follower = os.openpty()
    with open(follower, "w", encoding="utf-8") as stream:
        t = Terminal(stdout=stream, stderr=stream, environ={"TERM": "xterm-256color"}, width=80)
        t.out.size = (80, 24)
        view = PingScreen(t, [examples.EDGE], PingViewOptions())
        view.start()
        for event in examples.ping_run():
            view.handle(event)
        view.stop()
        view.stop()
        written = b""  # a pseudo-terminal hands out a few kilobytes at a time
        while b"\x1b[?1049l" not in written:
            written += os.read(leader, 1 << 16)
        shown = written.decode()
    os.close(leader)
    assert shown.index("\x1b[?1049h") < shown.index("\x1b[?1049l")
    assert shown.index("\x1b[?25l") < shown.index("\x1b[?25h")
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(shown.partition("\x1b[?1049l")[0])
    assert screen.display[0].startswith("PING wss://edge.example.com/socket")


def test_the_final_chart_and_its_summary_fit_a_screen_of_24_rows() -> None:
    t = terminal(tty=True)
    t.out.height = 24
    view = PingScreen(t, [examples.EDGE], PingViewOptions())
    plain = replace(examples.PING_SUMMARY, attribution=None, load=None, thresholds=(), advice=())
    for event in [*examples.ping_run(count=45), plain]:
        view.handle(event)
    view.finish()
    assert len(out(t).splitlines()) <= 23


@pytest.mark.parametrize(("columns", "width"), [("0", 80), ("", 80), ("40", 40)])
def test_a_width_of_nothing_is_no_width(columns: str, width: int) -> None:
    stdout = io.StringIO()
    t = Terminal(stdout=stdout, stderr=io.StringIO(), environ={"COLUMNS": columns, "LINES": "0"})
    t.print("what was measured")
    assert stdout.getvalue().strip() == "what was measured"
    assert t.width == width


def test_a_file_gets_no_padding() -> None:
    file = io.StringIO()
    t = Terminal(stdout=file, stderr=io.StringIO(), environ={}, width=80)
    print_connect(t, examples.CONNECTED)
    lines = file.getvalue().splitlines()
    assert any("  " in line.strip() for line in lines), "columns are still set apart"
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_failure_that_comes_again_is_told_without_its_hint() -> None:
    t = terminal()
    lines = PingLines(t)
    for message in ("refused", "refused", "no such host"):
        lines.handle(Error(examples.EDGE, "tcp", "refused", message, f"mend {message}"))
    assert err(t).count("error: ") == 3
    assert err(t).count("mend refused") == 1
    assert err(t).count("mend no such host") == 1


HUNG_UP = """
import os, pty, sys
from wsdiag.render.base.terminal import Terminal
master, slave = pty.openpty()
os.dup2(slave, 1)
terminal = Terminal(environ={})
terminal.line("read")
os.close(master)
for _ in range(2):
    terminal.line("read by nobody")
terminal.log("logged")
print("as before", file=sys.stderr)
"""


def test_a_terminal_that_was_hung_up_is_written_to_no_more() -> None:
    pytest.importorskip("pty")
    done = subprocess.run(
        [sys.executable, "-c", HUNG_UP], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "logged\nas before\n")
