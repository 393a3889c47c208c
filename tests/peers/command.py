"""`wsdiag` as a user runs it: a process, its exit code, its output, its records by the schema."""

from __future__ import annotations

import functools
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from tests.peers.process import end, popen
from tests.peers.records import Record, judge_lines, parse_record
from tests.peers.watched import FILE, LATENESS
from tests.stalls import Repeatable

ROOT = Path(__file__).resolve().parents[2]
WSDIAG = [sys.executable, "-m", "wsdiag"]
WATCHED = [sys.executable, "-m", "tests.peers.watched"]


class Run:
    """A finished `wsdiag`: exit code, stdout, stderr."""

    def __init__(self, args: Sequence[str], code: int, out: str, err: str) -> None:
        self.args, self.code, self.out, self.err = list(args), code, out, err

    @functools.cached_property
    def records(self) -> list[Record]:
        """stdout's records, each valid by the schema."""
        return [parse_record(line) for line in self.out.splitlines()]

    def of(self, kind: str) -> list[Record]:
        """The records of one type."""
        return [record for record in self.records if record["type"] == kind]

    def record(self, kind: str) -> Record:
        """The one record of this type."""
        found = self.of(kind)
        assert len(found) == 1, f"{len(found)} records {kind}\n{self}"
        return found[0]

    def __str__(self) -> str:
        return (
            f"wsdiag {' '.join(self.args)}  -> {self.code}\n"
            f"--- stdout\n{self.out}\n--- stderr\n{self.err}"
        )


class Running:
    """A `wsdiag` that runs: read it line by line, signal it, wait for its end."""

    def __init__(
        self, args: Sequence[str], *, env: Mapping[str, str] | None = None, netns: str | None = None
    ) -> None:
        self.args = list(args)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        handle, slow = tempfile.mkstemp(prefix="wsdiag-slow-")
        os.close(handle)
        self._slow = Path(slow)
        self._lateness = Path((env or {}).get(LATENESS, os.devnull))
        own = {"PYTHONPATH": path, FILE: slow, **(env or {})}
        if "PYTHONPATH" in (env or {}):
            own["PYTHONPATH"] = os.pathsep.join([own["PYTHONPATH"], path])
        try:
            self._process = popen([*WATCHED, *args], env=own, netns=netns)
        except BaseException:
            self._slow.unlink()
            raise
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._out: list[str] = []
        self._err: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode(errors="replace")
            self._out.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            self._err.append(raw)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def err(self) -> str:
        """Its stderr so far."""
        return b"".join(self._err).decode(errors="replace")

    @property
    def lateness(self) -> list[tuple[float, float]]:
        """When it did not run, (since, until) in Unix time, where it was started to note that."""
        text = self._lateness.read_text() if self._lateness.exists() else ""
        whole, _, _ = text.rpartition("\n")  # the line behind it is being written
        pairs = [line.split() for line in whole.splitlines()]
        return [(float(since), float(until)) for since, until in pairs]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def read_line(self, timeout: float = 20.0) -> str:
        """The next line of stdout; fails when none comes in time, or no more will come."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no line in {timeout} s from {self.args}; {self.err}") from None
        assert line is not None, f"{self.args} ended: {self.err}"
        return line.rstrip("\n")

    def wait_record(self, kind: str, timeout: float = 20.0) -> Record:
        """The next record of this type; those before it are skipped over."""
        deadline = time.monotonic() + timeout
        while True:
            record = parse_record(self.read_line(max(0.01, deadline - time.monotonic())))
            if record["type"] == kind:
                return record

    def wait(self, timeout: float = 30.0) -> Run:
        """Its end, within `timeout` seconds; a failure (and its end by force) otherwise."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"still running after {timeout} s: {self._run(-1)}") from None
        for reader in self._readers:
            reader.join(10)
        self._judge_records()
        return self._run(code)

    def _judge_records(self) -> None:
        """All that it printed and traced, looked at by the test or not; and no slow callback."""
        slow = self._slow.read_text(encoding="utf-8") if self._slow.exists() else ""
        self._slow.unlink(missing_ok=True)
        if slow:
            raise Repeatable(f"{self.args} kept its event loop busy:\n{slow}")
        judge_lines(self._out)
        for option, name in pairwise(self.args):
            if option == "--trace" and (file := Path(name)).is_file():
                with file.open(encoding="utf-8") as lines:
                    judge_lines(lines)

    def _run(self, code: int) -> Run:
        return Run(self.args, code, "".join(self._out), self.err)

    def stop(self) -> None:
        """End it, by force where it must be; harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        for reader in self._readers:
            reader.join(10)
        end(self._process)
        self._judge_records()
