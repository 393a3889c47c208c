"""`wsdiag` with a watchdog: `python -m tests.peers.watched ARGUMENTS…`.

A callback or a task's step that keeps the loop's thread busy holds up every timer, every other
connection and Ctrl-C. Those of more than `LIMIT_S` are written to the file that the environment
names, and the test fails. Processor time is what counts, and by the speed that the machine has:
nobody is late for its other work. What is read once is left out: modules, tables of our own, and
the system's certificates.

Where a file is named for it, when the process did not run is written there: SINCE UNTIL, a line
each, in Unix time.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import re
import ssl
import threading
import time
import tomllib
from collections.abc import Callable
from typing import Any

FILE = "WSDIAG_WATCHDOG_FILE"
LATENESS = "WSDIAG_LATENESS_FILE"
LIMIT_S = 0.05
_REFERENCE_S = 0.004
"""What `_reference()` takes on the machine that the limit is meant for."""


def _reference() -> float:
    began = time.thread_time()
    total = 0
    for number in range(100_000):
        total += number
    return time.thread_time() - began


class Watchdog:
    """Measures every callback of every loop of this process, from `start()` on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._depth, self._once_s = 0, 0.0

    def start(self) -> None:
        """Take the places of what is measured."""
        builtins.__import__ = self._once(builtins.__import__)
        tomllib.loads = self._once(tomllib.loads)
        re.compile = self._once(re.compile)
        for name in ("load_default_certs", "set_default_verify_paths"):
            setattr(ssl.SSLContext, name, self._once(getattr(ssl.SSLContext, name)))
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            self._once_s, began = 0.0, time.thread_time()
            run(handle)
            took = time.thread_time() - began - self._once_s
            # how fast this machine is now is asked only when it matters
            if took > LIMIT_S and took > LIMIT_S * _reference() / _REFERENCE_S:
                with open(self._path, "a", encoding="utf-8") as file:
                    file.write(f"{took * 1e3:.0f} ms of CPU in {handle!r:.300}\n")

        asyncio.Handle._run = timed  # type: ignore[method-assign]

    def _once(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def excepted(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            self._depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._once_s += time.thread_time() - began

        return excepted


def _note_lateness(path: str) -> None:
    with open(path, "a", encoding="utf-8", buffering=1) as file:
        while True:
            due = time.time() + 0.01
            time.sleep(0.01)
            if (now := time.time()) - due > 0.05:
                file.write(f"{due} {now}\n")


if __name__ == "__main__":
    from wsdiag.cli.main import run

    if os.environ.get(FILE):
        Watchdog(os.environ[FILE]).start()
    if path := os.environ.get(LATENESS):
        threading.Thread(target=_note_lateness, args=(path,), daemon=True).start()
    run()
