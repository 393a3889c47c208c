"""Hostile servers, proxies, scrapers and recordings against every command that meets them.

    python -m tests.attack.hostile [WORD...]      only runs that have one of the words in their name

Each run has a deadline (`-m`; SIGTERM for what has none), and must be over two seconds after it, in
150 MB, by an exit code of the contract and without a traceback or a forged line. That takes three
quarters of an hour.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import typer

from tests.attack.behaviours import (
    LOOKED_AT,
    OVER_HTTP2,
    OVER_PROXY,
    OVER_SOCKS,
    OVER_TLS,
    PLAIN,
    Behaviour,
    served,
)
from tests.attack.recordings import RECORDINGS, Recording
from tests.attack.scrapers import SCRAPERS, Scraper, is_served
from wsdiag.cli.app import app
from wsdiag.cli.reference.model import describe

DEADLINE_S, GRACE_S, MOST_MB, GIVEN_UP_S = 4, 2.0, 150, 60
CODES = {0, 1, 2, 3, 130}
BUG = "bug in wsdiag"
FORGED = ("\n::error::forged", "\n##[error]forged", "\x1b]")
BOUNDS = {
    "ping": ["-i", "100ms", "-W", "1s", "-w", "3s"],
    "idle-probe": ["--from", "500ms", "--to", "1s", "--step", "500ms", "--pong-timeout", "1s"],
    "stream": ["-w", "3s", "--by", "$.k", "--seq", "$.seq", "--time", "$.t", "--show", "text"],
    "path": ["-c", "2"],
    "check": ["--adversarial", "--conformance"],
}
LOOKING = (
    *("stream --show json", "stream --show json --field $", "stream --show json -o json"),
    *("stream --show text -o json", "stream --show text -o csv", "ping --read-rate 100M"),
    *("check --send a --expect-json $.k=1", "check --send a --expect z"),
    *("idle-probe --send a --expect z", "connect --hello a --hello-expect z"),
)
"""What looks into messages, beside what the options above do."""
WATCHED = """
[exporter]
interval = "100ms"
idle-probe = "1s"
allow = ["ws://127.0.0.1:*/*"]
[defaults]
timeout = "1s"
[[endpoint]]
name = "pinged"
url = "{url}"
[[endpoint]]
name = "feed"
url = "{url}feed"
seq = "$.seq"
time = "$.t"
"""


@dataclass(frozen=True)
class Run:
    """One command line and who is hostile to it."""

    name: str
    args: list[str]
    recording: Recording | None = None
    """What it reads from stdin."""
    scraper: Scraper | None = None
    port: int = 0
    """Where it listens itself."""


def runs() -> Iterator[tuple[Behaviour | None, Iterator[Run]]]:
    """Runs by who serves them."""
    line = describe(typer.main.get_command(app))
    commands = [c for c in line.commands if c.operand and "URL" in c.operand.value]
    names = [command.name for command in commands]
    over_http2 = [c.name for c in commands if any("--http2" in f.names for f in c.flags)]
    by_kind = {"ws": PLAIN, "wss": OVER_TLS, "socks5h": OVER_SOCKS, "http": OVER_PROXY}
    for kind, behaviours in by_kind.items():
        for behaviour in behaviours:
            yield behaviour, iter([Run(name, [kind]) for name in names])
    for behaviour in OVER_HTTP2:
        yield behaviour, iter([Run(f"{name} --http2", ["http2"]) for name in over_http2])
    for behaviour in LOOKED_AT:
        yield behaviour, iter([Run(line, ["ws"]) for line in LOOKING])
    for behaviour in PLAIN:
        yield behaviour, iter([Run("exporter", ["exporter"])])
    for behaviour in OVER_HTTP2[:3]:
        yield behaviour, iter([Run("exporter", ["exporter"])])
    for name, recording in RECORDINGS.items():
        args = ["explain", "-", "-v", "--show", "-m", str(DEADLINE_S)]
        yield None, iter([Run(f"explain {name}", args, recording)])
    for name, scraper in SCRAPERS.items():
        yield None, iter([Run(f"exporter scraped {name}", ["exporter"], scraper=scraper)])


def completed(run: Run, port: int, folder: Path) -> Run:
    """With the arguments that are known once the server is there."""
    kind = run.args[0]
    if kind == "exporter":
        with socket.create_server(("127.0.0.1", 0)) as free:
            own = free.getsockname()[1]
        file = folder / "wsdiag.toml"
        file.write_text(WATCHED.format(url=f"ws://127.0.0.1:{port or 1}/"))
        args = ["exporter", "-f", str(file), "--listen", f"127.0.0.1:{own}"]
        return Run(run.name, args, None, run.scraper, own)
    if run.recording is not None:
        return run
    name, *flags = run.name.split()
    proxied = kind in ("socks5h", "http")
    url = "ws://far.test/" if proxied else f"ws://127.0.0.1:{port}/"
    way = ["-x", f"{kind}://127.0.0.1:{port}"] if proxied else flags
    url = url.replace("ws:", "wss:") if kind == "wss" else url
    more = [*BOUNDS.get(name, []), *way, "--compression", "-L", "-m", str(DEADLINE_S)]
    return Run(f"{kind} {run.name}", [name, url, *more, "--connect-timeout", "2s", "-v"])


class Watched(NamedTuple):
    """Of a process: how long it ran once it had started, its largest resident set, its CPU."""

    seconds: float
    mb: float
    cpu_s: float


def measured(run: Run, start: float) -> tuple[Watched, int, str]:
    """(what it took, exit code, output) of one run."""
    over, wrong = threading.Event(), ""
    with tempfile.TemporaryFile() as out:
        feeds = subprocess.PIPE if run.recording is not None else subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", "wsdiag", *run.args],
            stdin=feeds, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if run.port and not _listens(run.port):
            wrong = f"{BUG}: it does not listen"
        beside: list[threading.Thread] = []
        if run.recording is not None:
            beside.append(threading.Thread(target=_feed, args=(process, run.recording)))
        if run.scraper is not None:
            beside.append(threading.Thread(target=run.scraper, args=(run.port, over)))
        killed = threading.Timer(GIVEN_UP_S, process.kill)
        for each in (*beside, killed):
            each.daemon = True
            each.start()
        begun: float | None = None
        if run.port:
            time.sleep(DEADLINE_S / 2)
            wrong = wrong or ("" if is_served(run.port) else f"{BUG}: an honest scrape fails")
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic() - DEADLINE_S
        seen = watched(process, start, begun)
        process.wait()
        over.set()
        killed.cancel()
        out.seek(0)
        said = "\n" + out.read(1 << 22).decode(errors="replace") + wrong
    return seen, process.returncode, said


def watched(process: subprocess.Popen[bytes], start: float, begun: float | None) -> Watched:
    """What a process takes until it ends; `start`: a start's CPU, `begun`: when it had started.

    `ru_maxrss` would count ours in: vfork(2) shares it until exec. On a machine that is busy with
    others, what it waits for a CPU after its deadline is not its own time.
    """
    proc, mb, cpu_s, queued_s = Path(f"/proc/{process.pid}"), 0.0, 0.0, 0.0
    before_s: float | None = None
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = (proc / "status").read_text().partition("VmHWM:")[2].split()[:1]
        mb = max([mb, *(int(each) / 1024 for each in peak)])
        ran, queued, _ = map(int, (proc / "schedstat").read_text().split())
        cpu_s, queued_s, now = ran / 1e9, queued / 1e9, time.monotonic()
        begun = now if begun is None and cpu_s >= start else begun
        if before_s is None and begun is not None and now >= begun + DEADLINE_S:
            before_s = queued_s
        time.sleep(0.02)
    ended = time.monotonic()
    took = ended - (ended if begun is None else begun)
    return Watched(took - (0.0 if before_s is None else queued_s - before_s), mb, cpu_s)


def _listens(port: int) -> bool:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.1)
    return False


def _feed(process: subprocess.Popen[bytes], recording: Recording) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):
        for piece in recording():
            process.stdin.write(piece)
    with suppress(OSError):
        process.stdin.close()


def judged(run: Run, start: float) -> tuple[str, float, float]:
    """What is wrong with a run, or nothing; its seconds, without a start's, and MB."""
    (took, mb, _), code, said = measured(run, start)
    wrong = [] if code in CODES else [f"exit code {code}"]
    wrong += [repr(each) for each in ("Traceback", BUG, *FORGED) if each in said]
    wrong += ["too slow"] if took > DEADLINE_S + GRACE_S else []
    wrong += ["too large"] if mb > MOST_MB else []
    if wrong and os.environ.get("SHOW"):
        print(said[-3000:])
    return ", ".join(wrong), took, mb


