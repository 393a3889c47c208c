"""Child processes of the tests: they die with the run, keep a log, and every wait is bounded."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_S = 30.0
STOP_S = 10.0
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


class PeerDied(RuntimeError):
    """A peer ended before it was ready; the text ends with its log."""


def die_with_parent() -> None:
    """For `preexec_fn`: a killed test run must leave nothing behind."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup(1) leaves ignored
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment less what changes a client's path or colours, plus `extra`."""
    dropped = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy"}
    dropped |= {"no_color", "force_color", "columns", "lines"}
    kept = {k: v for k, v in os.environ.items() if k.lower() not in dropped}
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}


def popen(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    netns: str | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, in the namespace `netns`, to die with this process."""
    prefix = ["ip", "netns", "exec", netns] if netns else []
    return subprocess.Popen(
        [*prefix, *argv],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=clean_environment(env),
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def end(process: subprocess.Popen[bytes], grace_s: float = STOP_S) -> int:
    """TERM, wait, then KILL the whole process group; returns the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                pass
    return process.wait(STOP_S)


class Daemon:
    """A child whose stdout and stderr go to a log file; `stop()` ends it."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        netns: str | None = None,
    ) -> None:
        self.argv = list(argv)
        self.log_path = log
        with log.open("wb") as sink:
            self._process = popen(
                argv, env=env, netns=netns, stdout=sink.fileno(), stderr=sink.fileno()
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], what: str, within_s: float = START_S) -> None:
        """Poll `ready`; raises PeerDied when the child ends first or `within_s` passes."""
        deadline = time.monotonic() + within_s
        while not ready():
            status = self._process.poll()
            if status is not None:
                raise PeerDied(f"{self.argv[0]} ended ({status}) before {what}:\n{self.log}")
            if time.monotonic() > deadline:
                raise PeerDied(f"{self.argv[0]}: no {what} in {within_s} s:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the child and all it started; harmless when it has ended."""
        end(self._process)


def accepts(host: str, port: int) -> bool:
    """Whether something accepts TCP connections there, as seen from this namespace."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
