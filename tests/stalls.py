"""Integration tests whose failure may be the machine's are run again.

These tests watch clocks of real peers: what ends after 1.5 s, what is late by 100 ms. On a machine
that gives a process no CPU for as long, what they saw says nothing. So a thread of each worker
notes when it was woken late, and for all of them threads of their controller do, one on each core:
a peer may stand still on one while the test runs on the other. A test that failed where that
happened, in it or in the fixtures that it shares, runs again, with fixtures made anew; the third
failure counts. A test that fails without a stall fails at once. The report names what ran again,
and why.

What a test measured of processor time is the machine's too: caches that others emptied, a core
that is shared with another guest. It raises `Repeatable`, which counts when it happens again.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

TRIES = 3
NOTED_S = 0.05
"""The stall from which on a failure is not believed: the narrowest margin in these tests."""
_EVERY_S = 0.01
_PROPERTY = "short of CPU"
ALL_CORES = os.sched_getaffinity(0) if sys.platform == "linux" else {0}


class Repeatable(AssertionError):
    """A failure that is believed the third time."""


class Stalls:
    """A pytest plugin: notes stalls of the machine, and runs a test again that failed in one.

    `place`: the directory whose tests these are.
    """

    def __init__(
        self,
        place: Path,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place, self._sleep, self._monotonic = place, sleep, monotonic
        self.notes: tuple[Path, ...] = ()
        """When a thread was due, by CLOCK_MONOTONIC, and how late it was: a line for each stall.

        The first file is this process's own, the other the controller's.
        """
        self._over = threading.Event()
        self._module: Path | None = None
        self._since_s = 0.0
        self._doubt = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        is_worker = hasattr(session.config, "workerinput")
        self.notes = tuple(place / "stalls" for place in (base, base.parent)[: 1 + is_worker])
        for cores in [ALL_CORES] if is_worker else [{core} for core in ALL_CORES]:
            args = (self.notes[0], cores)
            threading.Thread(target=self._watch, args=args, name="stalls", daemon=True).start()

    def pytest_sessionfinish(self) -> None:
        self._over.set()

    def _watch(self, notes: Path, cores: set[int]) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # a core that went offline
                os.sched_setaffinity(0, cores)  # of this thread alone
        while not self._over.is_set():
            due_s = self._monotonic() + _EVERY_S
            self._sleep(_EVERY_S)
            if (late_s := self._monotonic() - due_s) > NOTED_S:
                with suppress(OSError), notes.open("a") as file:
                    file.write(f"{due_s} {late_s}\n")

    def worst_s(self, since_s: float) -> float:
        """The longest stall since then, in seconds; 0 if none."""
        noted = [path.read_text() for path in self.notes if path.exists()]
        # of a line that is being written the rest is still to come
        lines = [line for text in noted for line in text.splitlines(keepends=True)]
        stalls = (map(float, line.split()) for line in lines if line.endswith("\n"))
        return max((late_s for due_s, late_s in stalls if due_s + late_s > since_s), default=0.0)

    def pytest_exception_interact(self, call: pytest.CallInfo[object]) -> None:
        if call.excinfo is not None and call.excinfo.errisinstance(Repeatable):
            self._doubt = str(call.excinfo.value)

    def _why_again(self) -> str:
        """Why what just failed is not believed; empty if it is."""
        late_s = self.worst_s(self._since_s)
        return f"late by {late_s:.2f} s" if late_s else self._doubt

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if self._place not in item.path.parents:
            return None
        if item.path != self._module:  # what its fixtures saw counts from here
            self._module, self._since_s = item.path, time.monotonic()
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for tried in range(1, TRIES + 1):
            self._doubt = ""
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            if tried == TRIES or not any(each.failed for each in reports):
                break
            if not (why := self._why_again()):
                break
            item.user_properties.append((_PROPERTY, why))
            item.session._setupstate.teardown_exact(None)
            item._initrequest()
            self._since_s = time.monotonic()
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines = [
            f"{report.nodeid}: {why}"
            for reports in terminalreporter.stats.values()
            for report in reports
            if isinstance(report, pytest.TestReport) and report.when == "teardown"
            for name, why in report.user_properties
            if name == _PROPERTY
        ]
        if lines:
            terminalreporter.section("run again, for it may have been the machine")
            terminalreporter.write_line("\n".join(lines))
