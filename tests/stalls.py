"""Integration tests whose failure may be the machine's are run again.

These tests watch clocks of real peers: what ends after 1.5 s, what is late by 100 ms. On a machine
that gives a process no CPU for as long, what they saw says nothing. So threads note when they were
woken late, one on each core, because a peer may stand still on one while the test runs on the
other; and what one worker notes counts for all. A test that failed where that happened, in it or in
the fixtures that it shares, runs again, with fixtures made anew; the third failure counts. A test
that fails without a stall fails at once. The report names what ran again, and why.

What a test measured of processor time is the machine's too: caches that others emptied, a core
that is shared with another guest. It raises `Repeatable`, which counts when it happens again.
"""

from __future__ import annotations

import os
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
        self.notes = Path(os.devnull)
        """When a thread was due, by CLOCK_MONOTONIC, and how late it was: a line for each stall."""
        self._over = threading.Event()
        self._module: Path | None = None
        self._since_s = 0.0
        self._doubt = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        shared = base.parent if hasattr(session.config, "workerinput") else base
        self.notes = shared / "stalls"
        for core in os.sched_getaffinity(0):
            args = (self.notes, core)
            threading.Thread(target=self._watch, args=args, name="stalls", daemon=True).start()

    def pytest_sessionfinish(self) -> None:
        self._over.set()

    def _watch(self, notes: Path, core: int) -> None:
        with suppress(OSError):  # a core that went offline
            os.sched_setaffinity(0, {core})  # of this thread alone
        while not self._over.is_set():
            due_s = self._monotonic() + _EVERY_S
            self._sleep(_EVERY_S)
            if (late_s := self._monotonic() - due_s) > NOTED_S:
                with suppress(OSError), notes.open("a") as file:
                    file.write(f"{due_s} {late_s}\n")

    def worst_s(self, since_s: float) -> float:
        """The longest stall since then, in seconds; 0 if none."""
        noted = self.notes.read_text() if self.notes.exists() else ""
        stalls = (map(float, line.split()) for line in noted.splitlines())
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
