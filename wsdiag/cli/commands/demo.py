"""`wsdiag demo`: the tour against a built-in endpoint on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from wsdiag.cli.command_setup import open_terminal
from wsdiag.cli.commands.connect import connect_and_show
from wsdiag.cli.commands.idle_probe import probe_and_show
from wsdiag.cli.commands.ping import ping_and_show
from wsdiag.cli.declare import command
from wsdiag.cli.exit import ExitCode
from wsdiag.cli.options import COLOR, Color, OutputOptions
from wsdiag.cli.run_async import run_async
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal

Interrupt = Callable[[], None]

# The tour must not depend on where the user's proxy environment points.
DIRECT = DialOptions(proxy="")
PINGED = "/latency/20?jitter=6"
IDLE = "/idle/3?drop=fin"


@command(runs_bare=True)
def demo(color: Annotated[Color, COLOR] = "auto") -> int:
    """Starts `wsdiag serve` on a free port of loopback, and runs connect, ping and idle-probe
    against it.

    wsdiag demo
    wsdiag demo --color always | less -R
    """
    terminal = open_terminal(OutputOptions(color=color))
    try:
        with _endpoint() as url:
            code = _tour(url, terminal)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except _NoEndpoint as error:
        terminal.log(f"error: the built-in endpoint did not start: {error}")
        return ExitCode.NO_ANSWER
    from wsdiag.render.demo import print_farewell

    print_farewell(terminal)
    return code


def _tour(url: str, terminal: Terminal) -> int:
    """The steps one after the other; Ctrl-C ends the tour, and not the step alone, and so does a
    reader that leaves."""
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True

    code = 0
    for step in (_connect, _ping, _idle_probe):
        code = max(code, step(url, terminal, interrupt))
        if terminal.stdout.closed:
            break
        if interrupted:
            raise KeyboardInterrupt
    return code


class _NoEndpoint(Exception):
    """The built-in endpoint did not start; why."""


@contextmanager
def _endpoint() -> Iterator[str]:
    """`wsdiag serve` in a process of its own, as a user would run it; its URL."""
    # from where we are ourselves, a zip file say, and not from what the current folder holds
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "wsdiag", "serve", "--port", "0", "-o", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        assert server.stdout is not None
        first = server.stdout.readline()
        if not first:
            raise _NoEndpoint(f"`wsdiag serve` ended with code {server.wait(10)}")
        yield json.loads(first)["url"].rstrip("/")
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _step(heading: str, command: str, terminal: Terminal) -> None:
    from wsdiag.render.demo import print_heading

    print_heading(terminal, heading, command)


def _connect(url: str, terminal: Terminal, interrupt: Interrupt) -> int:
    target = url + "/echo"
    _step("Does it connect, and what takes how long?", f"wsdiag connect {target}", terminal)
    dial = replace(DIRECT, compression=True)
    code = run_async(lambda: connect_and_show(target, dial, terminal))
    if code == ExitCode.INTERRUPTED:
        interrupt()
    return code


def _ping(url: str, terminal: Terminal, interrupt: Interrupt) -> int:
    from wsdiag.probes.ping.options import PingOptions
    from wsdiag.render.ping.output import PingViewOptions, ping_output

    target = url + PINGED
    _step("How is the latency?", f"wsdiag ping -i 100ms -c 50 '{target}'", terminal)
    options = PingOptions(count=50, interval_s=0.1)
    output = ping_output(terminal, [target], options=PingViewOptions(window_s=6))
    return ping_and_show([target], options, DIRECT, terminal, output, on_interrupt=interrupt)


def _idle_probe(url: str, terminal: Terminal, interrupt: Interrupt) -> int:
    from wsdiag.probes.idle.options import IdleOptions
    from wsdiag.render.idle.output import idle_output

    target = url + IDLE
    line = f"wsdiag idle-probe --from 1 --to 5 --step 1 --keepalive 1 '{target}'"
    _step("Does something drop idle connections?", line, terminal)
    options = IdleOptions(from_s=1, to_s=5, step_s=1, keepalive_s=1, pong_timeout_s=2)
    shown = idle_output(terminal, [target])
    return probe_and_show([target], options, DIRECT, terminal, shown, on_interrupt=interrupt)
