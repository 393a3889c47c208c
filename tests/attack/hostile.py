"""Hostile servers, proxies, scrapers and recordings against every command that meets them.

    python -m tests.attack.hostile [WORD...]      only runs that have one of the words in their name

Each run has a deadline (`-m`; SIGTERM for what has none), and must be over two seconds after it, in
150 MB, by an exit code of the contract and without a traceback or a forged line. That takes half an
hour.
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

import typer

from tests.attack.behaviours import OVER_HTTP2, OVER_SOCKS, OVER_TLS, PLAIN, Behaviour, served
from tests.attack.recordings import RECORDINGS, Recording
from tests.attack.scrapers import SCRAPERS, Scraper, is_served
from wsdiag.cli.app import app
from wsdiag.cli.reference.model import describe

DEADLINE_S, GRACE_S, MOST_MB = 4, 2.0, 150
USUAL_START_S = 0.5
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
    ends_itself: bool = True


def runs() -> Iterator[tuple[Behaviour | None, Iterator[Run]]]:
    """Runs by who serves them."""
    line = describe(typer.main.get_command(app))
    commands = [c for c in line.commands if c.operand and "URL" in c.operand.value]
    names = [command.name for command in commands]
    over_http2 = [c.name for c in commands if any("--http2" in f.names for f in c.flags)]
    for kind, behaviours in (("ws", PLAIN), ("wss", OVER_TLS), ("socks5h", OVER_SOCKS)):
        for behaviour in behaviours:
            yield behaviour, iter([Run(name, [kind]) for name in names])
    for behaviour in OVER_HTTP2:
        yield behaviour, iter([Run(f"{name} --http2", ["http2"]) for name in over_http2])
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
        return Run(run.name, args, None, run.scraper, own, ends_itself=False)
    if run.recording is not None:
        return run
    name, *flags = run.name.split()
    url = "ws://far.test/" if kind == "socks5h" else f"ws://127.0.0.1:{port}/"
    way = ["-x", f"socks5h://127.0.0.1:{port}"] if kind == "socks5h" else flags
    url = url.replace("ws:", "wss:") if kind == "wss" else url
    more = [*BOUNDS.get(name, []), *way, "-m", str(DEADLINE_S), "--connect-timeout", "2s", "-v"]
    return Run(f"{kind} {run.name}", [name, url, *more])


def measured(run: Run) -> tuple[float, float, int, str]:
    """(seconds, MB, exit code, output) of one run."""
    over, wrong = threading.Event(), ""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        feeds = subprocess.PIPE if run.recording is not None else subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", "wsdiag", *run.args],
            stdin=feeds, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if run.port and not _listens(run.port):
            wrong = f"{BUG}: it does not listen"
        ready = time.monotonic()
        beside: list[threading.Thread] = []
        if run.recording is not None:
            beside.append(threading.Thread(target=_feed, args=(process, run.recording)))
        if run.scraper is not None:
            beside.append(threading.Thread(target=run.scraper, args=(run.port, over)))
        timers = [threading.Timer(DEADLINE_S + 20, process.kill)]
        if not run.ends_itself:
            timers.append(threading.Timer(DEADLINE_S, process.send_signal, (signal.SIGTERM,)))
        for each in (*beside, *timers):
            each.daemon = True
            each.start()
        if run.port:
            time.sleep(DEADLINE_S / 2)
            wrong = wrong or ("" if is_served(run.port) else f"{BUG}: an honest scrape fails")
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - (ready if run.port else began)
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        for timer in timers:
            timer.cancel()
        out.seek(0)
        said = "\n" + out.read(1 << 22).decode(errors="replace") + wrong
    return took, usage.ru_maxrss / 1024, process.returncode, said


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


def judged(run: Run, start_s: float) -> tuple[str, float, float]:
    """What is wrong with a run, or nothing; its seconds, without a start's, and MB."""
    took, mb, code, said = measured(run)
    took -= 0 if run.port else start_s
    wrong = [] if code in CODES else [f"exit code {code}"]
    wrong += [repr(each) for each in ("Traceback", BUG, *FORGED) if each in said]
    # on a machine that is so busy that a start takes long, an ending does, too
    grace_s = GRACE_S * max(1.0, start_s / USUAL_START_S)
    wrong += ["too slow"] if took > DEADLINE_S + grace_s else []
    wrong += ["too large"] if mb > MOST_MB else []
    if wrong and os.environ.get("SHOW"):
        print(said[-3000:])
    return ", ".join(wrong), took, mb


def starting_s() -> float:
    """How long a run takes that has nothing to wait for, on this machine at this moment."""
    nobody = Run("connect", ["connect", "ws://127.0.0.1:1/"])
    return max(measured(nobody)[0] for _ in range(2))


def main(only: list[str]) -> int:
    worst_s = worst_mb = 0.0
    done = bad = 0
    start_s = starting_s()
    with tempfile.TemporaryDirectory() as folder:
        for behaviour, of_it in runs():
            by = "" if behaviour is None else behaviour.__name__
            chosen = [r for r in of_it if not only or any(w in f"{r.name} {by}" for w in only)]
            if not chosen:
                continue
            port, stop = served(behaviour) if behaviour is not None else (0, lambda: None)
            for each in chosen:
                run = completed(each, port, Path(folder))
                wrong, took, mb = judged(run, start_s)
                if wrong == "too slow":  # a neighbour, or the command: a second run tells
                    start_s = starting_s()
                    wrong, took, mb = judged(run, start_s)
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
