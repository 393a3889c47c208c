"""The times without a connection: when each is over, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.events import OutageFacts
from wsdiag.records import Drop

# After a reconnect: how long to wait for every key's first number before the outage is told.
NUMBERS_WAIT_S = 2.0


@dataclass(slots=True)
class _Outage:
    """One that goes on, or whose first message is awaited; loop times in s."""

    began_s: float
    drop: Drop | None
    attempts: int = 0
    connected_s: float | None = None


class Outages:
    """With `--reconnect`: tells each one to the analysis; loop times in s."""

    def __init__(self, analysis: StreamAnalysis) -> None:
        self._analysis = analysis
        self.current: _Outage | None = None
        self.count = 0
        self.down_s = 0.0

    def begin(self, began_s: float, drop: Drop | None = None, *, attempts: int = 0) -> None:
        """The connection is lost, or there was none yet."""
        if self.current is None:
            self.current = _Outage(began_s, drop, attempts)

    def connected(self, opened_s: float) -> None:
        """There is another connection; its first message ends the outage."""
        if self.current is not None:
            self.current.connected_s = opened_s

    def look(self, now_s: float, first_s: float | None) -> None:
        """Tell it once messages come again (`first_s`), and each key's numbers where they count."""
        if self.current is None or first_s is None:
            return
        if not self._analysis.awaits_numbers() or now_s > first_s + NUMBERS_WAIT_S:
            self.tell(first_s)

    def tell(self, first_s: float | None = None) -> None:
        """Tell what is known; `first_s`: when the first message came; None: the run ends before."""
        outage, self.current = self.current, None
        if outage is None:
            return
        end_s = asyncio.get_running_loop().time() if first_s is None else first_s
        down_s = max(end_s - outage.began_s, 0.0)
        self.count += 1
        self.down_s += down_s
        waited_s = None
        if first_s is not None and outage.connected_s is not None:
            waited_s = max(first_s - outage.connected_s, 0.0)
        over = first_s is not None
        self._analysis.outage(
            OutageFacts(time.time(), down_s, outage.attempts, outage.drop, waited_s, over)
        )