def starting() -> float:
    """The CPU seconds of a run that has nothing to wait for."""
    nobody = Run("connect", ["connect", "ws://127.0.0.1:1/"])
    return min(measured(nobody, 0.0)[0].cpu_s for _ in range(2))


def main(only: list[str]) -> int:
    worst_s = worst_mb = 0.0
    done = bad = 0
    start = starting()
    with tempfile.TemporaryDirectory() as folder:
        for behaviour, of_it in runs():
            by = "" if behaviour is None else behaviour.__name__
            chosen = [r for r in of_it if not only or any(w in f"{r.name} {by}" for w in only)]
            if not chosen:
                continue
            port, stop = served(behaviour) if behaviour is not None else (0, lambda: None)
            for each in chosen:
                run = completed(each, port, Path(folder))
                wrong, took, mb = judged(run, start)
                done, bad = done + 1, bad + bool(wrong)
                worst_s, worst_mb = max(worst_s, took), max(worst_mb, mb)
                if wrong:
                    print(f"FAIL {run.name} {by}: {wrong}: {took:.1f} s, {mb:.0f} MB", flush=True)
            stop()
    print(f"{done} runs, {bad} bad; slowest {worst_s:.1f} s, largest {worst_mb:.0f} MB")
    return bool(bad)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    sys.exit(main(sys.argv[1:]))
